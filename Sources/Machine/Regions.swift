import Statistics

/// Regions of interest that a guest marks with CPUID (benchmarks/include/switchback.h), by number.
struct Regions {
  private enum Operation {
    static let begin: UInt8 = 1
    static let end: UInt8 = 2
  }

  /// Marks of any kind.
  private(set) var marks: UInt64 = 0
  /// Ends without a begin, and begins of a region that had begun already.
  private(set) var unbalanced: UInt64 = 0
  private(set) var totals: [UInt8: Report.Region] = [:]
  private var open: [UInt8: Machine.Snapshot] = [:]

  /// Takes note of a mark: the operation in bits 7:0, the region's number in bits 15:8.
  /// - Returns: the region that it ends and what happened in it.
  mutating func mark(
    _ value: UInt32, at now: Machine.Snapshot
  ) -> (number: UInt8, run: Comparison.GuestRun)? {
    marks &+= 1
    let number = UInt8(truncatingIfNeeded: value >> 8)
    switch UInt8(truncatingIfNeeded: value) {
    case Operation.begin:
      if open.updateValue(now, forKey: number) != nil { unbalanced &+= 1 }
    case Operation.end:
      guard let begin = open.removeValue(forKey: number) else {
        unbalanced &+= 1
        return nil
      }
      let run = begin.run(to: now)
      totals[number, default: .init()].add(run)
      return (number, run)
    default: break
    }
    return nil
  }
}

extension Machine {
  func mark(_ value: UInt32) {
    // Without the host time that the mark itself takes here.
    guard let ended = regions.mark(value, at: snapshot()) else { return }
    regionEnded?(ended.number, ended.run)
  }
}

extension Report.Region {
  fileprivate mutating func add(_ run: Comparison.GuestRun) {
    count &+= 1
    hostSeconds += run.seconds
    cycles &+= run.cycles
    idleCycles &+= run.idleCycles
    user.cycles &+= run.user.cycles
    user.instructions &+= run.user.instructions
    kernel.cycles &+= run.kernel.cycles
    kernel.instructions &+= run.kernel.instructions
  }
}
