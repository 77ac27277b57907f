import Bus

/// The read-only memory behind an expansion ROM base address (PCI 2.1, 6.3).
public final class ExpansionROM: MemoryMappedDevice {
  /// Bytes decoded: a power of two, at least a page.
  public let size: UInt32
  private let contents: [UInt8]

  public init(_ contents: [UInt8]) {
    var size: UInt32 = 4096
    while size < contents.count { size *= 2 }
    self.size = size
    self.contents = contents
  }

  public func readMemory(offset: UInt32, width: AccessWidth) -> UInt32 {
    (0..<UInt32(width.rawValue)).reduce(0) { value, i in
      let index = Int(offset) + Int(i)
      return value | UInt32(index < contents.count ? contents[index] : 0xFF) << (i * 8)
    }
  }

  public func writeMemory(offset: UInt32, width: AccessWidth, value: UInt32) {}
}
