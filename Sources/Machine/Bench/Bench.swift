import Host
import Statistics

/// The built-in suite: our programs natively and in the guest, engine by engine, with peers beside them.
public struct Bench: Sendable {
  public var programs: [String]
  public var engines: [String]
  /// Other simulators: "qemu", "bochs". With them everything runs in the same Linux guest.
  public var peers: [String] = []
  public var repetitions = 3
  /// The Linux kernel for what the embedded guest cannot run and for peers.
  public var kernel: (name: String, bytes: [UInt8])?
  public var configuration = MachineConfiguration()
  /// The binary that `BenchPrograms.build` made.
  public var binary: String
  /// The script that runs a peer: benchmarks/peer.py.
  public var peerScript: String

  public init(programs: [String], engines: [String], binary: String, peerScript: String) {
    self.programs = programs
    self.engines = engines
    self.binary = binary
    self.peerScript = peerScript
    configuration.timeLimit = 600
  }

  public static let method =
    "host time in the region of interest; native and guest runs in turn on one processor after a warm-up; "
    + "medians; equal checksums"

  private func needsLinux(_ suite: String) -> Bool { !peers.isEmpty || suite == "system" }

  /// - Parameter progress: told what is being done.
  /// - Throws: `InputError` if something that is needed is not there.
  public func run(progress: (String) -> Void) throws -> BenchReport {
    let host = HostInfo.current
    var report = BenchReport(
      host: .init(cpu: host.cpu, kernel: host.kernel, cores: host.cores), method: Self.method,
      repetitions: repetitions, columns: engines + peers)
    report.rows = programs.map {
      .init(program: $0, suite: BenchPrograms.suite(of: $0) ?? "user")
    }
    for suite in Set(report.rows.map(\.suite)).sorted() {
      if needsLinux(suite), kernel == nil {
        throw InputError(
          .noInput,
          "--kernel: the \(peers.isEmpty ? "system suite" : "peers' guest") needs a Linux kernel: "
            + "fetch guests/vmlinuz-686 with 'make guests'")
      }
      report.guests.append((suite, needsLinux(suite) ? kernel?.name ?? "" : "embedded"))
    }
    for engine in engines {
      for linux in [false, true] {
        let names = report.rows.filter { needsLinux($0.suite) == linux }.map(\.program)
        guard !names.isEmpty else { continue }
        try measure(names, engine: engine, linux: linux, into: &report, progress)
      }
    }
    for peer in peers { try measurePeer(peer, into: &report, progress) }
    return report
  }

  private func measure(
    _ names: [String], engine: String, linux: Bool, into report: inout BenchReport,
    _ progress: (String) -> Void
  ) throws {
    var comparison = Comparison(program: binary, kernel: linux ? kernel : nil)
    let work = BenchPrograms.work(engine)
    comparison.commands = names.map { [$0, String(work)] }
    comparison.scope = .region
    comparison.repetitions = repetitions
    comparison.configuration = configuration
    comparison.configuration.startTime = MachineConfiguration.fixedStartTime
    progress("\(engine): starting the \(linux ? "Linux" : "embedded") guest")
    let total = comparison.totalRuns
    let result = try comparison.measure(engine: engine) { command, run in
      progress("\(engine): \(names[command]) \(run)/\(total)")
    }
    report.courses.append((engine, linux ? "Linux" : "embedded", result.course))
    for (name, command) in zip(names, result.commands) {
      var cell = BenchReport.Cell(
        work: work, native: command.nativeSeconds, guest: command.seconds,
        failure: command.failure)
      if command.failure == nil, !command.runs.isEmpty {
        let run = command.typical
        let cycles = Double(max(run.user.cycles &+ run.kernel.cycles &+ run.idleCycles, 1))
        cell.time = (
          Double(run.user.cycles) / cycles, Double(run.kernel.cycles) / cycles,
          Double(run.idleCycles) / cycles
        )
        cell.instructions = run.user.instructions &+ run.kernel.instructions
      }
      report.set(cell, program: name, column: engine)
    }
  }
}

// MARK: - Peers

extension Bench {
  /// Runs the programs under a peer by benchmarks/peer.py, natively right before.
  private func measurePeer(
    _ peer: String, into report: inout BenchReport, _ progress: (String) -> Void
  ) throws {
    let work = BenchPrograms.work(peer)
    let programs = programs.filter { BenchPrograms.suite(of: $0) != "overhead" }
    guard !programs.isEmpty else { return }
    var comparison = Comparison(program: binary, kernel: nil)
    comparison.commands = programs.map { [$0, String(work)] }
    comparison.scope = .region
    let native = Comparison.Native(comparison: comparison, files: try comparison.checkedFiles())
    var seconds: [String: [Double]] = [:]
    for (index, name) in programs.enumerated() {
      progress("\(peer): \(name) natively")
      try native.run(index)
      for _ in 0..<repetitions { seconds[name, default: []].append(try native.run(index).seconds) }
    }
    progress("\(peer): running the guest")
    let run = try? NativeProcess.run(
      "/usr/bin/python3",
      arguments: [
        "python3", peerScript, "--peer", peer, "--bench", binary, "--work", String(work),
        "--repeat", String(repetitions + 1), "--programs", programs.joined(separator: ","),
        "--kernel", kernel?.name ?? "", "--limit",
        String(Int(configuration.timeLimit ?? 600)),
      ], environment: ["PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/tmp", "LC_ALL=C"],
      input: "/dev/null", directory: "/tmp")
    let lines = String(decoding: run?.standardOutput ?? [], as: UTF8.self)
      .split(whereSeparator: \.isNewline).map { $0.split(separator: " ").map(String.init) }
    let error = String(decoding: run?.standardError ?? [], as: UTF8.self)
      .split(whereSeparator: \.isNewline).last.map(String.init)
    for (index, name) in programs.enumerated() {
      // name, work, checksum, seconds
      let own = lines.filter { $0.count == 4 && $0[0] == name }
      let expected = native.expected[index].map { String(decoding: $0.output, as: UTF8.self) } ?? ""
      let wrong = own.first { !expected.contains("END \($0[0]) \($0[1]) \($0[2])") }
      var cell = BenchReport.Cell(
        work: work, native: Sample(seconds[name] ?? []),
        guest: Sample(own.dropFirst().compactMap { Double($0[3]) }))
      if let wrong {
        cell.failure = "the guest's answer is wrong: \(wrong[2])"
      } else if own.count != repetitions + 1 {
        cell.failure = error ?? "the peer did not run it"
      }
      report.set(cell, program: name, column: peer)
    }
  }
}

extension BenchReport {
  fileprivate mutating func set(_ cell: Cell, program: String, column: String) {
    for index in rows.indices where rows[index].program == program {
      rows[index].cells[column] = cell
    }
  }
}
