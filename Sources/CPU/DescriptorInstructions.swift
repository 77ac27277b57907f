import Memory

/// LLDT, LTR and the instructions that inspect descriptors.
extension CPU {
  /// LLDT. SDM vol. 2, "LLDT".
  /// - Throws: #GP(selector), #NP(selector), #PF.
  public func loadLDT(_ selector: UInt16) throws(Fault) {
    if isNull(selector) {
      pointee.ldtr = .null(selector)
      return
    }
    let fault = Fault.generalProtection(selectorCode(selector))
    guard selector & 4 == 0 else { throw fault }
    let d = try descriptor(selector, else: fault)
    guard !d.isSegment, d.type == SystemType.ldt else { throw fault }
    guard d.isPresent else { throw .notPresent(selectorCode(selector)) }
    pointee.ldtr = d.loaded(selector: selector)
  }

  /// LTR: loads the task register and marks the TSS busy. SDM vol. 2, "LTR".
  /// - Throws: #GP(selector), #NP(selector), #PF.
  public func loadTaskRegister(_ selector: UInt16) throws(Fault) {
    if isNull(selector) { throw .generalProtection() }
    let fault = Fault.generalProtection(selectorCode(selector))
    guard selector & 4 == 0 else { throw fault }
    let d = try descriptor(selector, else: fault)
    guard !d.isSegment, d.type == SystemType.availableTSS16 || d.type == SystemType.availableTSS32
    else { throw fault }
    guard d.isPresent else { throw .notPresent(selectorCode(selector)) }
    try setBusy(true, descriptorAt: d.address)
    setTaskRegister(d)
  }

  /// Loads TR with a TSS descriptor that is busy now.
  func setTaskRegister(_ descriptor: Descriptor) {
    pointee.tr = descriptor.loaded(selector: descriptor.selector)
    pointee.tr.access |= 2
  }

  /// The descriptor of `selector` if it may be seen at the current privilege level, for LAR, LSL and VERx.
  /// - Throws: #PF.
  private func visibleDescriptor(_ selector: UInt16) throws(Fault) -> Descriptor? {
    guard !isNull(selector), let d = try findDescriptor(selector) else { return nil }
    if !d.isConforming, max(pointee.cpl, UInt8(selector & 3)) > d.dpl { return nil }
    return d
  }

  /// The access rights that LAR reads (bits 23:8; 19:16 are those of the limit), or nil when ZF becomes 0. SDM vol. 2, "LAR".
  /// - Throws: #PF.
  public func accessRights(_ selector: UInt16) throws(Fault) -> UInt32? {
    guard let d = try visibleDescriptor(selector) else { return nil }
    // Available and busy TSS, LDT, call and task gates; not interrupt and trap gates.
    let valid: UInt32 = 0b0001_1010_0011_1110
    guard d.isSegment || (valid >> d.type) & 1 != 0 else { return nil }
    return d.high & 0x00FF_FF00
  }

  /// The limit in bytes that LSL reads, or nil when ZF becomes 0. SDM vol. 2, "LSL".
  /// - Throws: #PF.
  public func segmentLimit(_ selector: UInt16) throws(Fault) -> UInt32? {
    guard let d = try visibleDescriptor(selector) else { return nil }
    // TSSs and LDT have a limit, gates have none.
    let valid: UInt32 = 0b0000_1010_0000_1110
    guard d.isSegment || (valid >> d.type) & 1 != 0 else { return nil }
    return d.limit
  }

  /// VERR and VERW: whether the segment could be read or written from here. SDM vol. 2, "VERR".
  /// - Throws: #PF.
  public func verify(_ selector: UInt16, write: Bool) throws(Fault) -> Bool {
    guard let d = try visibleDescriptor(selector) else { return false }
    return write ? d.isWritableData : d.isReadable
  }

  /// Replaces ZF and leaves the other arithmetic flags.
  public func setZeroFlag(_ value: Bool) {
    let flags = arithmeticFlags
    setArithmeticFlags(value ? flags | EFLAGS.zf : flags & ~EFLAGS.zf)
  }
}
