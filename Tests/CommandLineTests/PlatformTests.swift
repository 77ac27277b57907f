import Foundation
import Host
import Testing

/// Linux on boards with and without power management, APICs and the event timer.
@Suite(.serialized, .enabled(if: Guests.arePresent, "make guests fetches them"))
struct PlatformTests {
  private static func module(_ name: String) throws -> (String, [UInt8]) {
    ("\(name).ko", try HostFile.contents(of: "\(Guests.directory)/modules/\(name).ko"))
  }

  @Test(
    arguments: [
      ([], 0, ["IO-APIC", "hpet", "acpi_pm", "ttyS1"], []),
      (["--no-hpet"], 0, ["IO-APIC", "acpi_pm"], ["hpet"]),
      (["--no-apic"], 0, ["XT-PIC", "hpet", "acpi_pm"], ["IO-APIC"]),
      (["--no-acpi"], 71, ["IO-APIC", "MPTABLE"], ["acpi_pm", "hpet"]),
      (["--no-acpi", "--no-apic", "--no-hpet"], 71, ["XT-PIC"], ["IO-APIC", "acpi_pm", "hpet"]),
    ] as [([String], Int32, [String], [String])])
  func partsCanBeLeftOut(
    options: [String], status: Int32, expected: [String], absent: [String]
  ) throws {
    let scratch = try Scratch()
    let script = """
      cat /proc/interrupts
      cat /sys/devices/system/clocksource/clocksource0/available_clocksource
      dmesg | grep -E 'MPTABLE: OEM|ttyS1'
      poweroff -f

      """
    let disk = try scratch.file("initrd", try Guests.ramDisk(initScript: Guests.setUp + script))
    let run = try Program(
      [
        "run", "--engine", "translator", "--kernel", Guests.kernel, "--initrd", disk,
        "--append", "console=ttyS0 quiet cryptomgr.notests", "--time-limit", "100",
      ] + options)
    // Without power management the kernel cannot switch the machine off.
    #expect(run.status == status, "\(run.output.suffix(2000))")
    for text in expected { #expect(run.output.contains(text), "\(run.output.suffix(2000))") }
    for text in absent { #expect(!run.output.contains(text), "\(run.output.suffix(2000))") }
  }

  @Test(arguments: [48, 1024, 3072]) func memorySizes(megabytes: Int) throws {
    let scratch = try Scratch()
    let disk = try scratch.file(
      "initrd",
      try Guests.ramDisk(initScript: Guests.setUp + "grep MemTotal /proc/meminfo\npoweroff -f\n"))
    let run = try Program([
      "run", "--engine", "translator", "--kernel", Guests.kernel, "--initrd", disk, "-m",
      "\(megabytes)M", "--append", "console=ttyS0 quiet cryptomgr.notests", "--time-limit", "100",
    ])
    #expect(run.status == 0, "\(run.output.suffix(2000))")
    let words = run.output.split(whereSeparator: \.isWhitespace)
    let place = try #require(words.firstIndex(of: "MemTotal:"), "\(run.output.suffix(2000))")
    let kibibytes = try #require(Int(words[place + 1]))
    // The kernel keeps some for itself, most of it at the start.
    #expect(kibibytes <= megabytes << 10)
    #expect(kibibytes > (megabytes - 28) * 992)
  }

  /// SIGUSR1 presses the power button; the guest's daemon hears of it and shuts down.
  @Test func thePowerButtonShutsTheGuestDown() throws {
    let scratch = try Scratch()
    let script = """
      insmod /button.ko
      insmod /evdev.ko
      mkdir -p /etc/acpi/PWRF
      printf '#!/bin/sh\\necho pressed\\npoweroff -f\\n' >/etc/acpi/PWRF/00000080
      chmod 755 /etc/acpi/PWRF/00000080
      (sleep 1; echo ready) &
      acpid -d -f

      """
    let disk = try scratch.file(
      "initrd",
      try Guests.ramDisk(
        initScript: Guests.setUp + script,
        files: [try Self.module("button"), try Self.module("evdev")]))
    let serial = "\(scratch.path)/serial"
    // A shell that starts the machine, waits for the guest and presses the button.
    let shell = """
      "$0" run --engine translator --kernel "$1" --initrd "$2" --serial file:"$3" \
        --append 'console=ttyS0 quiet cryptomgr.notests' --time-limit 60 &
      until grep -q ready "$3" 2>/dev/null || ! kill -0 $! 2>/dev/null; do sleep 0.1; done
      kill -USR1 $!
      wait $!
      """
    let run = try NativeProcess.run(
      "/bin/sh", arguments: ["sh", "-c", shell, Program.path, Guests.kernel, disk, serial],
      environment: ["PATH=/usr/bin:/bin"], input: "/dev/null", directory: scratch.path)
    let text = try String(contentsOfFile: serial, encoding: .utf8)
    #expect(run.status == 0, "\(text.suffix(2000))")
    #expect(text.contains("pressed"), "\(text.suffix(2000))")
  }

  /// A signal that arrives in the middle of translated code ends the run as it should.
  @Test(arguments: ["translator", "adaptive"]) func aSignalEndsABusyGuest(engine: String) throws {
    let scratch = try Scratch()
    let disk = try scratch.file(
      "initrd",
      try Guests.ramDisk(initScript: Guests.setUp + "echo ready\nwhile true; do :; done\n"))
    let shell = """
      "$0" run --engine "$4" --kernel "$1" --initrd "$2" --serial file:"$3" --stats \
        --append 'console=ttyS0 quiet cryptomgr.notests' --time-limit 60 &
      until grep -q ready "$3" 2>/dev/null || ! kill -0 $! 2>/dev/null; do sleep 0.1; done
      kill -TERM $!
      wait $!
      """
    let run = try NativeProcess.run(
      "/bin/sh",
      arguments: [
        "sh", "-c", shell, Program.path, Guests.kernel, disk, "\(scratch.path)/serial", engine,
      ], environment: ["PATH=/usr/bin:/bin"], input: "/dev/null", directory: scratch.path)
    #expect(run.status >> 8 == 128 + SIGTERM)
    #expect(String(decoding: run.standardError, as: UTF8.self).contains("state hash"))
  }

  /// The second serial line and the parallel port, by their drivers and by hand.
  @Test func secondSerialLine() throws {
    let scratch = try Scratch()
    let disk = try scratch.file(
      "initrd",
      try Guests.ramDisk(initScript: Guests.setUp + "echo second >/dev/ttyS1\npoweroff -f\n"))
    let run = try Program([
      "run", "--engine", "translator", "--kernel", Guests.kernel, "--initrd", disk,
      "--append", "quiet cryptomgr.notests", "--time-limit", "100", "--serial", "none",
      "--serial2", "file:\(scratch.path)/second",
    ])
    #expect(run.status == 0)
    let text = try String(contentsOfFile: "\(scratch.path)/second", encoding: .utf8)
    #expect(text.contains("second"))
  }
}
