import ArgumentParser
import Devices
import Host
import Machine
import Statistics

/// `switchback run`: boots a machine.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Boot a machine.",
    discussion: """
      Examples:
        switchback run --demo
        switchback run --kernel guests/vmlinuz-686 --initrd initrd --append console=ttyS0 \\
          --serial stdio --clock host
        switchback run --rom test.bin --debug-exit --time-limit 10

      On the console Ctrl-A x ends the run. SIGUSR1 presses the power button. Exit status: 0 after power-off or when the text of the \
      last --until has appeared, (V*2+1)&255 after a debug exit, 70 after a triple fault, 71 when \
      the processor halts for ever, 124 at a limit, 64/65/66/73 for bad input.
      """)

  @OptionGroup var machine: MachineOptions
  @OptionGroup var drives: DriveOptions

  @Option(
    help: ArgumentHelp(
      "The engine: \(Engines.available.joined(separator: ", ")) (adaptive).", valueName: "name"),
    transform: Arguments.engine)
  var engine: String?

  @OptionGroup var display: DisplayOptions

  @Option(
    help: ArgumentHelp(
      "COM1: stdio, file:PATH or none (stdio).", valueName: "where"),
    transform: Arguments.destination)
  var serial: Console.Destination = .standardOutput

  @Option(
    help: ArgumentHelp("COM2, output only: stdio, file:PATH or none (none).", valueName: "where"),
    transform: Arguments.destination)
  var serial2: Console.Destination = .none

  @Option(
    help: ArgumentHelp("Port E9h: stdio, file:PATH or none (none).", valueName: "where"),
    transform: Arguments.destination)
  var debugcon: Console.Destination = .none

  @Option(
    help: ArgumentHelp(
      "The firmware's log, port 402h: stdio, file:PATH or none (none).", valueName: "where"),
    transform: Arguments.destination)
  var biosLog: Console.Destination = .none

  @Flag(name: .customLong("stats"), help: "Print the report to standard error at the end.")
  var printsReport = false

  @Option(
    name: .customLong("stats-file"),
    help: ArgumentHelp(
      "Write the report to a file: JSON if it ends in .json, else the table. "
        + "'--stats PATH' is the same.", valueName: "path"))
  var statsPath: String?

  @Option(
    help: ArgumentHelp(
      "Wait for TEXT on the serial line, port E9h or the screen; as the last step, end with "
        + "status 0 when it has appeared. With --type a script, in the given order.",
      valueName: "text"),
    transform: {
      guard !$0.isEmpty else { throw ValidationError("the text is empty") }
      return ScriptStep(.waitFor($0))
    })
  var until: [ScriptStep] = []

  @Option(
    help: ArgumentHelp(
      "Type TEXT once the guest waits; \\n is the Enter key.", valueName: "text"),
    transform: { ScriptStep(.type(try Arguments.typed($0))) })
  var type: [ScriptStep] = []

  @Option(
    help: ArgumentHelp(
      "The layout that the guest has set, for text that is typed or pasted: "
        + "\(KeyLayout.allCases.map(\.rawValue).joined(separator: ", ")) (us).", valueName: "name"),
    transform: { try Arguments.choice(KeyLayout.self, $0) })
  var keyboardLayout = KeyLayout.us

  @Option(
    help: ArgumentHelp("Write the last picture of the screen as PNG.", valueName: "path"))
  var screenshot: String?

  @Option(
    help: ArgumentHelp("End with status 124 after this many seconds.", valueName: "sec"),
    transform: Arguments.seconds)
  var timeLimit: Double?

  @Option(
    help: ArgumentHelp(
      "Trace to standard error: a list of blocks, switches, irq, io, faults.",
      valueName: "kinds"),
    transform: Arguments.traces)
  var trace: Set<MachineConfiguration.TraceKind> = []

  @Option(help: ArgumentHelp("Write the trace to a file.", valueName: "path"))
  var traceFile: String?

  @OptionGroup var profiling: ProfileOptions

  @Option(
    help: ArgumentHelp(
      "Let GDB connect to this TCP port (target remote); loopback unless HOST is given.",
      valueName: "[host:]port"),
    transform: Arguments.debugAddress)
  var gdb: DebugAddress?

  @Flag(help: "Wait for the debugger of --gdb before the first instruction.")
  var paused = false

  @Flag(help: "End with status 0 when the guest resets the machine.")
  var noReboot = false

  func validate() throws {
    if paused && gdb == nil { throw ValidationError("--paused needs --gdb") }
  }

  func run() throws {
    let image = try machine.bootImage()
    for (path, option) in [
      (statsPath, "--stats"), (screenshot, "--screenshot"), (traceFile, "--trace-file"),
    ] {
      if let path { try Files.checkWritable(path, option: option) }
    }
    for (destination, option) in [
      (serial, "--serial"), (serial2, "--serial2"), (debugcon, "--debugcon"),
      (biosLog, "--bios-log"),
    ] {
      if case .file(let path) = destination { try Files.checkWritable(path, option: option) }
    }
    let symbols = try profiling.prepare()
    let script = InputScript((until + type).sorted { $0.place < $1.place }.map(\.step))
    HostSignals.catchAll()
    let window = try display.open(
      guest: machine.guestName, engines: Engines.available, layout: keyboardLayout)
    var configuration = machine.configuration(hasWindow: window != nil)
    configuration.timeLimit = timeLimit
    configuration.trace = trace
    configuration.endsOnReset = noReboot
    configuration.startsPaused = paused
    configuration.typesOnKeyboard = serial == .none
    configuration.keyboardLayout = keyboardLayout
    let job = RunJob(
      configuration: configuration, image: image, drives: drives.specification, script: script,
      engine: engine, serial: serial, serial2: serial2,
      profiling: profiling, symbols: symbols,
      debugcon: debugcon, biosLog: biosLog, traceFile: traceFile, gdb: gdb,
      printsReport: printsReport, statsPath: statsPath, screenshot: screenshot)
    throw ExitCode(try window.map { try $0.run(job) } ?? job.run(panel: nil))
  }
}
