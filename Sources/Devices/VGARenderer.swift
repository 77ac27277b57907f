import Bus

/// A picture: `width * height` pixels, row by row, bytes red, green, blue, 255 in memory order.
public struct VideoFrame: Sendable, Equatable {
  public var width = 0
  public var height = 0
  public var pixels: [UInt32] = []

  public init() {}

  mutating func resize(_ width: Int, _ height: Int) {
    guard width != self.width || height != self.height else { return }
    self.width = width
    self.height = height
    pixels = [UInt32](repeating: 0xFF00_0000, count: width * height)
  }

  /// Takes over some lines of another frame, and its size.
  public mutating func copy(_ lines: Range<Int>, of other: VideoFrame) {
    guard width == other.width, height == other.height else { return self = other }
    let range = lines.lowerBound * width..<lines.upperBound * width
    pixels.replaceSubrange(range, with: other.pixels[range])
  }
}

/// What the last picture was drawn from.
struct RenderedState {
  var blinkPhase: UInt64?
  var registers: VideoUpdate.Registers?
  /// Bytes of memory that have changed since; nil if nobody keeps account of them.
  var changes: [Range<Int>]?
}

extension VGA {
  /// Draws the screen into `frame` if it has changed since the last call (or the blinking has).
  /// - Returns: the lines that were drawn.
  @discardableResult
  public func render(into frame: inout VideoFrame) -> Range<Int> {
    let phase = blinkPhase
    let blinks = isTextMode && phase != rendered.blinkPhase
    guard isDirty || hasUntrackedWrites || blinks || frame.pixels.isEmpty else { return 0..<0 }
    trackFramebuffer()
    isDirty = false
    rendered.blinkPhase = phase
    let registers = registers
    let changes = registers == rendered.registers && !frame.pixels.isEmpty ? rendered.changes : nil
    rendered.registers = registers
    if display.isEnabled {
      return renderLinear(&frame, changes)
    } else if !isScreenOn || sequencer[1] & 0x20 != 0 {
      frame.resize(720, 400)
      for index in frame.pixels.indices { frame.pixels[index] = 0xFF00_0000 }
    } else if isTextMode {
      return renderText(&frame, phase: phase, onlyBlinking: changes?.isEmpty ?? false)
    } else {
      renderGraphics(&frame)
    }
    return 0..<frame.height
  }

  /// Whether the screen shows characters.
  public var isTextMode: Bool { !display.isEnabled && graphics[6] & 1 == 0 }

  // MARK: Colours

  private func color(ofDAC index: Int) -> UInt32 {
    func component(_ offset: Int) -> UInt32 {
      let value = UInt32(dac[index * 3 + offset])
      return display.has8BitDAC ? value : (value & 0x3F) << 2 | (value & 0x3F) >> 4
    }
    return component(0) | component(1) << 8 | component(2) << 16 | 0xFF00_0000
  }

  /// The colours of 4-bit pixels: attribute palette, colour select, DAC.
  func palette16() -> [UInt32] {
    (0..<16).map { index in
      var value = attribute[index & Int(attribute[0x12] & 15)]
      if attribute[0x10] & 0x80 != 0 {
        value = value & 0x0F | (attribute[0x14] & 3) << 4
      }
      value = value & 0x3F | (attribute[0x14] & 0x0C) << 4
      return color(ofDAC: Int(value & dacMask))
    }
  }

  private func palette256() -> [UInt32] {
    (0..<256).map { color(ofDAC: $0 & Int(dacMask)) }
  }

  // MARK: Addresses

  var startAddress: Int { Int(crtc[0x0C]) << 8 | Int(crtc[0x0D]) }
  /// Address counts from one row to the next.
  var rowOffset: Int { Int(crtc[0x13]) * 2 }
  var characterHeight: Int { Int(crtc[9] & 31) + 1 }

  /// The last scan line before the second part of a split screen, which starts at address 0.
  var lineCompare: Int {
    Int(crtc[0x18]) | Int(crtc[7] & 0x10) << 4 | Int(crtc[9] & 0x40) << 3
  }
  /// Whether horizontal panning ends with the first part of a split screen.
  var splitEndsPanning: Bool { attribute[0x10] & 0x20 != 0 }
  /// Address counts by which the first part is moved to the left, besides panning by dots.
  var bytePanning: Int { Int(crtc[8] >> 5 & 3) }
  /// The scan line of the first row with which the picture begins.
  var presetRowScan: Int { Int(crtc[8] & 31) }

  /// The planes' address of a count of the CRTC's address counter: byte, word or doubleword mode.
  func planeAddress(_ count: Int) -> Int {
    if crtc[0x14] & 0x40 != 0 { return (count << 2 | count >> 14 & 3) & 0xFFFF }
    if crtc[0x17] & 0x40 != 0 { return count & 0xFFFF }
    let high = crtc[0x17] & 0x20 != 0 ? count >> 15 : count >> 13
    return (count << 1 | high & 1) & 0xFFFF
  }

