import Foundation
import Host
import Testing

/// Runs the built program as a user would.
struct Program: CustomTestStringConvertible {
  /// The executable lies beside the tests.
  static let path =
    HostFile.directory(of: HostFile.absolutePath("/proc/self/exe") ?? "") + "/switchback"

  let result: NativeProcess.Result

  init(
    _ arguments: [String], directory: String = "/tmp", input: String = "/dev/null",
    searchPath: String = "/usr/bin:/bin"
  ) throws {
    result = try NativeProcess.run(
      Self.path, arguments: ["switchback"] + arguments,
      environment: ["PATH=\(searchPath)", "HOME=/tmp"], input: input, directory: directory)
  }

  /// The exit status; nil after death by a signal.
  var status: Int32? {
    result.status & 0x7F == 0 ? Int32((result.status >> 8) & 0xFF) : nil
  }
  var testDescription: String {
    "status \(status.map(String.init) ?? "none"), \(error.prefix(600))"
  }
  var output: String { String(decoding: result.standardOutput, as: UTF8.self) }
  var error: String { String(decoding: result.standardError, as: UTF8.self) }
}

/// A directory for one test, removed at its end.
final class Scratch {
  let path: String
  init() throws {
    path = "/tmp/switchback-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    try HostFile.write(bytes, to: "\(path)/\(name)")
    return "\(path)/\(name)"
  }
  var names: [String] { HostFile.entries(of: path) }
}

/// A ROM of 64 KiB with 16-bit code at F000:0000.
func romImage(_ code: [UInt8]) -> [UInt8] {
  var image = [UInt8](repeating: 0x90, count: 0x10000)
  image.replaceSubrange(0..<code.count, with: code)
  image.replaceSubrange(0xFFF0..<0xFFF5, with: [0xEA, 0x00, 0x00, 0x00, 0xF0])
  return image
}

