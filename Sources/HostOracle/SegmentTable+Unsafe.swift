import CHostOracle

/// The descriptors that cases may use: what Linux has in its GDT for every process, and our LDT.
public enum SegmentTable {
  /// The segments of the LDT.
  static var local: [OracleSegment] {
    withUnsafeBytes(of: oracleSegments) { Array($0.bindMemory(to: OracleSegment.self)) }
  }

  /// The base of the segment of a selector, 0 for those of the GDT.
  static func base(_ selector: UInt16) -> UInt32 {
    let index = Int(selector >> 3)
    guard selector & 4 != 0, index < local.count else { return 0 }
    return local[index].base
  }

  /// Linux' GDT as far as a case can see it, with flat ring-0 segments for our exception handlers.
  static let global: [UInt64] = {
    var table = [UInt64](repeating: 0, count: 16)
    table[1] = 0x00CF_9B00_0000_FFFF  // ring-0 code
    table[2] = 0x00AF_9B00_0000_FFFF  // ring-0 64-bit code
    table[3] = 0x00CF_9300_0000_FFFF  // ring-0 data
    table[4] = 0x00CF_FB00_0000_FFFF  // 23: code
    table[5] = 0x00CF_F300_0000_FFFF  // 2B: data
    table[6] = 0x00AF_FB00_0000_FFFF  // 33: 64-bit code
    return table
  }()

  /// The eight bytes of a descriptor with byte granularity. SDM vol. 3, 3.4.5.
  static func descriptor(_ segment: OracleSegment) -> UInt64 {
    let isCode = segment.contents >= 2
    var type: UInt64 = 1  // accessed
    if isCode {
      type |= 8 | (segment.restricted != 0 ? 0 : 2) | (segment.contents == 3 ? 4 : 0)
    } else {
      type |= (segment.restricted != 0 ? 0 : 2) | (segment.contents == 1 ? 4 : 0)
    }
    let access = type | 0x10 | 0x60 | (segment.present != 0 ? 0x80 : 0)
    return systemDescriptor(
      base: segment.base, limit: segment.limit, access: access, flags: segment.is32 != 0 ? 4 : 0)
  }

  static func systemDescriptor(
    base: UInt32, limit: UInt32, access: UInt64, flags: UInt64 = 0
  ) -> UInt64 {
    let base = UInt64(base)
    let limit = UInt64(limit)
    return limit & 0xFFFF | (base & 0xFF_FFFF) << 16 | access << 40 | (limit >> 16 & 0xF) << 48
      | flags << 52 | (base >> 24) << 56
  }

  /// The descriptor of a selector.
  static func descriptor(_ selector: UInt16) -> UInt64 {
    let index = Int(selector >> 3)
    if selector & 4 != 0 { return index < local.count ? descriptor(local[index]) : 0 }
    return index < global.count ? global[index] : 0
  }
}
