import ArgumentParser
import Host
import ISA
import Machine
import Memory

/// What `compare` and `bench` have in common: which engines are measured, how often, and of what machine.
struct MeasuringOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Engines to measure, separated by commas.", valueName: "names"),
    transform: { text in
      try text.split(separator: ",", omittingEmptySubsequences: false).map {
        try Arguments.engine(String($0))
      }
    })
  var engines: [String] = Engines.compared

  @Option(
    name: .customLong("repeat"),
    help: ArgumentHelp("Measured runs of each (3).", valueName: "n"),
    transform: {
      guard let count = Int($0), (1...1000).contains(count) else {
        throw ValidationError("a number from 1 to 1000 is needed")
      }
      return count
    })
  var repetitions = 3

  @Option(
    help: ArgumentHelp("What instructions cost.", valueName: "model"),
    transform: Arguments.timing)
  var timing = MachineConfiguration().timing

  @Option(
    help: ArgumentHelp(
      "Model caches beside the interpreter (which is then slower): see 'run --help'.",
      valueName: "spec"),
    transform: Arguments.caches)
  var cacheModel: CacheModel.Configuration?

  @Option(
    help: ArgumentHelp("Give up on a guest after this many seconds (600).", valueName: "sec"),
    transform: Arguments.seconds)
  var timeLimit = 600.0

  @OptionGroup var translation: TranslationOptions

  @Option(help: ArgumentHelp("Write the result as JSON.", valueName: "path"))
  var json: String?

  /// Tells a machine what the options ask for.
  func apply(to configuration: inout MachineConfiguration) {
    configuration.timing = timing
    configuration.cacheModel = cacheModel
    configuration.timeLimit = timeLimit
    configuration.translator = translation.options
  }

  /// Gets the process ready to measure: signals end it well, and it stays on one processor.
  func prepare() {
    HostSignals.catchAll()
    if NativeProcess.pinToOneProcessor() == nil {
      Switchback.complain("warning: the host does not let this process stay on one processor")
    }
  }
}