/// Bad input as docs/command-line.md says: one line that names what is wrong, the status, nothing written.
@Suite struct BadInputTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var arguments: [String]
    var status: Int32
    var mentions: String
    var testDescription: String { arguments.joined(separator: " ") }
    init(_ arguments: String, _ status: Int32, _ mentions: String) {
      self.arguments = arguments.split(separator: " ").map(String.init)
      self.status = status
      self.mentions = mentions
    }
  }

  @Test(arguments: [
    Case("run --bogus", 64, "--bogus"),
    Case("run extra", 64, "extra"),
    Case("bogus", 64, "bogus"),
    Case("run --memory 15M", 64, "--memory"),
    Case("run --memory 4G", 64, "between 16M and 3G"),
    Case("run -m 99999999999999999999G", 64, "-m"),
    Case("run -m 18446744073709551615G", 64, "-m"),
    Case("run -m -1", 64, "-m"),
    Case("run -m lots", 64, "lots"),
    Case("run -m 65537K", 64, "MiB"),
    Case("run --engine fast", 64, "available: interpreter, translator, adaptive, direct"),
    Case("run --engine warp", 64, "warp"),
    Case("run --clock sun", 64, "host or cycles"),
    Case("run --mhz 0", 64, "--mhz"),
    Case("run --timing guess", 64, "--timing"),
    Case("run --serial tape", 64, "--serial"),
    Case("run --serial file:", 64, "--serial"),
    Case("run --display vga", 64, "window or none"),
    Case("run --demo --scale 0", 64, "0.25 to 16"),
    Case("run --demo --release-keys hyper", 64, "ctrl"),
    Case("run --trace everything", 64, "everything"),
    Case("run --time-limit -1", 64, "--time-limit"),
    Case("run --time-limit nan", 64, "--time-limit"),
    Case("run --cycle-limit 0", 64, "--cycle-limit"),
    Case("run --type \\q", 64, "--type"),
    Case("run --initrd /dev/null", 64, "--initrd needs --kernel"),
    Case("run --append x", 64, "--append needs --kernel"),
    Case("run --kernel /dev/null --rom /dev/null", 64, "exclude"),
    Case("run --bios x --demo", 64, "exclude"),
    Case("run --gdb x", 64, "--gdb"),
    Case("run --gdb a:b:1", 64, "--gdb"),
    Case("run --paused", 64, "--gdb"),
    Case("run --demo --gdb 1.2.3:1", 69, "--gdb"),
    Case("run --boot x", 64, "--boot"),
    Case("run --boot cc", 64, "--boot"),
    Case("run --bios /nonexistent/b", 66, "/nonexistent/b"),
    Case("run --bios /dev/null", 65, "/dev/null"),
    Case("run --bios-log file:/nonexistent/l", 73, "--bios-log"),
    Case("run --kernel /nonexistent/k", 66, "/nonexistent/k"),
    Case("run --kernel /tmp", 66, "/tmp"),
    Case("run --rom /nonexistent/r", 66, "/nonexistent/r"),
    Case("run --kernel /dev/null", 65, "empty"),
    Case("run --rom /dev/null", 65, "reset vector"),
    Case("run --kernel /etc/passwd", 65, "/etc/passwd"),
    Case("run --stats /nonexistent/r.json", 73, "/nonexistent/r.json"),
    Case("run --serial file:/nonexistent/s", 73, "/nonexistent/s"),
    Case("run --trace-file /nonexistent/t", 73, "/nonexistent/t"),
    Case("compare", 64, "program"),
    Case("compare --kernel /nonexistent/k -- /bin/true", 66, "/nonexistent/k"),
    Case("compare --repeat 0 -- /bin/true", 64, "--repeat"),
    Case("compare --engines fast -- /bin/true", 64, "available"),
    Case("disassemble zz", 66, "zz"),
    Case("disassemble 123", 64, "123"),
    Case("disassemble --bits 64 90", 64, "--bits"),
    Case("lockstep --engines interpreter", 64, "--engines"),
    Case("translate", 64, "bytes-or-file"),
    Case("translate zz", 66, "zz"),
    Case("translate 123", 64, "123"),
    Case("translate --at 123456789 90", 64, "--at"),
    Case("translate /dev/null", 65, "no code"),
    Case("translate --lower-off everything 90", 64, "'everything' is not one of dataMovement"),
    Case("run --lower-off sse,", 64, "--lower-off"),
    Case("run --code-cache 64K", 64, "between 128K and 512M"),
    Case("run --code-cache 129K", 64, "multiple of 4K"),
    Case("lockstep --code-cache 2G", 64, "between"),
  ]) func isOneLineAndAStatus(_ test: Case) throws {
    let scratch = try Scratch()
    let run = try Program(test.arguments, directory: scratch.path)
    #expect(run.status == test.status)
    #expect(run.error.hasPrefix("switchback: "))
    #expect(run.error.contains(test.mentions), "\(run.error)")
    #expect(run.error.filter(\.isNewline).count == 1, "\(run.error)")
    #expect(run.output.isEmpty)
    #expect(scratch.names.isEmpty)
  }

  @Test func aBadKernelDoesNotTouchTheReport() throws {
    let scratch = try Scratch()
    let report = try scratch.file("report.json", [1, 2, 3])
    let run = try Program(["run", "--kernel", "/etc/passwd", "--stats", report])
    #expect(run.status == 65)
    #expect(HostFile.read(report, limit: 10) == [1, 2, 3])
  }

  @Test func compareRefusesWhatIsNotAnI386Program() throws {
    let scratch = try Scratch()
    let kernel = try scratch.file("k", [1])
    for program in ["/bin/sh", "/etc/passwd"] {
      let run = try Program(["compare", "--kernel", kernel, "--", program])
      #expect(run.status == 65)
      #expect(run.error.contains("ELF"))
    }
  }
}

@Suite struct GoodInputTests {
  @Test(arguments: ["run", "compare", "disassemble", "lockstep"])
  func helpShowsAnExample(command: String) throws {
    let run = try Program([command, "--help"])
    #expect(run.status == 0)
    #expect(run.output.contains("switchback \(command)"))
    #expect(run.output.contains("Example"))
  }

  @Test func versionIsPrinted() throws {
    let run = try Program(["--version"])
    #expect(run.status == 0)
    #expect(run.output.hasPrefix("switchback "))
  }

  @Test func disassemblesBytesAndFiles() throws {
    let run = try Program(["disassemble", "--at", "0x1000", "55", "89e5", "ebfe"])
    #expect(run.status == 0)
    let lines = run.output.split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines.first?.hasPrefix("00001000  55") == true)
    #expect(lines.first?.contains("push") == true)
    let scratch = try Scratch()
    let file = try scratch.file("code.bin", [0xB8, 0x34, 0x12])
    let small = try Program(["disassemble", "--bits", "16", file])
    #expect(small.output.contains("mov"))
    #expect(small.output.filter(\.isNewline).count == 1)
  }
}

