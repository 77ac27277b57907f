// Accesses by linear address with the current privilege: an inlined soft-TLB hit and an out-of-line slow path.

extension CPU {
  @inlinable @inline(__always)
  static func pageOfLastByte(_ linear: UInt32, _ size: Int) -> UInt32 {
    (linear &+ UInt32(truncatingIfNeeded: size &- 1)) & 0xFFFF_F000
  }

  @inlinable @inline(__always)
  static func host(_ entry: UnsafeMutablePointer<TLBEntry>, _ linear: UInt32)
    -> UnsafeMutableRawPointer
  {
    UnsafeMutableRawPointer(bitPattern: UInt(entry.pointee.addend) &+ UInt(linear))
      .unsafelyUnwrapped
  }

  /// Reads a little-endian value of 1, 2, 4 or 8 bytes.
  /// - Throws: #PF; #AC when alignment checks are on.
  @inlinable @inline(__always)
  public func readLinear<T: FixedWidthInteger & UnsignedInteger>(
    _ linear: UInt32, as: T.Type = T.self
  ) throws(Fault) -> T {
    let entry = pointee.tlb.entry(linear)
    if entry.pointee.readTag == Self.pageOfLastByte(linear, MemoryLayout<T>.size) {
      return Self.host(entry, linear).loadUnaligned(as: T.self)
    }
    return T(truncatingIfNeeded: try slowRead(linear, MemoryLayout<T>.size, user: pointee.cpl == 3))
  }

  /// Writes a little-endian value of 1, 2, 4 or 8 bytes.
  /// - Throws: #PF; #AC when alignment checks are on. Nothing is written then.
  @inlinable @inline(__always)
  public func writeLinear<T: FixedWidthInteger & UnsignedInteger>(
    _ linear: UInt32, _ value: T
  ) throws(Fault) {
    let entry = pointee.tlb.entry(linear)
    if entry.pointee.writeTag == Self.pageOfLastByte(linear, MemoryLayout<T>.size) {
      Self.host(entry, linear).storeBytes(of: value, as: T.self)
      return
    }
    try slowWrite(
      linear, MemoryLayout<T>.size, UInt64(truncatingIfNeeded: value), user: pointee.cpl == 3)
  }

  /// Reads, computes and writes back; the write is checked before `body` runs, so a fault leaves no trace.
  @inlinable @inline(__always)
  public func modifyLinear<T: FixedWidthInteger & UnsignedInteger>(
    _ linear: UInt32, _ body: (T) -> T
  ) throws(Fault) {
    let entry = pointee.tlb.entry(linear)
    if entry.pointee.writeTag == Self.pageOfLastByte(linear, MemoryLayout<T>.size) {
      let host = Self.host(entry, linear)
      host.storeBytes(of: body(host.loadUnaligned(as: T.self)), as: T.self)
      return
    }
    let user = pointee.cpl == 3
    try probeWrite(linear, MemoryLayout<T>.size, user: user)
    let old = T(truncatingIfNeeded: try slowRead(linear, MemoryLayout<T>.size, user: user))
    try slowWrite(
      linear, MemoryLayout<T>.size, UInt64(truncatingIfNeeded: body(old)), user: user)
  }

  /// Reads with supervisor rights whatever CPL is: descriptor tables, TSS, the interrupt stack.
  @inlinable
  public func readSystem<T: FixedWidthInteger & UnsignedInteger>(
    _ linear: UInt32, as: T.Type = T.self
  ) throws(Fault) -> T {
    let entry = pointee.supervisorTLB.entry(linear)
    if entry.pointee.readTag == Self.pageOfLastByte(linear, MemoryLayout<T>.size) {
      return Self.host(entry, linear).loadUnaligned(as: T.self)
    }
    return T(
      truncatingIfNeeded: try slowRead(
        linear, MemoryLayout<T>.size, user: false, implicit: true))
  }

  /// Writes with supervisor rights whatever CPL is.
  @inlinable
  public func writeSystem<T: FixedWidthInteger & UnsignedInteger>(
    _ linear: UInt32, _ value: T
  ) throws(Fault) {
    let entry = pointee.supervisorTLB.entry(linear)
    if entry.pointee.writeTag == Self.pageOfLastByte(linear, MemoryLayout<T>.size) {
      Self.host(entry, linear).storeBytes(of: value, as: T.self)
      return
    }
    try slowWrite(
      linear, MemoryLayout<T>.size, UInt64(truncatingIfNeeded: value), user: false, implicit: true)
  }

  /// Checks that `size` bytes may be written, setting accessed and dirty bits; writes nothing.
  public func probeWrite(_ linear: UInt32, _ size: Int, user: Bool) throws(Fault) {
    try checkAlignment(linear, size, user)
    let access = AccessKind(write: true, user: user)
    _ = try translate(linear, access)
    if linear & 0xFFF > UInt32(0x1000 - size) {
      _ = try translate((linear &+ UInt32(size)) & 0xFFFF_F000, access)
    }
  }

