import ArgumentParser
import Host
import Machine
import Statistics

/// `switchback bench`: the built-in suite.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure the benchmark programs natively and in the guest.",
    discussion: """
      Compiles the programs of benchmarks/ with gcc -m32 -O2, runs each natively and under every engine \
      in turn, checks the checksums, and tells the slowdown in the region of interest. A program that \
      fails leaves a marked hole and exit status 1.

      Examples:
        switchback bench --repeat 5 --json bench.json --plot bench.svg
        switchback bench --suite all --against qemu,bochs --output results
      """)

  @Option(
    help: ArgumentHelp("user, system or all (user).", valueName: "name"),
    transform: { text in
      guard ["user", "system", "all"].contains(text) else {
        throw ValidationError("use user, system or all")
      }
      return text
    })
  var suite = "user"

  @Option(
    help: ArgumentHelp(
      "These programs instead of a suite, separated by commas.", valueName: "names"),
    transform: { text in
      let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      for name in names where BenchPrograms.suite(of: name) == nil {
        let all = BenchPrograms.user + BenchPrograms.system + BenchPrograms.overhead
        throw ValidationError("no program '\(name)'; there are \(all.joined(separator: ", "))")
      }
      return names
    })
  var only: [String] = []

  @OptionGroup var measuring: MeasuringOptions

  @Option(
    help: ArgumentHelp("Installed peers to measure: qemu, bochs.", valueName: "names"),
    transform: { text in
      try text.split(separator: ",", omittingEmptySubsequences: false).map {
        guard $0 == "qemu" || $0 == "bochs" else {
          throw ValidationError("'\($0)' is not a peer; there are qemu and bochs")
        }
        return String($0)
      }
    })
  var against: [String] = []

  @Option(
    help: ArgumentHelp(
      "The Linux kernel of the system suite and of peers (guests/vmlinuz-686).", valueName: "file"))
  var kernel: String?

  @Option(help: ArgumentHelp("Where the benchmarks are (benchmarks).", valueName: "directory"))
  var benchmarks: String?

  @Option(help: ArgumentHelp("Write the result as comma-separated values.", valueName: "path"))
  var csv: String?

  @Option(
    help: ArgumentHelp("Draw the slowdowns with gnuplot, as .svg or .png.", valueName: "path"),
    transform: Gnuplot.path)
  var plot: String?

  @Option(
    help: ArgumentHelp(
      "Write everything into a directory: bench.txt, bench.json, bench.csv and the plots slowdown.svg, "
        + "mix.svg (the engines over time) and reasons.svg (why they were left).", valueName: "path"
    ))
  var output: String?

  /// Beside the current directory, or where the program was built.
  private func find(_ name: String) -> String? {
    let program = HostFile.directory(of: HostFile.absolutePath("/proc/self/exe") ?? "/")
    return ([name] + (1...5).map { program + String(repeating: "/..", count: $0) + "/" + name })
      .lazy.compactMap(HostFile.absolutePath).first
  }

  func run() throws {
    if let output, !HostFile.isDirectory(output) {
      throw InputError(.cannotCreate, "--output: \(output): no such directory")
    }
    for (path, option) in [(measuring.json, "--json"), (csv, "--csv"), (plot, "--plot")] {
      if let path { try Files.checkWritable(path, option: option) }
    }
    let own = find("benchmarks/programs").map(HostFile.directory)
    guard let folder = benchmarks.map(HostFile.absolutePath) ?? own else {
      throw InputError(.noInput, "--benchmarks: \(benchmarks ?? "benchmarks"): no such directory")
    }
    if plot != nil || output != nil { try Gnuplot.check("--plot, --output") }
    for peer in against where program(of: peer) == nil {
      throw InputError(.unavailable, "--against: \(peer) is not installed")
    }
    let output = HostFile.directory(of: HostFile.absolutePath("/proc/self/exe") ?? "/tmp/x")
    var bench = Bench(
      programs: selection, engines: measuring.engines,
      // Another folder's programs do not mix with ours.
      binary: try BenchPrograms.build(
        folder: "\(folder)/programs",
        output: benchmarks == nil ? "\(output)/benchmarks" : "\(folder)/build"),
      peerScript: "\(folder)/peer.py")
    bench.peers = against
    bench.repetitions = measuring.repetitions
    bench.configuration.memory = 512 << 20
    bench.configuration.mhz = MachineConfiguration.comparedMHz
    measuring.apply(to: &bench.configuration)
    if let path = kernel ?? find("guests/vmlinuz-686") {
      // Peers run in another directory.
      bench.kernel = (
        HostFile.absolutePath(path) ?? path, try Files.read(path, option: "--kernel")
      )
    }
    measuring.prepare()
    var report = try bench.run { Switchback.complain($0) }
    report.versions = versions
    try write(report)
    let failures = report.failures
    for failure in failures { Switchback.complain("no number: \(failure)") }
    if !failures.isEmpty { throw ExitCode(1) }
  }

  private var selection: [String] {
    guard only.isEmpty else { return only }
    return switch suite {
    case "user": BenchPrograms.user + BenchPrograms.overhead
    case "system": BenchPrograms.system
    default: BenchPrograms.user + BenchPrograms.system + BenchPrograms.overhead
    }
  }

  private func program(of peer: String) -> String? {
    HostFile.installed(peer == "qemu" ? "qemu-system-i386" : peer)
  }

  private var versions: [(name: String, text: String)] {
    var result = [("switchback", Version.number)]
    if let gcc = BenchPrograms.version(of: "/usr/bin/gcc") { result.append(("gcc", gcc)) }
    for peer in against {
      if let version = program(of: peer).flatMap(BenchPrograms.version) {
        result.append((peer, version))
      }
    }
    return result
  }

  private func write(_ report: BenchReport) throws {
    let output = HostOutput.standardOutput()
    output.write(report.table)
    output.flush()
    if let json = measuring.json { try Files.write(report.json.text, to: json, option: "--json") }
    if let csv { try Files.write(report.csv, to: csv, option: "--csv") }
    if let plot { try Gnuplot.draw(report.plot, to: plot, option: "--plot") }
    guard let folder = self.output else { return }
    for (name, text) in [
      ("bench.txt", report.table), ("bench.json", report.json.text), ("bench.csv", report.csv),
    ] { try Files.write(text, to: "\(folder)/\(name)", option: "--output") }
    for (name, plot) in [
      ("slowdown", report.plot), ("mix", report.mixPlot), ("reasons", report.reasonsPlot),
    ] as [(String, (String) -> String)] {
      try Gnuplot.draw(plot, to: "\(folder)/\(name).svg", option: "--output")
    }
  }
}
