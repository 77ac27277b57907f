// The part of an access that handlers inline: it succeeds when the segment's fast bound and the TLB allow the
// access as it is, and otherwise does nothing at all, so that the caller can fall back on the checked one.

extension CPU {
  /// Finds the host address of `size` bytes (at most a page) at `segment:offset`.
  /// - Returns: false if they may not be read without further checks.
  @inlinable @inline(__always)
  func findReadable(
    _ segment: UInt8, _ offset: UInt32, _ size: Int, _ host: inout UnsafeMutableRawPointer
  ) -> Bool {
    let s = self.segment(segment)
    guard UInt64(offset) &+ UInt64(truncatingIfNeeded: size) <= s.pointee.readEnd else {
      return false
    }
    let linear = s.pointee.base &+ offset
    let entry = pointee.tlb.entry(linear)
    guard entry.pointee.readTag == Self.pageOfLastByte(linear, size) else { return false }
    host = Self.host(entry, linear)
    return true
  }

  /// Finds the host address of `size` bytes (at most a page) at `segment:offset`.
  /// - Returns: false if they may not be read and written without further checks.
  @inlinable @inline(__always)
  func findWritable(
    _ segment: UInt8, _ offset: UInt32, _ size: Int, _ host: inout UnsafeMutableRawPointer
  ) -> Bool {
    let s = self.segment(segment)
    guard UInt64(offset) &+ UInt64(truncatingIfNeeded: size) <= s.pointee.writeEnd else {
      return false
    }
    let linear = s.pointee.base &+ offset
    let entry = pointee.tlb.entry(linear)
    guard entry.pointee.writeTag == Self.pageOfLastByte(linear, size) else { return false }
    host = Self.host(entry, linear)
    return true
  }

  /// The host address of `size` bytes (at most a page) at `segment:offset`; nil if they may not be read
  /// without further checks.
  @inlinable @inline(__always)
  public func quickReadable(_ segment: UInt8, _ offset: UInt32, _ size: Int)
    -> UnsafeMutableRawPointer?
  {
    var host = UnsafeMutableRawPointer(self)
    return findReadable(segment, offset, size, &host) ? host : nil
  }

  /// The host address of `size` bytes (at most a page) at `segment:offset`; nil if they may not be read
  /// and written without further checks.
  @inlinable @inline(__always)
  public func quickWritable(_ segment: UInt8, _ offset: UInt32, _ size: Int)
    -> UnsafeMutableRawPointer?
  {
    var host = UnsafeMutableRawPointer(self)
    return findWritable(segment, offset, size, &host) ? host : nil
  }

  /// Reads at `segment:offset`; nil if the checked access is needed.
  @inlinable @inline(__always)
  public func quickRead<T: FixedWidthInteger & UnsignedInteger>(
    _ segment: UInt8, _ offset: UInt32, as type: T.Type = T.self
  ) -> T? {
    var host = UnsafeMutableRawPointer(self)
    guard findReadable(segment, offset, MemoryLayout<T>.size, &host) else { return nil }
    return host.loadUnaligned(as: T.self)
  }

  /// Writes at `segment:offset`; false if the checked access is needed, and then nothing was written.
  @inlinable @inline(__always)
  public func quickWrite<T: FixedWidthInteger & UnsignedInteger>(
    _ segment: UInt8, _ offset: UInt32, _ value: T
  ) -> Bool {
    var host = UnsafeMutableRawPointer(self)
    guard findWritable(segment, offset, MemoryLayout<T>.size, &host) else { return false }
    host.storeBytes(of: value, as: T.self)
    return true
  }

  /// Reads, computes and writes back at `segment:offset`; false if the checked access is needed, and then
  /// `body` has not run.
  @inlinable @inline(__always)
  public func quickModify<T: FixedWidthInteger & UnsignedInteger>(
    _ segment: UInt8, _ offset: UInt32, _ body: (T) -> T
  ) -> Bool {
    var host = UnsafeMutableRawPointer(self)
    guard findWritable(segment, offset, MemoryLayout<T>.size, &host) else { return false }
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
