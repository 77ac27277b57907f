import CPU
import ISA
import Memory

/// Shifts and rotates.
enum ShiftFamily {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .shl: ShiftLeft.handler(for: i)
    case .shr: ShiftRight.handler(for: i)
    case .sar: ShiftArithmeticRight.handler(for: i)
    case .rol: RotateLeft.handler(for: i)
    case .ror: RotateRight.handler(for: i)
    case .rcl: RotateCarryLeft.handler(for: i)
    case .rcr: RotateCarryRight.handler(for: i)
    case .shld: doubleShiftLeftHandler(for: i)
    case .shrd: doubleShiftRightHandler(for: i)
    default: nil
    }
  }
}

/// A shift or rotate by a count of 1...31; a count of 0 (after masking to 5 bits) does nothing at all.
protocol ShiftOperation {
  /// The result; sets the flags.
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ count: UInt32) -> T
}

/// Every form, with its faults. A memory operand is written back, and must be writable, even if the count is 0.
@inline(never)
func shift<O: ShiftOperation, T: GuestInteger>(_ cpu: CPU, _ op: Op, _: O.Type, _: T.Type)
  -> UInt32
{
  execute(cpu) { () throws(Fault) -> UInt32 in
    let operands = op.pointee.instruction.operands
    let count =
      (operands.1.isImmediate ? op.pointee.immediate : UInt32(cpu[gpr8: operands.1.reg])) & 31
    try cpu.modify(operands.0, op) { (a: T) -> T in
      count == 0 ? a : O.compute(cpu, a, count)
    }
    return cpu.pointee.stop
  }
}

/// Register by an immediate that is not 0 after masking.
@inline(__always)
func shiftRI<O: ShiftOperation, T: GuestInteger>(_ cpu: CPU, _ op: Op, _: O.Type, _: T.Type)
  -> UInt32
{
  let register = op.pointee.register0
  let a = cpu.register(register, as: T.self)
  cpu.setRegister(register, O.compute(cpu, a, op.pointee.immediate & 31))
  return 0
}

/// Register by CL.
@inline(__always)
func shiftRC<O: ShiftOperation, T: GuestInteger>(_ cpu: CPU, _ op: Op, _: O.Type, _: T.Type)
  -> UInt32
{
  let count = cpu.ecx & 31
  guard count != 0 else { return 0 }
  let register = op.pointee.register0
  cpu.setRegister(register, O.compute(cpu, cpu.register(register, as: T.self), count))
  return 0
}

extension Instruction {
  /// Whether this is a shift of a register by a constant that is not 0 after masking.
  fileprivate var isConstantShift: Bool {
    operands.0.isGeneral && operands.1.isImmediate && immediate & 31 != 0
  }
  /// Whether this is a shift of a register by CL.
  fileprivate var isVariableShift: Bool { operands.0.isGeneral && operands.1.isGeneral }
}

// The flags of the shifts. AF is undefined and set, as on AMD processors. OF is defined for a count of 1
// only; the same formula is used for all counts, as processors do.

/// SDM vol. 2 "SAL/SAR/SHL/SHR".
enum ShiftLeft: ShiftOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ count: UInt32) -> T {
    let wide = UInt64(truncatingIfNeeded: a) &<< UInt64(count)
    let result = T(truncatingIfNeeded: wide)
    let carry = wide &>> UInt64(T.bitWidth) & 1
    // OF = CF ^ SF: the carry into the top bit is the result's sign.
    cpu.setFlags(result: result, carry: carry != 0, carryIn: result & signBit(T.self) != 0)
    return result
  }

  static func handler(for i: Instruction) -> Handler {
    switch i.width {
    case .doubleword:
      i.isConstantShift
        ? shiftLeft32RI
        : i.isVariableShift
          ? { shiftRC($0, $1, ShiftLeft.self, UInt32.self) }
          : { shift($0, $1, ShiftLeft.self, UInt32.self) }
    case .word: { shift($0, $1, ShiftLeft.self, UInt16.self) }
    case .byte: { shift($0, $1, ShiftLeft.self, UInt8.self) }
    }
  }
}

/// SDM vol. 2 "SAL/SAR/SHL/SHR".
enum ShiftRight: ShiftOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ count: UInt32) -> T {
    let wide = UInt64(truncatingIfNeeded: a)
    let result = T(truncatingIfNeeded: wide &>> UInt64(count))
    let carry = (wide &>> UInt64(count &- 1)) & 1
    // The two top bits of the result differ only if the operand's top bit was shifted by 1.
    let overflow = (result ^ (result &<< 1)) & signBit(T.self) != 0
    cpu.setFlags(result: result, carry: carry != 0, carryIn: (carry != 0) != overflow)
    return result
  }

  static func handler(for i: Instruction) -> Handler {
    switch i.width {
    case .doubleword:
      i.isConstantShift
        ? shiftRight32RI
        : i.isVariableShift
          ? { shiftRC($0, $1, ShiftRight.self, UInt32.self) }
          : { shift($0, $1, ShiftRight.self, UInt32.self) }
    case .word: { shift($0, $1, ShiftRight.self, UInt16.self) }
    case .byte:
      i.isConstantShift
        ? { shiftRI($0, $1, ShiftRight.self, UInt8.self) }
        : { shift($0, $1, ShiftRight.self, UInt8.self) }
    }
  }
}

/// SDM vol. 2 "SAL/SAR/SHL/SHR". OF is cleared.
enum ShiftArithmeticRight: ShiftOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ count: UInt32) -> T {
    let wide = CPU.signExtended(a)
    let result = T(truncatingIfNeeded: wide &>> Int64(count))
    let carry = (wide &>> Int64(count &- 1)) & 1 != 0
    cpu.setFlags(result: result, carry: carry, carryIn: carry)
    return result
  }

  static func handler(for i: Instruction) -> Handler {
    switch i.width {
    case .doubleword:
      i.isConstantShift
        ? shiftArithmeticRight32RI
        : i.isVariableShift
          ? { shiftRC($0, $1, ShiftArithmeticRight.self, UInt32.self) }
          : { shift($0, $1, ShiftArithmeticRight.self, UInt32.self) }
    case .word: { shift($0, $1, ShiftArithmeticRight.self, UInt16.self) }
    case .byte: { shift($0, $1, ShiftArithmeticRight.self, UInt8.self) }
    }
  }
}

/// The most significant bit of a width.
@inline(__always)
func signBit<T: GuestInteger>(_: T.Type) -> T { 1 &<< T(truncatingIfNeeded: T.bitWidth &- 1) }

extension CPU {
  /// The flags of a shift: CF and, as the carry into the top bit, OF; AF is set.
  @inline(__always)
  func setFlags<T: GuestInteger>(result: T, carry: Bool, carryIn: Bool) {
    pointee.flagResult = Self.signExtended(result)
    pointee.flagCarries = (carry ? 0x8000_0000 : 0) | (carryIn ? 0x4000_0000 : 0) | 8
  }
}

// MARK: Frequent handlers. A named function's code is in its C entry, a closure's a jump away.

@inline(__always)
private func shiftLeft32RI(_ cpu: CPU, _ op: Op) -> UInt32 {
  shiftRI(cpu, op, ShiftLeft.self, UInt32.self)
}

@inline(__always)
private func shiftRight32RI(_ cpu: CPU, _ op: Op) -> UInt32 {
  shiftRI(cpu, op, ShiftRight.self, UInt32.self)
}

@inline(__always)
private func shiftArithmeticRight32RI(_ cpu: CPU, _ op: Op) -> UInt32 {
  shiftRI(cpu, op, ShiftArithmeticRight.self, UInt32.self)
}
