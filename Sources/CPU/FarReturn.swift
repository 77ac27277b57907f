import Memory

/// RET far and IRET. SDM vol. 2, "RET" and "IRET/IRETD".
extension CPU {
  /// RET far.
  /// - Parameters:
  ///   - operandSize: 2 or 4.
  ///   - release: bytes of parameters to take off the stack.
  /// - Throws: #GP, #NP, #SS, #PF, #AC; nothing has changed then.
  public func returnFar(operandSize: UInt8, release: UInt16) throws(Fault) {
    let offset = try stackValue(0, size: operandSize)
    let selector = UInt16(truncatingIfNeeded: try stackValue(1, size: operandSize))
    let popped = UInt32(operandSize) * 2 + UInt32(release)
    guard isProtectedMode else {
      if offset > cs.pointee.limit { throw .generalProtection() }
      loadParagraph(SegmentNumber.cs, selector)
      setStackPointer(esp &+ popped)
      pointee.eip = offset
      return
    }
    let code = try returnTarget(selector)
    let level = UInt8(selector & 3)
    if level == pointee.cpl {
      if offset > code.limit { throw .generalProtection() }
      try markAccessed(code)
      setStackPointer(esp &+ popped)
      setCodeSegment(code, level: level)
      pointee.eip = offset
    } else {
      try returnOuter(
        code, offset: offset, operandSize: operandSize, stackAt: popped, release: UInt32(release))
    }
  }

  /// IRET. Ends the blocking of NMIs.
  /// - Parameter nextEIP: of the instruction after it, saved by the return from a nested task.
  /// - Throws: #GP, #NP, #SS, #TS, #PF, #AC; nothing has changed then.
  public func returnFromInterrupt(operandSize: UInt8, nextEIP: UInt32) throws(Fault) {
    if isProtectedMode {
      if pointee.eflags & EFLAGS.nt != 0 {
        try returnFromTask(nextEIP: nextEIP)
      } else {
        try returnProtected(operandSize)
      }
    } else {
      if isVirtual8086 && iopl < 3 { throw .generalProtection() }
      let offset = try stackValue(0, size: operandSize)
      let selector = UInt16(truncatingIfNeeded: try stackValue(1, size: operandSize))
      let flags = try stackValue(2, size: operandSize)
      if offset > cs.pointee.limit { throw .generalProtection() }
      var mask: UInt32 = operandSize == 4 ? 0x0025_7FD5 : 0x7FD5
      if isVirtual8086 { mask &= ~EFLAGS.iopl }
      setStackPointer(esp &+ UInt32(operandSize) * 3)
      loadParagraph(SegmentNumber.cs, selector)
      pointee.eip = offset
      setEFLAGS((eflags & ~mask) | (flags & mask))
    }
    pointee.nmiBlocked = 0
    requestAttention()
  }

  private func returnProtected(_ operandSize: UInt8) throws(Fault) {
    let offset = try stackValue(0, size: operandSize)
    let selector = UInt16(truncatingIfNeeded: try stackValue(1, size: operandSize))
    let flags = try stackValue(2, size: operandSize)
    if operandSize == 4, flags & EFLAGS.vm != 0, pointee.cpl == 0 {
      try returnToVirtual8086(offset, selector, flags)
      return
    }
    let code = try returnTarget(selector)
    let level = UInt8(selector & 3)
    // What may change depends on the level that executes IRET, not on the one it returns to.
    let mask = writableFlags(operandSize)
    let newFlags = (eflags & ~mask) | (flags & mask)
    if level == pointee.cpl {
      if offset > code.limit { throw .generalProtection() }
      try markAccessed(code)
      setStackPointer(esp &+ UInt32(operandSize) * 3)
      setCodeSegment(code, level: level)
      pointee.eip = offset
    } else {
      try returnOuter(
        code, offset: offset, operandSize: operandSize, stackAt: UInt32(operandSize) * 3,
        release: 0)
    }
    setEFLAGS(newFlags)
  }

