/// Why an engine returned.
public enum Exit: Sendable, Equatable {
  /// The clock has reached `CPUState.deadline`.
  case deadline
  /// HLT with nothing to wake it; the clock may be advanced to the next event.
  case halted
  /// `STOP_EXIT` was requested (debug exit, power-off, reset, the user).
  case stopped
  /// Triple fault.
  case shutdown
  /// CPL has become 3, and whoever drives the engine wants to know.
  case userCode
  /// The engine cannot go on; the state is lost.
  case failed(String)
}

/// Something that executes guest code on a processor state.
///
/// Contract: `run` starts and stops at instruction boundaries with a complete `CPUState`; it returns at the
/// first boundary at which the clock is not before the deadline, delivers faults and interrupts itself, and
/// retires the same instructions and cycles as every other engine.
public protocol Engine: AnyObject {
  var name: String { get }
  /// Linear addresses of the blocks that were entered last, oldest first, for the dump after a fault.
  var recentBlocks: [UInt32] { get }
  /// Called before each block when not nil, with the linear address of its start.
  var traceBlock: ((UInt32) -> Void)? { get set }
  /// Whether what it runs now has to be interrupted to stop at the deadline, which costs tens of microseconds.
  var mustBeInterrupted: Bool { get }
  func run() -> Exit
  /// Forgets everything decoded, because breakpoints have changed. Not during a run.
  func dropDecodedCode()
}

extension Engine {
  public var mustBeInterrupted: Bool { false }
}
