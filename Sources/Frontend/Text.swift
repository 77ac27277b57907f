import Devices

/// Text in the font of the machine's own VGA, which needs no file of the host.
enum Text {
  static let width = 8
  static let height = 16

  private static let glyphs: [[UInt8]] = (0...255 as ClosedRange<UInt8>).map(VGAFont.glyph)

  /// Draws text from its upper left corner. Characters outside ASCII are shown as blocks.
  static func draw(
    _ text: String, on picture: Picture, x: Int, y: Int, scale: Int, color: UInt32
  ) {
    var x = x
    for scalar in text.unicodeScalars {
      picture.draw(
        glyph: glyphs[scalar.isASCII ? Int(scalar.value) : 0xFE], x: x, y: y, scale: scale,
        color: color)
      x += width * scale
    }
  }
}

/// Colours of what the window draws around the guest's picture: red, green, blue from the highest byte.
enum Palette {
  static let border: UInt32 = 0x101214
  static let bar: UInt32 = 0x22262B
  static let line: UInt32 = 0x3A4048
  static let text: UInt32 = 0xD8DEE6
  static let dim: UInt32 = 0x8A94A0
  static let dark: UInt32 = 0x4A525C
  static let direct: UInt32 = 0x58C26B
  static let translator: UInt32 = 0x4C9BE8
  static let interpreter: UInt32 = 0xE8974C
  static let other: UInt32 = 0xB07CE0
  static let idle: UInt32 = 0x343A42
  static let warning: UInt32 = 0xE8C34C

  /// The colour of an engine.
  static func engine(_ name: String) -> UInt32 {
    switch name {
    case "direct": direct
    case "translator": translator
    case "interpreter": interpreter
    default: other
    }
  }
}
