import Memory

/// The index and table bits of a selector, as error codes hold them.
@inlinable func selectorCode(_ selector: UInt16) -> UInt16 { selector & 0xFFFC }

/// Whether a selector is one of the four null selectors.
@inlinable func isNull(_ selector: UInt16) -> Bool { selector & 0xFFFC == 0 }

/// System descriptor types. SDM vol. 3, table 3-2.
enum SystemType {
  static let availableTSS16: UInt32 = 1
  static let ldt: UInt32 = 2
  static let busyTSS16: UInt32 = 3
  static let callGate16: UInt32 = 4
  static let taskGate: UInt32 = 5
  static let interruptGate16: UInt32 = 6
  static let trapGate16: UInt32 = 7
  static let availableTSS32: UInt32 = 9
  static let busyTSS32: UInt32 = 11
  static let callGate32: UInt32 = 12
  static let interruptGate32: UInt32 = 14
  static let trapGate32: UInt32 = 15
}

/// An 8-byte descriptor of a segment, a system segment or a gate. SDM vol. 3, 3.4.5 and 5.8.3.
struct Descriptor {
  /// The selector that named it.
  var selector: UInt16
  /// Linear address of its first byte; 0 for none.
  var address: UInt32
  var low: UInt32
  var high: UInt32

  var base: UInt32 { (low >> 16) | ((high & 0xFF) << 16) | (high & 0xFF00_0000) }
  /// In bytes, inclusive, granularity applied.
  var limit: UInt32 {
    let raw = (low & 0xFFFF) | (high & 0x000F_0000)
    return high & (1 << 23) != 0 ? (raw << 12) | 0xFFF : raw
  }
  /// In the layout of `SegmentRegister.access`.
  var access: UInt32 { (high >> 8) & 0xF0FF }
  /// Type field, 4 bits.
  var type: UInt32 { (high >> 8) & 0xF }
  /// Code or data segment, not a system descriptor.
  var isSegment: Bool { high & (1 << 12) != 0 }
  var dpl: UInt8 { UInt8((high >> 13) & 3) }
  var isPresent: Bool { high & (1 << 15) != 0 }
  /// D/B flag: 32-bit code, stack or expand-down bound.
  var isBig: Bool { high & (1 << 22) != 0 }

  var isCode: Bool { isSegment && type & 8 != 0 }
  var isConforming: Bool { isCode && type & 4 != 0 }
  var isData: Bool { isSegment && type & 8 == 0 }
  var isWritableData: Bool { isData && type & 2 != 0 }
  /// Data, or code that may be read.
  var isReadable: Bool { isData || (isCode && type & 2 != 0) }

  // Gates.
  var gateSelector: UInt16 { UInt16(truncatingIfNeeded: low >> 16) }
  var gateOffset: UInt32 { (low & 0xFFFF) | (high & 0xFFFF_0000) }
  /// Words or doublewords that a call gate copies, 0...31.
  var parameterCount: UInt32 { high & 31 }
  var isGate32: Bool { type & 8 != 0 }

  /// The hidden part that loading this descriptor gives a segment register.
  func loaded(selector: UInt16) -> SegmentRegister {
    SegmentRegister(
      readEnd: 0, writeEnd: 0, base: base, limit: limit, access: access | (isSegment ? 1 : 0),
      selector: selector, reserved: 0)
  }
}

extension SegmentRegister {
  /// Whether `size` bytes at `offset` lie within the limit. SDM vol. 3, 5.3.
  func contains(_ offset: UInt32, size: UInt32) -> Bool {
    let last = UInt64(offset) &+ UInt64(size) &- 1
    if access & 0xC == 4 {
      let upper: UInt64 = access & (1 << 14) != 0 ? 0xFFFF_FFFF : 0xFFFF
      return offset > limit && last <= upper
    }
    return last <= UInt64(limit) || limit == 0xFFFF_FFFF
  }
  /// A null selector is loaded.
  var isUnusable: Bool { access & (1 << 16) != 0 }
  var dpl: UInt8 { UInt8((access >> 5) & 3) }
  var isBig: Bool { access & (1 << 14) != 0 }
}

extension CPU {
  /// Linear address of the descriptor that `selector` names, or nil beyond its table's limit.
  private func descriptorAddress(_ selector: UInt16) -> UInt32? {
    let offset = UInt32(selector & 0xFFF8)
    if selector & 4 != 0 {
      guard !pointee.ldtr.isUnusable, offset + 7 <= pointee.ldtr.limit else { return nil }
      return pointee.ldtr.base &+ offset
    }
    guard offset + 7 <= pointee.gdtr.limit else { return nil }
    return pointee.gdtr.base &+ offset
  }

  /// Reads the descriptor of a selector, or nil when it lies beyond its table's limit.
  /// - Throws: #PF.
  func findDescriptor(_ selector: UInt16) throws(Fault) -> Descriptor? {
    guard let address = descriptorAddress(selector) else { return nil }
    let raw: UInt64 = try readSystem(address)
    return Descriptor(
      selector: selector, address: address, low: UInt32(truncatingIfNeeded: raw),
      high: UInt32(truncatingIfNeeded: raw >> 32))
  }

  /// Reads the descriptor of a selector.
  /// - Throws: `fault` when it lies beyond its table's limit; #PF.
  func descriptor(_ selector: UInt16, else fault: Fault) throws(Fault) -> Descriptor {
    guard let found = try findDescriptor(selector) else { throw fault }
    return found
  }

  /// Sets the accessed bit of a code or data descriptor in memory. SDM vol. 3, 3.4.5.1.
  /// - Throws: #PF.
  func markAccessed(_ descriptor: Descriptor) throws(Fault) {
    guard descriptor.isSegment, descriptor.type & 1 == 0 else { return }
    try writeSystem(
      descriptor.address &+ 5, UInt8(truncatingIfNeeded: (descriptor.high >> 8) | 1))
  }

  /// Sets or clears the busy bit of a TSS descriptor in memory.
  /// - Throws: #PF.
  func setBusy(_ busy: Bool, descriptorAt address: UInt32) throws(Fault) {
    let old: UInt8 = try readSystem(address &+ 5)
    try writeSystem(address &+ 5, busy ? old | 2 : old & ~2)
  }
}
