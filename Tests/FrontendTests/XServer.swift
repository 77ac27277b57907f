import Foundation
import Host
import Roms
import SystemROMs
import Testing

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
}

/// Calls `condition` until it is true.
/// - Returns: whether it became true within `seconds`, which is long: a busy machine is slow.
func eventually(_ seconds: Double = 60, _ condition: () throws -> Bool) throws -> Bool {
  let end = Date().addingTimeInterval(seconds)
  while true {
    if try condition() { return true }
    if Date() > end { return false }
    usleep(20_000)
  }
}

/// Pixels: red, green, blue in bits 23-0.
struct Pixels: Equatable {
  var width: Int
  var height: Int
  var values: [UInt32]

  subscript(x: Int, y: Int) -> UInt32 { values[y * width + x] }

  /// A part, which may reach over the edges, as a window may over the screen's: there are no pixels there.
  func cropped(x: Int, y: Int, width: Int, height: Int) -> Pixels {
    var result = Pixels(width: width, height: height, values: [])
    result.values.reserveCapacity(width * height)
    for row in y..<y + height {
      for column in x..<x + width {
        let isInside = (0..<self.height).contains(row) && (0..<self.width).contains(column)
        result.values.append(isInside ? self[column, row] : Self.none)
      }
    }
    return result
  }

  /// Stands where there is no pixel.
  static let none: UInt32 = 0xFF00_0000
}

/// An X server without a screen of its own (Xvfb), whose pixels lie in a file.
final class XServer {
  private let process = Process()
  private let scratch: Scratch
  let display: String

  static var isInstalled: Bool {
    ["/usr/bin/Xvfb", "/usr/bin/xdotool"].allSatisfy(FileManager.default.isExecutableFile)
  }

  init(width: Int = 1600, height: Int = 1000) throws {
    scratch = try Scratch()
    let pipe = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/Xvfb")
    process.arguments = [
      "-displayfd", "1", "-screen", "0", "\(width)x\(height)x24", "-nolisten", "tcp", "-noreset",
      "-fbdir", scratch.path,
    ]
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    var text = ""
    while !text.contains("\n") {
      let data = pipe.fileHandleForReading.availableData
      guard !data.isEmpty else { break }
      text += String(decoding: data, as: UTF8.self)
    }
    display = ":" + text.trimmingCharacters(in: .whitespacesAndNewlines)
    try #require(display.count > 1, "Xvfb does not start")
  }

  deinit { kill() }

  func kill() {
    guard process.isRunning else { return }
    Foundation.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// The screen, from the X window dump that the server keeps (XWDFile.h: a header of big-endian words).
  func screen() throws -> Pixels {
    let bytes = try HostFile.contents(of: "\(scratch.path)/Xvfb_screen0", limit: 64 << 20)
    func word(_ index: Int) -> Int {
      bytes[index * 4..<index * 4 + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    let (width, height, rowBytes) = (word(4), word(5), word(12))
    #expect(word(11) == 32)
    let start = word(0) + word(19) * 12
    var pixels = Pixels(width: width, height: height, values: [])
    pixels.values.reserveCapacity(width * height)
    for y in 0..<height {
      for x in 0..<width {
        let at = start + y * rowBytes + x * 4
        pixels.values.append(
          UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2]) << 16)
      }
    }
    return pixels
  }

  /// Runs a program on the display, for a minute at most: `search --sync` waits for ever by itself.
  @discardableResult
  func run(_ program: String, _ arguments: [String]) throws -> String {
    let result = try NativeProcess.run(
      "/usr/bin/timeout", arguments: ["timeout", "60", program] + arguments,
      environment: ["PATH=/usr/bin:/bin", "HOME=/tmp", "DISPLAY=\(display)"], input: "/dev/null",
      directory: "/tmp")
    return String(decoding: result.standardOutput, as: UTF8.self)
  }

  @discardableResult
  func xdotool(_ arguments: String...) throws -> String {
    try run("/usr/bin/xdotool", arguments)
  }
}

/// `switchback run` with a window on an X server. The ROM that tells what it gets lies in its directory as
/// `window.rom`.
final class WindowedRun {
  let server: XServer
  let scratch: Scratch
  private let process = Process()
  private let output = Pipe()
  private let errors = Pipe()
  private let collected = Collected()

