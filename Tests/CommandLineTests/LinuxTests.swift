import Foundation
import Host
import Machine
import Testing

/// Debian's kernels and busybox, as scripts/fetch-guests.sh leaves them.
enum Guests {
  static let directory =
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "guests").path
  static let kernels = ["vmlinuz-686", "vmlinuz-686-pae"]
  static let kernel = "\(directory)/vmlinuz-686"
  static let busybox = "\(directory)/busybox"
  static var arePresent: Bool {
    (kernels + ["busybox"]).allSatisfy { HostFile.read("\(directory)/\($0)", limit: 1) != nil }
  }

  static var areComplete: Bool {
    arePresent && HostFile.read("\(directory)/debian/complete", limit: 1) != nil
  }

  /// Directories, files and links of Debian's programs, with the paths that they have there.
  static func addDebian(to disk: inout InitialRamdisk) throws {
    let root = URL(filePath: directory).appending(path: "debian").path
    for path in try FileManager.default.subpathsOfDirectory(atPath: root).sorted() {
      let file = "\(root)/\(path)"
      if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: file) {
        disk.addLink(path, to: target)
      } else if HostFile.isDirectory(file) {
        disk.addDirectory(path)
      } else {
        disk.addFile(path, try HostFile.contents(of: file), permissions: 0o755)
      }
    }
  }

  /// A RAM disk with busybox and `/init`.
  static func ramDisk(initScript: String, files: [(String, [UInt8])] = []) throws -> [UInt8] {
    var disk = InitialRamdisk()
    for directory in ["dev", "proc", "sys", "tmp"] { disk.addDirectory(directory) }
    disk.addCharacterDevice("dev/console", major: 5, minor: 1)
    disk.addFile("bin/busybox", try HostFile.contents(of: busybox), permissions: 0o755)
    disk.addLink("bin/sh", to: "busybox")
    disk.addFile("init", Array(initScript.utf8), permissions: 0o755)
    for (path, contents) in files { disk.addFile(path, contents) }
    return disk.bytes
  }

  static let setUp = """
    #!/bin/busybox sh
    /bin/busybox --install -s /bin
    export PATH=/bin HOME=/
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs devtmpfs /dev
    mount -t tmpfs tmpfs /tmp

    """

  /// Bytes that gzip finds something to do with, the same every time.
  static func data(_ count: Int) -> [UInt8] {
    var state: UInt64 = 0x1234_5678_9ABC_DEF1
    return (0..<count).map { index in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return index % 64 < 40 ? UInt8(truncatingIfNeeded: state & 0x0F) : UInt8(index & 0xFF)
    }
  }

  static func sha256(_ path: String) throws -> String {
    let run = try NativeProcess.run(
      busybox, arguments: ["busybox", "sha256sum", path], environment: [], input: "/dev/null",
      directory: "/")
    return String(String(decoding: run.standardOutput, as: UTF8.self).prefix(64))
  }
}

/// Real kernels, unmodified. Each boot takes a while, so they run one after the other.
@Suite(.serialized, .enabled(if: Guests.arePresent, "make guests fetches them"))
struct LinuxTests {
  @Test(arguments: Guests.kernels) func shellOnTheSerialLine(kernel: String) throws {
    let scratch = try Scratch()
    let disk = try scratch.file(
      "initrd",
      try Guests.ramDisk(
        initScript: Guests.setUp + "exec setsid cttyhack sh </dev/ttyS0 >/dev/ttyS0 2>&1\n"))
    let run = try Program([
      "run", "--kernel", "\(Guests.directory)/\(kernel)", "--initrd", disk,
      "--append", "console=ttyS0 cryptomgr.notests", "--time-limit", "600",
      "--until", "/ # ", "--type", "uname -a\\n",
      "--until", "GNU/Linux", "--until", "/ # ", "--type", "poweroff -f\\n",
    ])
    #expect(run.status == 0, "\(run.output.suffix(2000))")
    #expect(run.output.contains("Linux version 6.1"))
    #expect(run.output.contains("i686 GNU/Linux"))
    #expect(run.output.contains("reboot: Power down"))
  }

  /// With both APICs, with the local one only, with the 8259s; with and without ACPI.
  @Test(arguments: [
    ("", "IO-APIC", 0), ("noapic", "XT-PIC", 0), ("nolapic", "XT-PIC", 0),
    ("acpi=off", "IO-APIC", 71), ("acpi=off noapic nolapic", "XT-PIC", 71),
  ]) func interruptControllers(options: String, expected: String, status: Int32) throws {
    let scratch = try Scratch()
    let script = "cat /proc/interrupts\npoweroff -f\n"
    let disk = try scratch.file("initrd", try Guests.ramDisk(initScript: Guests.setUp + script))
    let run = try Program([
      "run", "--engine", "translator", "--kernel", Guests.kernel, "--initrd", disk,
      "--append", "console=ttyS0 quiet cryptomgr.notests \(options)", "--time-limit", "100",
    ])
    // Without ACPI the kernel cannot switch the machine off.
    #expect(run.status == status, "\(run.output.suffix(2000))")
    let timer = run.output.split(separator: "\n").first { $0.contains("timer") } ?? ""
    #expect(timer.contains(expected), "\(run.output.suffix(2000))")
  }

