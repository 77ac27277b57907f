import CPU
import ISA
import Memory

// FCOM, FUCOM, FICOM, FCOMI, FTST and FXAM. SDM vol. 1, 8.3.6.

/// Compares ST(0) with ST(i) and pops `pops` times.
@inline(__always)
private func registers(
  _ cpu: CPU, _ op: Op, pops: Int, _ compare: (FPU, UInt32, UInt32) -> Void
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    let fpu = cpu.fpu
    let top = fpu.top
    let other = x87Other(op, top)
    guard fpu.isReady(top, other) else { return x87Whole(cpu, op) }
    compare(fpu, top, other)
    if pops > 0 { fpu.pop() }
    if pops > 1 { fpu.pop() }
    return 0
  }
}

/// Compares ST(0) with memory.
@inline(__always)
private func memory<T: FixedWidthInteger & UnsignedInteger>(
  _ cpu: CPU, _ op: Op, pop: Bool, _ compare: (FPU, UInt32, T) -> Void
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    let offset = cpu.effectiveOffset(op)
    let operand = try cpu.read(op.pointee.instruction.segment, offset, as: T.self)
    x87Note(cpu, op, operand: offset)
    let fpu = cpu.fpu
    let top = fpu.top
    guard fpu.isReady(top) else { return x87Whole(cpu, op, UInt64(operand)) }
    compare(fpu, top, operand)
    if pop { fpu.pop() }
    return cpu.pointee.stop
  }
}

/// FCOMI and FUCOMI: the result goes to EFLAGS; OF, SF and AF are cleared.
@inline(__always)
private func toFlags(
  _ cpu: CPU, _ op: Op, pop: Bool, _ compare: (FPU, UInt32, UInt32) -> UInt32
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    let fpu = cpu.fpu
    let top = fpu.top
    let other = x87Other(op, top)
    guard fpu.isReady(top, other) else { return x87Whole(cpu, op) }
    cpu.setComparisonFlags(compare(fpu, top, other))
    if pop { fpu.pop() }
    return 0
  }
}

/// FTST and FXAM of ST(0).
@inline(__always)
private func test(_ cpu: CPU, _ op: Op, _ compute: (FPU, UInt32) -> Void) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    let fpu = cpu.fpu
    let top = fpu.top
    guard fpu.isReady(top) else { return x87Whole(cpu, op) }
    compute(fpu, top)
    return 0
  }
}

extension CPU {
  /// Loads CF, PF and ZF of a floating-point comparison and clears OF, SF and AF. CF implies ZF or
  /// its absence as the four outcomes have them: greater 0, less CF, equal ZF, unordered all three.
  @inline(__always)
  func setComparisonFlags(_ bits: UInt32) {
    let zero = bits >> 6 & 1
    let carry = bits & 1
    let parity = bits >> 2 & 1
    pointee.flagResult = Int64(zero ^ 1)
    // A result of 0 has even parity and 1 has odd parity: PF must be flipped where it differs from
    // ZF.
    pointee.flagCarries = carry &* 0xC000_0000 | (zero ^ parity) &<< 8
  }
}

enum X87Compare {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .fcom, .fcomp: return ordered(i)
    case .ficom, .ficomp: return integer(i)
    case .fcompp: return { cpu, op in registers(cpu, op, pops: 2, x87Compare) }
    case .fucom: return { cpu, op in registers(cpu, op, pops: 0, x87CompareUnordered) }
    case .fucomp: return { cpu, op in registers(cpu, op, pops: 1, x87CompareUnordered) }
    case .fucompp: return { cpu, op in registers(cpu, op, pops: 2, x87CompareUnordered) }
    case .fcomi: return { cpu, op in toFlags(cpu, op, pop: false, x87CompareFlags) }
    case .fcomip: return { cpu, op in toFlags(cpu, op, pop: true, x87CompareFlags) }
    case .fucomi: return { cpu, op in toFlags(cpu, op, pop: false, x87CompareFlagsUnordered) }
    case .fucomip: return { cpu, op in toFlags(cpu, op, pop: true, x87CompareFlagsUnordered) }
    case .ftst: return { cpu, op in test(cpu, op, x87Test) }
    case .fxam: return { cpu, op in test(cpu, op, x87Examine) }
    default: return nil
    }
  }

  private static func ordered(_ i: Instruction) -> Handler {
    switch (i.kind == .fcomp, i.x87MemorySize) {
    case (false, 4): return { cpu, op in memory(cpu, op, pop: false, x87CompareSingle) }
    case (false, 8): return { cpu, op in memory(cpu, op, pop: false, x87CompareDouble) }
    case (true, 4): return { cpu, op in memory(cpu, op, pop: true, x87CompareSingle) }
    case (true, 8): return { cpu, op in memory(cpu, op, pop: true, x87CompareDouble) }
    case (false, _): return { cpu, op in registers(cpu, op, pops: 0, x87Compare) }
    case (true, _): return { cpu, op in registers(cpu, op, pops: 1, x87Compare) }
    }
  }

  private static func integer(_ i: Instruction) -> Handler {
    switch (i.kind == .ficomp, i.x87MemorySize) {
    case (false, 2): return { cpu, op in memory(cpu, op, pop: false, x87CompareInt16) }
    case (false, _): return { cpu, op in memory(cpu, op, pop: false, x87CompareInt32) }
    case (true, 2): return { cpu, op in memory(cpu, op, pop: true, x87CompareInt16) }
    case (true, _): return { cpu, op in memory(cpu, op, pop: true, x87CompareInt32) }
    }
  }
}
