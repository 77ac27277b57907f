/// Why a run has ended.
public enum Ending: Sendable, Equatable {
  /// The guest switched the machine off.
  case powerOff
  /// The guest reset the machine, and the run was to end with that.
  case reset
  /// The guest asked for this exit status on the debug-exit port.
  case debugExit(UInt8)
  /// An exception could not be delivered, with the dump to print.
  case tripleFault(dump: String)
  /// The engine lost the guest's state, for the given reason.
  case failed(String)
  /// The text waited for has appeared.
  case untilReached
  case timeLimit
  case cycleLimit
  /// The processor is halted and nothing can wake it.
  case halted
  /// The user asked for the end on the console.
  case quit
  /// The user closed the window.
  case closed
  /// The window's display went away.
  case displayLost
  /// The process was sent this signal.
  case signal(Int32)

  /// The exit status of the process: documented in `docs/command-line.md`.
  public var status: Int32 {
    switch self {
    case .powerOff, .reset, .untilReached, .quit, .closed: 0
    case .debugExit(let status): Int32(status)
    case .displayLost: 69
    case .tripleFault, .failed: 70
    case .halted: 71
    case .timeLimit, .cycleLimit: 124
    case .signal(let number): 128 &+ number
    }
  }

  /// The ending as a phrase.
  public var description: String {
    switch self {
    case .powerOff: "power-off"
    case .reset: "reset"
    case .debugExit: "debug exit"
    case .tripleFault: "triple fault"
    case .failed(let reason): reason
    case .untilReached: "the text of --until appeared"
    case .timeLimit: "time limit"
    case .cycleLimit: "cycle limit"
    case .halted: "halted for ever"
    case .quit: "quit on the console"
    case .closed: "window closed"
    case .displayLost: "display lost"
    case .signal(let number): "signal \(number)"
    }
  }
}
