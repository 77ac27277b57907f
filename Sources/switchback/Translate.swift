import ArgumentParser
import Host
import Machine
import Translator

/// `switchback translate`: guest code beside what the translator makes of it.
struct Translate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show 32-bit code beside the host code that the translator emits for it.",
    discussion: """
      Each block is shown as if it were hot: on the left the guest's instructions, on the right the host's. \
      (budget) is the count of cycles and the check for interrupts, (exits) the ways out. An instruction \
      that jumps to 'callout' is executed by the interpreter. gs: is the window of guest memory.

      Examples:
        switchback translate 01c8 8b450c 75f9
        switchback translate --at 0xc0100000 --lower-off arithmetic code.bin
      """)

  @Option(
    help: ArgumentHelp("Address of the first byte (1000).", valueName: "addr"),
    transform: Arguments.address)
  var at: UInt32 = 0x1000

  @OptionGroup var translation: TranslationOptions

  @Argument(help: ArgumentHelp("A file, or bytes in hexadecimal.", valueName: "bytes-or-file"))
  var input: [String]

  func run() throws {
    let code = try Files.code(input, option: "translate")
    guard !code.isEmpty else { throw InputError(.badData, "translate: there is no code") }
    guard code.count <= TranslationBench.limit else {
      throw InputError(
        .badData, "translate: the code is longer than \(TranslationBench.limit >> 10) KiB")
    }
    let bench: TranslationBench
    do { bench = try TranslationBench(options: translation.options) } catch {
      throw InputError(.unavailable, "translate: the translator cannot run here: \(error)")
    }
    let output = HostOutput.standardOutput()
    for item in bench.translate(code, at: at) { output.write(text(item) + "\n") }
    output.flush()
  }

  private func text(_ item: TranslationBench.Item) -> String {
    func line(_ address: UInt32, _ bytes: [UInt8], _ text: String) -> String {
      Listing.Line(address: address, bytes: bytes, text: text).formatted + "\n"
    }
    switch item {
    case .translated(let listing): return listing.text
    case .interpreted(let address, let bytes, let text, let reason):
      return line(address, bytes, "\(text)  (left to the interpreter: \(reason))")
    case .truncated(let address, let bytes): return line(address, bytes, "(truncated)")
    }
  }
}
