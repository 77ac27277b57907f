import ArgumentParser
import Host
import Machine

/// The command line. Every problem with the input is one line on standard error and an exit status from
/// `sysexits.h`; nothing has been written then.
@main
struct Switchback: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "switchback",
    abstract: "A full-system simulator of a 32-bit x86 PC.",
    discussion: """
      `switchback run` boots from its drives by the installed firmware (SeaBIOS), or directly the kernel or
      ROM that is named; `switchback run --demo` boots an embedded demonstration.

      Examples:
        switchback run --kernel vmlinuz --initrd initrd.gz --append 'console=ttyS0' --serial stdio
        switchback compare --kernel guests/vmlinuz-686 -- /path/to/i386/program arguments
      """,
    version: "switchback \(Version.number)",
    subcommands: [
      Run.self, Compare.self, BenchCommand.self, Disassemble.self, Translate.self,
      LockstepCommand.self,
    ],
    defaultSubcommand: nil)

  static func main() {
    do {
      var command = try parseAsRoot(normalized(Array(CommandLine.arguments.dropFirst())))
      try command.run()
    } catch let error as InputError {
      complain(error.message)
      exit(error.status)
    } catch let code as ExitCode {
      exit(code.rawValue)
    } catch {
      let code = exitCode(for: error)
      // Help and the version are not errors.
      guard code == .validationFailure else { exit(withError: error) }
      complain(message(for: error))
      exit(InputError.Kind.usage.rawValue)
    }
  }

  /// Gives `--stats [PATH]` the form that the argument parser knows: an option without its optional value
  /// is a flag, with it another option.
  static func normalized(_ arguments: [String]) -> [String] {
    let end = arguments.firstIndex(of: "--") ?? arguments.count
    var result: [String] = []
    var index = 0
    while index < end {
      let argument = arguments[index]
      index += 1
      if argument == "--stats", index < end, !arguments[index].hasPrefix("-") {
        result += ["--stats-file", arguments[index]]
        index += 1
      } else if argument.hasPrefix("--stats=") {
        result += ["--stats-file", String(argument.dropFirst("--stats=".count))]
      } else {
        result.append(argument)
      }
    }
    return result + arguments[end...]
  }

  private static func exit(_ status: Int32) -> Never { exit(withError: ExitCode(status)) }

  /// One line on standard error.
  static func complain(_ message: String) {
    let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    writeToStandardError("switchback: \(line)\n")
  }
}
