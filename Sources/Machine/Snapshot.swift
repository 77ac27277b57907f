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
      return .init(
        seconds: Double(end.nanoseconds &- nanoseconds) / 1e9, cycles: end.cycles &- cycles,
        idleCycles: end.idleCycles &- idleCycles, user: difference(user, end.user),
        kernel: difference(kernel, end.kernel))
    }
  }

  /// The counters now, in the middle of an engine's run; within a block, those of its start.
  func snapshot() -> Snapshot {
    engine.updateModes()
    let state = processor.cpu.pointee
    return Snapshot(
      nanoseconds: HostClock.nanoseconds, cycles: state.cycles, idleCycles: idleCycles,
      user: .init(cycles: state.modes.1.cycles, instructions: state.modes.1.instructions),
      kernel: .init(cycles: state.modes.0.cycles, instructions: state.modes.0.instructions))
  }
}
