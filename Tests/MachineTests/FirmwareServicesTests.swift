import Devices
import FirmwareROMs
import Roms
import Testing

@testable import Machine

/// What programs get from SeaBIOS and its VGA BIOS: the ROM `services` calls them in real mode and tells.
@Suite struct FirmwareServicesTests {
  /// A line that the ROM printed, and the screen at that time where it asked to be looked at.
  private struct Line {
    var words: [Substring]
    var frame = VideoFrame()
    var text: [String] = []
    var cursor: (column: Int, row: Int)?
    func number(_ index: Int) -> Int { Int(words[index], radix: 16) ?? -1 }
  }

  private final class Watcher {
    var lines: [Line] = []
    private var current = ""
    weak var machine: Machine?

    func receive(_ byte: UInt8) {
      guard byte == 10 else {
        current.unicodeScalars.append(Unicode.Scalar(byte))
        return
      }
      var line = Line(words: current.split(separator: " "))
      current = ""
      if let machine, let command = line.words.first {
        switch command {
        case "show":
          line.frame = machine.pc.screen
          line.text = machine.pc.vga.textScreen
          line.cursor = machine.pc.vga.textCursor
        case "keys": machine.pc.typer.type("aZ\n1")
        case "mouse":
          machine.pc.keyboard.moveMouse(dx: 5, dy: 3, buttons: 1)
          machine.pc.keyboard.moveMouse(dx: 0, dy: 0, buttons: 0)
        default: break
        }
      }
      lines.append(line)
    }
  }

  private func run(engine: String, memory: UInt64) throws -> [Line] {
    var rom = ROM.services.image
    rom[rom.count - 1] = 0 &- rom.dropLast().reduce(0, &+)
    let image = try FirmwareLoader.load(
      system: FirmwareLoader.find(FirmwareLoader.systemName, option: "bios"), systemName: "bios",
      video: FirmwareLoader.find(FirmwareLoader.videoName, option: "bios"), videoName: "video",
      options: [(rom, "services")])
    var configuration = MachineConfiguration()
    configuration.memory = memory
    configuration.debugExit = true
    configuration.timeLimit = 100
    configuration.cycleLimit = 20_000_000_000
    configuration.startTime = MachineConfiguration.fixedStartTime
    let machine = try Machine(
      configuration: configuration, image: image,
      console: Console(serial: .capture, debug: .capture, readsInput: false), engine: engine)
    let watcher = Watcher()
    watcher.machine = machine
    machine.debugOutput = { watcher.receive($0) }
    let ending = machine.run()
    #expect(ending == .debugExit(1), "\(watcher.lines.map(\.words).suffix(3))")
    return watcher.lines
  }

  @Test(arguments: [16, 64, 1024, 3072] as [UInt64])
  func firmwareKnowsTheMemory(megabytes: UInt64) throws {
    let lines = try run(engine: "translator", memory: megabytes << 20)
    func line(_ name: Substring) throws -> Line {
      try #require(lines.first { $0.words.first == name })
    }
    #expect((636...640).contains(try line("conventional").number(1)))
    // Some KiB at the top are the firmware's own.
    let extended = try line("extended").number(1)
    #expect(extended > min(Int(megabytes - 1) << 10, 0xFC00) - 512)
    let e801 = try line("e801")
    #expect(e801.number(1) > 0x3A00)
    #expect((Int(megabytes) - 16) * 16 - e801.number(2) <= 8)
    let usable = lines.filter { $0.words.first == "range" && $0.number(3) == 1 }
    let high = try #require(usable.last)
    #expect(high.number(1) == 0x10_0000)
    #expect((0...0x8_0000).contains(Int(megabytes - 1) << 20 - high.number(2)))
  }

  private static let ega: [UInt32] = [
    0x000000, 0x0000AA, 0x00AA00, 0x00AAAA, 0xAA0000, 0xAA00AA, 0xAA5500, 0xAAAAAA,
    0x555555, 0x5555FF, 0x55FF55, 0x55FFFF, 0xFF5555, 0xFF55FF, 0xFFFF55, 0xFFFFFF,
  ]
  private static let cga: [UInt32] = [0x000000, 0x55FFFF, 0xFF55FF, 0xFFFFFF]
  private static let two: [UInt32] = [0x000000, 0xFFFFFF]

  /// A pixel as 0xRRGGBB.
  private func pixel(_ frame: VideoFrame, _ x: Int, _ y: Int) -> UInt32 {
    frame.pixels[y * frame.width + x].byteSwapped >> 8
  }

