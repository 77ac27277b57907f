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
    transform: {
      let digits = $0.hasPrefix("0x") ? $0.dropFirst(2) : $0[...]
      guard let value = UInt32(digits, radix: 16) else {
        throw ValidationError("a hexadecimal address of at most 32 bits is needed")
      }
      return value
    })
  var at: UInt32 = 0

  @Argument(help: ArgumentHelp("A file, or bytes in hexadecimal.", valueName: "bytes-or-file"))
  var input: [String]

  func run() throws {
    let output = HostOutput.standardOutput()
    for line in Listing(try code(), address: at, codeSize: bits).lines {
      output.write(line.formatted + "\n")
    }
    output.flush()
  }

  /// The bytes of the arguments: a file's where there is one of that name.
  private func code() throws -> [UInt8] {
    let digits = input.joined().filter { $0 != " " }
    let isHexadecimal = digits.allSatisfy { $0.isASCII && $0.isHexDigit }
    if input.count == 1, !isHexadecimal || HostFile.absolutePath(input[0]) != nil {
      return try Files.read(input[0], option: "disassemble")
    }
    guard isHexadecimal, digits.count % 2 == 0 else {
      throw InputError(
        .usage,
        "disassemble: '\(input.joined(separator: " "))' is neither a file nor pairs of hexadecimal digits"
      )
    }
    let nibbles = digits.compactMap(\.hexDigitValue)
    return stride(from: 0, to: nibbles.count, by: 2).map {
      UInt8(nibbles[$0] << 4 | nibbles[$0 + 1])
    }
  }
}
