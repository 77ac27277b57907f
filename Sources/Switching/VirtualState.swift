import CPU
import Memory

extension VirtualState {
  /// Reads the virtual registers. The segments are looked at only if they can matter: for ring-3 code of
  /// protected mode.
  public init(_ cpu: CPU) {
    let flags = cpu.pointee.eflags
    let cr0 = cpu.pointee.cr0
    let cr4 = cpu.pointee.cr4
    var bits = cr0 & CR0.pe
    bits |= flags & EFLAGS.vm != 0 ? 1 << 1 : 0
    bits |= UInt32(cpu.pointee.cpl) << 2
    bits |= (flags >> 12 & 3) << 4
    bits |= (flags >> 9 & 1) << 6
    bits |= (flags >> 8 & 1) << 9
    // Local and global enable bits.
    bits |= cpu[dr: 7] & 0xFF != 0 ? 1 << 10 : 0
    bits |= cr0 & CR0.em != 0 ? 1 << 11 : 0
    bits |= cr0 & CR0.ts != 0 ? 1 << 12 : 0
    bits |= cr4 & CR4.tsd != 0 ? 1 << 13 : 0
    bits |= flags & EFLAGS.ac != 0 ? 1 << 14 : 0
    bits |= cr4 & CR4.osfxsr != 0 ? 1 << 15 : 0
    if bits & 0xF == 0xD {
      if cpu.segmentsAreReversible { bits |= 1 << 7 }
      if cpu.segmentsAreMappable { bits |= 1 << 8 }
    }
    self.bits = bits
  }
}

extension CPU {
  /// Whether all six segment registers hold what their selectors would load. The data segments mostly are
  /// the stack segment once more.
  fileprivate var segmentsAreReversible: Bool {
    guard isReversible(SegmentNumber.cs), isReversible(SegmentNumber.ss) else { return false }
    let stack = ss.pointee
    for number in [SegmentNumber.ds, SegmentNumber.es, SegmentNumber.fs, SegmentNumber.gs] {
      let register = segment(number).pointee
      if register.selector == stack.selector, register.base == stack.base,
        register.limit == stack.limit, register.access == stack.access
      {
        continue
      }
      if !isReversible(number) { return false }
    }
    return true
  }

  /// Whether the host's local descriptor table can hold the segments: 32-bit code, a 32-bit stack.
  fileprivate var segmentsAreMappable: Bool {
    let big: UInt32 = 1 << 14
    let code = cs.pointee
    guard code.access & (1 << 16) == 0, code.access & 0x18 == 0x18, code.access & big != 0 else {
      return false
    }
    let stack = ss.pointee
    return stack.access & (1 << 16) == 0 && stack.access & 0x1A == 0x12 && stack.access & big != 0
      && pointee.stackMask == .max
  }
}
