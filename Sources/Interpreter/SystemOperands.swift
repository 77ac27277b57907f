import CPU
import ISA
import Memory

// Operands as the system instructions use them: words, whatever the operand size.

/// Reads a word from the register or memory operand `o`.
func readWord(_ cpu: CPU, _ op: Op, _ o: Operand) throws(Fault) -> UInt16 {
  o.isMemory ? try cpu.readOperand(op) : cpu[gpr16: o.reg]
}

/// Stores a system register: memory gets the low word, a register as much as the operand size says.
func storeSystemWord(_ cpu: CPU, _ op: Op, _ value: UInt32) throws(Fault) {
  let o = op.pointee.instruction.operands.0
  if o.isMemory {
    try cpu.writeOperand(op, UInt16(truncatingIfNeeded: value))
  } else {
    storeRegister(cpu, op, o.reg, value)
  }
}

/// Writes a general register in the width of the operand size.
func storeRegister(_ cpu: CPU, _ op: Op, _ number: UInt8, _ value: UInt32) {
  if op.pointee.instruction.operandSize == 4 {
    cpu[gpr: number] = value
  } else {
    cpu[gpr16: number] = UInt16(truncatingIfNeeded: value)
  }
}

/// The offset `distance` bytes above the memory operand's, in its address size.
func operandOffset(_ cpu: CPU, _ op: Op, plus distance: UInt32) -> UInt32 {
  let offset = cpu.effectiveOffset(op) &+ distance
  return op.pointee.instruction.addressSize == 2 ? offset & 0xFFFF : offset
}

/// Reads a far pointer in memory: an offset of the operand size, then the selector.
func readFarPointer(_ cpu: CPU, _ op: Op) throws(Fault) -> (selector: UInt16, offset: UInt32) {
  let i = op.pointee.instruction
  let offset: UInt32 =
    i.operandSize == 4 ? try cpu.readOperand(op) : UInt32(try cpu.readOperand(op, as: UInt16.self))
  let selector: UInt16 = try cpu.read(
    i.segment, operandOffset(cpu, op, plus: UInt32(i.operandSize)))
  return (selector, offset)
}
