import Memory

/// Pushes onto a stack without moving ESP, so that a fault half-way leaves no trace. The stack is the current
/// one or that of an inner privilege level that is not in force yet.
struct StackWriter {
  private let cpu: CPU
  private let segment: SegmentRegister
  private let mask: UInt32
  /// Writes with supervisor rights although CPL may still be 3.
  private let isInner: Bool
  private let fault: Fault
  /// The stack pointer after the pushes so far; bits beyond the stack's width are those of ESP.
  private(set) var esp: UInt32

  /// The current stack.
  init(current cpu: CPU) {
    self.cpu = cpu
    segment = cpu.ss.pointee
    mask = cpu.pointee.stackMask
    isInner = false
    fault = .stackFault()
    esp = cpu.esp
  }

  /// The stack of an inner level. Limit violations raise #SS with its selector.
  init(_ cpu: CPU, inner segment: SegmentRegister, esp: UInt32) {
    self.cpu = cpu
    self.segment = segment
    mask = segment.isBig ? 0xFFFF_FFFF : 0xFFFF
    isInner = true
    fault = .stackFault(selectorCode(segment.selector))
    self.esp = esp
  }

  /// Checks that `count` values of `size` bytes can be pushed.
  /// - Throws: #SS; #PF and #AC as the first push that fails would.
  func reserve(_ count: UInt32, size: UInt32) throws(Fault) {
    let bytes = count &* size
    let top = esp & mask
    let bottom = (esp &- bytes) & mask
    let isContiguous = top >= bytes || (top == 0 && bottom != 0)
    let linear = segment.base &+ bottom
    if isContiguous {
      guard segment.contains(bottom, size: bytes) else { throw fault }
      // Within one page the first push faults before anything is written.
      if linear & 0xFFF &+ bytes <= 0x1000 { return }
    }
    var offset = top
    for _ in 0..<count {
      offset = (offset &- size) & mask
      guard segment.contains(offset, size: size) else { throw fault }
      try cpu.probeWrite(
        segment.base &+ offset, Int(size), user: !isInner && cpu.pointee.cpl == 3)
    }
  }

  /// Pushes the low `size` (2 or 4) bytes of `value`.
  /// - Throws: #SS, #PF, #AC.
  mutating func push(_ value: UInt32, size: UInt32) throws(Fault) {
    let offset = (esp &- size) & mask
    guard segment.contains(offset, size: size) else { throw fault }
    let linear = segment.base &+ offset
    switch (size, isInner) {
    case (4, true): try cpu.writeSystem(linear, value)
    case (4, false): try cpu.writeLinear(linear, value)
    case (_, true): try cpu.writeSystem(linear, UInt16(truncatingIfNeeded: value))
    case (_, false): try cpu.writeLinear(linear, UInt16(truncatingIfNeeded: value))
    }
    esp = (esp & ~mask) | offset
  }
}

extension CPU {
  /// Value number `index` of `size` (2 or 4) bytes above the stack pointer.
  /// - Throws: #SS(0), #PF, #AC.
  func stackValue(_ index: UInt32, size: UInt8, skipping bytes: UInt32 = 0) throws(Fault) -> UInt32
  {
    let offset = index &* UInt32(size) &+ bytes
    return size == 4
      ? try peekStack(offset, as: UInt32.self) : UInt32(try peekStack(offset, as: UInt16.self))
  }

  /// SS and ESP of privilege level `level` from the current TSS, checked. SDM vol. 3, 5.8.5.
  /// - Throws: #TS with the selector of the TSS or the stack, #SS(selector) if not present, #PF.
  func innerStack(_ level: UInt8) throws(Fault) -> (descriptor: Descriptor, esp: UInt32) {
    let tr = pointee.tr
    let selector: UInt16
    let esp: UInt32
    if tr.access & 8 != 0 {
      let offset = UInt32(level) * 8 + 4
      guard offset + 5 <= tr.limit else { throw .invalidTSS(selectorCode(tr.selector)) }
      esp = try readSystem(tr.base &+ offset)
      selector = try readSystem(tr.base &+ offset &+ 4)
    } else {
      let offset = UInt32(level) * 4 + 2
      guard offset + 3 <= tr.limit else { throw .invalidTSS(selectorCode(tr.selector)) }
      esp = UInt32(try readSystem(tr.base &+ offset, as: UInt16.self))
      selector = try readSystem(tr.base &+ offset &+ 2)
    }
    let descriptor = try stackDescriptor(
      selector, level: level, nullFault: .invalidTSS(0), fault: .invalidTSS(selectorCode(selector)))
    return (descriptor, esp)
  }

  /// Makes the stack of an inner level the current one.
  func setStack(_ segment: SegmentRegister, esp new: UInt32) {
    setSegment(SegmentNumber.ss, segment)
    if segment.isBig { esp = new } else { setStackPointer(new) }
  }
}
