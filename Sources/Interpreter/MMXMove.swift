import CPU
import ISA
import Memory

// MOVD, MOVQ, MOVNTQ, MASKMOVQ and the instructions between MMX and general registers.

/// Loads an MMX register.
@inline(__always)
private func load(
  _ cpu: CPU, _ op: Op, _ value: (CPU, Op) throws(Fault) -> UInt64
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try mmxCheck(cpu)
    let new = try value(cpu, op)
    cpu.fpu.enterMMX()
    mmxSetValue(cpu.fpu, destination(op), new)
    return cpu.pointee.stop
  }
}

/// Writes what `compute` makes of the MMX register in operand 1 to operand 0.
@inline(__always)
private func store(_ cpu: CPU, _ op: Op, as width: StoreWidth) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try mmxCheck(cpu)
    let value = mmxValue(cpu.fpu, source(op))
    let operand = op.pointee.instruction.operands.0
    if !operand.isMemory {
      if width == .doubleword {
        cpu[gpr: operand.reg] = UInt32(truncatingIfNeeded: value)
        cpu.fpu.enterMMX()
      } else {
        cpu.fpu.enterMMX()
        mmxSetValue(cpu.fpu, UInt32(operand.reg), value)
      }
      return 0
    }
    if width == .doubleword {
      try cpu.writeOperand(op, UInt32(truncatingIfNeeded: value))
    } else {
      try cpu.writeOperand(op, value)
    }
    cpu.fpu.enterMMX()
    return cpu.pointee.stop
  }
}

private enum StoreWidth {
  case doubleword, quadword
}

/// Puts a function of the MMX register in operand 1 into a general register.
@inline(__always)
private func toGeneral(_ cpu: CPU, _ op: Op, _ compute: (UInt64) -> UInt32) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try mmxCheck(cpu)
    cpu.fpu.enterMMX()
    cpu[gpr: op.pointee.instruction.operands.0.reg] = compute(mmxValue(cpu.fpu, source(op)))
    return 0
  }
}

/// The word source of PINSRW: a general register or memory.
@inline(__always)
func insertedWord(_ cpu: CPU, _ op: Op) throws(Fault) -> UInt64 {
  let operand = op.pointee.instruction.operands.1
  if operand.isMemory { return UInt64(try cpu.readOperand(op, as: UInt16.self)) }
  return UInt64(cpu[gpr16: operand.reg])
}

/// Writes the bytes of `value`, `size` long, whose bit in `mask` is set to DS:(E)DI. The whole
/// operand must be writable unless the mask is empty; nothing is written when it is not.
func storeMasked(
  _ cpu: CPU, _ op: Op, _ value: XMMValue, _ mask: UInt32, size: Int
) throws(Fault) {
  let offset = op.pointee.instruction.addressSize == 4 ? cpu.edi : cpu.edi & 0xFFFF
  let linear = try cpu.writeAddress(op.pointee.instruction.segment, offset, size)
  guard mask != 0 else { return }
  try cpu.probeWrite(linear, size, user: cpu.pointee.cpl == 3)
  for n in 0..<16 as Range<UInt32> where mask >> n & 1 != 0 {
    let byte = UInt8(truncatingIfNeeded: value[Int(n >> 3)] >> UInt64((n & 7) &* 8))
    try cpu.writeLinear(linear &+ n, byte)
  }
}

private func maskedMove(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try mmxCheck(cpu)
    let fpu = cpu.fpu
    let mask = mmxSignMask(mmxValue(fpu, source(op)))
    fpu.enterMMX()  // Before a fault, as the host does.
    try storeMasked(cpu, op, XMMValue(mmxValue(fpu, destination(op)), 0), mask, size: 8)
    return cpu.pointee.stop
  }
}

enum MMXMove {
  static func handler(for i: Instruction) -> Handler? {
    let loads = i.operands.0.operandKind == .mmx
    switch i.kind {
    case .movd:
      guard loads else { return { cpu, op in store(cpu, op, as: .doubleword) } }
      return { cpu, op in
        load(cpu, op) { cpu, op throws(Fault) in
          let operand = op.pointee.instruction.operands.1
          if operand.isMemory { return UInt64(try cpu.readOperand(op, as: UInt32.self)) }
          return UInt64(cpu[gpr: operand.reg])
        }
      }
    case .movq:
      guard loads && !i.operands.0.isMemory else {
        return { cpu, op in store(cpu, op, as: .quadword) }
      }
      return { cpu, op in
        load(cpu, op) { cpu, op throws(Fault) in try mmxSource(cpu, op) }
      }
    case .movntq: return { cpu, op in store(cpu, op, as: .quadword) }
    case .maskmovq: return { cpu, op in maskedMove(cpu, op) }
    case .pshufw:
      return { cpu, op in
        load(cpu, op) { cpu, op throws(Fault) in
          packedShuffleWords(try mmxSource(cpu, op), op.pointee.instruction.immediate)
        }
      }
    case .pinsrw:
      return { cpu, op in
        load(cpu, op) { cpu, op throws(Fault) in
          let shift = UInt64(op.pointee.instruction.immediate & 3) &* 16
          let old = mmxValue(cpu.fpu, destination(op))
          return old & ~(0xFFFF << shift) | (try insertedWord(cpu, op)) << shift
        }
      }
    case .pextrw:
      return { cpu, op in
        toGeneral(cpu, op) { value in
          UInt32(value >> (UInt64(op.pointee.instruction.immediate & 3) &* 16) & 0xFFFF)
        }
      }
    case .pmovmskb: return { cpu, op in toGeneral(cpu, op, mmxSignMask) }
    default: return nil
    }
  }
}
