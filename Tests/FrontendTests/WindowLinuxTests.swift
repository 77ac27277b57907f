import Foundation
import Host
import Testing

@testable import Frontend
@testable import Machine

/// What `make guests` fetches.
private enum Guests {
  static let path =
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "guests").path
  static var arePresent: Bool {
    ["vmlinuz-686", "busybox"].allSatisfy {
      FileManager.default.fileExists(atPath: "\(path)/\($0)")
    }
  }
}

/// Consoles of an unmodified kernel in a window.
@Suite(
  .serialized,
  .enabled(
    if: XServer.isInstalled && Guests.arePresent,
    "scripts/setup.sh and make guests fetch what is needed"))
struct WindowLinuxTests {
  private static let script = """
    #!/bin/busybox sh
    /bin/busybox --install -s /bin
    export PATH=/bin HOME=/ PS1='# '
    mount -t proc proc /proc
    mount -t devtmpfs devtmpfs /dev
    echo 0 >/proc/sys/kernel/printk
    (cat /proc/fb; echo framebuffers told) >/dev/ttyS0
    exec setsid cttyhack sh </dev/tty0 >/dev/tty0 2>&1

    """

  /// The VGA's text console, and vesafb's in true colour as the kernel parameter `vga=` asks for it.
  @Test(arguments: [("", 720, 400, ""), ("vga=0x314 ", 800, 600, "VESA VGA")])
  func consolesAreDrawnExactly(mode: (String, Int, Int, String)) throws {
    var disk = InitialRamdisk()
    for directory in ["dev", "proc", "tmp"] { disk.addDirectory(directory) }
    disk.addCharacterDevice("dev/console", major: 5, minor: 1)
    disk.addFile(
      "bin/busybox", try HostFile.contents(of: "\(Guests.path)/busybox"), permissions: 0o755)
    disk.addLink("bin/sh", to: "busybox")
    disk.addFile("init", Array(Self.script.utf8), permissions: 0o755)
    let scratch = try Scratch()
    let initrd = try scratch.file("initrd", disk.bytes)
    let server = try XServer()
    let run = try WindowedRun(
      [
        "--engine", "translator", "--kernel", "\(Guests.path)/vmlinuz-686", "--initrd", initrd,
        "--append", "\(mode.0)console=tty0 quiet cryptomgr.notests", "--scale", "1",
        "--screenshot", "last.png",
      ], on: server)
    #expect(try eventually(120) { run.serial.contains("framebuffers told") })
    #expect(mode.3.isEmpty ? !run.serial.contains("VESA") : run.serial.contains(mode.3))
    #expect(try eventually { try run.geometry().width == mode.1 })
    // Typed on the keyboard, run by the shell, told on the serial line.
    try run.focus()
    try server.xdotool("type", "--delay", "40", "clear; seq 1 9; echo 'Typed OK' | tee /dev/ttyS0")
    try run.key("Return")
    #expect(try eventually { run.serial.contains("Typed OK") })
    usleep(500_000)
    try run.key("ctrl+alt+p")
    try server.run("/usr/bin/xdotool", ["search", "--sync", "--name", "paused"])
    usleep(300_000)
    let shown = try run.pixels().cropped(x: 0, y: 0, width: mode.1, height: mode.2)
    try run.key("ctrl+alt+w")
    #expect(run.status() == 0)
    let guest = try decode(png: HostFile.contents(of: "\(run.scratch.path)/last.png"))
    #expect(guest.width == mode.1 && guest.height == mode.2)
    #expect(guest == shown)
    #expect(guest.values.filter { $0 != 0 }.count > 300)
  }
}
