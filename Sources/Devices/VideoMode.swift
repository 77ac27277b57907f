/// A linear mode of the Bochs display interface, by the numbers of the VESA BIOS extension (VBE 3.0, 3.) and of
/// the VGA BIOS made for that interface.
public struct VideoMode: Sendable, Equatable {
  public var width: Int
  public var height: Int
  /// Bits per pixel: 8, 15, 16, 24 or 32.
  public var bits: Int

  public init(width: Int, height: Int, bits: Int) {
    self.width = width
    self.height = height
    self.bits = bits
  }

  /// - Parameter number: of the VBE, without the flags in its high bits.
  /// - Returns: nil for a mode that there is not.
  public init?(vbe number: Int) {
    let sizes = [(640, 480), (800, 600), (1024, 768), (1280, 1024)]
    switch number {
    case 0x101, 0x103, 0x105, 0x107: self.init(sizes[(number - 0x101) / 2], 8)
    case 0x110...0x11B: self.init(sizes[(number - 0x110) / 3], [15, 16, 24][(number - 0x110) % 3])
    case 0x142...0x145: self.init(sizes[number - 0x142], 32)
    default: return nil
    }
  }

  private init(_ size: (Int, Int), _ bits: Int) {
    self.init(width: size.0, height: size.1, bits: bits)
  }

  public var bytesPerPixel: Int { (bits + 7) / 8 }
  /// Bytes from one line to the next.
  public var pitch: Int { width * bytesPerPixel }

  /// Bits of a colour within a pixel, and the lowest one's place; empty with a palette.
  public struct Field: Sendable, Equatable {
    public var size = 0
    public var position = 0
  }

  /// Red, green, blue and what is left.
  public var fields: (red: Field, green: Field, blue: Field, rest: Field) {
    switch bits {
    case 15:
      (
        Field(size: 5, position: 10), Field(size: 5, position: 5), Field(size: 5, position: 0),
        Field(size: 1, position: 15)
      )
    case 16:
      (
        Field(size: 5, position: 11), Field(size: 6, position: 5), Field(size: 5, position: 0),
        Field()
      )
    case 24, 32:
      (
        Field(size: 8, position: 16), Field(size: 8, position: 8), Field(size: 8, position: 0),
        bits == 32 ? Field(size: 8, position: 24) : Field()
      )
    default: (Field(), Field(), Field(), Field())
    }
  }
}

extension VGA {
  /// Switches to a linear mode, as a VGA BIOS does for a guest that has one.
  /// - Returns: whether there is memory enough.
  @discardableResult
  public func set(mode: VideoMode) -> Bool {
    for (index, value) in [(4, 0), (1, mode.width), (2, mode.height), (3, mode.bits), (4, 0x41)] {
      display.index = UInt16(index)
      if display.write(UInt16(clamping: value), memorySize: memory.count) { clearMemory() }
    }
    isDirty = true
    return display.isEnabled
  }
}
