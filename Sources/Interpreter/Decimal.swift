import CPU
import ISA
import Memory

// Decimal arithmetic on AL and AX. SDM vol. 2, under each name. Flags that the manual leaves undefined:
// DAA and DAS keep OF clear, AAA and AAS derive SF, ZF and PF from AL and clear OF, AAM and AAD clear CF,
// AF and OF.

extension CPU {
  fileprivate var al: UInt8 {
    get { self[gpr8: 0] }
    nonmutating set { self[gpr8: 0] = newValue }
  }
  fileprivate var ah: UInt8 {
    get { self[gpr8: 4] }
    nonmutating set { self[gpr8: 4] = newValue }
  }

  /// SF, ZF and PF from AL; CF and AF as given; OF clear.
  fileprivate func setDecimalFlags(carry: Bool, adjust: Bool) {
    setFlags(result: al, carries: adjust ? 8 : 0 as UInt8)
    setCarryAndOverflow(carry, false)
  }
}

func decimalAdjustAfterAddition(_ cpu: CPU) -> UInt32 {
  let old = cpu.al
  let adjust = old & 0xF > 9 || cpu.adjustFlag
  let carry = old > 0x99 || cpu.carryFlag
  cpu.al = old &+ (adjust ? 6 : 0) &+ (carry ? 0x60 : 0)
  cpu.setDecimalFlags(carry: carry, adjust: adjust)
  return 0
}

func decimalAdjustAfterSubtraction(_ cpu: CPU) -> UInt32 {
  let old = cpu.al
  let adjust = old & 0xF > 9 || cpu.adjustFlag
  let highCarry = old > 0x99 || cpu.carryFlag
  // The subtraction of 6 can borrow by itself.
  let carry = highCarry || (adjust && old < 6)
  cpu.al = old &- (adjust ? 6 : 0) &- (highCarry ? 0x60 : 0)
  cpu.setDecimalFlags(carry: carry, adjust: adjust)
  return 0
}

func asciiAdjustAfterAddition(_ cpu: CPU) -> UInt32 {
  let adjust = cpu.al & 0xF > 9 || cpu.adjustFlag
  if adjust { cpu[gpr16: 0] = cpu[gpr16: 0] &+ 0x106 }
  cpu.al &= 0xF
  cpu.setDecimalFlags(carry: adjust, adjust: adjust)
  return 0
}

func asciiAdjustAfterSubtraction(_ cpu: CPU) -> UInt32 {
  let adjust = cpu.al & 0xF > 9 || cpu.adjustFlag
  if adjust { cpu[gpr16: 0] = cpu[gpr16: 0] &- 0x106 }
  cpu.al &= 0xF
  cpu.setDecimalFlags(carry: adjust, adjust: adjust)
  return 0
}

/// - Throws: #DE if the base is 0.
func asciiAdjustAfterMultiplication(_ cpu: CPU, _ op: Op) -> UInt32 {
  let base = UInt8(truncatingIfNeeded: op.pointee.immediate)
  guard base != 0 else { return raise(cpu, .divideError) }
  let old = cpu.al
  cpu.ah = old / base
  cpu.al = old % base
  cpu.setDecimalFlags(carry: false, adjust: false)
  return 0
}

func asciiAdjustBeforeDivision(_ cpu: CPU, _ op: Op) -> UInt32 {
  let base = UInt8(truncatingIfNeeded: op.pointee.immediate)
  cpu.al = cpu.al &+ cpu.ah &* base
  cpu.ah = 0
  cpu.setDecimalFlags(carry: false, adjust: false)
  return 0
}
