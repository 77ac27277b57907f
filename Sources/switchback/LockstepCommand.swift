import ArgumentParser
import Host
import Machine

/// `switchback lockstep`: two engines side by side.
struct LockstepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lockstep",
    abstract: "Run a guest on two engines side by side and show the first difference.",
    discussion: """
      Both run with --clock cycles and without input. Exit status 0 when they agree to the end, 1 at \
      a difference.

      Example:
        switchback lockstep --kernel guests/vmlinuz-686 --cycle-limit 500000000
      """)

  @OptionGroup var machine: MachineOptions
  @OptionGroup var drives: DriveOptions

  @Option(
    help: ArgumentHelp(
      "Two of: \(Lockstep.Side.allCases.map(\.rawValue).joined(separator: ", ")).",
      valueName: "names"),
    transform: { text in
      let sides = try text.split(separator: ",", omittingEmptySubsequences: false).map {
        try Arguments.choice(Lockstep.Side.self, String($0))
      }
      guard sides.count == 2 else { throw ValidationError("name two, separated by a comma") }
      return sides
    })
  var engines: [Lockstep.Side] = [.interpreter, .uncached]

  @Option(
    help: ArgumentHelp("Guest cycles between comparisons (100000).", valueName: "n"),
    transform: Arguments.cycles)
  var interval: UInt64 = 100_000

  @Option(
    help: ArgumentHelp("Stop after this many seconds.", valueName: "sec"),
    transform: Arguments.seconds)
  var timeLimit: Double?

  func run() throws {
    var configuration = machine.configuration
    configuration.timeLimit = timeLimit
    var lockstep = Lockstep(configuration: configuration, image: try machine.bootImage())
    lockstep.sides = (engines[0], engines[1])
    lockstep.interval = interval
    lockstep.drives = drives.specification
    HostSignals.catchAll()
    let output = HostOutput.standardOutput()
    switch try lockstep.run() {
    case .equal(let ending, let instructions, let cycles, let hash):
      output.write(
        "equal up to the end (\(ending.description)): \(instructions) instructions, "
          + "\(cycles) cycles, state hash \(String(hash, radix: 16))\n")
      output.flush()
    case .different(let text):
      output.write(text)
      output.flush()
      throw ExitCode(1)
    }
  }
}
