import Memory

/// SYSENTER and SYSEXIT. SDM vol. 3, 5.8.7.
extension CPU {
  /// SYSENTER: to CPL 0 at the addresses in the SYSENTER registers. Sets `eip`.
  /// - Throws: #GP(0) in real mode or while SYSENTER_CS is null.
  public func enterSystem() throws(Fault) {
    let selector = UInt16(truncatingIfNeeded: pointee.sysenterCS)
    guard !isRealMode, !isNull(selector) else { throw .generalProtection() }
    clearFlags(EFLAGS.vm | EFLAGS.if | EFLAGS.rf)
    setFlatSegments(selectorCode(selector), level: 0)
    esp = pointee.sysenterESP
    pointee.eip = pointee.sysenterEIP
  }

  /// SYSEXIT: to CPL 3 at EDX with the stack at ECX. Sets `eip`.
  /// - Throws: #GP(0) in real mode, unless CPL is 0, or while SYSENTER_CS is null.
  public func exitSystem() throws(Fault) {
    let selector = UInt16(truncatingIfNeeded: pointee.sysenterCS)
    guard !isRealMode, pointee.cpl == 0, !isNull(selector) else { throw .generalProtection() }
    setFlatSegments((selectorCode(selector) &+ 16) | 3, level: 3)
    esp = ecx
    pointee.eip = edx
  }

  /// Loads flat 4 GiB CS and, eight above it, SS, without reading descriptors.
  private func setFlatSegments(_ selector: UInt16, level: UInt8) {
    func flat(_ selector: UInt16, type: UInt32) -> SegmentRegister {
      SegmentRegister(
        readEnd: 0, writeEnd: 0, base: 0, limit: 0xFFFF_FFFF,
        access: 0xC090 | type | UInt32(level) << 5, selector: selector, reserved: 0)
    }
    setSegment(SegmentNumber.cs, flat(selector, type: 0xB))
    setSegment(SegmentNumber.ss, flat(selector &+ 8, type: 3))
    setCodeSize(true)
    setCPL(level)
  }
}
