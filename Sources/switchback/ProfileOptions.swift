import ArgumentParser
import Host
import Machine
import Statistics

/// The options of the profile.
struct ProfileOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Write where the guest's cycles and the host's time went: stacks for flame graphs if the name ends in "
        + ".folded, else a table.", valueName: "path"))
  var profile: [String] = []

  @Option(
    help: ArgumentHelp(
      "Guest cycles between samples (1000000); 0 charges every block exactly, on the interpreter.",
      valueName: "n"),
    transform: {
      guard let value = UInt64($0), value == 0 || (100...1_000_000_000).contains(value) else {
        throw ValidationError("0 or a number from 100 to 1000000000 is needed")
      }
      return value
    })
  var profileInterval: UInt64 = 1_000_000

  @Option(
    help: ArgumentHelp(
      "Names of functions for the profile: a System.map or an ELF file; repeatable.",
      valueName: "file"))
  var symbols: [String] = []

  func validate() throws {
    guard profile.isEmpty, !symbols.isEmpty else { return }
    throw ValidationError("--symbols needs --profile")
  }

  /// Checks what can be wrong before anything runs.
  func prepare() throws(InputError) -> Symbols {
    for path in profile { try Files.checkWritable(path, option: "--profile") }
    var result = Symbols()
    for path in symbols {
      try result.add(try Files.read(path, option: "--symbols"), name: "--symbols: \(path)")
    }
    return result
  }

  func start(_ machine: Machine) {
    guard !profile.isEmpty else { return }
    machine.startProfile(interval: profileInterval, isExact: profileInterval == 0)
  }

  /// Writes the profile of one of several engines: its name comes before the extension.
  func write(_ profile: Profile, engine: String) throws(InputError) {
    for path in self.profile {
      let isFolded = path.hasSuffix(".folded")
      let parts = HostFile.name(of: path).split(separator: ".", omittingEmptySubsequences: false)
      let place =
        parts.count > 1
        ? String(path.dropLast(parts[parts.count - 1].count)) + engine + "."
          + parts[parts.count - 1] : "\(path).\(engine)"
      try Files.write(isFolded ? profile.folded : profile.table, to: place, option: "--profile")
    }
  }

  func write(_ machine: Machine, symbols: Symbols) throws(InputError) {
    guard !profile.isEmpty, let result = machine.profile(symbols: symbols) else { return }
    for path in profile {
      try Files.write(
        path.hasSuffix(".folded") ? result.folded : result.table, to: path, option: "--profile")
    }
  }
}
