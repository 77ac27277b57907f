import CPU
import ISA
import Memory

/// Logic, bit and byte instructions.
enum LogicFamily {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .test: Test.handler(for: i)
    case .and: And.handler(for: i)
    case .or: Or.handler(for: i)
    case .xor: ExclusiveOr.handler(for: i)
    case .not: Not.handler(for: i)
    case .setcc: setHandler(for: i)
    case .bt: BitTest.handler(for: i)
    case .bts: BitSet.handler(for: i)
    case .btr: BitReset.handler(for: i)
    case .btc: BitComplement.handler(for: i)
    case .bsf: bitScanForwardHandler(for: i)
    case .bsr: bitScanReverseHandler(for: i)
    case .salc: { cpu, _ in fillALWithCarry(cpu) }
    default: nil
    }
  }
}

/// SALC, undocumented: AL becomes 0 or FF from CF, no flag changes.
private func fillALWithCarry(_ cpu: CPU) -> UInt32 {
  cpu[gpr8: 0] = cpu.carryFlag ? 0xFF : 0
  return 0
}

// MARK: SETcc

/// SDM vol. 2 "SETcc".
private func setHandler(for i: Instruction) -> Handler {
  guard i.operands.0.isGeneral else { return { set($0, $1) } }
  return switch i.condition & 15 {
  case 0: { setR($0, $1, $0.overflowFlag) }
  case 1: { setR($0, $1, !$0.overflowFlag) }
  case 2: { setR($0, $1, $0.carryFlag) }
  case 3: { setR($0, $1, !$0.carryFlag) }
  case 4: { setR($0, $1, $0.zeroFlag) }
  case 5: { setR($0, $1, !$0.zeroFlag) }
  case 6: { setR($0, $1, $0.isBelowOrEqual) }
  case 7: { setR($0, $1, !$0.isBelowOrEqual) }
  case 8: { setR($0, $1, $0.signFlag) }
  case 9: { setR($0, $1, !$0.signFlag) }
  case 10: { setR($0, $1, $0.parityFlag) }
  case 11: { setR($0, $1, !$0.parityFlag) }
  case 12: { setR($0, $1, $0.isLess) }
  case 13: { setR($0, $1, !$0.isLess) }
  case 14: { setR($0, $1, $0.isLessOrEqual) }
  default: { setR($0, $1, !$0.isLessOrEqual) }
  }
}

@inline(__always)
private func setR(_ cpu: CPU, _ op: Op, _ condition: Bool) -> UInt32 {
  cpu[gpr8: op.pointee.register0] = condition ? 1 : 0
  return 0
}

private func set(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let value: UInt8 = cpu.holds(op.pointee.instruction.condition) ? 1 : 0
    try cpu.writeOperand(op, value)
    return cpu.pointee.stop
  }
}