/// Small ROMs whose only purpose is to end in a certain way.
@Suite struct EndingTests {
  private func run(_ code: [UInt8], _ options: [String] = []) throws -> Program {
    let scratch = try Scratch()
    let rom = try scratch.file("test.rom", romImage(code))
    return try Program(["run", "--rom", rom, "--time-limit", "60"] + options)
  }

  @Test func debugExitGivesTheStatus() throws {
    // mov al, 3; out F4h, al; hlt
    let code: [UInt8] = [0xB0, 0x03, 0xE6, 0xF4, 0xF4]
    #expect(try run(code, ["--debug-exit"]).status == 7)
    // Without the option there is no such port, and the halted processor never wakes.
    let halted = try run(code)
    #expect(halted.status == 71)
    #expect(halted.error.contains("halted"))
  }

  @Test func serialAndDebugOutputGoWhereTheyShould() throws {
    // mov dx, 3F8h; mov al, 'A'; out dx, al; mov al, 'B'; out E9h, al; cli; hlt
    let code: [UInt8] = [0xBA, 0xF8, 0x03, 0xB0, 0x41, 0xEE, 0xB0, 0x42, 0xE6, 0xE9, 0xFA, 0xF4]
    #expect(try run(code).output == "A")
    #expect(try run(code, ["--debugcon", "stdio"]).output == "AB")
    let scratch = try Scratch()
    let path = "\(scratch.path)/serial"
    #expect(try run(code, ["--serial", "file:\(path)"]).output.isEmpty)
    #expect(HostFile.read(path, limit: 10) == [0x41])
  }

  @Test func untilEndsTheRunWell() throws {
    // 1: mov al, 'x'; out E9h, al; jmp 1b
    let code: [UInt8] = [0xB0, 0x78, 0xE6, 0xE9, 0xEB, 0xFA]
    #expect(try run(code, ["--until", "xxx"]).status == 0)
  }

  @Test func limitsEndTheRun() throws {
    let limited = try run([0xEB, 0xFE], ["--cycle-limit", "1000000"])
    #expect(limited.status == 124)
    #expect(limited.error.contains("cycle limit"))
    let timed = try run([0xEB, 0xFE], ["--time-limit", "0.2"])
    #expect(timed.status == 124)
  }

  @Test func tripleFaultShowsTheState() throws {
    // lidt of a table without entries, then INT3.
    let code: [UInt8] = [
      0x66, 0xB8, 0x78, 0x56, 0x34, 0x12,  // mov eax, 12345678h
      0x2E, 0x0F, 0x01, 0x1E, 0x20, 0x00,  // lidt cs:[20h]
      0xCC,
    ]
    let run = try run(code + [UInt8](repeating: 0, count: 0x26))
    #expect(run.status == 70)
    #expect(run.error.contains("triple fault"))
    #expect(run.error.contains("EAX=12345678"))
    // The chain: no gate for INT3, none for its #GP, none for the double fault.
    #expect(run.error.contains("#GP"))
    #expect(run.error.contains("#DF"))
  }

  @Test func resetStartsOverOrEnds() throws {
    // Count in memory at 0:500h; the third start ends: inc byte [500h]; cmp byte [500h], 3; je end;
    // mov al, 1; out 92h, al; hlt; end: out F4h, al
    let code: [UInt8] = [
      0xFE, 0x06, 0x00, 0x05, 0x80, 0x3E, 0x00, 0x05, 0x03, 0x74, 0x05, 0xB0, 0x01, 0xE6, 0x92,
      0xF4, 0xB0, 0x02, 0xE6, 0xF4, 0xF4,
    ]
    #expect(try run(code, ["--debug-exit"]).status == 5)
    #expect(try run(code, ["--debug-exit", "--no-reboot"]).status == 0)
  }

  @Test func reportIsWrittenAsJSON() throws {
    let scratch = try Scratch()
    let path = "\(scratch.path)/report.json"
    let code: [UInt8] = [0xB0, 0x03, 0xE6, 0xF4, 0xF4]
    let run = try run(code, ["--debug-exit", "--stats", path, "--timing", "unit"])
    #expect(run.status == 7)
    let data = Data(try HostFile.contents(of: path))
    let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(json["schema"] as? String == "switchback-report-1")
    // The far jump, MOV and OUT.
    #expect(json["instructions"] as? Int == 3)
    #expect(json["cycles"] as? Int == 3)
    #expect((json["ending"] as? [String: Any])?["status"] as? Int == 7)
    #expect(json["state_hash"] is String)
  }

