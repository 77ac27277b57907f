// Accesses through a segment: limit and type checks, then the linear access.

extension CPU {
  /// The linear address of `size` bytes at `offset` in a segment, if they may be read.
  /// - Throws: #GP(0), or #SS(0) for SS.
  @inlinable @inline(__always)
  public func readAddress(_ segment: UInt8, _ offset: UInt32, _ size: Int) throws(Fault) -> UInt32 {
    let s = self.segment(segment)
    if UInt64(offset) &+ UInt64(size) <= s.pointee.readEnd { return s.pointee.base &+ offset }
    return try checkedAddress(segment, offset, size, write: false)
  }

  /// The linear address of `size` bytes at `offset` in a segment, if they may be written.
  /// - Throws: #GP(0), or #SS(0) for SS.
  @inlinable @inline(__always)
  public func writeAddress(_ segment: UInt8, _ offset: UInt32, _ size: Int) throws(Fault) -> UInt32
  {
    let s = self.segment(segment)
    if UInt64(offset) &+ UInt64(size) <= s.pointee.writeEnd { return s.pointee.base &+ offset }
    return try checkedAddress(segment, offset, size, write: true)
  }

  /// Reads 1, 2, 4 or 8 bytes at `segment:offset`.
  @inlinable @inline(__always)
  public func read<T: FixedWidthInteger & UnsignedInteger>(
    _ segment: UInt8, _ offset: UInt32, as type: T.Type = T.self
  ) throws(Fault) -> T {
    try readLinear(try readAddress(segment, offset, MemoryLayout<T>.size))
  }

  /// Writes 1, 2, 4 or 8 bytes at `segment:offset`.
  @inlinable @inline(__always)
  public func write<T: FixedWidthInteger & UnsignedInteger>(
    _ segment: UInt8, _ offset: UInt32, _ value: T
  ) throws(Fault) {
    try writeLinear(try writeAddress(segment, offset, MemoryLayout<T>.size), value)
  }

  /// Reads, computes and writes back at `segment:offset`; `body` runs only when the write cannot fault.
  @inlinable @inline(__always)
  public func modify<T: FixedWidthInteger & UnsignedInteger>(
    _ segment: UInt8, _ offset: UInt32, _ body: (T) -> T
  ) throws(Fault) {
    try modifyLinear(try writeAddress(segment, offset, MemoryLayout<T>.size), body)
  }

  /// The full check behind the fast bound. SDM vol. 3, 5.3 and 5.4.
  @inline(never) @usableFromInline
  func checkedAddress(
    _ segment: UInt8, _ offset: UInt32, _ size: Int, write: Bool
  ) throws(Fault) -> UInt32 {
    let s = self.segment(segment).pointee
    let fault: Fault = segment == SegmentNumber.ss ? .stackFault() : .generalProtection()
    let type = s.access & 0xF
    guard s.access & (1 << 16) == 0 else { throw fault }
    let isCode = type & 8 != 0
    // In real and virtual-8086 mode loads leave writable data attributes, so the type check is harmless.
    if write ? isCode || type & 2 == 0 : isCode && type & 2 == 0 { throw fault }
    let last = UInt64(offset) &+ UInt64(size) &- 1
    if !isCode && type & 4 != 0 {
      let upper: UInt64 = s.access & (1 << 14) != 0 ? 0xFFFF_FFFF : 0xFFFF
      guard offset > s.limit, last <= upper else { throw fault }
    } else if last > UInt64(s.limit) {
      // A flat 4 GiB segment has no limit to violate: offsets wrap.
      guard s.limit == 0xFFFF_FFFF else { throw fault }
    }
    return s.base &+ offset
  }

  /// The offset part of the memory operand, truncated to the address size.
  @inlinable @inline(__always)
  public func effectiveOffset(_ op: Op) -> UInt32 {
    let i = op.pointee.instruction
    let address =
      self[gpr: i.base] &+ (self[gpr: i.index] &<< UInt32(i.scale)) &+ i.displacement
    return i.addressSize == 2 ? address & 0xFFFF : address
  }

  /// Reads the memory operand.
  @inlinable @inline(__always)
  public func readOperand<T: FixedWidthInteger & UnsignedInteger>(
    _ op: Op, as type: T.Type = T.self
  ) throws(Fault) -> T {
    try read(op.pointee.instruction.segment, effectiveOffset(op))
  }

  /// Writes the memory operand.
  @inlinable @inline(__always)
  public func writeOperand<T: FixedWidthInteger & UnsignedInteger>(
    _ op: Op, _ value: T
  ) throws(Fault) {
    try write(op.pointee.instruction.segment, effectiveOffset(op), value)
  }

  /// Reads, computes and writes back the memory operand.
  @inlinable @inline(__always)
  public func modifyOperand<T: FixedWidthInteger & UnsignedInteger>(
    _ op: Op, _ body: (T) -> T
  ) throws(Fault) {
    try modify(op.pointee.instruction.segment, effectiveOffset(op), body)
  }

  // MARK: The stack

  /// Replaces the part of ESP that SS.B selects.
  @inlinable @inline(__always)
  public func setStackPointer(_ value: UInt32) {
    esp = (esp & ~pointee.stackMask) | (value & pointee.stackMask)
  }

  /// Pushes a 2- or 4-byte value; ESP changes only when the write has succeeded.
  @inlinable @inline(__always)
  public func push<T: FixedWidthInteger & UnsignedInteger>(_ value: T) throws(Fault) {
    let new = (esp &- UInt32(MemoryLayout<T>.size)) & pointee.stackMask
    try write(SegmentNumber.ss, new, value)
    setStackPointer(new)
  }

  /// Reads the value at `offset` bytes above the stack pointer without popping it.
  @inlinable @inline(__always)
  public func peekStack<T: FixedWidthInteger & UnsignedInteger>(
    _ offset: UInt32 = 0, as type: T.Type = T.self
  ) throws(Fault) -> T {
    try read(SegmentNumber.ss, (esp &+ offset) & pointee.stackMask)
  }

  /// Pops a 2- or 4-byte value.
  @inlinable @inline(__always)
  public func pop<T: FixedWidthInteger & UnsignedInteger>(as type: T.Type = T.self) throws(Fault)
    -> T
  {
    let value: T = try peekStack()
    setStackPointer(esp &+ UInt32(MemoryLayout<T>.size))
    return value
  }
}

/// Segment register encodings as plain numbers, for handlers. SDM vol. 2, table B-8.
public enum SegmentNumber {
  public static let es: UInt8 = 0
  public static let cs: UInt8 = 1
  public static let ss: UInt8 = 2
  public static let ds: UInt8 = 3
  public static let fs: UInt8 = 4
  public static let gs: UInt8 = 5
}

extension UnsafeMutablePointer where Pointee == SegmentRegister {
  /// Recomputes the fast bounds after `limit` or `access` has changed.
  public func updateBounds() {
    let type = pointee.access & 0xF
    let usable = pointee.access & (1 << 16) == 0 && pointee.access & (1 << 7) != 0
    let isCode = type & 8 != 0
    let expandDown = !isCode && type & 4 != 0
    let end = UInt64(pointee.limit) + 1
    pointee.readEnd = usable && !expandDown && (!isCode || type & 2 != 0) ? end : 0
    pointee.writeEnd = usable && !expandDown && !isCode && type & 2 != 0 ? end : 0
  }
}
