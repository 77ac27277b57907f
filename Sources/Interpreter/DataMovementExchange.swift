import CPU
import ISA
import Memory

// XCHG, CMPXCHG, CMPXCHG8B, XADD, BSWAP, CMOVcc. SDM vol. 2, under each name.

func exchangeHandler(for i: Instruction) -> Handler {
  switch i.width {
  case .byte: { exchange($0, $1, UInt8.self) }
  case .word: { exchange($0, $1, UInt16.self) }
  case .doubleword: { exchange($0, $1, UInt32.self) }
  }
}

@inline(__always)
private func exchange<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let operands = op.pointee.instruction.operands
    // Decoders name the two operands in either order.
    let (target, register) =
      operands.1.isMemory ? (operands.1, operands.0.reg) : (operands.0, operands.1.reg)
    let new: T = cpu.register(register, as: T.self)
    var old: T = 0
    try cpu.modify(target, op) { (value: T) -> T in
      old = value
      return new
    }
    cpu.setRegister(register, old)
    return cpu.pointee.stop
  }
}

func compareExchangeHandler(for i: Instruction) -> Handler {
  switch i.width {
  case .byte: { compareExchange($0, $1, UInt8.self) }
  case .word: { compareExchange($0, $1, UInt16.self) }
  case .doubleword: { compareExchange($0, $1, UInt32.self) }
  }
}

/// The destination is written whether the comparison succeeds or not.
@inline(__always)
private func compareExchange<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let accumulator: T = cpu.register(0, as: T.self)
    let new: T = cpu.register(op.pointee.register1, as: T.self)
    var old: T = 0
    try cpu.modify(op.pointee.instruction.operands.0, op) { (value: T) -> T in
      old = value
      return value == accumulator ? new : value
    }
    _ = cpu.subtract(accumulator, old)
    if accumulator != old { cpu.setRegister(0, old) }
    return cpu.pointee.stop
  }
}

/// Only ZF changes.
func compareExchange8Bytes(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let expected = UInt64(cpu.edx) &<< 32 | UInt64(cpu.eax)
    let new = UInt64(cpu.ecx) &<< 32 | UInt64(cpu.ebx)
    var old: UInt64 = 0
    try cpu.modifyOperand(op) { (value: UInt64) -> UInt64 in
      old = value
      return value == expected ? new : value
    }
    let equal = old == expected
    if !equal {
      cpu.eax = UInt32(truncatingIfNeeded: old)
      cpu.edx = UInt32(truncatingIfNeeded: old >> 32)
    }
    cpu.setZero(equal)
    return cpu.pointee.stop
  }
}

func exchangeAddHandler(for i: Instruction) -> Handler {
  switch i.width {
  case .byte: { exchangeAdd($0, $1, UInt8.self) }
  case .word: { exchangeAdd($0, $1, UInt16.self) }
  case .doubleword: { exchangeAdd($0, $1, UInt32.self) }
  }
}

/// With the same register twice the sum stays in it.
@inline(__always)
private func exchangeAdd<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let operands = op.pointee.instruction.operands
    let addend: T = cpu.register(operands.1.reg, as: T.self)
    try cpu.modify(operands.0, op) { (value: T) -> T in
      cpu.setRegister(operands.1.reg, value)
      return cpu.add(value, addend)
    }
    return cpu.pointee.stop
  }
}

func byteSwap(_ cpu: CPU, _ op: Op) -> UInt32 {
  cpu[gpr: op.pointee.register0] = cpu[gpr: op.pointee.register0].byteSwapped
  return 0
}

/// Undefined by the manual; processors clear the register.
func byteSwap16(_ cpu: CPU, _ op: Op) -> UInt32 {
  cpu[gpr16: op.pointee.register0] = 0
  return 0
}

// MARK: CMOVcc

/// A memory source is read whether the condition holds or not.
func conditionalMoveHandler(for i: Instruction) -> Handler {
  guard i.width == .doubleword else { return { conditionalMove($0, $1, UInt16.self) } }
  guard i.operands.1.isGeneral else { return { conditionalMove($0, $1, UInt32.self) } }
  return switch i.condition & 15 {
  case 0: { conditionalMoveRR($0, $1, $0.overflowFlag) }
  case 1: { conditionalMoveRR($0, $1, !$0.overflowFlag) }
  case 2: { conditionalMoveRR($0, $1, $0.carryFlag) }
  case 3: { conditionalMoveRR($0, $1, !$0.carryFlag) }
  case 4: { conditionalMoveRR($0, $1, $0.zeroFlag) }
  case 5: { conditionalMoveRR($0, $1, !$0.zeroFlag) }
  case 6: { conditionalMoveRR($0, $1, $0.isBelowOrEqual) }
  case 7: { conditionalMoveRR($0, $1, !$0.isBelowOrEqual) }
  case 8: { conditionalMoveRR($0, $1, $0.signFlag) }
  case 9: { conditionalMoveRR($0, $1, !$0.signFlag) }
  case 10: { conditionalMoveRR($0, $1, $0.parityFlag) }
  case 11: { conditionalMoveRR($0, $1, !$0.parityFlag) }
  case 12: { conditionalMoveRR($0, $1, $0.isLess) }
  case 13: { conditionalMoveRR($0, $1, !$0.isLess) }
  case 14: { conditionalMoveRR($0, $1, $0.isLessOrEqual) }
  default: { conditionalMoveRR($0, $1, !$0.isLessOrEqual) }
  }
}

@inline(__always)
private func conditionalMoveRR(_ cpu: CPU, _ op: Op, _ condition: Bool) -> UInt32 {
  let new = cpu[gpr: op.pointee.register1]
  let old = cpu[gpr: op.pointee.register0]
  cpu[gpr: op.pointee.register0] = condition ? new : old
  return 0
}

@inline(never)
private func conditionalMove<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let value: T = try cpu.read(op.pointee.instruction.operands.1, op)
    if cpu.holds(op.pointee.instruction.condition) {
      cpu.setRegister(op.pointee.register0, value)
    }
    return cpu.pointee.stop
  }
}
