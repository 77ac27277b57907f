import ArgumentParser
import ISA
import Machine
import Translator

/// The options of the translator, wherever it may run.
struct TranslationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Bytes for translated code, 128K to 512M (64M).", valueName: "size"),
    transform: Arguments.codeCache)
  var codeCache = TranslatorOptions().codeCache

  @Option(
    help: ArgumentHelp(
      "Families of instructions that the translator leaves to the interpreter: a list of "
        + Family.allCases.map(\.rawValue).joined(separator: ", ")
        + ", or 'none' (none).", valueName: "families"),
    transform: Arguments.families)
  var lowerOff = TranslatorOptions().loweringOff

  /// What the options ask for.
  var options: TranslatorOptions {
    var result = TranslatorOptions()
    result.codeCache = codeCache
    result.loweringOff = lowerOff
    return result
  }
}
