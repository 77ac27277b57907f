import CPU
import Host
import Statistics

extension Machine {
  /// The counters at one moment.
  struct Snapshot {
    var nanoseconds: UInt64 = 0
    var cycles: UInt64 = 0
    var idleCycles: UInt64 = 0
    var user = Report.Mode()
    var kernel = Report.Mode()

    /// What happened from here to a later moment.
    func run(to end: Snapshot) -> Comparison.GuestRun {
      func difference(_ a: Report.Mode, _ b: Report.Mode) -> Report.Mode {
        .init(cycles: b.cycles &- a.cycles, instructions: b.instructions &- a.instructions)
      }
      var run = Comparison.GuestRun()
      run.seconds = Double(end.nanoseconds &- nanoseconds) / 1e9
      run.cycles = end.cycles &- cycles
      run.idleCycles = end.idleCycles &- idleCycles
      run.user = difference(user, end.user)
      run.kernel = difference(kernel, end.kernel)
      return run
    }
  }

  /// The counters now, between two runs of the engine.
  func snapshot() -> Snapshot {
    let state = processor.cpu.pointee
    return Snapshot(
      nanoseconds: HostClock.nanoseconds, cycles: state.cycles, idleCycles: idleCycles,
      user: .init(cycles: state.modes.1.cycles, instructions: state.modes.1.instructions),
      kernel: .init(cycles: state.modes.0.cycles, instructions: state.modes.0.instructions))
  }
}
