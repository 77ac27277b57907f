import Bus

/// QEMU's firmware configuration device (fw_cfg; QEMU, "docs/specs/fw_cfg"): items by number, and files with
/// names among them, that a firmware reads to learn about the machine.
///
/// Ports: offset 0 = selector (16 bits), 1 = data (one byte at a time), 4-11 = address of a DMA request, big
/// endian; the write of its low half starts the transfer.
public final class FirmwareConfiguration: PortDevice, Resettable {
  /// Numbers of the items that have no names.
  private enum Key {
    static let signature: UInt16 = 0x00
    static let identification: UInt16 = 0x01
    static let memorySize: UInt16 = 0x03
    static let processors: UInt16 = 0x05
    static let bootMenu: UInt16 = 0x0E
    static let maximumProcessors: UInt16 = 0x0F
    static let directory: UInt16 = 0x19
    /// Whether the timer's interrupt is input 2 of the I/O APIC.
    static let timerOverride: UInt16 = 0x8002
    static let firstFile: UInt16 = 0x20
  }

  /// Bits of a DMA request's control word; the item's number is in its upper half.
  private enum Control {
    static let error: UInt32 = 0x01
    static let read: UInt32 = 0x02
    static let skip: UInt32 = 0x04
    static let select: UInt32 = 0x08
    static let write: UInt32 = 0x10
  }

  /// A file with its name (at most 55 characters).
  public struct File: Sendable, Equatable {
    public var name: String
    public var contents: [UInt8]
    public init(name: String, contents: [UInt8]) {
      self.name = name
      self.contents = contents
    }
  }

  /// Reads guest memory for DMA: address, count.
  public var readMemory: (UInt64, Int) -> [UInt8] = { [UInt8](repeating: 0xFF, count: $1) }
  /// Writes guest memory for DMA.
  public var writeMemory: (UInt64, [UInt8]) -> Void = { _, _ in }

  private var items: [UInt16: [UInt8]] = [:]
  private var selected: UInt16 = 0
  private var position = 0
  private var requestAddress: UInt64 = 0

  /// What the DMA address reads as: "QEMU CFG".
  private static let signature: UInt64 = 0x5145_4D55_2043_4647
  /// The most that a DMA request may move: more than any item has, little enough to be done at once.
  private static let largestRequest = 16 << 20
  /// Bytes moved at a time.
  private static let chunk = 64 << 10

  public init() {}

  /// Sets what the firmware finds.
  /// - Parameters:
  ///   - memory: bytes of RAM.
  ///   - files: by name; a directory of them is added.
  public func configure(memory: UInt64, showsBootMenu: Bool, files: [File]) {
    items = [
      Key.signature: Array("QEMU".utf8),
      // The traditional interface and DMA.
      Key.identification: little(3, 4),
      Key.memorySize: little(memory, 8),
      Key.processors: little(1, 2),
      Key.maximumProcessors: little(1, 2),
      Key.timerOverride: [1],
      Key.bootMenu: little(showsBootMenu ? 1 : 0, 2),
    ]
    var directory = big(UInt64(files.count), 4)
    for (number, file) in files.enumerated() {
      let key = Key.firstFile + UInt16(number)
      items[key] = file.contents
      directory += big(UInt64(file.contents.count), 4) + big(UInt64(key), 2) + [0, 0]
      let name = Array(file.name.utf8.prefix(55))
      directory += name + [UInt8](repeating: 0, count: 56 - name.count)
    }
    items[Key.directory] = directory
  }

  public func reset() {
    selected = 0
    position = 0
    requestAddress = 0
  }

  /// The next `count` bytes of the selected item; zeros after its end.
  private func next(_ count: Int) -> [UInt8] {
    let item = items[selected] ?? []
    let start = min(position, item.count)
    let end = min(start + count, item.count)
    position = min(position, Int.max - count) + count
    return item[start..<end] + [UInt8](repeating: 0, count: count - (end - start))
  }

  private func select(_ key: UInt16) {
    // Bit 14 is for writing, bit 15 marks items of the architecture.
    selected = key & 0xBFFF
    position = 0
  }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    switch offset {
    case 1: return next(width.rawValue).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    case 4, 8:
      guard width == .dword else { break }
      let half = offset == 4 ? Self.signature >> 32 : Self.signature
      return UInt32(truncatingIfNeeded: half).byteSwapped
    default: break
    }
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    guard (4..<12).contains(offset) else { return 0 }
    return UInt32(Self.signature >> UInt64((11 - offset) * 8) & 0xFF)
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    switch (offset, width) {
    case (0, .word): select(UInt16(truncatingIfNeeded: value))
    case (4, .dword): requestAddress = UInt64(value.byteSwapped) << 32
    case (8, .dword):
      let address = requestAddress | UInt64(value.byteSwapped)
      requestAddress = 0
      transfer(at: address)
    default: break
    }
  }

  /// Carries out a DMA request: control, length and address, big endian; the control word is cleared at the
  /// end, or shows an error.
  private func transfer(at request: UInt64) {
    let bytes = readMemory(request, 16)
    guard bytes.count == 16 else { return }
    func field(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
    let control = UInt32(truncatingIfNeeded: field(0..<4))
    var length = Int(field(4..<8))
    var address = field(8..<16)
    if control & Control.select != 0 { select(UInt16(control >> 16)) }
    var result: UInt32 = 0
    if length > Self.largestRequest && control & (Control.read | Control.skip) != 0 {
      result = Control.error
    } else if control & Control.read != 0 {
      while length > 0 {
        let count = min(length, Self.chunk)
        writeMemory(address, next(count))
        address &+= UInt64(count)
        length -= count
      }
    } else if control & Control.write != 0 {
      // No item can be written.
      result = Control.error
    } else if control & Control.skip != 0 {
      position = min(position, Int.max - length) + length
    }
    writeMemory(request, big(UInt64(result), 4))
  }
}

private func little(_ value: UInt64, _ count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
}

private func big(_ value: UInt64, _ count: Int) -> [UInt8] { little(value, count).reversed() }
