import Memory

extension CPU {
  /// Puts the processor into flat 32-bit protected mode as a boot protocol asks, from the reset state.
  func start(at entry: BootImage.FlatEntry) {
    pointee.cr0 |= 1
    pointee.gdtr.base = entry.gdtBase
    pointee.gdtr.limit = UInt32(entry.gdtLimit)
    load(cs, selector: entry.code, access: 0xC09B)
    for register in [ds, es, fs, gs, ss] { load(register, selector: entry.data, access: 0xC093) }
    pointee.codeSize = 4
    pointee.stackMask = ~0
    pointee.eip = entry.eip
    eax = entry.eax
    ebx = entry.ebx
    ecx = 0
    edx = 0
    esi = entry.esi
    edi = 0
    ebp = 0
    esp = entry.esp
    selectTLB()
    requestAttention()
  }

  /// Base 0, limit 4 GiB.
  private func load(
    _ register: SegmentPointer, selector: UInt16, access: UInt32
  ) {
    register.pointee.selector = selector
    register.pointee.base = 0
    register.pointee.limit = ~0
    register.pointee.access = access
    register.updateBounds()
  }
}
