import CPU
import ISA
import Memory

// SHLD and SHRD. A count beyond 16 of the word forms, which the manual leaves undefined, goes on shifting in
// the second operand, as processors do. SDM vol. 2 "SHLD", "SHRD".

func doubleShiftLeftHandler(for i: Instruction) -> Handler {
  i.width == .word
    ? { doubleShift($0, $1, doubleShiftLeft16) } : { doubleShift($0, $1, doubleShiftLeft32) }
}

func doubleShiftRightHandler(for i: Instruction) -> Handler {
  i.width == .word
    ? { doubleShift($0, $1, doubleShiftRight16) } : { doubleShift($0, $1, doubleShiftRight32) }
}

@inline(__always)
private func doubleShift<T: GuestInteger>(
  _ cpu: CPU, _ op: Op, _ compute: (CPU, T, T, UInt64) -> T
) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let operands = op.pointee.instruction.operands
    let source: T = cpu.register(operands.1.reg, as: T.self)
    let count =
      UInt64(operands.2.isImmediate ? op.pointee.immediate : UInt32(cpu[gpr8: operands.2.reg])) & 31
    try cpu.modify(operands.0, op) { (a: T) -> T in
      count == 0 ? a : compute(cpu, a, source, count)
    }
    return cpu.pointee.stop
  }
}

/// OF = the sign has changed.
@inline(__always)
private func finish<T: GuestInteger>(_ cpu: CPU, _ result: T, _ carry: Bool, _ overflow: Bool) -> T
{
  cpu.setFlags(result: result, carry: carry, carryIn: carry != overflow)
  return result
}

private func doubleShiftLeft32(_ cpu: CPU, _ a: UInt32, _ b: UInt32, _ count: UInt64) -> UInt32 {
  let wide = (UInt64(a) &<< 32 | UInt64(b)) &<< count
  let result = UInt32(truncatingIfNeeded: wide &>> 32)
  let carry = UInt64(a) &>> (32 &- count) & 1 != 0
  return finish(cpu, result, carry, (result & 0x8000_0000 != 0) != carry)
}

private func doubleShiftLeft16(_ cpu: CPU, _ a: UInt16, _ b: UInt16, _ count: UInt64) -> UInt16 {
  let bits = UInt64(a) &<< 32 | UInt64(b) &<< 16 | UInt64(b)
  let result = UInt16(truncatingIfNeeded: (bits &<< count) &>> 32)
  let carry = (bits &<< count) &>> 48 & 1 != 0
  return finish(cpu, result, carry, (result & 0x8000 != 0) != carry)
}

private func doubleShiftRight32(_ cpu: CPU, _ a: UInt32, _ b: UInt32, _ count: UInt64) -> UInt32 {
  let bits = UInt64(b) &<< 32 | UInt64(a)
  let result = UInt32(truncatingIfNeeded: bits &>> count)
  let carry = bits &>> (count &- 1) & 1 != 0
  return finish(cpu, result, carry, (result ^ (result &<< 1)) & 0x8000_0000 != 0)
}

private func doubleShiftRight16(_ cpu: CPU, _ a: UInt16, _ b: UInt16, _ count: UInt64) -> UInt16 {
  let bits = UInt64(b) &<< 32 | UInt64(b) &<< 16 | UInt64(a)
  let result = UInt16(truncatingIfNeeded: bits &>> count)
  let carry = bits &>> (count &- 1) & 1 != 0
  return finish(cpu, result, carry, (result ^ (result &<< 1)) & 0x8000 != 0)
}
