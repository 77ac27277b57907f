import CPU
import ISA
import Memory

// FADD, FSUB, FMUL, FDIV and their reversed, popping and integer forms. SDM vol. 1, 8.3.5.

/// Where a two-register operation puts its result.
enum X87Destination {
  case st0, sti
}

/// `destination = destination op other`, or `other op destination` when reversed.
@inline(__always)
private func binary(
  _ cpu: CPU, _ op: Op, _ destination: X87Destination, reversed: Bool = false, pop: Bool = false,
  _ compute: (FPU, UInt32, UInt32, UInt32) -> Void
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    let fpu = cpu.fpu
    let top = fpu.top
    let other = x87Other(op, top)
    guard fpu.isReady(top, other) else { return x87Whole(cpu, op) }
    let (target, source) = destination == .st0 ? (top, other) : (other, top)
    compute(fpu, target, reversed ? source : target, reversed ? target : source)
    if pop { fpu.pop() }
    return 0
  }
}

/// `ST(0) = ST(0) op memory`.
@inline(__always)
private func memory<T: FixedWidthInteger & UnsignedInteger>(
  _ cpu: CPU, _ op: Op, _ compute: (FPU, UInt32, T) -> Void
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    let offset = cpu.effectiveOffset(op)
    let operand = try cpu.read(op.pointee.instruction.segment, offset, as: T.self)
    x87Note(cpu, op, operand: offset)
    let fpu = cpu.fpu
    let top = fpu.top
    guard fpu.isReady(top) else { return x87Whole(cpu, op, UInt64(operand)) }
    compute(fpu, top, operand)
    return cpu.pointee.stop
  }
}

enum X87Arithmetic {
  static func handler(for i: Instruction) -> Handler? {
    if i.hasMemoryOperand { return i.x87MemorySize == 8 ? double(i.kind) : narrow(i) }
    return i.selector >> 8 & 4 == 0 ? toTop(i.kind) : toOther(i.kind)
  }

  /// D8: ST(0) is the destination.
  private static func toTop(_ operation: Operation) -> Handler? {
    switch operation {
    case .fadd: return { cpu, op in binary(cpu, op, .st0, x87Add) }
    case .fmul: return { cpu, op in binary(cpu, op, .st0, x87Multiply) }
    case .fsub: return { cpu, op in binary(cpu, op, .st0, x87Subtract) }
    case .fsubr: return { cpu, op in binary(cpu, op, .st0, reversed: true, x87Subtract) }
    case .fdiv: return { cpu, op in binary(cpu, op, .st0, x87Divide) }
    case .fdivr: return { cpu, op in binary(cpu, op, .st0, reversed: true, x87Divide) }
    default: return nil
    }
  }

  /// DC and DE: ST(i) is the destination.
  private static func toOther(_ operation: Operation) -> Handler? {
    switch operation {
    case .fadd: return { cpu, op in binary(cpu, op, .sti, x87Add) }
    case .fmul: return { cpu, op in binary(cpu, op, .sti, x87Multiply) }
    case .fsub: return { cpu, op in binary(cpu, op, .sti, x87Subtract) }
    case .fsubr: return { cpu, op in binary(cpu, op, .sti, reversed: true, x87Subtract) }
    case .fdiv: return { cpu, op in binary(cpu, op, .sti, x87Divide) }
    case .fdivr: return { cpu, op in binary(cpu, op, .sti, reversed: true, x87Divide) }
    case .faddp: return { cpu, op in binary(cpu, op, .sti, pop: true, x87Add) }
    case .fmulp: return { cpu, op in binary(cpu, op, .sti, pop: true, x87Multiply) }
    case .fsubp: return { cpu, op in binary(cpu, op, .sti, pop: true, x87Subtract) }
    case .fsubrp:
      return { cpu, op in binary(cpu, op, .sti, reversed: true, pop: true, x87Subtract) }
    case .fdivp: return { cpu, op in binary(cpu, op, .sti, pop: true, x87Divide) }
    case .fdivrp:
      return { cpu, op in binary(cpu, op, .sti, reversed: true, pop: true, x87Divide) }
    default: return nil
    }
  }

  private static func double(_ operation: Operation) -> Handler? {
    switch operation {
    case .fadd: return { cpu, op in memory(cpu, op, x87AddDouble) }
    case .fmul: return { cpu, op in memory(cpu, op, x87MultiplyDouble) }
    case .fsub: return { cpu, op in memory(cpu, op, x87SubtractDouble) }
    case .fsubr: return { cpu, op in memory(cpu, op, x87SubtractReversedDouble) }
    case .fdiv: return { cpu, op in memory(cpu, op, x87DivideDouble) }
    case .fdivr: return { cpu, op in memory(cpu, op, x87DivideReversedDouble) }
    default: return nil
    }
  }

  private static func narrow(_ i: Instruction) -> Handler? {
    switch i.kind {
    case .fadd: return { cpu, op in memory(cpu, op, x87AddSingle) }
    case .fmul: return { cpu, op in memory(cpu, op, x87MultiplySingle) }
    case .fsub: return { cpu, op in memory(cpu, op, x87SubtractSingle) }
    case .fsubr: return { cpu, op in memory(cpu, op, x87SubtractReversedSingle) }
    case .fdiv: return { cpu, op in memory(cpu, op, x87DivideSingle) }
    case .fdivr: return { cpu, op in memory(cpu, op, x87DivideReversedSingle) }
    default: return i.x87MemorySize == 4 ? int32(i.kind) : int16(i.kind)
    }
  }

  private static func int32(_ operation: Operation) -> Handler? {
    switch operation {
    case .fiadd: return { cpu, op in memory(cpu, op, x87AddInt32) }
    case .fimul: return { cpu, op in memory(cpu, op, x87MultiplyInt32) }
    case .fisub: return { cpu, op in memory(cpu, op, x87SubtractInt32) }
    case .fisubr: return { cpu, op in memory(cpu, op, x87SubtractReversedInt32) }
    case .fidiv: return { cpu, op in memory(cpu, op, x87DivideInt32) }
    case .fidivr: return { cpu, op in memory(cpu, op, x87DivideReversedInt32) }
    default: return nil
    }
  }

  private static func int16(_ operation: Operation) -> Handler? {
    switch operation {
    case .fiadd: return { cpu, op in memory(cpu, op, x87AddInt16) }
    case .fimul: return { cpu, op in memory(cpu, op, x87MultiplyInt16) }
    case .fisub: return { cpu, op in memory(cpu, op, x87SubtractInt16) }
    case .fisubr: return { cpu, op in memory(cpu, op, x87SubtractReversedInt16) }
    case .fidiv: return { cpu, op in memory(cpu, op, x87DivideInt16) }
    case .fidivr: return { cpu, op in memory(cpu, op, x87DivideReversedInt16) }
    default: return nil
    }
  }
}
