// The part of an access that handlers inline: it succeeds when the segment's fast bound and the TLB allow the
// access as it is, and otherwise does nothing at all, so that the caller can fall back on the checked one.

extension CPU {
  /// The host address of `size` bytes (at most a page) at `segment:offset` that may be read without
  /// further checks; nil if the checked access is needed.
  @inlinable @inline(__always)
  func quickReadable(_ segment: UInt8, _ offset: UInt32, _ size: Int) -> UnsafeMutableRawPointer? {
    let s = self.segment(segment)
    guard UInt64(offset) &+ UInt64(truncatingIfNeeded: size) <= s.pointee.readEnd else {
      return nil
    }
    let linear = s.pointee.base &+ offset
    let entry = pointee.tlb.entry(linear)
    guard entry.pointee.readTag == Self.pageOfLastByte(linear, size) else { return nil }
    return Self.host(entry, linear)
  }

  /// The host address of `size` bytes (at most a page) at `segment:offset` that may be read and written
  /// without further checks; nil if the checked access is needed.
  @inlinable @inline(__always)
  func quickWritable(_ segment: UInt8, _ offset: UInt32, _ size: Int) -> UnsafeMutableRawPointer? {
    let s = self.segment(segment)
    guard UInt64(offset) &+ UInt64(truncatingIfNeeded: size) <= s.pointee.writeEnd else {
      return nil
    }
    let linear = s.pointee.base &+ offset
    let entry = pointee.tlb.entry(linear)
    guard entry.pointee.writeTag == Self.pageOfLastByte(linear, size) else { return nil }
    return Self.host(entry, linear)
  }

  /// Reads at `segment:offset`; nil if the checked access is needed.
  @inlinable @inline(__always)
  public func quickRead<T: FixedWidthInteger & UnsignedInteger>(
    _ segment: UInt8, _ offset: UInt32, as type: T.Type = T.self
  ) -> T? {
    quickReadable(segment, offset, MemoryLayout<T>.size)?.loadUnaligned(as: T.self)
  }

  /// Writes at `segment:offset`; false if the checked access is needed, and then nothing was written.
  @inlinable @inline(__always)
  public func quickWrite<T: FixedWidthInteger & UnsignedInteger>(
    _ segment: UInt8, _ offset: UInt32, _ value: T
  ) -> Bool {
    guard let host = quickWritable(segment, offset, MemoryLayout<T>.size) else { return false }
    host.storeBytes(of: value, as: T.self)
    return true
  }

  /// Reads, computes and writes back at `segment:offset`; false if the checked access is needed, and then
  /// `body` has not run.
  @inlinable @inline(__always)
  public func quickModify<T: FixedWidthInteger & UnsignedInteger>(
    _ segment: UInt8, _ offset: UInt32, _ body: (T) -> T
  ) -> Bool {
    guard let host = quickWritable(segment, offset, MemoryLayout<T>.size) else { return false }
    host.storeBytes(of: body(host.loadUnaligned(as: T.self)), as: T.self)
    return true
  }

  /// Pushes a value; false if the checked push is needed, and then nothing has changed.
  @inlinable @inline(__always)
  public func quickPush<T: FixedWidthInteger & UnsignedInteger>(_ value: T) -> Bool {
    let new = (esp &- UInt32(MemoryLayout<T>.size)) & pointee.stackMask
    guard quickWrite(SegmentNumber.ss, new, value) else { return false }
    setStackPointer(new)
    return true
  }

  /// The value at the top of the stack; nil if the checked access is needed.
  @inlinable @inline(__always)
  public func quickPeekStack<T: FixedWidthInteger & UnsignedInteger>(as type: T.Type = T.self) -> T?
  {
    quickRead(SegmentNumber.ss, esp & pointee.stackMask)
  }

  /// Moves the stack pointer up by `bytes`.
  @inlinable @inline(__always)
  public func releaseStack(_ bytes: UInt32) {
    setStackPointer(esp &+ bytes)
  }
}