  @Test(arguments: Engines.available) func servicesAnswerAndDraw(engine: String) throws {
    let lines = try run(engine: engine, memory: 64 << 20)
    let names = lines.compactMap(\.words.first)
    for name in ["ticks", "wait", "keys", "mouse"] { #expect(names.contains(name[...])) }
    #expect(!names.contains("copy"))
    func words(_ name: Substring) -> [[Substring]] {
      lines.map(\.words).filter { $0.first == name }.map { Array($0.dropFirst()) }
    }
    #expect(words("date") == [["2026", "0101"]])
    #expect(words("time") == [["0000"]])
    #expect(words("key") == [["1E61"], ["2C5A"], ["1C0D"], ["0231"]])
    // Left button, five to the right, three down; then released.
    #expect(words("moved") == [["0029", "0005", "00FD"], ["0008", "0000", "0000"]])
    #expect(words("vbe") == [["004F", "41534556", "0300"]])
    checkModes(lines)
    checkLinearModes(lines)
    try checkText(lines)
  }

  private func checkModes(_ lines: [Line]) {
    let modes: [Int: (width: Int, height: Int, colors: [UInt32])] = [
      0x04: (320, 200, Self.cga), 0x06: (640, 200, Self.two), 0x0D: (320, 200, Self.ega),
      0x0E: (640, 200, Self.ega), 0x10: (640, 350, Self.ega), 0x11: (640, 480, Self.two),
      0x12: (640, 480, Self.ega), 0x13: (320, 200, Self.ega),
    ]
    var seen: Set<Int> = []
    for line in lines where line.words.starts(with: ["show", "mode"]) {
      let mode = line.number(2)
      seen.insert(mode)
      guard let expected = modes[mode] else { continue }
      #expect([line.frame.width, line.frame.height] == [expected.width, expected.height])
      let colors = expected.colors
      for i in 0..<16 {
        #expect(
          pixel(line.frame, 2 * i, i) == colors[i % colors.count],
          "mode \(String(mode, radix: 16)), pixel \(i)")
      }
      #expect(
        line.frame.pixels.filter { $0 != line.frame.pixels[0] }.count == 16 - 16 / colors.count)
      #expect(line.number(3) % colors.count == 7 % colors.count)
    }
    #expect(seen == Set(modes.keys))
  }

  private func checkLinearModes(_ lines: [Line]) {
    let expected: [Int: [Int]] = [
      0x101: [640, 480, 8], 0x110: [640, 480, 15], 0x111: [640, 480, 16], 0x112: [640, 480, 24],
      0x118: [1024, 768, 24], 0x11C: [1600, 1200, 8], 0x142: [640, 480, 32],
      0x147: [1600, 1200, 32],
    ]
    var seen: Set<Int> = []
    for line in lines where line.words.starts(with: ["show", "vbe"]) {
      let mode = line.number(2)
      seen.insert(mode)
      let bits = line.number(5)
      #expect([line.number(3), line.number(4), bits] == expected[mode])
      let frame = line.frame
      #expect([frame.width, frame.height] == [line.number(3), line.number(4)])
      for y in [0, frame.height - 1] {
        for x in 0..<16 {
          #expect(pixel(frame, x, y) == color(x, bits: bits), "mode \(mode), \(x), \(y)")
        }
        #expect(pixel(frame, 300, y) == 0)
      }
      #expect(pixel(frame, 1, 1) == 0)
    }
    #expect(seen == Set(expected.keys))
    let panned = lines.first { $0.words.starts(with: ["show", "panned"]) }
    #expect(panned?.number(2) == 2560)
    if let frame = panned?.frame {
      for x in 0..<14 { #expect(pixel(frame, x, 0) == color(x + 2, bits: 16)) }
    }
  }

  /// The colour of pixel `x` of the bytes 0, 1, 2...
  private func color(_ x: Int, bits: Int) -> UInt32 {
    let bytes = (bits + 7) / 8
    let value = (0..<bytes).reduce(UInt32(0)) { $0 | UInt32(x * bytes + $1) << UInt32($1 * 8) }
    func full(_ value: UInt32, _ width: UInt32) -> UInt32 {
      value << (8 - width) | value >> (2 * width - 8)
    }
    switch bits {
    case 8: return Self.ega[x]
    case 15:
      return full(value >> 10 & 31, 5) << 16 | full(value >> 5 & 31, 5) << 8 | full(value & 31, 5)
    case 16:
      return full(value >> 11 & 31, 5) << 16 | full(value >> 5 & 63, 6) << 8 | full(value & 31, 5)
    default: return value & 0xFF_FFFF
    }
  }

  private func checkText(_ lines: [Line]) throws {
    func show(_ name: Substring) throws -> Line {
      try #require(lines.first { $0.words.starts(with: ["show", name]) })
    }
    let text = try show("text")
    #expect([text.frame.width, text.frame.height] == [720, 400])
    #expect(text.text.contains("Hello, screen"))
    #expect(text.cursor.map { [$0.column, $0.row] } == [0x0B, 0x0C])
    // Blinking is off: the attribute's top bit makes the background bright.
    #expect(text.text[5].hasSuffix("██"))
    #expect(pixel(text.frame, 10 * 9, 5 * 16) == 0xFFFF55)
    #expect(pixel(text.frame, 12 * 9 - 1, 6 * 16 - 1) == 0xFFFF55)
    let rows = try show("rows")
    #expect(rows.text.count == 50)
    #expect(rows.frame.height == 400)
    let columns = try show("columns")
    #expect(columns.frame.width == 360)
    let monochrome = try show("monochrome")
    #expect(monochrome.text[0].hasPrefix("A"))
    #expect([monochrome.frame.width, monochrome.frame.height] == [720, 400])
    // Underlined.
    #expect((0..<9).allSatisfy { pixel(monochrome.frame, $0, 13) == 0xAAAAAA })
  }
}