  /// Checks that `size` bytes may be read.
  public func probeRead(_ linear: UInt32, _ size: Int, user: Bool) throws(Fault) {
    try checkAlignment(linear, size, user)
    let access = AccessKind(user: user)
    _ = try translate(linear, access)
    if linear & 0xFFF > UInt32(0x1000 - size) {
      _ = try translate((linear &+ UInt32(size)) & 0xFFFF_F000, access)
    }
  }

  private func checkAlignment(_ linear: UInt32, _ size: Int, _ user: Bool) throws(Fault) {
    // An 80-bit value is aligned at multiples of 8. SDM vol. 3, table 6-7.
    let alignment = size == 10 ? 8 : size
    if user, pointee.tlb == pointee.slowTLB, linear & UInt32(alignment &- 1) != 0,
      pointee.cr0 & (1 << 18) != 0, pointee.eflags & (1 << 18) != 0
    {
      throw .alignmentCheck
    }
  }

  @inline(never) @usableFromInline
  func slowRead(
    _ linear: UInt32, _ size: Int, user: Bool, implicit: Bool = false
  ) throws(Fault) -> UInt64 {
    if !implicit {
      try checkAlignment(linear, size, user)
    }
    let access = AccessKind(user: user)
    let first = try translate(linear, access)
    var value: UInt64 = 0
    if linear & 0xFFF <= UInt32(0x1000 - size) {
      if isDevice(first.physical) { requestAttention() }
      value = readPhysical(first.physical, size: size)
    } else {
      let next = (linear &+ UInt32(size)) & 0xFFFF_F000
      let second = try translate(next, access)
      for i in 0..<UInt32(size) {
        let byte = linear &+ i
        let physical =
          (byte ^ linear) & 0xFFFF_F000 == 0
          ? first.physical &+ UInt64(i) : second.physical &+ UInt64(byte &- next)
        if isDevice(physical) { requestAttention() }
        value |= readPhysical(physical, size: 1) << UInt64(i &* 8)
      }
    }
    if !implicit, pointee.tlb == pointee.slowTLB {
      observe(linear, first.physical, size)
      checkDataBreakpoints(linear, size, write: false)
    }
    return value
  }

  @inline(never) @usableFromInline
  func slowWrite(
    _ linear: UInt32, _ size: Int, _ value: UInt64, user: Bool, implicit: Bool = false
  ) throws(Fault) {
    if !implicit {
      try checkAlignment(linear, size, user)
    }
    let access = AccessKind(write: true, user: user)
    let first = try translate(linear, access)
    if linear & 0xFFF <= UInt32(0x1000 - size) {
      if isDevice(first.physical) { requestAttention() }
      writePhysical(first.physical, size: size, value)
    } else {
      let next = (linear &+ UInt32(size)) & 0xFFFF_F000
      let second = try translate(next, access)
      for i in 0..<UInt32(size) {
        let byte = linear &+ i
        let physical =
          (byte ^ linear) & 0xFFFF_F000 == 0
          ? first.physical &+ UInt64(i) : second.physical &+ UInt64(byte &- next)
        if isDevice(physical) { requestAttention() }
        writePhysical(physical, size: 1, (value >> UInt64(i &* 8)) & 0xFF)
      }
    }
    if !implicit, pointee.tlb == pointee.slowTLB {
      observe(linear, first.physical, size)
      checkDataBreakpoints(linear, size, write: true)
    }
  }

  /// Tells the cache model of an access; the part in a second page is left out.
  private func observe(_ linear: UInt32, _ physical: UInt64, _ size: Int) {
    guard let model = memory.cacheModel else { return }
    model.access(
      linear: linear, physical: UInt32(truncatingIfNeeded: physical),
      size: min(UInt32(truncatingIfNeeded: size), 0x1000 - (linear & 0xFFF)),
      isUser: pointee.cpl == 3)
  }

  /// Collects in `debugTriggered` the data breakpoints that an access hits. SDM vol. 3, 17.2.5.
  private func checkDataBreakpoints(_ linear: UInt32, _ size: Int, write: Bool) {
    let dr7 = self[dr: 7]
    for i in 0..<4 as Range<UInt32> where (dr7 >> (i * 2)) & 3 != 0 {
      let kind = (dr7 >> (16 + i * 4)) & 3
      guard kind == 3 || (kind == 1 && write) else { continue }
      let length: UInt32 = [1, 2, 8, 4][Int((dr7 >> (18 + i * 4)) & 3)]
      let start = self[dr: Int(i)] & ~(length - 1)
      // Overlap of [linear, linear+size) and [start, start+length), wrapping at 4 GiB.
      if start &- linear < UInt32(size) || linear &- start < length {
        pointee.debugTriggered |= 1 << i
        requestAttention()
      }
    }
  }

  /// Translates for an instruction fetch with the current privilege.
  /// - Returns: the physical address of the byte.
  public func translateFetch(_ linear: UInt32) throws(Fault) -> UInt64 {
    try translate(linear, AccessKind(user: pointee.cpl == 3, fetch: true)).physical
  }

  /// Translates for a debugger or trace: no accessed bits, no faults.
  /// - Returns: nil if the page is not present.
  public func peek(_ linear: UInt32) -> UInt8? {
    guard let physical = peekTranslate(linear) else { return nil }
    return memory.readBytes(at: UInt32(truncatingIfNeeded: physical), count: 1)[0]
  }
}
