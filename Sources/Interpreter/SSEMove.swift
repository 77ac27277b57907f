import CPU
import ISA
import Memory

// Moves to, from and between XMM registers. SDM vol. 1, 10.4.1.1 and 11.4.1.1.

/// Where a move goes; each way has its own handler, since moves are most of what runs.
private enum Direction {
  case load, store, registers

  init(_ i: Instruction) {
    self = i.operands.0.isMemory ? .store : i.operands.1.isMemory ? .load : .registers
  }
}

/// A move of 128 bits.
@inline(__always)
private func move(_ cpu: CPU, _ op: Op, _ direction: Direction, aligned: Bool) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    switch direction {
    case .load:
      xmmSetValue(cpu.fpu, destination(op), try cpu.readXMM(op, aligned: aligned))
    case .store:
      try cpu.writeXMM(op, xmmValue(cpu.fpu, source(op)), aligned: aligned)
    case .registers:
      xmmSetValue(cpu.fpu, destination(op), xmmValue(cpu.fpu, source(op)))
      return 0
    }
    return cpu.pointee.stop
  }
}

/// MOVSD, MOVLPx: 64 bits to or from the low half. A load from memory clears the high half if told
/// so.
@inline(__always)
private func moveLow(_ cpu: CPU, _ op: Op, _ direction: Direction, clearing: Bool) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    switch direction {
    case .load:
      xmmSetLow(cpu.fpu, destination(op), try cpu.readOperand(op))
      if clearing { xmmSetHigh(cpu.fpu, destination(op), 0) }
    case .store:
      try cpu.writeOperand(op, xmmLow(cpu.fpu, source(op)))
    case .registers:
      xmmSetLow(cpu.fpu, destination(op), xmmLow(cpu.fpu, source(op)))
      return 0
    }
    return cpu.pointee.stop
  }
}

/// MOVSS.
@inline(__always)
private func moveSingle(_ cpu: CPU, _ op: Op, _ direction: Direction) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    switch direction {
    case .load:
      let value: UInt32 = try cpu.readOperand(op)
      xmmSetValue(cpu.fpu, destination(op), XMMValue(UInt64(value), 0))
    case .store:
      try cpu.writeOperand(op, xmmLow32(cpu.fpu, source(op)))
    case .registers:
      xmmSetLow32(cpu.fpu, destination(op), xmmLow32(cpu.fpu, source(op)))
      return 0
    }
    return cpu.pointee.stop
  }
}

/// MOVHPx.
@inline(__always)
private func moveHigh(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    if op.pointee.instruction.operands.0.isMemory {
      try cpu.writeOperand(op, xmmHigh(cpu.fpu, source(op)))
    } else {
      xmmSetHigh(cpu.fpu, destination(op), try cpu.readOperand(op))
    }
    return cpu.pointee.stop
  }
}

/// MOVD and MOVQ: a load clears the other bits.
@inline(__always)
private func moveScalar(_ cpu: CPU, _ op: Op, wide: Bool) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let to = op.pointee.instruction.operands.0
    let from = op.pointee.instruction.operands.1
    if to.operandKind == .xmm {
      let value: UInt64
      if wide {
        value = try xmmSource64(cpu, op)
      } else {
        value = UInt64(
          from.isMemory ? try cpu.readOperand(op, as: UInt32.self) : cpu[gpr: from.reg])
      }
      xmmSetValue(cpu.fpu, UInt32(to.reg), XMMValue(value, 0))
      return cpu.pointee.stop
    }
    let value = xmmLow(cpu.fpu, UInt32(from.reg))
    if wide {
      try cpu.writeOperand(op, value)
    } else if to.isMemory {
      try cpu.writeOperand(op, UInt32(truncatingIfNeeded: value))
    } else {
      cpu[gpr: to.reg] = UInt32(truncatingIfNeeded: value)
    }
    return cpu.pointee.stop
  }
}

/// An instruction between registers that cannot fault once it is allowed.
@inline(__always)
private func registers(_ cpu: CPU, _ op: Op, _ body: (FPU) -> Void) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    body(cpu.fpu)
    return 0
  }
}

/// Puts a function of the XMM register in operand 1 into a general register.
@inline(__always)
private func toGeneral(_ cpu: CPU, _ op: Op, _ compute: (XMMValue) -> UInt32) -> UInt32 {
  registers(cpu, op) { fpu in
    cpu[gpr: op.pointee.instruction.operands.0.reg] = compute(xmmValue(fpu, source(op)))
  }
}

private func insertWord(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let word = try insertedWord(cpu, op)
    let n = op.pointee.instruction.immediate & 7
    let shift = UInt64(n & 3) &* 16
    var value = xmmValue(cpu.fpu, destination(op))
    value[Int(n >> 2)] = value[Int(n >> 2)] & ~(0xFFFF << shift) | word << shift
    xmmSetValue(cpu.fpu, destination(op), value)
    return cpu.pointee.stop
  }
}

