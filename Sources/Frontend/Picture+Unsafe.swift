import Devices
import Glibc

/// Pixels that can be drawn on: bytes blue, green, red, unused in memory order. They belong to somebody else
/// and are valid for as long as that says.
struct Picture {
  let width: Int
  let height: Int
  private let stride: Int
  private let pixels: UnsafeMutablePointer<UInt32>

  /// - Parameter stride: pixels from row to row, at least `width`.
  init(_ pixels: UnsafeMutablePointer<UInt32>, width: Int, height: Int, stride: Int) {
    self.pixels = pixels
    self.width = width
    self.height = height
    self.stride = max(stride, width)
  }

  var bounds: Rectangle { Rectangle(width: width, height: height) }

  /// Draws on pixels of an array, rows from the top without gaps.
  static func draw(on array: inout [UInt32], width: Int, _ body: (Picture) -> Void) {
    guard width > 0 else { return }
    let height = array.count / width
    array.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      body(Picture(base, width: width, height: height, stride: width))
    }
  }

  func fill(_ rectangle: Rectangle, _ color: UInt32) {
    let area = rectangle.intersection(bounds)
    guard !area.isEmpty else { return }
    for y in area.y..<area.bottom {
      (pixels + y * stride + area.x).update(repeating: color, count: area.width)
    }
  }

  /// Mixes a colour into a rectangle; `opacity` in 256ths.
  func shade(_ rectangle: Rectangle, _ color: UInt32, opacity: UInt32) {
    let area = rectangle.intersection(bounds)
    guard !area.isEmpty else { return }
    for y in area.y..<area.bottom {
      let row = pixels + y * stride
      for x in area.x..<area.right { row[x] = mix(row[x], color, opacity) }
    }
  }

  func set(_ x: Int, _ y: Int, _ color: UInt32) {
    guard x >= 0, y >= 0, x < width, y < height else { return }
    pixels[y * stride + x] = color
  }

  /// Draws one character of the built-in 8x16 font, each dot a square of `scale` pixels.
  func draw(glyph: [UInt8], x: Int, y: Int, scale: Int, color: UInt32) {
    for (row, bits) in glyph.enumerated() where bits != 0 {
      for column in 0..<8 where bits << UInt8(column) & 0x80 != 0 {
        fill(
          Rectangle(x: x + column * scale, y: y + row * scale, width: scale, height: scale), color)
      }
    }
  }

  /// Draws some rows of a guest's frame, scaled, with the picture's corner at `x`, `y`.
  /// - Parameters:
  ///   - rows: of the result.
  ///   - lines: room for one scaled row and more, kept from call to call.
  func draw(
    _ frame: VideoFrame, x: Int, y: Int, columns: AxisScale, rows scale: AxisScale,
    rows: Range<Int>, lines: inout LineCache
  ) {
    let width = min(columns.count, self.width - x)
    guard width > 0, x >= 0, y >= 0, frame.width == columns.source, frame.height == scale.source
    else { return }
    lines.begin(width: width)
    for row in rows where y + row < height && row < scale.count {
      let target = pixels + (y + row) * stride + x
      let first = scale.first[row]
      let taps = scale.offset[row]..<scale.offset[row + 1]
      if taps.count == 1 {
        lines.line(first, of: frame, columns).withUnsafeBufferPointer {
          target.update(from: $0.baseAddress!, count: width)
        }
      } else {
        // The weights add up to 256.
        var sums = [SIMD4<UInt32>](repeating: .zero, count: width)
        for tap in taps {
          let weight = scale.weights[tap]
          let line = lines.line(first + tap - taps.lowerBound, of: frame, columns)
          for i in 0..<width {
            let p = line[i]
            sums[i] &+= SIMD4(p & 255, p >> 8 & 255, p >> 16 & 255, 0) &* weight
          }
        }
        for i in 0..<width { target[i] = packed(sums[i]) }
      }
    }
  }
}

