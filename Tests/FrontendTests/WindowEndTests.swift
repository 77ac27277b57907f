import Foundation
import Host
import Roms
import SystemROMs
import Testing

@testable import Frontend

/// What can go wrong around a window.
@Suite(.serialized, .enabled(if: XServer.isInstalled, "scripts/setup.sh installs Xvfb and xdotool"))
struct WindowEndTests {
  private func start(_ server: XServer, environment: [String: String] = [:]) throws -> WindowedRun {
    let run = try WindowedRun(
      [
        "--rom", "window.rom", "--scale", "1", "--stats", "report.json", "--screenshot", "last.png",
        "--debugcon", "file:debug",
      ], on: server, environment: environment)
    #expect(try eventually { run.serial.contains("ready") })
    _ = try run.window()
    return run
  }

  private func reason(_ run: WindowedRun) throws -> String {
    #expect(try HostFile.contents(of: "\(run.scratch.path)/last.png").count > 640 * 480 * 3)
    let text = String(
      decoding: try HostFile.contents(of: "\(run.scratch.path)/report.json"), as: UTF8.self)
    let rest = text.components(separatedBy: "\"reason\": \"").dropFirst().first ?? text
    return String(rest.prefix { $0 != "\"" })
  }

  @Test func theWindowManagerClosesTheWindow() throws {
    let server = try XServer()
    let run = try start(server)
    try askToClose(window: try run.window(), display: server.display)
    #expect(run.status() == 0)
    #expect(try reason(run) == "window closed")
  }

  @Test func theXServerDies() throws {
    let server = try XServer()
    let run = try start(server)
    server.kill()
    #expect(run.status() == 69, "\(run.errorText)")
    #expect(try reason(run) == "display lost")
    #expect(run.errorText.contains("the display is gone"))
  }

  @Test func anotherClientKillsTheWindow() throws {
    let server = try XServer()
    let run = try start(server)
    try server.xdotool("windowkill", try run.window())
    #expect(run.status() == 69, "\(run.errorText)")
    #expect(try reason(run) == "display lost")
  }

  /// What a guest has been told to be written is in the image, however its window ends.
  @Test(arguments: ["close", "kill", "server"]) func noDiskDataIsLost(end: String) throws {
    let server = try XServer()
    // A boot sector that writes itself to the second sector by the firmware (INT 13h), says W on COM1 and waits.
    var sector: [UInt8] = [
      0x31, 0xC0, 0x8E, 0xC0,  // xor ax, ax; mov es, ax
      0xBB, 0x00, 0x7C, 0xB8, 0x01, 0x03,  // mov bx, 7C00h; mov ax, 0301h
      0xB9, 0x02, 0x00, 0xBA, 0x80, 0x00, 0xCD, 0x13,  // mov cx, 2; mov dx, 80h; int 13h
      0xBA, 0xF8, 0x03, 0xB0, 0x57, 0xEE,  // mov dx, 3F8h; mov al, 'W'; out dx, al
      0xFB, 0xF4, 0xEB, 0xFC,  // sti; hlt; jmp
    ]
    sector += [UInt8](repeating: 0xA5, count: 510 - sector.count) + [0x55, 0xAA]
    let scratch = try Scratch()
    let disk = try scratch.file("disk", sector + [UInt8](repeating: 0, count: 2 << 20))
    let run = try WindowedRun(
      ["--disk", disk, "--boot", "c", "--engine", "translator", "--stats", "report.json"],
      on: server)
    #expect(try eventually { run.serial.contains("W") })
    switch end {
    case "close": try askToClose(window: try run.window(), display: server.display)
    case "kill": try server.xdotool("windowkill", try run.window())
    default: server.kill()
    }
    #expect(run.status() == (end == "close" ? 0 : 69), "\(run.errorText)")
    let bytes = try HostFile.contents(of: disk)
    #expect(Array(bytes[512..<1024]) == sector)
    let report = try HostFile.contents(of: "\(run.scratch.path)/report.json")
    #expect(report.count > 100)
  }

