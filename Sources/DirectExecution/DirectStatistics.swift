/// What direct execution did.
public struct DirectStatistics: Sendable, Equatable {
  /// Traps out of direct execution by kind.
  public internal(set) var traps: [TrapKind: UInt64] = [:]
  /// Runs between two traps by the power of two of their nanoseconds: element n counts those of
  /// 2^n...2^(n+1)-1.
  public internal(set) var runLengths = [UInt64](repeating: 0, count: 32)
  /// Runs between two traps, and their host time.
  public internal(set) var runs: UInt64 = 0
  public internal(set) var nanoseconds: UInt64 = 0
  /// Times that the engine was entered from another.
  public internal(set) var entries: UInt64 = 0
  /// Estimated from the host's time stamp counter: one instruction per host cycle.
  public internal(set) var instructions: UInt64 = 0
  public internal(set) var cycles: UInt64 = 0
  public internal(set) var pagesMapped: UInt64 = 0
  public internal(set) var sandboxes: UInt64 = 0
  public internal(set) var sandboxesLost: UInt64 = 0
  /// Segment registers that guest code had loaded with the host's descriptors and that were repaired.
  public internal(set) var selectorRepairs: UInt64 = 0

  mutating func record(run nanoseconds: UInt64, trap: TrapKind) {
    runs &+= 1
    self.nanoseconds &+= nanoseconds
    runLengths[min(31, 63 - (nanoseconds | 1).leadingZeroBitCount)] &+= 1
    traps[trap, default: 0] &+= 1
  }
}

/// What ended a run.
public enum TrapKind: String, Sendable, CaseIterable {
  /// Interrupted by the monitor.
  case preempted
  case pageFault
  /// A fetch from a page that is not to be executed here.
  case code
  /// Before an instruction that would show it the host, in a page that may run directly apart from that.
  case guarded
  /// A page fault that only mapped a page.
  case mapped
  case systemCall
  /// #GP: privileged and input/output instructions, segment loads, INT n.
  case protection
  case divideError, debug, breakpoint, overflow, bounds, invalidOpcode, floatingPoint, alignment
  case simdFloatingPoint
  /// A state that 32-bit code of the guest cannot reach by itself.
  case escape
  /// The sandbox process has died or does not answer.
  case lost
}