/// A few rows of a frame, converted to the window's format and scaled in their own direction.
struct LineCache {
  private var numbers = [-1, -1]
  private var lines: [[UInt32]] = [[], []]
  private var width = 0

  /// The frame may have changed since the last call.
  mutating func begin(width: Int) {
    numbers = [-1, -1]
    if width != self.width {
      self.width = width
      lines = [[UInt32](repeating: 0, count: width), [UInt32](repeating: 0, count: width)]
    }
  }

  /// Row `number` of the frame.
  mutating func line(_ number: Int, of frame: VideoFrame, _ columns: AxisScale) -> [UInt32] {
    let slot = number & 1
    if numbers[slot] != number {
      numbers[slot] = number
      fill(slot, number, frame, columns)
    }
    return lines[slot]
  }

  private mutating func fill(
    _ slot: Int, _ number: Int, _ frame: VideoFrame, _ columns: AxisScale
  ) {
    let start = number * frame.width
    guard number >= 0, start + frame.width <= frame.pixels.count else { return }
    let width = width
    if columns.count == columns.source, width <= frame.width {
      frame.pixels.withUnsafeBufferPointer { pixels in
        lines[slot].withUnsafeMutableBufferPointer { line in
          for i in 0..<width { line[i] = swapped(pixels[start + i]) }
        }
      }
      return
    }
    frame.pixels.withUnsafeBufferPointer { pixels in
      columns.first.withUnsafeBufferPointer { first in
        columns.offset.withUnsafeBufferPointer { offset in
          columns.weights.withUnsafeBufferPointer { weights in
            lines[slot].withUnsafeMutableBufferPointer { line in
              for i in 0..<width {
                let source = start + first[i]
                if offset[i + 1] - offset[i] == 1 {
                  line[i] = swapped(pixels[source])
                } else {
                  var sum = SIMD4<UInt32>.zero
                  for tap in offset[i]..<offset[i + 1] {
                    let p = swapped(pixels[source + tap - offset[i]])
                    sum &+= SIMD4(p & 255, p >> 8 & 255, p >> 16 & 255, 0) &* weights[tap]
                  }
                  line[i] = packed(sum)
                }
              }
            }
          }
        }
      }
    }
  }
}

extension VideoFrame {
  /// The rows among `lines` that differ from those of a frame of the same size; all rows for one of another size.
  func changedRows(since other: VideoFrame, in lines: Range<Int>) -> [Range<Int>] {
    guard width == other.width, height == other.height, width > 0,
      pixels.count >= width * height, other.pixels.count >= width * height
    else { return height > 0 ? [0..<height] : [] }
    var result: [Range<Int>] = []
    pixels.withUnsafeBufferPointer { a in
      other.pixels.withUnsafeBufferPointer { b in
        for y in lines.clamped(to: 0..<height)
        where memcmp(a.baseAddress! + y * width, b.baseAddress! + y * width, width * 4) != 0 {
          if result.last?.upperBound == y {
            result[result.count - 1] = result[result.count - 1].lowerBound..<y + 1
          } else {
            result.append(y..<y + 1)
          }
        }
      }
    }
    return result
  }
}

/// Red and blue change places: between a frame's order of bytes and the window's.
@inline(__always)
private func swapped(_ pixel: UInt32) -> UInt32 {
  (pixel & 0xFF) << 16 | pixel & 0xFF00 | pixel >> 16 & 0xFF
}

@inline(__always)
private func packed(_ sum: SIMD4<UInt32>) -> UInt32 {
  let p = (sum &+ 128) &>> 8
  return p[0] | p[1] << 8 | p[2] << 16
}

private func mix(_ a: UInt32, _ b: UInt32, _ weight: UInt32) -> UInt32 {
  let low = ((a & 0xFF00FF) * (256 - weight) + (b & 0xFF00FF) * weight) >> 8 & 0xFF00FF
  let high = ((a >> 8 & 0xFF) * (256 - weight) + (b >> 8 & 0xFF) * weight) & 0xFF00
  return low | high
}