  @Test func aSignalEndsTheRun() throws {
    let server = try XServer()
    let run = try start(server)
    run.interrupt()
    #expect(run.status() == 130)
    #expect(try reason(run) == "signal 2")
  }

  @Test func noSoundDeviceIsNoTrouble() throws {
    let server = try XServer()
    let run = try start(server, environment: ["SDL_AUDIODRIVER": "none such"])
    try run.focus()
    try run.key("F11", "F12", "F11", "a")
    #expect(try eventually { run.serial.contains("k9E") })
    try run.key("ctrl+alt+w")
    #expect(run.status() == 0)
  }

  @Test func withoutADisplayOneLineSaysSo() throws {
    for (display, words) in [
      ("", "no display"), (":4711", "no window: display :4711 cannot be opened"),
    ] {
      let result = try NativeProcess.run(
        WindowedRun.path,
        arguments: ["switchback", "run", "--demo", "--display", "window", "--clock", "cycles"],
        environment: ["PATH=/usr/bin:/bin", "HOME=/tmp"]
          + (display.isEmpty ? [] : ["DISPLAY=\(display)"]),
        input: "/dev/null", directory: "/tmp")
      let error = String(decoding: result.standardError, as: UTF8.self)
      #expect(result.status == 0)
      #expect(error.split(separator: "\n").count == 1 && error.contains(words), "\(error)")
      #expect(String(decoding: result.standardOutput, as: UTF8.self).contains("all tasks done"))
    }
  }

  /// `--display none` does not even load the library.
  @Test func sdlIsTouchedOnlyForAWindow() throws {
    let server = try XServer()
    for (display, isLoaded) in [("none", false), ("window", true)] {
      let run = try WindowedRun(
        ["--demo", "--clock", "host", "--display", display], on: server)
      #expect(try eventually { run.serial.contains("ring 3") })
      if isLoaded { _ = try run.window() }
      let maps = String(
        decoding: try HostFile.contents(of: "/proc/\(run.processIdentifier)/maps"), as: UTF8.self)
      #expect(maps.contains("libSDL2") == isLoaded)
      #expect(maps.contains("libX11") == isLoaded)
      run.interrupt()
      #expect(run.status() == 130)
    }
  }
}

/// Sends what a window manager sends when its close button is pressed (ICCCM 4.2.8.1), with the X library.
private func askToClose(window: String, display: String) throws {
  let library = try #require(dlopen("libX11.so.6", RTLD_NOW))
  func function<T>(_ name: String, _: T.Type) throws -> T {
    unsafeBitCast(try #require(dlsym(library, name)), to: T.self)
  }
  let open = try function(
    "XOpenDisplay", (@convention(c) (UnsafePointer<CChar>?) -> OpaquePointer?).self)
  let intern = try function(
    "XInternAtom",
    (@convention(c) (OpaquePointer?, UnsafePointer<CChar>?, Int32) -> UInt).self)
  let send = try function(
    "XSendEvent",
    (@convention(c) (OpaquePointer?, UInt, Int32, Int, UnsafeMutableRawPointer?) -> Int32).self)
  let close = try function("XCloseDisplay", (@convention(c) (OpaquePointer?) -> Int32).self)
  let connection = try #require(open(display))
  let number = try #require(UInt(window))
  // XClientMessageEvent: type, serial, send_event, display, window, message_type, format, data.
  var event = [Int](repeating: 0, count: 24)
  event[0] = 33
  event[4] = Int(number)
  event[5] = Int(intern(connection, "WM_PROTOCOLS", 0))
  event[6] = 32
  event[7] = Int(intern(connection, "WM_DELETE_WINDOW", 0))
  event.withUnsafeMutableBytes { _ = send(connection, number, 0, 0, $0.baseAddress) }
  _ = close(connection)
}
