import Foundation
import Host
import Machine
import Roms
import SystemROMs
import Testing

@testable import Frontend

/// The pixels of a PNG file as `PNG` writes it, with stored data. RFC 1950, 1951, 2083.
func decode(png: [UInt8]) throws -> Pixels {
  func word(_ at: Int) -> Int { png[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
  var pixels = Pixels(width: word(16), height: word(20), values: [])
  var at = 8
  var data: [UInt8] = []
  while at + 8 <= png.count {
    let length = word(at)
    if png[at + 4..<at + 8].elementsEqual("IDAT".utf8) { data += png[at + 8..<at + 8 + length] }
    at += length + 12
  }
  var rows: [UInt8] = []
  at = 2
  while true {
    let isLast = data[at] == 1
    let count = Int(data[at + 1]) | Int(data[at + 2]) << 8
    rows += data[at + 5..<at + 5 + count]
    at += 5 + count
    if isLast { break }
  }
  for y in 0..<pixels.height {
    for x in 0..<pixels.width {
      let i = y * (pixels.width * 3 + 1) + 1 + x * 3
      pixels.values.append(UInt32(rows[i]) << 16 | UInt32(rows[i + 1]) << 8 | UInt32(rows[i + 2]))
    }
  }
  return pixels
}

/// Checks that `shown` is `guest` scaled by the areas that its pixels cover: pixels that lie in one of the guest's
/// are equal, mixed ones are near.
func expectScaled(
  _ shown: Pixels, _ guest: Pixels, sourceLocation: SourceLocation = #_sourceLocation
) {
  func parts(_ index: Int, _ source: Int, _ target: Int) -> [(Int, Double)] {
    let start = Double(index * source) / Double(target)
    let end = Double((index + 1) * source) / Double(target)
    let last = ((index + 1) * source - 1) / target
    return (index * source / target...last).map {
      ($0, (min(end, Double($0 + 1)) - max(start, Double($0))) / (end - start))
    }
  }
  let columns = (0..<shown.width).map { parts($0, guest.width, shown.width) }
  var wrong = 0
  for y in 0..<shown.height {
    let rows = parts(y, guest.height, shown.height)
    for x in 0..<shown.width {
      if rows.count == 1 && columns[x].count == 1 {
        if shown[x, y] != guest[columns[x][0].0, rows[0].0] { wrong += 1 }
        continue
      }
      for shift: UInt32 in [0, 8, 16] {
        var sum = 0.0
        for (row, weight) in rows {
          for (column, other) in columns[x] {
            sum += Double(guest[column, row] >> shift & 255) * weight * other
          }
        }
        if abs(sum - Double(shown[x, y] >> shift & 255)) > 4 {
          wrong += 1
          break
        }
      }
    }
  }
  #expect(wrong == 0, "pixels differ", sourceLocation: sourceLocation)
}

/// The real thing: the program in a window on an X server. One test after the other: each has a guest that runs.
@Suite(.serialized, .enabled(if: XServer.isInstalled, "scripts/setup.sh installs Xvfb and xdotool"))
struct WindowTests {
  /// The demonstration stopped in the middle, drawn at a scale.
  @Test(arguments: [("1", 720, 400), ("2", 1440, 800), ("1.3", 936, 520)])
  func demonstrationIsDrawnExactly(scale: (String, Int, Int)) throws {
    let server = try XServer()
    let run = try WindowedRun(
      ["--demo", "--scale", scale.0, "--screenshot", "last.png", "--stats", "report.json"],
      on: server)
    let size = try run.geometry()
    #expect(size.width == scale.1 && size.height == scale.2 + StatusBar.height)
    #expect(try eventually { run.serial.contains("ring 3") })
    try run.focus()
    try run.key("ctrl+alt+p")
    try server.run("/usr/bin/xdotool", ["search", "--sync", "--name", "paused"])
    usleep(200_000)
    let shown = try run.pixels().cropped(x: 0, y: 0, width: scale.1, height: scale.2)
    try run.key("ctrl+alt+w")
    #expect(run.status() == 0, "\(run.errorText)")
    let guest = try decode(png: HostFile.contents(of: "\(run.scratch.path)/last.png"))
    #expect(guest.width == 720 && guest.height == 400)
    #expect(Set(guest.values).count > 4)
    expectScaled(shown, guest)
    let report = String(
      decoding: try HostFile.contents(of: "\(run.scratch.path)/report.json"), as: UTF8.self)
    #expect(report.contains("window closed"))
  }

  @Test func theWindowCanHaveAnySize() throws {
    let server = try XServer()
    let run = try WindowedRun(
      ["--rom", "window.rom", "--scale", "1", "--screenshot", "last.png"], on: server)
    #expect(try eventually { run.serial.contains("ready") })
    // The guest's mode is followed.
    #expect(try eventually { try run.geometry() == (480, 249, 640, 502) })
    let window = try run.window()
    try server.xdotool("windowsize", "--sync", window, "1000", "722")
    #expect(try eventually { try run.pixels()[999, 350] == 0x101214 })
    // Without the bar below it, whose figures change.
    func picture() throws -> Pixels {
      try run.pixels().cropped(x: 0, y: 0, width: 1000, height: 700)
    }
    let shown = try picture()
    func border(_ pixels: Pixels) -> Set<UInt32> {
      Set(
        pixels.cropped(x: 0, y: 0, width: 33, height: 700).values
          + pixels.cropped(x: 966, y: 0, width: 34, height: 700).values)
    }
    #expect(border(shown) == [0x101214])
    #expect(shown[33, 350] != 0x101214 && shown[965, 350] != 0x101214)
    // Nothing at all, a line, and back again.
    for size in [("1", "1"), ("1600", "1"), ("1", "900"), ("160", "60"), ("1000", "722")] {
      try server.xdotool("windowsize", window, size.0, size.1)
      usleep(100_000)
    }
    #expect(try eventually { try picture() == shown })
    try run.focus()
    // Another mode of the same shape in the same window.
    try run.key("F10")
    #expect(
      try eventually {
        let pixels = try picture()
        return pixels != shown && border(pixels) == [0x101214] && pixels[33, 350] != 0x101214
      })
    // A whole number again.
    try run.key("ctrl+alt+1")
    #expect(try eventually { try run.geometry().width == 800 && run.geometry().height == 622 })
    usleep(300_000)
    let exact = try run.pixels().cropped(x: 0, y: 0, width: 800, height: 600)
    run.interrupt()
    #expect(run.status() == 130)
    expectScaled(exact, try decode(png: HostFile.contents(of: "\(run.scratch.path)/last.png")))
  }
}
