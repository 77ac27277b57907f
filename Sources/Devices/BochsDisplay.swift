import Bus

/// The registers of the Bochs display interface (DISPI), which sets linear modes of 8, 15, 16, 24 and 32 bits
/// per pixel.
struct BochsDisplay: Equatable {
  private enum Register {
    static let id = 0
    static let xResolution = 1
    static let yResolution = 2
    static let bitsPerPixel = 3
    static let enable = 4
    static let bank = 5
    static let virtualWidth = 6
    static let virtualHeight = 7
    static let xOffset = 8
    static let yOffset = 9
    static let memory64KiB = 10
  }

  static let maximum: (width: UInt16, height: UInt16, bits: UInt16) = (2560, 1600, 32)
  private static let newestID: UInt16 = 0xB0C5

  var index: UInt16 = 0
  private var registers: [UInt16] = [newestID, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]

  var isEnabled: Bool { registers[Register.enable] & 1 != 0 }
  var has8BitDAC: Bool { registers[Register.enable] & 0x20 != 0 }
  var bankBase: Int { Int(registers[Register.bank]) << 16 }
  var width: Int { Int(registers[Register.xResolution]) }
  var height: Int { Int(registers[Register.yResolution]) }
  var bitsPerPixel: Int { Int(registers[Register.bitsPerPixel]) }
  var bytesPerPixel: Int { (bitsPerPixel + 7) / 8 }
  var pitch: Int { Int(registers[Register.virtualWidth]) * bytesPerPixel }
  /// Of the first visible pixel, in bytes.
  var start: Int {
    Int(registers[Register.yOffset]) * pitch + Int(registers[Register.xOffset]) * bytesPerPixel
  }

  /// The bytes from the first visible pixel to the last.
  var visible: Range<Int> { start..<start + height * pitch }

  func read(memorySize: Int) -> UInt16 {
    let wantsLimits = registers[Register.enable] & 2 != 0
    switch Int(index) {
    case Register.xResolution where wantsLimits: return Self.maximum.width
    case Register.yResolution where wantsLimits: return Self.maximum.height
    case Register.bitsPerPixel where wantsLimits: return Self.maximum.bits
    case Register.memory64KiB: return UInt16(clamping: memorySize >> 16)
    case let register where register < registers.count: return registers[register]
    default: return 0xFFFF
    }
  }

  /// - Returns: whether video memory is to be cleared.
  mutating func write(_ value: UInt16, memorySize: Int) -> Bool {
    switch Int(index) {
    case Register.id: if value & 0xFFF0 == 0xB0C0 { registers[Register.id] = value }
    case Register.xResolution: if value <= Self.maximum.width { set(Register.xResolution, value) }
    case Register.yResolution: if value <= Self.maximum.height { set(Register.yResolution, value) }
    case Register.bitsPerPixel:
      let bits = value == 0 ? 8 : value
      if [8, 15, 16, 24, 32].contains(bits) { set(Register.bitsPerPixel, bits) }
    case Register.enable: return enable(value, memorySize: memorySize)
    case Register.bank: if Int(value) << 16 < memorySize { registers[Register.bank] = value }
    case Register.virtualWidth:
      registers[Register.virtualWidth] = max(value, registers[Register.xResolution])
      updateVirtualHeight(memorySize: memorySize)
    case Register.xOffset, Register.yOffset:
      let old = registers[Int(index)]
      registers[Int(index)] = value
      if !fits(memorySize: memorySize) { registers[Int(index)] = old }
    default: break
    }
    return false
  }

  /// Resolution and depth are fixed while the mode is on.
  private mutating func set(_ register: Int, _ value: UInt16) {
    if !isEnabled { registers[register] = value }
  }

  private mutating func enable(_ value: UInt16, memorySize: Int) -> Bool {
    let wasEnabled = isEnabled
    registers[Register.enable] = value & 0xE3
    guard isEnabled, !wasEnabled else { return false }
    registers[Register.virtualWidth] = registers[Register.xResolution]
    registers[Register.xOffset] = 0
    registers[Register.yOffset] = 0
    registers[Register.bank] = 0
    updateVirtualHeight(memorySize: memorySize)
    guard width > 0, height > 0, fits(memorySize: memorySize) else {
      registers[Register.enable] &= ~1
      return false
    }
    return value & 0x80 == 0
  }

  private mutating func updateVirtualHeight(memorySize: Int) {
    registers[Register.virtualHeight] = pitch == 0 ? 0 : UInt16(clamping: memorySize / pitch)
  }

  private func fits(memorySize: Int) -> Bool { start + pitch * height <= memorySize }
}

extension VGA {
  /// Ports 1CEh (index) and 1CFh-1D0h (data), as offsets 0-2; 16-bit accesses.
  public var displayInterface: any PortDevice { DisplayInterfacePorts(self) }

  /// All of video memory, for a bus that cannot show it directly.
  public var linearFramebuffer: any MemoryMappedDevice { LinearFramebuffer(self) }

  /// Bytes of video memory.
  public var memorySize: Int { memory.count }
}

private final class DisplayInterfacePorts: PortDevice {
  private let vga: VGA
  init(_ vga: VGA) { self.vga = vga }

  func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    let high = width.mask & 0xFFFF_0000
    return high
      | UInt32(offset == 0 ? vga.display.index : vga.display.read(memorySize: vga.memory.count))
      & width.mask
  }

  func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    let value = UInt16(truncatingIfNeeded: value)
    if offset == 0 {
      vga.display.index = value
    } else if vga.display.write(value, memorySize: vga.memory.count) {
      vga.clearMemory()
    }
    vga.isDirty = true
  }
}

private final class LinearFramebuffer: MemoryMappedDevice {
  private let vga: VGA
  init(_ vga: VGA) { self.vga = vga }

  func readMemory(offset: UInt32, width: AccessWidth) -> UInt32 {
    var value: UInt32 = 0
    for i in 0..<width.rawValue {
      let index = Int(offset) + i
      value |= UInt32(index < vga.memory.count ? vga.memory[index] : 0xFF) << UInt32(i * 8)
    }
    return value
  }

  func writeMemory(offset: UInt32, width: AccessWidth, value: UInt32) {
    for i in 0..<width.rawValue where Int(offset) + i < vga.memory.count {
      vga.memory[Int(offset) + i] = UInt8(truncatingIfNeeded: value >> UInt32(i * 8))
      vga.changes.add(Int(offset) + i)
    }
    vga.isDirty = true
  }
}
