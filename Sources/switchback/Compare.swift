import ArgumentParser
import Host
import Machine

/// `switchback compare`: the same program natively and in the guest.
struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a program natively and in a guest, and report the slowdown.",
    discussion: """
      The i386 Linux program runs natively on this host and in a guest built around it: a static \
      one in the embedded guest, which starts at once and serves common system calls, a dynamic \
      one, or any with --kernel, with its libraries in a Linux guest. Both must write the same and \
      end the same; otherwise there is no number, the difference is shown and the exit status is 1.

      Examples:
        switchback compare --repeat 5 -- ./sieve 1000000
        switchback compare --kernel guests/vmlinuz-686 -- /opt/i386/bin/program
      """)

  @OptionGroup var measuring: MeasuringOptions

  @Option(
    help: ArgumentHelp(
      "The guest's kernel, a bzImage (the embedded guest).", valueName: "file"))
  var kernel: String?

  @Option(
    name: [.customShort("m"), .long],
    help: ArgumentHelp("Guest RAM, 16M to 3G (512M).", valueName: "size"),
    transform: Arguments.memory)
  var memory: UInt64 = 512 << 20

  @Option(help: ArgumentHelp("The program's standard input.", valueName: "path"))
  var stdin: String?

  @Option(
    help: ArgumentHelp(
      "A file or directory that the program reads; the guest gets it at the same path.",
      valueName: "path"))
  var file: [String] = []

  @Option(
    help: ArgumentHelp("Guest cycles per microsecond.", valueName: "n"),
    transform: Arguments.mhz)
  var mhz: UInt64 = MachineConfiguration.comparedMHz

  @Option(
    help: ArgumentHelp(
      "A directory with i386 libraries that are not among the host's; repeatable.",
      valueName: "directory"))
  var libraryPath: [String] = []

  @Option(
    help: ArgumentHelp("Draw the slowdowns with gnuplot, as .svg or .png.", valueName: "path"),
    transform: Gnuplot.path)
  var plot: String?

  @OptionGroup var profiling: ProfileOptions

  @Argument(help: ArgumentHelp("The program, then its arguments.", valueName: "program"))
  var command: [String]

  func run() throws {
    guard let program = command.first else { throw ValidationError("a program is needed") }
    let kernelFile = try kernel.map {
      (name: "--kernel: \($0)", bytes: try Files.read($0, option: "--kernel"))
    }
    if let json = measuring.json { try Files.checkWritable(json, option: "--json") }
    if let plot {
      try Files.checkWritable(plot, option: "--plot")
      try Gnuplot.check("--plot")
    }
    var comparison = Comparison(program: program, kernel: kernelFile)
    comparison.commands = [Array(command.dropFirst())]
    comparison.input = stdin
    comparison.extraFiles = file
    comparison.repetitions = measuring.repetitions
    comparison.configuration.memory = memory
    comparison.configuration.mhz = mhz
    comparison.libraryPath = libraryPath
    comparison.symbols = try profiling.prepare()
    if !profiling.profile.isEmpty { comparison.profileInterval = profiling.profileInterval }
    measuring.apply(to: &comparison.configuration)
    measuring.prepare()
    let result: Comparison.Result
    do {
      result = try comparison.run(engines: measuring.engines) { Switchback.complain($0) }
    } catch let mismatch as Comparison.Mismatch {
      writeToStandardError("switchback: \(mismatch.description)\n")
      throw ExitCode(1)
    }
    let output = HostOutput.standardOutput()
    output.write(result.table(program: command.joined(separator: " "), mhz: mhz))
    output.flush()
    for engine in result.engines {
      if let profile = engine.profile { try profiling.write(profile, engine: engine.engine) }
    }
    if let plot {
      let report = result.benchReport(program: HostFile.name(of: program))
      try Gnuplot.draw(report.plot, to: plot, option: "--plot")
    }
    if let json = measuring.json {
      let document = result.json(
        program: program, arguments: comparison.commands[0], mhz: mhz, kernel: kernel ?? "embedded")
      try Files.write(document.text, to: json, option: "--json")
    }
  }
}
