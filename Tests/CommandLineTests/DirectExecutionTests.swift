import Foundation
import Host
import Machine
import Testing

/// Ring-3 programs under direct execution in a real guest, and programs that try to get out.
@Suite(
  .serialized, .enabled(if: Guests.arePresent, "make guests fetches them"))
struct DirectExecutionGuestTests {
  /// Builds a program of Tests/GuestPrograms, for i386 unless the options say otherwise.
  static func build(_ name: String, _ options: [String], in scratch: Scratch) throws -> String {
    let source =
      URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "GuestPrograms/\(name).c").path
    let built = try NativeProcess.run(
      "/usr/bin/gcc",
      arguments: ["gcc", "-m32", "-O1", "-w", "-o", "\(scratch.path)/\(name)", source] + options,
      environment: ["PATH=/usr/bin:/bin"], input: "/dev/null", directory: scratch.path)
    #expect(built.status == 0, "\(String(decoding: built.standardError, as: UTF8.self))")
    return "\(scratch.path)/\(name)"
  }

  /// Threads, signals, faults, mappings, forks, ptrace, segments, self-modifying code and endless loops: the same
  /// as natively under every engine.
  @Test(arguments: ["adaptive", "direct"]) func programsDoTheSameAsNatively(engine: String) throws {
    let scratch = try Scratch()
    let program = try Self.build(
      "torture", ["-msse2", "-mfpmath=387", "-pthread"], in: scratch)
    let run = try Program([
      "compare", "--kernel", Guests.kernel, "--engines", engine, "--repeat", "1",
      "--time-limit", "200", "--", program,
    ])
    #expect(run.status == 0, "\(run.error)")
  }

  /// Where in the sandbox's program the system call is that restores a frame.
  static func returnSite() throws -> Int {
    let image = Data(try HostFile.contents(of: Program.path, limit: 1 << 30))
    // MOV EAX, 15; SYSCALL behind an ELF header.
    let site = try #require(image.range(of: Data([0xB8, 15, 0, 0, 0, 0x0F, 0x05])))
    let header = try #require(
      image.range(
        of: Data([0x7F, 0x45, 0x4C, 0x46]), options: .backwards, in: 0..<site.lowerBound))
    return site.lowerBound - header.lowerBound + 5
  }

  /// Boots with programs in the RAM disk and returns what it printed and the report.
  func boot(_ script: String, files: [(String, [UInt8])], options: [String]) throws -> (
    Program, [String: Any]
  ) {
    let scratch = try Scratch()
    let disk = try scratch.file(
      "initrd", try Guests.ramDisk(initScript: Guests.setUp + script, files: files))
    let path = "\(scratch.path)/report.json"
    let run = try Program(
      [
        "run", "--kernel", Guests.kernel, "--initrd", disk, "--append",
        "console=ttyS0 quiet cryptomgr.notests", "--stats", path, "--time-limit", "200",
      ] + options)
    let data = Data(try HostFile.contents(of: path))
    let report = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    return (run, report)
  }

  static let escapeOptions = [
    "-static", "-fno-pie", "-fno-toplevel-reorder", "-Wl,-z,muldefs",
  ]

  @Test func nothingGetsOut() throws {
    let scratch = try Scratch()
    let program = try Self.build("escape", Self.escapeOptions, in: scratch)
    let (run, report) = try boot(
      "cp /escape /tmp/escape; chmod +x /tmp/escape; /tmp/escape \(try Self.returnSite()); poweroff -f\n",
      files: [("escape", try HostFile.contents(of: program))], options: ["--engine", "direct"])
    #expect(run.status == 0, "\(run.output.suffix(2000)) \(run.error)")
    #expect(run.output.contains("still here"))
    // Every attempt that was meant to end in a signal did.
    for line in run.output.split(whereSeparator: \.isNewline) where line.contains("attempts") {
      let own = line.hasPrefix("selectors: 8") || line.hasPrefix("mappings: 1")
      #expect(own || line.contains(" 0 ended by themselves"), "\(line)")
    }
    let direct = try #require(report["direct"] as? [String: Any])
    #expect((direct["stubs"] as? Int ?? 0) > 0)
    let traps = try #require(direct["traps"] as? [String: Int])
    #expect((traps["escape"] ?? 0) > 0)
  }

  /// As `nothingGetsOut`, seen from outside: no system call of a sandbox is executed but its own.
  @Test func noSystemCallGetsOut() throws {
    let scratch = try Scratch()
    let program = try Self.build("escape", Self.escapeOptions, in: scratch)
    let disk = try scratch.file(
      "initrd",
      try Guests.ramDisk(
        initScript: Guests.setUp
          + "cp /escape /tmp/e; chmod +x /tmp/e; /tmp/e \(try Self.returnSite()) 60; poweroff -f\n",
        files: [("escape", try HostFile.contents(of: program))]))
    let log = "\(scratch.path)/calls"
    let run = try NativeProcess.run(
      "/usr/bin/strace",
      arguments: [
        "strace", "-f", "-qq", "-a", "0", "-o", log, "-e", "signal=SIGSYS", Program.path, "run",
        "--engine",
        "direct", "--kernel", Guests.kernel, "--initrd", disk, "--append",
        "console=ttyS0 quiet cryptomgr.notests", "--time-limit", "250",
      ], environment: ["PATH=/usr/bin:/bin", "HOME=/tmp"], input: "/dev/null", directory: "/tmp",
      timeLimit: 260)
    let output = String(decoding: run.standardOutput, as: UTF8.self)
    #expect(output.contains("still here"), "\(output.suffix(1000))")
    var calls = HostCalls()
    for line in String(decoding: try HostFile.contents(of: log), as: UTF8.self).split(
      separator: "\n")
    {
      calls.add(line)
    }
    #expect(calls.problems.isEmpty, "\(calls.problems.prefix(10))")
    #expect(
      calls.sandboxes > 1 && calls.refused > 15,
      "\(calls.sandboxes) \(calls.refused) \(output.suffix(3000))")
  }

  /// Direct execution needs no privilege.
  @Test func anyUserMayRunDirectly() throws {
    let scratch = try Scratch()
    let disk = try scratch.file(
      "initrd",
      try Guests.ramDisk(
        initScript: Guests.setUp + "x=0; while [ $x -lt 30000 ]; do x=$((x+1)); done; poweroff -f\n"
      ))
    let path = try scratch.file("switchback", try HostFile.contents(of: Program.path))
    let kernel = try scratch.file("kernel", try HostFile.contents(of: Guests.kernel))
    let report = try scratch.file("report.json", [])
    for file in [disk, kernel] { chmod(file, 0o644) }
    chmod(path, 0o755)
    chmod(scratch.path, 0o755)
    chmod(report, 0o666)
    let command = [
      path, "run", "--engine", "direct", "--kernel", kernel, "--initrd", disk, "--append",
      "console=ttyS0 quiet cryptomgr.notests", "--stats", report, "--time-limit", "100",
    ]
    let asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    let arguments = geteuid() == 0 ? asNobody + command : command
    let run = try NativeProcess.run(
      geteuid() == 0 ? "/usr/bin/setpriv" : path, arguments: arguments,
      environment: ["PATH=/usr/bin:/bin", "HOME=/tmp"], input: "/dev/null", directory: "/tmp",
      timeLimit: 120)
    #expect(run.status == 0, "\(String(decoding: run.standardError, as: UTF8.self))")
    let data = Data(try HostFile.contents(of: report))
    let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let direct = try #require(json["direct"] as? [String: Any])
    #expect(direct["unavailable"] == nil && (direct["runs"] as? Int ?? 0) > 0)
    #expect(direct["stubs_lost"] as? Int == 0)
  }

  /// A host that forbids something: the run goes on without direct execution, and says why.
  @Test(arguments: ["modify_ldt", "seccomp"]) func hostsThatForbid(what: String) throws {
    let scratch = try Scratch()
    let source =
      URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "GuestPrograms/forbid.c").path
    let built = try NativeProcess.run(
      "/usr/bin/gcc", arguments: ["gcc", "-o", "\(scratch.path)/forbid", source],
      environment: ["PATH=/usr/bin:/bin"], input: "/dev/null", directory: scratch.path)
    #expect(built.status == 0, "\(String(decoding: built.standardError, as: UTF8.self))")
    let disk = try scratch.file(
      "initrd", try Guests.ramDisk(initScript: Guests.setUp + "poweroff -f\n"))
    let report = "\(scratch.path)/report.json"
    let run = try NativeProcess.run(
      "\(scratch.path)/forbid",
      arguments: [
        "forbid", what, Program.path, "run", "--engine", "direct", "--kernel", Guests.kernel,
        "--initrd", disk,
        "--append", "console=ttyS0 quiet cryptomgr.notests", "--stats", report, "--time-limit",
        "100",
      ], environment: ["PATH=/usr/bin:/bin", "HOME=/tmp"], input: "/dev/null", directory: "/tmp")
    #expect(run.status == 0)
    let error = String(decoding: run.standardError, as: UTF8.self)
    #expect(error.contains("no direct execution: the host does not allow \(what)"), "\(error)")
    let data = Data(try HostFile.contents(of: report))
    let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let direct = try #require(json["direct"] as? [String: Any])
    #expect((direct["unavailable"] as? String)?.contains(what) == true)
  }

  /// Direct execution cannot be repeated, so it must be asked for with `--clock cycles`.
  @Test func reproducibleRunsDoWithoutDirectExecution() throws {
    let (run, report) = try boot(
      "poweroff -f\n", files: [], options: ["--engine", "adaptive"])
    #expect(run.status == 0)
    #expect(run.error.contains("no direct execution: --clock cycles"))
    let direct = try #require(report["direct"] as? [String: Any])
    #expect((direct["unavailable"] as? String)?.contains("reproducible") == true)
    #expect(direct["entries"] as? Int == 0)
  }

  /// A guest that computes for ever, and its sandbox processes.
  private func busyGuest(_ scratch: Scratch, options: [String] = []) throws -> (Process, [Int32]) {
    let disk = try scratch.file(
      "initrd",
      try Guests.ramDisk(initScript: Guests.setUp + "while :; do x=$((x+1)); done\n"))
    let process = Process()
    process.executableURL = URL(filePath: Program.path)
    process.arguments =
      [
        "run", "--engine", "direct", "--kernel", Guests.kernel, "--initrd", disk, "--append",
        "console=ttyS0 quiet cryptomgr.notests", "--serial", "none", "--time-limit", "100",
      ] + options
    process.standardError = FileHandle.nullDevice
    try process.run()
    // One that is seen once may be that which tries at the start whether there can be any.
    var seen: [Int32] = []
    for _ in 0..<120 where process.isRunning {
      let children = Self.children(of: process.processIdentifier)
      if !children.isEmpty, children == seen { return (process, children) }
      seen = children
      Thread.sleep(forTimeInterval: 0.5)
    }
    process.terminate()
    Issue.record("no sandbox was started")
    return (process, [])
  }

  /// Processes whose parent is `parent`, whichever of its threads has started them.
  private static func children(of parent: Int32) -> [Int32] {
    HostFile.entries(of: "/proc").compactMap { Int32($0) }.filter { process in
      let text = String(
        decoding: HostFile.read("/proc/\(process)/stat", limit: 512) ?? [], as: UTF8.self)
      let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
      return fields.count > 1 && Int32(fields[1]) == parent
    }
  }

  /// Whether a process is there and no zombie.
  private func lives(_ process: Int32) -> Bool {
    let text = String(
      decoding: HostFile.read("/proc/\(process)/stat", limit: 512) ?? [], as: UTF8.self)
    guard let state = text.split(separator: ")").last?.first(where: { $0 != " " }) else {
      return false
    }
    return state != "Z" && state != "X"
  }

  @Test func noSandboxOutlivesTheMonitor() throws {
    let scratch = try Scratch()
    let (process, sandboxes) = try busyGuest(scratch)
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    for _ in 0..<100 where sandboxes.contains(where: lives) { Thread.sleep(forTimeInterval: 0.05) }
    for sandbox in sandboxes { #expect(!lives(sandbox)) }
  }

  /// An interruption that comes too late, in the run after the one it was meant for, does not end that one.
  @Test func lateInterruptionsCostLittle() throws {
    let scratch = try Scratch()
    let stats = "\(scratch.path)/s.json"
    let (process, sandboxes) = try busyGuest(scratch, options: ["--stats", stats])
    for _ in 0..<300 {
      for sandbox in sandboxes { kill(sandbox, SIGUSR1) }
      Thread.sleep(forTimeInterval: 0.002)
    }
    process.terminate()
    process.waitUntilExit()
    let data = Data(try HostFile.contents(of: stats))
    let report = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let direct = try #require(report["direct"] as? [String: Any])
    let preempted = try #require((direct["traps"] as? [String: Int])?["preempted"])
    let switches = try #require(report["switches"] as? [[String: Any]])
    let ended = switches.filter {
      $0["from"] as? String == "direct" && $0["reason"] as? String == "deadline"
    }.reduce(0) { $0 + ($1["count"] as? Int ?? 0) }
    // Those that were due ended theirs.
    #expect(preempted > ended + 100, "\(preempted), \(ended)")
  }

  /// Sandboxes of guests that are stopped are replaced; the one that runs takes the machine along, cleanly. The report
  /// counts both.
  @Test func killedSandboxesEndCleanly() throws {
    let scratch = try Scratch()
    let stats = "\(scratch.path)/s.json"
    let (process, sandboxes) = try busyGuest(scratch, options: ["--stats", stats])
    for sandbox in sandboxes { kill(sandbox, SIGKILL) }
    for _ in 0..<40 where process.isRunning { Thread.sleep(forTimeInterval: 0.1) }
    if process.isRunning { process.terminate() }
    process.waitUntilExit()
    #expect(process.terminationReason == .exit)
    let status = process.terminationStatus
    #expect([70, 143].contains(status))
    let data = Data(try HostFile.contents(of: stats))
    let report = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let direct = try #require(report["direct"] as? [String: Any])
    let lost = try #require(direct["stubs_lost"] as? Int)
    let started = try #require(direct["stubs"] as? Int)
    #expect(
      (1...sandboxes.count).contains(lost) && started >= lost, "\(lost) of \(started), \(sandboxes)"
    )
    let engines = try #require(report["engines"] as? [String: [String: Any]])
    let exits = try #require(engines["direct"]?["exits"] as? [String: Int])
    #expect(exits["failed"] == (status == 70 ? 1 : nil))
  }
}
