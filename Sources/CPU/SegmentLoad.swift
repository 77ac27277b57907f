import Memory

/// Access rights of every segment in virtual-8086 mode: present, DPL 3, writable data, accessed.
private let virtual8086Access: UInt32 = 0xF3

extension CPU {
  /// Loads a data or stack segment register as MOV, POP and LDS do. Nothing has changed when it throws.
  /// - Parameter number: `SegmentNumber` other than CS.
  /// - Throws: #GP, #NP, #SS with the selector, #PF. SDM vol. 2, "MOV"; vol. 3, 5.6 and 5.7.
  public func loadSegment(_ number: UInt8, selector: UInt16) throws(Fault) {
    guard isProtectedMode else {
      loadParagraph(number, selector)
      return
    }
    if number != SegmentNumber.ss && isNull(selector) {
      setSegment(number, .null(selector))
      return
    }
    let descriptor = try withGuestSelector(selector) { selector throws(Fault) in
      let fault = Fault.generalProtection(selectorCode(selector))
      return number == SegmentNumber.ss
        ? try stackDescriptor(
          selector, level: pointee.cpl, nullFault: .generalProtection(), fault: fault)
        : try dataDescriptor(selector, level: pointee.cpl, fault: fault)
    }
    try markAccessed(descriptor)
    setSegment(number, descriptor.loaded(selector: descriptor.selector))
  }

  /// Tries again, where ring-3 code uses a selector in vain, with the one that it would have read had it not run
  /// directly.
  func withGuestSelector(
    _ selector: UInt16, _ body: (UInt16) throws(Fault) -> Descriptor
  ) throws(Fault) -> Descriptor {
    do throws(Fault) {
      return try body(selector)
    } catch {
      guard pointee.cpl == 3, let own = processor.guestSelector?(selector), own != selector
      else { throw error }
      return try body(own)
    }
  }

  /// Reads and checks the descriptor of a stack segment for privilege level `level`.
  /// - Throws: `nullFault` for a null selector, `fault` for a wrong one, #SS(selector) if not present.
  func stackDescriptor(
    _ selector: UInt16, level: UInt8, nullFault: Fault, fault: Fault
  ) throws(Fault) -> Descriptor {
    if isNull(selector) { throw nullFault }
    let d = try descriptor(selector, else: fault)
    guard UInt8(selector & 3) == level, d.isWritableData, d.dpl == level else { throw fault }
    guard d.isPresent else { throw .stackFault(selectorCode(selector)) }
    return d
  }

  /// Reads and checks the descriptor of a data segment that is used at privilege level `level`.
  /// - Throws: `fault` for a wrong one, #NP(selector) if not present.
  func dataDescriptor(
    _ selector: UInt16, level: UInt8, fault: Fault
  ) throws(Fault) -> Descriptor {
    let d = try descriptor(selector, else: fault)
    guard d.isReadable else { throw fault }
    if !d.isConforming, UInt8(selector & 3) > d.dpl || level > d.dpl { throw fault }
    guard d.isPresent else { throw .notPresent(selectorCode(selector)) }
    return d
  }

  /// Stores a segment register and recomputes what is derived from it; for SS the stack width too.
  func setSegment(_ number: UInt8, _ new: SegmentRegister) {
    let register = segment(number)
    register.pointee = new
    register.updateBounds()
    if number == SegmentNumber.ss { pointee.stackMask = new.isBig ? 0xFFFF_FFFF : 0xFFFF }
  }

  /// Loads CS with its RPL replaced by `level`, which becomes CPL, and sets the code size.
  func setCodeSegment(_ descriptor: Descriptor, level: UInt8) {
    setSegment(
      SegmentNumber.cs,
      descriptor.loaded(selector: selectorCode(descriptor.selector) | UInt16(level)))
    setCodeSize(descriptor.isBig)
    setCPL(level)
  }

  func setCodeSize(_ big: Bool) { pointee.codeSize = big ? 4 : 2 }

  /// Loads a segment register in real or virtual-8086 mode. In real mode the limit and the size flag stay
  /// as they are, which is what makes "big real mode" work. SDM vol. 3, 20.1.1 and 20.2.
  func loadParagraph(_ number: UInt8, _ selector: UInt16) {
    var new = segment(number).pointee
    new.selector = selector
    new.base = UInt32(selector) << 4
    if isVirtual8086 {
      new.limit = 0xFFFF
      new.access = virtual8086Access
    } else {
      if new.isUnusable { new.limit = 0xFFFF }
      new.access = (new.access & 0xF000) | 0x93
    }
    setSegment(number, new)
    if number == SegmentNumber.cs { setCodeSize(new.isBig) }
  }

  /// Makes the data segment registers null that the new, less privileged level may not use.
  /// SDM vol. 2, "RET" and "IRET".
  func dropPrivilegedSegments() {
    for number in [SegmentNumber.es, SegmentNumber.ds, SegmentNumber.fs, SegmentNumber.gs] {
      let s = segment(number).pointee
      let isConforming = s.access & 0x1C == 0x1C
      if !s.isUnusable, !isConforming, s.dpl < pointee.cpl { setSegment(number, .null(0)) }
    }
  }
}

extension SegmentRegister {
  /// What a null selector leaves in a data segment register.
  static func null(_ selector: UInt16) -> SegmentRegister {
    SegmentRegister(
      readEnd: 0, writeEnd: 0, base: 0, limit: 0, access: 1 << 16, selector: selector, reserved: 0)
  }
}
