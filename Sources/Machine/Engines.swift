import CPU
import Interpreter
import Translator

/// The engines of this build, by the names of the command line, and those that one machine has made so far:
/// they share the processor's state and the decoded code, so that the machine can go on with another one.
public struct Engines {
  /// Every engine that can be asked for, the default first.
  public static let available = ["interpreter", "translator"]
  /// Names that the command line knows and this build does not have.
  public static let planned = ["adaptive", "direct"]

  /// Checks a name from the command line.
  /// - Throws: `InputError` saying which engines there are.
  public static func check(_ name: String) throws(InputError) {
    guard !available.contains(name) else { return }
    let list = available.joined(separator: ", ")
    throw InputError(
      .usage,
      planned.contains(name)
        ? "--engine: '\(name)' is not in this build; available: \(list)"
        : "--engine: unknown engine '\(name)'; available: \(list)")
  }

  private let processor: Processor
  private let configuration: MachineConfiguration
  private let interpreter: Interpreter
  /// What has been used, by name.
  private(set) var made: [String: any Engine] = [:]

  init(processor: Processor, configuration: MachineConfiguration) {
    self.processor = processor
    self.configuration = configuration
    interpreter = Interpreter(processor: processor, timing: configuration.timing)
    interpreter.keepsBlocks = configuration.cachesBlocks
  }

  /// The engine of a name; the default one for no name.
  mutating func engine(_ name: String?) throws(InputError) -> any Engine {
    if let name { try Self.check(name) }
    let name = name ?? Self.available[0]
    if let engine = made[name] { return engine }
    let engine = try make(name)
    made[name] = engine
    return engine
  }

  private func make(_ name: String) throws(InputError) -> any Engine {
    guard name == "translator" else { return interpreter }
    do {
      return try Translator(
        processor: processor, interpreter: interpreter, options: configuration.translator)
    } catch {
      throw InputError(.unavailable, "--engine: the translator cannot run here: \(error)")
    }
  }
}

/// What one engine of a machine did.
struct EngineUsage {
  let name: String
  var nanoseconds: UInt64 = 0
  var instructions: UInt64 = 0
  var cycles: UInt64 = 0
  var entries: UInt64 = 0
  private var deadlines: UInt64 = 0
  private var halts: UInt64 = 0
  private var stops: UInt64 = 0
  private var shutdowns: UInt64 = 0

  init(name: String) { self.name = name }

  /// Adds one run.
  mutating func add(_ exit: Exit, nanoseconds: UInt64, instructions: UInt64, cycles: UInt64) {
    self.nanoseconds &+= nanoseconds
    self.instructions &+= instructions
    self.cycles &+= cycles
    entries &+= 1
    switch exit {
    case .deadline: deadlines &+= 1
    case .halted: halts &+= 1
    case .stopped: stops &+= 1
    case .shutdown: shutdowns &+= 1
    }
  }

  /// How often it returned, by reason.
  var exits: [String: UInt64] {
    let all = [
      ("deadline", deadlines), ("halted", halts), ("stopped", stops), ("shutdown", shutdowns),
    ]
    return Dictionary(uniqueKeysWithValues: all.filter { $0.1 > 0 })
  }
}
