import CPU
import DirectExecution
import Interpreter
import Memory
import Switching
import Translator

/// The engines of this build, by the names of the command line, and those that one machine has made so far:
/// they share the processor's state and the decoded code, so that the machine can go on with another one.
public struct Engines {
  /// Every engine that can be asked for, the default first.
  public static let available = ["interpreter", "translator", "adaptive", "direct"]

  /// Those that a comparison measures unless told otherwise.
  public static let compared = available

  /// The engine for who has not named one: the fastest, unless what is asked for needs the interpreter.
  public static func usual(_ configuration: MachineConfiguration) -> String {
    let needsInterpreter =
      configuration.cacheModel != nil || configuration.trace.contains(.blocks)
      || !configuration.cachesBlocks || !Translator.isSupported
    return needsInterpreter ? "interpreter" : "adaptive"
  }

  /// Checks a name from the command line.
  /// - Throws: `InputError` saying which engines there are.
  public static func check(_ name: String) throws(InputError) {
    guard !available.contains(name) else { return }
    let list = available.joined(separator: ", ")
    throw InputError(.usage, "--engine: unknown engine '\(name)'; available: \(list)")
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
    if let caches = configuration.cacheModel {
      guard name == "interpreter" else {
        throw InputError(
          .usage, "--cache-model: only the interpreter models caches; use --engine interpreter")
      }
      let model = CacheModel(caches)
      processor.memory.cacheModel = model
      interpreter.cacheModel = model
      processor.cpu.selectTLB()
    }
    guard name != "interpreter" else { return interpreter }
    let translator = try translator()
    guard name != "translator" else { return translator }
    return Self.switcher(name, processor, translator, configuration)
  }

  /// The one translator of the machine: decoded blocks know their translation.
  private func translator() throws(InputError) -> Translator {
    if let translator = made["translator"] as? Translator { return translator }
    for engine in made.values {
      if let switcher = engine as? Switcher { return switcher.translator }
    }
    do {
      return try Translator(
        processor: processor, interpreter: interpreter, options: configuration.translator)
    } catch {
      throw InputError(.unavailable, "--engine: the translator cannot run here: \(error)")
    }
  }

  /// The translator and direct execution, if that can and may be had.
  private static func switcher(
    _ name: String, _ processor: Processor, _ translator: Translator,
    _ configuration: MachineConfiguration
  ) -> Switcher {
    var direct: DirectEngine?
    var whyNot: String?
    if name == "adaptive", configuration.clock == .cycles, !configuration.directWithCycles {
      whyNot = "--clock cycles makes runs reproducible; --direct allows it"
    } else {
      do throws(SandboxError) {
        direct = try DirectEngine(
          processor: processor, mhz: configuration.mhz,
          failingStep: configuration.failingSandboxStep)
      } catch { whyNot = "\(error)" }
    }
    return Switcher(
      name: name, processor: processor, translator: translator, direct: direct, whyNot: whyNot,
      policy: name == "direct" ? AlwaysDirect() : RentOrBuy())
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
  private var failures: UInt64 = 0

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
    case .stopped, .userCode: stops &+= 1
    case .shutdown: shutdowns &+= 1
    case .failed: failures &+= 1
    }
  }

  /// How often it returned, by reason.
  var exits: [String: UInt64] {
    let all = [
      ("deadline", deadlines), ("halted", halts), ("stopped", stops), ("shutdown", shutdowns),
      ("failed", failures),
    ]
    return Dictionary(uniqueKeysWithValues: all.filter { $0.1 > 0 })
  }
}
