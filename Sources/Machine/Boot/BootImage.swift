import Devices

/// What a loader leaves behind: bytes for physical memory and the state in which the processor starts. The
/// loaders are pure functions from files to this value, so that they can be tested without a machine.
public struct BootImage: Sendable, Equatable {
  /// Bytes at a physical address. The part of a segment that is not given stays zero.
  public struct Segment: Sendable, Equatable {
    public var address: UInt32
    public var bytes: [UInt8]
    public init(address: UInt32, bytes: [UInt8]) {
      self.address = address
      self.bytes = bytes
    }
    /// The first address after the segment.
    var end: UInt64 { UInt64(address) + UInt64(bytes.count) }
  }

  /// How the processor starts.
  public enum Entry: Sendable, Equatable {
    /// Where a reset leaves it: F000:FFF0 with the code segment's base at 4 GiB - 64 KiB.
    case reset
    /// In flat 32-bit protected mode without paging and with interrupts off.
    case flat(FlatEntry)
  }

  /// The registers of a start in flat protected mode. All others are zero.
  public struct FlatEntry: Sendable, Equatable {
    public var eip: UInt32
    public var esp: UInt32 = 0
    public var eax: UInt32 = 0
    public var ebx: UInt32 = 0
    public var esi: UInt32 = 0
    /// Selectors of a code and a data descriptor with base 0 and limit 4 GiB.
    public var code: UInt16
    public var data: UInt16
    /// Base and limit of the descriptor table that holds them.
    public var gdtBase: UInt32
    public var gdtLimit: UInt16
    public init(eip: UInt32, code: UInt16, data: UInt16, gdtBase: UInt32, gdtLimit: UInt16) {
      self.eip = eip
      self.code = code
      self.data = data
      self.gdtBase = gdtBase
      self.gdtLimit = gdtLimit
    }
  }

  /// What a system firmware finds besides the hardware.
  public struct Firmware: Sendable, Equatable {
    /// The video card's expansion ROM.
    public var videoROM: [UInt8]
    /// Further expansion ROMs, which the firmware copies to memory and starts.
    public var optionROMs: [[UInt8]] = []
  }

  /// Goes to RAM.
  public var segments: [Segment] = []
  /// Becomes read-only memory.
  public var roms: [Segment] = []
  public var entry: Entry
  /// What hangs on a firmware that sets up the hardware; nil where the machine does that itself.
  public var firmware: Firmware?
  /// The linear video mode in which the guest starts, if not in text mode.
  public var videoMode: VideoMode?
  /// For the report: "linux", "multiboot", "firmware", "rom" or "demo".
  public var kind: String

  public init(kind: String, entry: Entry) {
    self.kind = kind
    self.entry = entry
  }

  /// A table of a null descriptor, then, at each given selector, flat code or data. SDM vol. 3, 3.4.5.
  static func descriptorTable(code: UInt16, data: UInt16) -> [UInt8] {
    var table = ByteWriter(count: Int(max(code, data)) + 8)
    table.put(0x00CF_9A00_0000_FFFF as UInt64, at: Int(code))
    table.put(0x00CF_9200_0000_FFFF as UInt64, at: Int(data))
    return table.bytes
  }
}

/// One entry of the firmware's memory map. ACPI 6, table 15-374.
public struct MemoryRange: Sendable, Equatable {
  public enum Kind: UInt32, Sendable {
    case usable = 1
    case reserved = 2
    case acpiReclaimable = 3
    case acpiNonvolatile = 4
  }
  public var start: UInt64
  public var size: UInt64
  public var kind: Kind
  public init(start: UInt64, size: UInt64, kind: Kind) {
    self.start = start
    self.size = size
    self.kind = kind
  }
  public var end: UInt64 { start + size }
}

/// The PC's physical memory as a loader sees it.
public struct MemoryLayoutMap: Sendable, Equatable {
  public var ranges: [MemoryRange]
  /// Bytes of RAM from address 0, holes included.
  public var ramSize: UInt32
  /// Physical address of the ACPI root pointer, 0 if there is none.
  public var acpiRoot: UInt32

  /// The usual map: RAM below 639 KiB and from 1 MiB, the rest of the first MiB reserved.
  public init(ramSize: UInt32, acpiRoot: UInt32 = 0) {
    self.ramSize = ramSize
    self.acpiRoot = acpiRoot
    ranges = [
      MemoryRange(start: 0, size: 0x9_FC00, kind: .usable),
      MemoryRange(start: 0x9_FC00, size: 0x400, kind: .reserved),
      MemoryRange(start: 0xE_0000, size: 0x2_0000, kind: .reserved),
      MemoryRange(
        start: 0x10_0000, size: UInt64(max(ramSize, 0x10_0000)) - 0x10_0000, kind: .usable),
      MemoryRange(start: 0xFFFC_0000, size: 0x4_0000, kind: .reserved),
    ]
  }
}