private func maskedMove(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let mask = xmmSignMaskBytes(xmmValue(cpu.fpu, source(op)))
    try storeMasked(cpu, op, xmmValue(cpu.fpu, destination(op)), mask, size: 16)
    return cpu.pointee.stop
  }
}

/// MOVQ2DQ and MOVDQ2Q, which are MMX instructions as well.
@inline(__always)
private func betweenMMX(_ cpu: CPU, _ op: Op, _ body: (FPU) -> Void) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    try mmxCheck(cpu)
    cpu.fpu.enterMMX()
    body(cpu.fpu)
    return 0
  }
}

enum SSEMove {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .movaps, .movapd, .movdqa, .movntps, .movntpd, .movntdq: return aligned(i)
    case .movups, .movupd, .movdqu: return unaligned(i)
    case .movss: return single(i)
    case .movsd: return double(i)
    case .movlps, .movlpd: return half(i)
    case .movhps, .movhpd: return { cpu, op in moveHigh(cpu, op) }
    case .movd: return { cpu, op in moveScalar(cpu, op, wide: false) }
    case .movq:
      return i.operands.0.isMemory || i.operands.0.operandKind == .xmm
        ? { cpu, op in moveScalar(cpu, op, wide: true) } : nil
    case .maskmovdqu: return { cpu, op in maskedMove(cpu, op) }
    case .pinsrw: return { cpu, op in insertWord(cpu, op) }
    case .movnti:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.writeOperand(op, cpu[gpr: op.pointee.instruction.operands.1.reg])
          return cpu.pointee.stop
        }
      }
    default: return betweenRegisters(i)
    }
  }

  private static func aligned(_ i: Instruction) -> Handler {
    switch Direction(i) {
    case .load: return { cpu, op in move(cpu, op, .load, aligned: true) }
    case .store: return { cpu, op in move(cpu, op, .store, aligned: true) }
    case .registers: return { cpu, op in move(cpu, op, .registers, aligned: true) }
    }
  }

  private static func unaligned(_ i: Instruction) -> Handler {
    switch Direction(i) {
    case .load: return { cpu, op in move(cpu, op, .load, aligned: false) }
    case .store: return { cpu, op in move(cpu, op, .store, aligned: false) }
    case .registers: return { cpu, op in move(cpu, op, .registers, aligned: false) }
    }
  }

  private static func single(_ i: Instruction) -> Handler {
    switch Direction(i) {
    case .load: return { cpu, op in moveSingle(cpu, op, .load) }
    case .store: return { cpu, op in moveSingle(cpu, op, .store) }
    case .registers: return { cpu, op in moveSingle(cpu, op, .registers) }
    }
  }

  private static func double(_ i: Instruction) -> Handler {
    switch Direction(i) {
    case .load: return { cpu, op in moveLow(cpu, op, .load, clearing: true) }
    case .store: return { cpu, op in moveLow(cpu, op, .store, clearing: true) }
    case .registers: return { cpu, op in moveLow(cpu, op, .registers, clearing: true) }
    }
  }

  private static func half(_ i: Instruction) -> Handler {
    i.operands.0.isMemory
      ? { cpu, op in moveLow(cpu, op, .store, clearing: false) }
      : { cpu, op in moveLow(cpu, op, .load, clearing: false) }
  }

  private static func betweenRegisters(_ i: Instruction) -> Handler? {
    switch i.kind {
    case .movhlps:
      return { cpu, op in
        registers(cpu, op) { xmmSetLow($0, destination(op), xmmHigh($0, source(op))) }
      }
    case .movlhps:
      return { cpu, op in
        registers(cpu, op) { xmmSetHigh($0, destination(op), xmmLow($0, source(op))) }
      }
    case .movmskps: return { cpu, op in toGeneral(cpu, op, xmmSignMaskSingles) }
    case .movmskpd: return { cpu, op in toGeneral(cpu, op, xmmSignMaskDoubles) }
    case .pmovmskb: return { cpu, op in toGeneral(cpu, op, xmmSignMaskBytes) }
    case .pextrw:
      return { cpu, op in
        toGeneral(cpu, op) { value in
          let n = op.pointee.instruction.immediate & 7
          return UInt32(value[Int(n >> 2)] >> (UInt64(n & 3) &* 16) & 0xFFFF)
        }
      }
    case .movq2dq:
      return { cpu, op in
        betweenMMX(cpu, op) {
          xmmSetValue($0, destination(op), XMMValue(mmxValue($0, source(op)), 0))
        }
      }
    case .movdq2q:
      return { cpu, op in
        betweenMMX(cpu, op) { mmxSetValue($0, destination(op), xmmLow($0, source(op))) }
      }
    default: return nil
    }
  }
}
