/// Builds ACPI Machine Language byte by byte (ACPI 6, chapter 20). Only what the machine's DSDT needs.
enum AML {
  typealias Bytes = [UInt8]

  /// A name path such as `\_SB.PCI0`; segments are padded with underscores.
  static func name(_ path: String) -> Bytes {
    var rest = path[...]
    var result: Bytes = []
    if rest.first == "\\" {
      result.append(0x5C)
      rest = rest.dropFirst()
    }
    let segments = rest.split(separator: ".").map { segment in
      Bytes((segment + "____").utf8.prefix(4))
    }
    switch segments.count {
    case 0: result.append(0x00)
    case 1: break
    case 2: result.append(0x2E)
    default: result += [0x2F, UInt8(truncatingIfNeeded: segments.count)]
    }
    return result + segments.joined()
  }

  static func integer(_ value: UInt32) -> Bytes {
    switch value {
    case 0: [0x00]
    case 1: [0x01]
    case 2...0xFF: [0x0A] + little(value, 1)
    case 0x100...0xFFFF: [0x0B] + little(value, 2)
    default: [0x0C] + little(value, 4)
    }
  }

  /// The low `count` bytes of `value`, little-endian.
  static func little(_ value: UInt32, _ count: Int) -> Bytes {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt32($0 * 8)) }
  }

  /// A compressed EISA ID such as `PNP0A03`.
  static func eisaID(_ id: String) -> Bytes {
    let text = Bytes(id.utf8)
    precondition(text.count == 7, "EISA IDs have seven characters")
    let letters = text.prefix(3).reduce(UInt32(0)) { $0 << 5 | UInt32($1 &- 0x40) & 0x1F }
    let digits = UInt32(id.suffix(4), radix: 16) ?? 0
    return [0x0C] + little((letters << 16 | digits).byteSwapped, 4)
  }

  /// A package length and what it covers (it counts itself).
  private static func sized(_ body: Bytes) -> Bytes {
    let count = body.count
    if count + 1 < 0x40 { return [UInt8(count + 1)] + body }
    let extra = count + 2 < 0x1000 ? 1 : count + 3 < 0x10_0000 ? 2 : 3
    let total = UInt32(count + 1 + extra)
    return [UInt8(extra << 6) | UInt8(total & 15)] + little(total >> 4, extra) + body
  }

  static func scope(_ path: String, _ body: Bytes) -> Bytes { [0x10] + sized(name(path) + body) }
  static func device(_ path: String, _ body: Bytes) -> Bytes {
    [0x5B, 0x82] + sized(name(path) + body)
  }
  /// `Name (path, value)`.
  static func define(_ path: String, _ value: Bytes) -> Bytes { [0x08] + name(path) + value }
  static func package(_ elements: [Bytes]) -> Bytes {
    precondition(elements.count < 256, "a package has at most 255 elements")
    return [0x12] + sized([UInt8(elements.count)] + elements.joined())
  }
  static func buffer(_ bytes: Bytes) -> Bytes {
    [0x11] + sized(integer(UInt32(bytes.count)) + bytes)
  }

  // MARK: Resource descriptors (ACPI 6, 6.4)

  /// A resource template of the descriptors, ended by the end tag.
  static func resources(_ descriptors: [Bytes]) -> Bytes {
    buffer(descriptors.flatMap { $0 } + [0x79, 0x00])
  }
  /// Fixed ports.
  static func ports(_ first: UInt16, count: UInt8) -> Bytes {
    [0x47, 0x01] + little(UInt32(first), 2) + little(UInt32(first), 2) + [0x01, count]
  }
  /// A read-only range of memory.
  static func fixedMemory(_ first: UInt32, _ count: UInt32) -> Bytes {
    [0x86, 0x09, 0x00, 0x00] + little(first, 4) + little(count, 4)
  }
  /// An edge-triggered ISA interrupt.
  static func interrupt(_ line: UInt8) -> Bytes { [0x22] + little(1 << UInt32(line & 15), 2) }
  static func dma(_ channel: UInt8) -> Bytes { [0x2A, 1 << (channel & 7), 0x00] }
  /// A range that the bus passes on: bus numbers (`kind` 2), ports (1) in 16-bit form.
  static func wordRange(kind: UInt8, _ first: UInt16, _ last: UInt16) -> Bytes {
    let fields: [UInt32] = [0, UInt32(first), UInt32(last), 0, UInt32(last) - UInt32(first) + 1]
    return [0x88, 0x0D, 0x00, kind, 0x0C, kind == 1 ? 0x03 : 0x00]
      + fields.flatMap { little($0, 2) }
  }
  /// A range of memory that the bus passes on.
  static func memoryRange(_ first: UInt32, _ last: UInt32, cacheable: Bool) -> Bytes {
    let fields = [0, first, last, 0, last &- first &+ 1]
    return [0x87, 0x17, 0x00, 0x00, 0x0C, cacheable ? 0x03 : 0x01]
      + fields.flatMap { little($0, 4) }
  }
}
