import ArgumentParser
import Host
import Machine

/// `switchback disassemble`: lists code.
struct Disassemble: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List x86 code given in hexadecimal or in a file.",
    discussion: """
      Examples:
        switchback disassemble 55 89e5 0f05
        switchback disassemble --bits 16 --at 0x7c00 boot.bin
      """)

  @Option(
    help: ArgumentHelp("Code size: 16 or 32 (32).", valueName: "n"),
    transform: {
      guard $0 == "16" || $0 == "32" else { throw ValidationError("use 16 or 32") }
      return $0 == "16" ? 2 : 4
    })
  var bits: UInt8 = 4

  @Option(
    help: ArgumentHelp("Address of the first byte (0).", valueName: "addr"),
    transform: Arguments.address)
  var at: UInt32 = 0

  @Argument(help: ArgumentHelp("A file, or bytes in hexadecimal.", valueName: "bytes-or-file"))
  var input: [String]

  func run() throws {
    let output = HostOutput.standardOutput()
    for line in Listing(try Files.code(input, option: "disassemble"), address: at, codeSize: bits)
      .lines
    {
      output.write(line.formatted + "\n")
    }
    output.flush()
  }
}
