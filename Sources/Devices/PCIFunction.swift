import Bus

/// One PCI function: its 256 bytes of configuration space (PCI Local Bus Specification 2.1, chapter 6) with
/// the rules of what the guest may write, and its base address registers. A device owns one; it is a value
/// of wiring, not of inheritance.
public final class PCIFunction: Resettable {
  /// What a base address register asks for.
  public enum Region: Equatable, Sendable {
    /// Ports; the size is a power of two, 4-256 bytes.
    case io(size: UInt32)
    /// Memory; the size is a power of two, at least 16 bytes.
    case memory(size: UInt32)
  }

  private struct BaseAddress {
    var region: Region
    var mapped: UInt32?
    var remapped: (UInt32?) -> Void

    var size: UInt32 {
      switch region {
      case .io(let size), .memory(let size): size
      }
    }
  }

  /// Told after the guest (or the machine) has written bytes of the device-specific area, 40h-FFh.
  public var registerWritten: (Int) -> Void = { _ in }

  private var bytes = [UInt8](repeating: 0, count: 256)
  private var initial = [UInt8](repeating: 0, count: 256)
  private var writable = [UInt8](repeating: 0, count: 256)
  private var baseAddresses: [Int: BaseAddress] = [:]
  /// The expansion ROM's, which is decoded only while its own enable bit is set.
  private var expansionROM: BaseAddress?

  /// - Parameters:
  ///   - vendor: vendor ID.
  ///   - device: device ID.
  ///   - classCode: class, subclass and interface in bits 23-0.
  ///   - revision: revision ID.
  ///   - isMultifunction: bit 7 of the header type.
  ///   - interruptPin: 0 for none, 1-4 for INTA-INTD.
  public init(
    vendor: UInt16, device: UInt16, classCode: UInt32, revision: UInt8 = 0,
    isMultifunction: Bool = false, interruptPin: UInt8 = 0
  ) {
    define(0x00, word: vendor)
    define(0x02, word: device)
    define(0x04, word: 0, writable: 0x0507)
    define(0x08, revision)
    define(0x09, UInt8(truncatingIfNeeded: classCode))
    define(0x0A, UInt8(truncatingIfNeeded: classCode >> 8))
    define(0x0B, UInt8(truncatingIfNeeded: classCode >> 16))
    define(0x0C, 0, writable: 0xFF)
    define(0x0D, 0, writable: 0xF8)
    define(0x0E, isMultifunction ? 0x80 : 0)
    define(0x3C, 0, writable: interruptPin == 0 ? 0 : 0xFF)
    define(0x3D, interruptPin)
  }

  /// Sets the reset value of a byte and the bits that the guest may change.
  public func define(_ offset: Int, _ value: UInt8, writable mask: UInt8 = 0) {
    let offset = offset & 0xFF
    initial[offset] = value
    bytes[offset] = value
    writable[offset] = mask
  }

  /// Sets the reset value of a 16-bit register and the bits that the guest may change.
  public func define(_ offset: Int, word: UInt16, writable mask: UInt16 = 0) {
    define(offset, UInt8(truncatingIfNeeded: word), writable: UInt8(truncatingIfNeeded: mask))
    define(offset + 1, UInt8(word >> 8), writable: UInt8(mask >> 8))
  }

  /// Adds base address register `index` (0-5).
  /// - Parameters:
  ///   - region: kind and size.
  ///   - remapped: told the new base address, or nil while the region is not decoded.
  public func addBaseAddress(
    _ index: Int, _ region: Region, remapped: @escaping (UInt32?) -> Void
  ) {
    precondition((0..<6).contains(index), "a function has six base addresses")
    let bar = BaseAddress(region: region, mapped: nil, remapped: remapped)
    precondition(bar.size >= 4 && bar.size & (bar.size - 1) == 0, "sizes are powers of two")
    baseAddresses[index] = bar
    var kind: UInt8 = 0
    if case .io = region { kind = 1 }
    let mask = ~(bar.size - 1)
    for i in 0..<4 {
      let part = UInt8(truncatingIfNeeded: mask >> UInt32(i * 8))
      define(0x10 + index * 4 + i, i == 0 ? kind : 0, writable: i == 0 ? part & 0xFC : part)
    }
  }

  /// Adds the expansion ROM base address register (PCI 2.1, 6.2.5.2).
  /// - Parameters:
  ///   - size: a power of two, at least 2 KiB.
  ///   - remapped: told the new base address, or nil while the ROM is not decoded.
  public func addExpansionROM(size: UInt32, remapped: @escaping (UInt32?) -> Void) {
    precondition(size >= 2048 && size & (size - 1) == 0, "sizes are powers of two")
    expansionROM = BaseAddress(region: .memory(size: size), mapped: nil, remapped: remapped)
    let mask = ~(size - 1) | 1
    for i in 0..<4 {
      define(0x30 + i, 0, writable: UInt8(truncatingIfNeeded: mask >> UInt32(i * 8)))
    }
  }

  /// Interrupts: 0 for no pin, 1-4 for INTA-INTD.
  public var interruptPin: UInt8 { bytes[0x3D] }

  public func reset() {
    bytes = initial
    updateBaseAddresses()
    for offset in 0x40..<0x100 where writable[offset] != 0 {
      registerWritten(offset)
    }
  }

  /// A byte of the configuration space as the guest reads it.
  public func read(_ offset: Int) -> UInt8 { bytes[offset & 0xFF] }

  /// A 16-bit register.
  public func read(word offset: Int) -> UInt16 {
    UInt16(read(offset)) | UInt16(read(offset + 1)) << 8
  }

  /// A 32-bit register.
  public func read(dword offset: Int) -> UInt32 {
    UInt32(read(word: offset)) | UInt32(read(word: offset + 2)) << 16
  }

  /// A guest's write: only writable bits change; error bits of the status register are cleared by ones.
  public func write(_ offset: Int, _ value: UInt8) {
    let offset = offset & 0xFF
    if offset == 0x07 { bytes[7] &= ~(value & 0xF9) }
    bytes[offset] = bytes[offset] & ~writable[offset] | value & writable[offset]
    switch offset {
    case 0x04, 0x10...0x27, 0x30...0x33: updateBaseAddresses()
    case 0x40...: registerWritten(offset)
    default: break
    }
  }

  /// A guest's write of several bytes, little-endian.
  public func write(_ offset: Int, width: Int, value: UInt32) {
    for i in 0..<width {
      write(offset + i, UInt8(truncatingIfNeeded: value >> UInt32(i * 8)))
    }
  }

  private func updateBaseAddresses() {
    for (index, bar) in baseAddresses {
      let register = read(dword: 0x10 + index * 4)
      var base: UInt32?
      switch bar.region {
      case .io where bytes[4] & 1 != 0: base = register & ~3
      case .memory where bytes[4] & 2 != 0: base = register & ~15
      default: break
      }
      // All ones while the guest sizes the register, and zero, decode nothing.
      if base == 0 || base == ~(bar.size - 1) { base = nil }
      if case .io = bar.region, let address = base, address > 0xFFFF { base = nil }
      guard base != bar.mapped else { continue }
      baseAddresses[index]?.mapped = base
      bar.remapped(base)
    }
    guard let rom = expansionROM else { return }
    let register = read(dword: 0x30)
    var base = bytes[4] & 2 != 0 && register & 1 != 0 ? register & ~(rom.size - 1) : nil
    if base == 0 || base == ~(rom.size - 1) { base = nil }
    guard base != rom.mapped else { return }
    expansionROM?.mapped = base
    rom.remapped(base)
  }
}