  private final class Collected: @unchecked Sendable {
    // Written by the pipes' queues, read by the test: the lock guards it.
    private let lock = NSLock()
    private var texts = ["", ""]
    func add(_ text: String, _ index: Int) { lock.withLock { texts[index] += text } }
    func text(_ index: Int) -> String { lock.withLock { texts[index] } }
  }

  /// The executable lies beside the tests.
  static let path =
    HostFile.directory(of: HostFile.absolutePath("/proc/self/exe") ?? "") + "/switchback"

  init(
    _ arguments: [String], on server: XServer, environment: [String: String] = [:]
  ) throws {
    self.server = server
    scratch = try Scratch()
    _ = try scratch.file("window.rom", ROM.window.image)
    process.executableURL = URL(filePath: Self.path)
    process.arguments = ["run"] + arguments + ["--time-limit", "300"]
    process.environment = [
      "PATH": "/usr/bin:/bin", "HOME": scratch.path, "DISPLAY": server.display,
      "SDL_AUDIODRIVER": "dummy",
    ].merging(environment) { $1 }
    process.currentDirectoryURL = URL(filePath: scratch.path)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = errors
    for (index, pipe) in [output, errors].enumerated() {
      pipe.fileHandleForReading.readabilityHandler = { [collected] handle in
        let data = handle.availableData
        if data.isEmpty { handle.readabilityHandler = nil }
        collected.add(String(decoding: data, as: UTF8.self), index)
      }
    }
    try process.run()
  }

  deinit { if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) } }

  /// The serial line.
  var serial: String { collected.text(0) }
  var errorText: String { collected.text(1) }
  var isRunning: Bool { process.isRunning }

  var processIdentifier: Int32 { process.processIdentifier }

  func interrupt() { process.interrupt() }

  /// Waits for the end and gives the exit status, or -1 with a signal's number subtracted.
  func status() -> Int32 {
    guard (try? eventually(120, { !process.isRunning })) == true else { return -1 }
    return process.terminationReason == .exit
      ? process.terminationStatus : -process.terminationStatus
  }

  /// The window's number for the X server.
  func window() throws -> String {
    var name = ""
    try #require(
      try eventually {
        // Its title ends with the state in brackets once the machine has told it.
        name =
          try server.xdotool("search", "--onlyvisible", "--name", "Switchback \\(")
          .split(separator: "\n").first.map(String.init) ?? ""
        return !name.isEmpty || !process.isRunning
      }, "no window: \(errorText)")
    try #require(!name.isEmpty, "no window: \(errorText)")
    return name
  }

  /// Place and size of the window.
  func geometry() throws -> (x: Int, y: Int, width: Int, height: Int) {
    let text = try server.xdotool("getwindowgeometry", "--shell", try window())
    var values: [String: Int] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: "=")
      if parts.count == 2 { values[String(parts[0])] = Int(parts[1]) }
    }
    return (
      values["X"] ?? 0, values["Y"] ?? 0, values["WIDTH"] ?? 0, values["HEIGHT"] ?? 0
    )
  }

  /// What the window shows.
  func pixels() throws -> Pixels {
    let place = try geometry()
    return try server.screen().cropped(
      x: place.x, y: place.y, width: place.width, height: place.height)
  }

  /// Gives the window the keyboard (there is no window manager that would).
  func focus() throws {
    try server.xdotool("windowfocus", "--sync", try window())
  }

  /// Types keys by their X names.
  func key(_ names: String...) throws {
    try server.run("/usr/bin/xdotool", ["key", "--delay", "30"] + names)
  }
}