  /// The flags that IRET of the given operand size may change at the current level.
  private func writableFlags(_ operandSize: UInt8) -> UInt32 {
    var mask = EFLAGS.arithmetic | EFLAGS.tf | EFLAGS.df | EFLAGS.nt
    if operandSize == 4 { mask |= EFLAGS.rf | EFLAGS.ac | EFLAGS.id }
    if pointee.cpl <= iopl { mask |= EFLAGS.if }
    if pointee.cpl == 0 {
      mask |= EFLAGS.iopl
      if operandSize == 4 { mask |= EFLAGS.vif | EFLAGS.vip }
    }
    return mask
  }

  /// The code segment that RET or IRET returns to, checked. SDM vol. 3, 5.8.6.
  private func returnTarget(_ selector: UInt16) throws(Fault) -> Descriptor {
    try withGuestSelector(selector) { selector throws(Fault) in try checkedReturnTarget(selector) }
  }

  private func checkedReturnTarget(_ selector: UInt16) throws(Fault) -> Descriptor {
    if isNull(selector) { throw .generalProtection() }
    let fault = Fault.generalProtection(selectorCode(selector))
    let code = try descriptor(selector, else: fault)
    let rpl = UInt8(selector & 3)
    guard code.isCode, rpl >= pointee.cpl, code.isConforming ? code.dpl <= rpl : code.dpl == rpl
    else { throw fault }
    guard code.isPresent else { throw .notPresent(selectorCode(selector)) }
    return code
  }

  /// Returns to a less privileged level: also loads SS:ESP and clears segments it may not use.
  /// - Parameters:
  ///   - stackAt: where above the stack pointer the outer ESP and SS are.
  ///   - release: bytes to take off the outer stack too.
  private func returnOuter(
    _ code: Descriptor, offset: UInt32, operandSize: UInt8, stackAt: UInt32, release: UInt32
  ) throws(Fault) {
    let level = UInt8(code.selector & 3)
    let newESP = try stackValue(0, size: operandSize, skipping: stackAt)
    let selector = UInt16(
      truncatingIfNeeded: try stackValue(1, size: operandSize, skipping: stackAt))
    let stack = try stackDescriptor(
      selector, level: level, nullFault: .generalProtection(),
      fault: .generalProtection(selectorCode(selector)))
    if offset > code.limit { throw .generalProtection() }
    try markAccessed(code)
    try markAccessed(stack)
    setCodeSegment(code, level: level)
    // A 16-bit stack takes SP only; the upper half of ESP stays that of the inner stack.
    setStack(stack.loaded(selector: selector), esp: newESP &+ release)
    pointee.eip = offset
    dropPrivilegedSegments()
  }

  /// IRETD at CPL 0 with VM set in the image. SDM vol. 3, 20.2.2.
  private func returnToVirtual8086(
    _ offset: UInt32, _ selector: UInt16, _ flags: UInt32
  ) throws(Fault) {
    let newESP = try stackValue(3, size: 4)
    let newSS = UInt16(truncatingIfNeeded: try stackValue(4, size: 4))
    let newES = UInt16(truncatingIfNeeded: try stackValue(5, size: 4))
    let newDS = UInt16(truncatingIfNeeded: try stackValue(6, size: 4))
    let newFS = UInt16(truncatingIfNeeded: try stackValue(7, size: 4))
    let newGS = UInt16(truncatingIfNeeded: try stackValue(8, size: 4))
    if offset > 0xFFFF { throw .generalProtection() }
    setEFLAGS(flags)
    loadParagraph(SegmentNumber.cs, selector)
    loadParagraph(SegmentNumber.ss, newSS)
    loadParagraph(SegmentNumber.es, newES)
    loadParagraph(SegmentNumber.ds, newDS)
    loadParagraph(SegmentNumber.fs, newFS)
    loadParagraph(SegmentNumber.gs, newGS)
    esp = newESP
    pointee.eip = offset
    setCPL(3)
  }
}
