import CPU
import Interpreter
import Translator

/// The engines of this build, by the names of the command line.
public enum Engines {
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

  /// Builds an engine; the default one for no name.
  static func make(
    _ name: String?, processor: Processor, configuration: MachineConfiguration
  ) throws(InputError) -> any Engine {
    if let name { try check(name) }
    let interpreter = Interpreter(processor: processor, timing: configuration.timing)
    interpreter.keepsBlocks = configuration.cachesBlocks
    guard name == "translator" else { return interpreter }
    do {
      return try Translator(
        processor: processor, interpreter: interpreter, options: configuration.translator)
    } catch {
      throw InputError(.unavailable, "--engine: the translator cannot run here: \(error)")
    }
  }
}
