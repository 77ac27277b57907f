import Foundation
import Host
import Machine
import Testing

private enum DebuggingTools {
  static var arePresent: Bool {
    ["gdb", "objcopy"].allSatisfy { FileManager.default.isExecutableFile(atPath: "/usr/bin/\($0)") }
  }
}

/// Debian's GDB against a Linux kernel.
@Suite(
  .serialized, .enabled(if: Guests.arePresent && DebuggingTools.arePresent, "needs gdb, objcopy"))
struct DebuggerTests {
  /// The kernel's own list of its symbols, by a first boot.
  private func kernelAddress(of symbol: String) throws -> String {
    let scratch = try Scratch()
    let script = Guests.setUp + "grep -E ' [tT] \(symbol)$' /proc/kallsyms\npoweroff -f\n"
    let disk = try scratch.file("initrd", try Guests.ramDisk(initScript: script))
    let run = try Program([
      "run", "--engine", "translator", "--kernel", Guests.kernel, "--initrd", disk,
      "--append", "console=ttyS0 quiet nokaslr cryptomgr.notests", "--time-limit", "100",
    ])
    let line = run.output.split(whereSeparator: \.isNewline).first { $0.hasSuffix(" \(symbol)") }
    return String(try #require(line).prefix(8))
  }

  @Test func stopsAtASymbolOfTheKernel() throws {
    let scratch = try Scratch()
    let address = try kernelAddress(of: "do_sys_openat2")
    let one = try scratch.file("one", [0x90])
    let symbols = "\(scratch.path)/symbols.o"
    let made = try NativeProcess.run(
      "/usr/bin/objcopy",
      arguments: [
        "objcopy", "-I", "binary", "-O", "elf32-i386", "-B", "i386",
        "--set-section-flags", ".data=code,alloc", "--change-section-address", ".data=0x\(address)",
        "--add-symbol", "do_sys_openat2=.data:0,global,function", one, symbols,
      ], environment: [], input: "/dev/null", directory: scratch.path)
    #expect(made.status == 0)
    let disk = try scratch.file(
      "initrd", try Guests.ramDisk(initScript: Guests.setUp + "echo done\npoweroff -f\n"))
    for engine in Engines.available {
      let port = UInt16.random(in: 20_000..<30_000)
      let machine = Process()
      machine.executableURL = URL(filePath: Program.path)
      machine.arguments = [
        "run", "--engine", engine, "--kernel", Guests.kernel, "--initrd", disk,
        "--append", "console=ttyS0 quiet nokaslr cryptomgr.notests", "--time-limit", "100",
        "--gdb", "\(port)", "--paused", "--serial", "file:\(scratch.path)/\(engine)",
      ]
      let waiting = Pipe()
      machine.standardInput = FileHandle.nullDevice
      machine.standardError = waiting
      try machine.run()
      // It says where it listens before it does anything else.
      #expect(!waiting.fileHandleForReading.availableData.isEmpty)
      let gdb = try NativeProcess.run(
        "/usr/bin/gdb",
        arguments: [
          "gdb", "-q", "-nx", "-batch", symbols, "-ex", "target remote :\(port)",
          "-ex", "hbreak do_sys_openat2", "-ex", "continue", "-ex", "printf \"at %x\\n\", $eip",
          "-ex", "stepi", "-ex", "printf \"then %x\\n\", $eip", "-ex", "x/1i do_sys_openat2",
          "-ex", "delete", "-ex", "break do_sys_openat2", "-ex", "continue",
          "-ex", "printf \"again %x\\n\", $eip", "-ex", "printf \"bytes %x\\n\", *(int *)$eip",
          "-ex", "delete", "-ex", "detach",
        ], environment: ["PATH=/usr/bin:/bin", "HOME=/tmp"], input: "/dev/null",
        directory: scratch.path)
      machine.waitUntilExit()
      let output = String(decoding: gdb.standardOutput, as: UTF8.self)
      #expect(output.contains("at \(address)"), "\(output)")
      #expect(output.contains("then ") && !output.contains("then \(address)"), "\(output)")
      #expect(output.contains("again \(address)"), "\(output)")
      #expect(output.contains("bytes ") && !output.contains("bytes 0\n"), "\(output)")
      #expect(machine.terminationStatus == 0)
      let serial = try String(contentsOfFile: "\(scratch.path)/\(engine)", encoding: .utf8)
      #expect(serial.contains("done"))
    }
  }
}