  /// Counted cycles want a plausible processor, the host's clock one that does not hold the engine up.
  @Test(arguments: [
    ([], 200), (["--clock", "host"], 4000), (["--clock", "host", "--mhz", "33"], 33),
  ]) func theClockChoosesTheFrequency(options: [String], mhz: Int) throws {
    let scratch = try Scratch()
    let path = "\(scratch.path)/report.json"
    let run = try run([0xB0, 0x03, 0xE6, 0xF4, 0xF4], ["--debug-exit", "--stats", path] + options)
    #expect(run.status == 7)
    let data = Data(try HostFile.contents(of: path))
    let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect((json["guest"] as? [String: Any])?["mhz"] as? Int == mhz)
  }

  @Test func tracesShowWhatHappens() throws {
    let code: [UInt8] = [0xB0, 0x41, 0xE6, 0xE9, 0xB0, 0x00, 0xE6, 0xF4, 0xF4]
    let run = try run(code, ["--debug-exit", "--trace", "io,faults,irq"])
    #expect(run.error.contains("io write 00e9 41 debug"))
  }

  @Test func interruptedRunsEndCleanly() throws {
    let scratch = try Scratch()
    let rom = try scratch.file("test.rom", romImage([0xEB, 0xFE]))
    let report = "\(scratch.path)/report.json"
    let process = Process()
    process.executableURL = URL(filePath: Program.path)
    process.arguments = ["run", "--rom", rom, "--time-limit", "60", "--stats", report]
    process.standardInput = FileHandle.nullDevice
    try process.run()
    Thread.sleep(forTimeInterval: 1)
    process.interrupt()
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
    #expect(HostFile.read(report, limit: 1) != nil)
  }
}

/// Random bytes as a kernel or a ROM never crash or hang the process.
@Suite struct RandomInputTests {
  private func random(_ count: Int, seed: UInt64) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    return (0..<count).map { _ in
      state ^= state >> 12
      state ^= state << 25
      state ^= state >> 27
      return UInt8(truncatingIfNeeded: (state &* 0x2545_F491_4F6C_DD1D) >> 33)
    }
  }

  private static let endings: Set<Int32> = [0, 70, 71, 124]

  @Test(arguments: 1...24 as ClosedRange<UInt64>)
  func romsOfRandomBytes(seed: UInt64) throws {
    let scratch = try Scratch()
    let rom = try scratch.file("random.rom", random(0x10000, seed: seed))
    let run = try Program([
      "run", "--rom", rom, "--time-limit", "20", "--cycle-limit", "2000000", "--serial", "none",
    ])
    let status = try #require(run.status, "killed by a signal")
    #expect(Self.endings.contains(status))
  }

  @Test(arguments: 1...12 as ClosedRange<UInt64>)
  func kernelsOfRandomBytes(seed: UInt64) throws {
    let scratch = try Scratch()
    var kernel = random(20_000, seed: seed)
    // Half of them have a plausible header, so that the random code runs in protected mode.
    if seed % 2 == 0 {
      let header: [(Int, [UInt8])] = [
        (0x1F1, [1]), (0x1F4, [0, 1, 0, 0]), (0x1FE, [0x55, 0xAA]), (0x200, [0xEB, 0x66]),
        (0x202, [0x48, 0x64, 0x72, 0x53]), (0x206, [0x0F, 0x02]), (0x211, [1]),
        (0x214, [0, 0, 0x10, 0]), (0x258, [0, 0, 0x10, 0, 0, 0, 0, 0]), (0x260, [0, 0, 1, 0]),
      ]
      for (offset, bytes) in header {
        kernel.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
      }
    }
    let path = try scratch.file("random.kernel", kernel)
    let run = try Program([
      "run", "--kernel", path, "--time-limit", "20", "--cycle-limit", "2000000",
      "--serial", "none",
    ])
    let status = try #require(run.status, "killed by a signal")
    #expect(seed % 2 == 0 ? Self.endings.contains(status) : status == 65)
  }
}