  // MARK: Graphics

  private func renderGraphics(_ frame: inout VideoFrame) {
    let columns = Int(crtc[1]) + 1
    let is256 = graphics[5] & 0x40 != 0
    let isInterleaved = graphics[5] & 0x20 != 0
    let pixelsPerColumn = is256 ? 4 : 8
    // Rows that repeat are drawn once: scan doubling, and character height unless it changes the address.
    let usesRowScan = crtc[0x17] & 3 != 3
    let repeats = (crtc[9] & 0x80 != 0 ? 2 : 1) * (usesRowScan ? 1 : characterHeight)
    let lineCompare = lineCompare / repeats
    frame.resize(columns * pixelsPerColumn, max(visibleLines / repeats, 1))
    let palette = is256 ? palette256() : palette16()
    var panning = Int(attribute[0x13] & 15)
    panning = is256 ? panning >> 1 & 3 : panning & 7
    var row = usesRowScan ? presetRowScan % characterHeight : 0
    var start = startAddress + bytePanning
    for y in 0..<frame.height {
      if y == lineCompare + 1 {
        start = 0
        row = 0
        if splitEndsPanning { panning = 0 }
      }
      let scan = usesRowScan ? row % characterHeight : 0
      let counter = start + (usesRowScan ? row / characterHeight : row) * rowOffset
      row += 1
      var x = -panning
      for column in 0..<columns + (panning > 0 ? 1 : 0) {
        var address = planeAddress(counter + column)
        if crtc[0x17] & 1 == 0 { address = address & ~0x2000 | (scan & 1) << 13 }
        if crtc[0x17] & 2 == 0 { address = address & ~0x4000 | (scan & 2) << 13 }
        let base = address * 4
        for pixel in 0..<pixelsPerColumn {
          defer { x += 1 }
          guard x >= 0 && x < frame.width else { continue }
          let value: Int
          if is256 {
            value = Int(memory[base + pixel])
          } else if isInterleaved {
            // Two bits of plane 0 or 1, two more of plane 2 or 3.
            let shift = 6 - (pixel & 3) * 2
            let plane = base + pixel >> 2
            value = Int(memory[plane]) >> shift & 3 | (Int(memory[plane + 2]) >> shift & 3) << 2
          } else {
            let shift = 7 - pixel
            value =
              Int(memory[base]) >> shift & 1 | (Int(memory[base + 1]) >> shift & 1) << 1
              | (Int(memory[base + 2]) >> shift & 1) << 2
              | (Int(memory[base + 3]) >> shift & 1) << 3
          }
          frame.pixels[y * frame.width + x] = palette[value]
        }
      }
    }
  }

  /// A mode of the Bochs display interface, which has checked that it lies within memory.
  /// - Parameter changes: the bytes that the picture in `frame` lacks; nil if it has to be drawn as a whole.
  /// - Returns: the lines that were drawn.
  private func renderLinear(_ frame: inout VideoFrame, _ changes: [Range<Int>]?) -> Range<Int> {
    frame.resize(display.width, display.height)
    let palette = display.bitsPerPixel == 8 ? palette256() : []
    let step = display.bytesPerPixel
    var lines = 0..<0
    for y in 0..<display.height {
      var source = display.start + y * display.pitch
      let bytes = source..<source + display.width * step
      guard bytes.upperBound <= memory.count else { return lines }
      if let changes, !changes.contains(where: bytes.overlaps) { continue }
      lines = (lines.isEmpty ? y : lines.lowerBound)..<y + 1
      var pixel = y * frame.width
      if display.bitsPerPixel == 32 {
        memory.draw(pixels: display.width, from: source, on: &frame.pixels, at: pixel)
        continue
      }
      for _ in 0..<display.width {
        var value = UInt32(memory[source])
        if step > 1 { value |= UInt32(memory[source + 1]) << 8 }
        if step > 2 { value |= UInt32(memory[source + 2]) << 16 }
        frame.pixels[pixel] =
          switch display.bitsPerPixel {
          case 8: palette[Int(value)]
          case 15: Self.rgb(value >> 10 & 31, value >> 5 & 31, value & 31, bits: (5, 5, 5))
          case 16: Self.rgb(value >> 11 & 31, value >> 5 & 63, value & 31, bits: (5, 6, 5))
          default: Self.rgb(value >> 16 & 255, value >> 8 & 255, value & 255, bits: (8, 8, 8))
          }
        pixel += 1
        source += step
      }
    }
    return lines
  }

  private static func rgb(
    _ red: UInt32, _ green: UInt32, _ blue: UInt32, bits: (UInt32, UInt32, UInt32)
  ) -> UInt32 {
    func full(_ value: UInt32, _ bits: UInt32) -> UInt32 {
      bits == 8 ? value : value << (8 - bits) | value >> (2 * bits - 8)
    }
    return full(red, bits.0) | full(green, bits.1) << 8 | full(blue, bits.2) << 16 | 0xFF00_0000
  }
}
