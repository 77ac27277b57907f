import CPU
import ISA
import Memory

/// The instructions that work on MMX registers alone. SDM vol. 1, chapter 9.
enum MMXFamily {
  /// The handler of an MMX instruction, nil for other instructions.
  static func handler(for i: Instruction) -> Handler? {
    if i.kind == .emms { return { cpu, op in emms(cpu) } }
    let kinds = (i.operands.0.operandKind, i.operands.1.operandKind)
    guard kinds.0 == .mmx || kinds.1 == .mmx else { return nil }
    guard kinds.0 != .xmm && kinds.1 != .xmm else { return nil }  // conversions
    return MMXPacked.handler(for: i.kind) ?? MMXMove.handler(for: i)
  }
}

/// #UD by CR0.EM, #NM by TS, #MF when an x87 exception is pending. SDM vol. 3, 12.1.
@inline(__always)
func mmxCheck(_ cpu: CPU) throws(Fault) {
  if cpu.pointee.cr0 & 0xC | UInt32(cpu.fpu.pointee.status & 0x80) != 0 { try mmxRefuse(cpu) }
}

@inline(never)
private func mmxRefuse(_ cpu: CPU) throws(Fault) {
  if cpu.pointee.cr0 & 4 != 0 { throw .invalidOpcode }
  try x87Refuse(cpu)
}

extension FPU {
  /// What every MMX instruction but EMMS does to the x87 state: TOP is 0 and all registers are
  /// valid.
  @inline(__always) func enterMMX() {
    pointee.status &= ~0x3800
    pointee.tags = 0xFF
  }
}

/// The source in operand 1: an MMX register, 8 or 4 bytes of memory, or an immediate shift count.
@inline(__always)
func mmxSource(_ cpu: CPU, _ op: Op) throws(Fault) -> UInt64 {
  let operand = op.pointee.instruction.operands.1
  if operand.kind == OperandKind.mmx.rawValue { return mmxValue(cpu.fpu, UInt32(operand.reg)) }
  if operand.isImmediate { return UInt64(op.pointee.instruction.immediate) }
  if operand.size == 4 { return UInt64(try cpu.readOperand(op, as: UInt32.self)) }
  return try cpu.readOperand(op)
}

private func emms(_ cpu: CPU) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try mmxCheck(cpu)
    cpu.fpu.pointee.tags = 0
    cpu.fpu.setTop(0)
    return 0
  }
}
