import Memory

extension CPU {
  /// Puts every register into its power-on state; the wiring and the counters stay. SDM vol. 3, table 9-1.
  func resetState() {
    for i in 0..<8 as Range<UInt8> { self[gpr: i] = 0 }
    edx = Identification.signature
    pointee.zero = 0
    pointee.eip = 0xFFF0
    pointee.eflags = 2
    setArithmeticFlags(0)
    for i in 0..<6 as Range<UInt8> {
      setReset(segment(i), selector: 0, base: 0, access: 0x93)
    }
    setReset(cs, selector: 0xF000, base: 0xFFFF_0000, access: 0x93)
    pointee.stackMask = 0xFFFF
    pointee.codeSize = 2
    pointee.cpl = 0
    pointee.gdtr = DescriptorTableRegister(base: 0, limit: 0xFFFF)
    pointee.idtr = DescriptorTableRegister(base: 0, limit: 0xFFFF)
    pointee.ldtr = SegmentRegister()
    pointee.ldtr.limit = 0xFFFF
    pointee.ldtr.access = 0x82
    pointee.tr = SegmentRegister()
    pointee.tr.limit = 0xFFFF
    pointee.tr.access = 0x8B
    pointee.cr0 = 0x6000_0010
    pointee.cr2 = 0
    pointee.cr3 = 0
    pointee.cr4 = 0
    for i in 0..<4 { self[dr: i] = 0 }
    self[dr: 6] = 0xFFFF_0FF0
    self[dr: 7] = 0x400
    pointee.efer = 0
    pointee.tscOffset = 0 &- pointee.cycles
    pointee.sysenterCS = 0
    pointee.sysenterESP = 0
    pointee.sysenterEIP = 0
    pointee.debugTriggered = 0
    pointee.halted = 0
    pointee.shadow = 0
    pointee.nmiPending = 0
    pointee.nmiBlocked = 0
    pointee.fpu = FPUState()
    pointee.fpu.control = 0x40
    pointee.fpu.tags = 0xFF
    pointee.fpu.mxcsr = 0x1F80
    pointee.op = nil
    pointee.stop = UInt32(STOP_ATTENTION.rawValue)
    flushTLB(includingGlobal: true)
    selectTLB()
  }

  private func setReset(
    _ register: SegmentPointer, selector: UInt16, base: UInt32,
    access: UInt32
  ) {
    register.pointee.selector = selector
    register.pointee.base = base
    register.pointee.limit = 0xFFFF
    register.pointee.access = access
    register.updateBounds()
  }
}
