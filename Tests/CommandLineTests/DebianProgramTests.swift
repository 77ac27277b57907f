import Foundation
import Host
import Machine
import Testing

/// A Debian kernel and Debian's own programs, dynamically linked with glibc, do the same under every engine.
@Suite(.serialized, .enabled(if: Guests.areComplete, "make guests fetches them"))
struct DebianProgramTests {
  /// Perl, compressors, checksums, text tools, a compiler, shells with many processes, signals and timers; then
  /// the program that does all that direct execution can get wrong.
  @Test func programsDoTheSameUnderEveryEngine() throws {
    let scratch = try Scratch()
    let torture = try DirectExecutionGuestTests.build(
      "torture", ["-msse2", "-mfpmath=387", "-pthread"], in: scratch)
    let script =
      URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "GuestPrograms/userland.sh").path
    var disk = InitialRamdisk()
    try Guests.addDebian(to: &disk)
    for directory in ["dev", "proc", "sys", "tmp"] { disk.addDirectory(directory) }
    disk.addCharacterDevice("dev/console", major: 5, minor: 1)
    disk.addFile("bin/busybox", try HostFile.contents(of: Guests.busybox), permissions: 0o755)
    disk.addFile("torture", try HostFile.contents(of: torture), permissions: 0o755)
    disk.addFile("userland.sh", try HostFile.contents(of: script))
    let initScript = """
      #!/bin/busybox sh
      for d in proc:proc sysfs:sys devtmpfs:dev tmpfs:tmp; do
        /bin/busybox mount -t ${d%:*} ${d%:*} /${d#*:}
      done
      /bin/dash /userland.sh 2>&1
      /torture
      /bin/busybox poweroff -f

      """
    disk.addFile("init", Array(initScript.utf8), permissions: 0o755)
    let file = try scratch.file("initrd", disk.bytes)

    let native = try NativeProcess.run(
      torture, arguments: [torture], environment: [], input: "/dev/null", directory: "/",
      timeLimit: 60)
    let expected = String(decoding: native.standardOutput, as: UTF8.self)
    var outputs: [String: String] = [:]
    for (engine, kernel) in [
      ("translator", "vmlinuz-686"), ("adaptive", "vmlinuz-686"), ("direct", "vmlinuz-686-pae"),
    ] {
      let stats = "\(scratch.path)/report.json"
      let run = try Program([
        "run", "--engine", engine, "--direct", "--kernel", "\(Guests.directory)/\(kernel)",
        "--initrd", file, "-m", "512M", "--append", "console=ttyS0 quiet cryptomgr.notests",
        "--stats", stats, "--time-limit", "200",
      ])
      #expect(run.status == 0, "\(run.error)")
      // The serial console writes CR LF, which is one character to Swift; the kernel's lines have its times.
      let text = String(decoding: run.result.standardOutput.filter { $0 != 13 }, as: UTF8.self)
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      let output = lines.filter { !$0.hasPrefix("[") }.joined(separator: "\n")
      #expect(output.contains("== end"), "\(engine): \(output)")
      #expect(output.contains(expected), "\(engine): \(output)")
      outputs[engine] = output
      guard engine != "translator" else { continue }
      let data = Data(try HostFile.contents(of: stats))
      let report = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      let direct = try #require(report["direct"] as? [String: Any])
      // How many depends on how seldom the policy and the machine interrupt them.
      #expect((direct["runs"] as? Int ?? 0) > 200, "\(engine)")
      #expect(direct["stubs_lost"] as? Int == 0)
    }
    #expect(outputs["adaptive"] == outputs["translator"])
    #expect(outputs["direct"] == outputs["translator"])
  }
}