  @Test(arguments: Guests.kernels) func digestsAndCompressionAgreeWithTheHost(kernel: String) throws
  {
    let scratch = try Scratch()
    let data = Guests.data(16 << 20)
    let digest = try Guests.sha256(try scratch.file("data", data))
    let script = """
      sha256sum /data
      gzip -c /data >/tmp/data.gz
      gunzip -c /tmp/data.gz | sha256sum
      sha256sum /tmp/data.gz
      poweroff -f

      """
    let disk = try scratch.file(
      "initrd", try Guests.ramDisk(initScript: Guests.setUp + script, files: [("data", data)]))
    // The host's busybox compresses to the same bytes, but for the time in the header (which is 0).
    let packed = try NativeProcess.run(
      Guests.busybox, arguments: ["busybox", "gzip", "-c", "\(scratch.path)/data"],
      environment: [], input: "/dev/null", directory: "/")
    let packedDigest = try Guests.sha256(try scratch.file("data.gz", packed.standardOutput))
    let run = try Program([
      "run", "--kernel", "\(Guests.directory)/\(kernel)", "--initrd", disk, "--memory", "256M",
      "--append", "console=ttyS0 quiet cryptomgr.notests", "--time-limit", "900",
    ])
    #expect(run.status == 0, "\(run.output.suffix(2000))")
    #expect(run.output.contains("\(digest)  /data"))
    #expect(run.output.contains("\(digest)  -"))
    #expect(run.output.contains("\(packedDigest)  /tmp/data.gz"))
  }

  /// Two runs with `--clock cycles` are equal to the last bit.
  @Test func bootsAreDeterministic() throws {
    let scratch = try Scratch()
    let disk = try scratch.file(
      "initrd",
      try Guests.ramDisk(
        initScript: Guests.setUp + "ls -l /bin | sha256sum; date; sleep 3; poweroff -f\n"))
    func report(_ name: String) throws -> [String: Any] {
      let path = "\(scratch.path)/\(name).json"
      let run = try Program([
        "run", "--kernel", Guests.kernel, "--initrd", disk, "--append",
        "console=ttyS0 cryptomgr.notests",
        "--stats", path, "--time-limit", "600",
      ])
      #expect(run.status == 0)
      let data = Data(try HostFile.contents(of: path))
      return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }
    let first = try report("first")
    let second = try report("second")
    for key in ["instructions", "cycles"] {
      #expect(first[key] as? Int != nil)
      #expect(first[key] as? Int == second[key] as? Int, "\(key)")
    }
    #expect(first["state_hash"] as? String == second["state_hash"] as? String)
  }
}

@Suite(.serialized, .enabled(if: Guests.arePresent, "make guests fetches them"))
struct CompareTests {
  private func compare(_ command: [String], _ options: [String] = []) throws -> Program {
    try Program(
      ["compare", "--kernel", Guests.kernel, "--repeat", "1"] + options + ["--"] + command)
  }

  @Test func aStaticProgramGetsAFactor() throws {
    let scratch = try Scratch()
    let json = "\(scratch.path)/result.json"
    let file = try scratch.file("data", Guests.data(1 << 20))
    let run = try compare(
      [Guests.busybox, "sha256sum", file], ["--file", file, "--json", json])
    #expect(run.status == 0, "\(run.error)")
    #expect(run.output.contains("interpreter"))
    let data = Data(try HostFile.contents(of: json))
    let result = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(result["schema"] as? String == "switchback-compare-1")
    let engines = try #require(result["engines"] as? [String: [String: Any]])
    let slowdown = try #require(engines["interpreter"]?["slowdown"] as? [String: Any])
    #expect((slowdown["factor"] as? Double ?? 0) > 1)
    let time = try #require(engines["interpreter"]?["time"] as? [String: Double])
    #expect((time["user"] ?? 0) > 0 && (time["kernel"] ?? 0) > 0)
  }

  @Test func aDynamicProgramBringsItsLibraries() throws {
    let scratch = try Scratch()
    let source = try scratch.file(
      "p.c",
      Array(
        """
        #include <math.h>
        #include <stdio.h>
        int main(int argc, char **argv) {
          char line[100];
          fgets(line, sizeof line, stdin);
          printf("%s %.15g %s", argv[1], sqrt(argc), line);
          fprintf(stderr, "to standard error\\n");
          return 42;
        }

        """.utf8))
    let built = try NativeProcess.run(
      "/usr/bin/gcc", arguments: ["gcc", "-m32", "-o", "\(scratch.path)/p", source, "-lm"],
      environment: ["PATH=/usr/bin:/bin"], input: "/dev/null", directory: scratch.path)
    #expect(built.status == 0)
    let input = try scratch.file("input", Array("a line\n".utf8))
    let run = try compare(["\(scratch.path)/p", "word"], ["--stdin", input])
    #expect(run.status == 0, "\(run.error)")
    #expect(run.output.contains("exit status 42"))
  }

  @Test func differentAnswersAreAnErrorAndNoNumber() throws {
    // The kernel's release is not the host's.
    let run = try compare([Guests.busybox, "uname", "-r"])
    #expect(run.status == 1)
    #expect(run.error.contains("standard output differs"))
    #expect(run.output.isEmpty)
  }
}
