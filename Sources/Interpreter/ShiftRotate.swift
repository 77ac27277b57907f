import CPU
import ISA
import Memory

// Rotates: only CF and OF change. OF is defined for a count of 1 only; the same formula is used for all
// counts, as processors do. SDM vol. 2 "RCL/RCR/ROL/ROR".

/// The carry is the lowest bit of the result even where the count is a multiple of the width.
enum RotateLeft: ShiftOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ count: UInt32) -> T {
    let n = T(truncatingIfNeeded: count & UInt32(T.bitWidth &- 1))
    let back = T(truncatingIfNeeded: (UInt32(T.bitWidth) &- count) & UInt32(T.bitWidth &- 1))
    let result = (a &<< n) | (a &>> back)
    let carry = result & 1 != 0
    cpu.setCarryAndOverflow(carry, (result & signBit(T.self) != 0) != carry)
    return result
  }

  static func handler(for i: Instruction) -> Handler {
    switch i.width {
    case .byte: { shift($0, $1, RotateLeft.self, UInt8.self) }
    case .word: { shift($0, $1, RotateLeft.self, UInt16.self) }
    case .doubleword:
      i.operands.0.isGeneral && i.operands.1.isImmediate && i.immediate & 31 != 0
        ? { shiftRI($0, $1, RotateLeft.self, UInt32.self) }
        : { shift($0, $1, RotateLeft.self, UInt32.self) }
    }
  }
}

/// The carry is the highest bit of the result even where the count is a multiple of the width.
enum RotateRight: ShiftOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ count: UInt32) -> T {
    let n = T(truncatingIfNeeded: count & UInt32(T.bitWidth &- 1))
    let back = T(truncatingIfNeeded: (UInt32(T.bitWidth) &- count) & UInt32(T.bitWidth &- 1))
    let result = (a &>> n) | (a &<< back)
    cpu.setCarryAndOverflow(
      result & signBit(T.self) != 0, (result ^ (result &<< 1)) & signBit(T.self) != 0)
    return result
  }

  static func handler(for i: Instruction) -> Handler {
    switch i.width {
    case .byte: { shift($0, $1, RotateRight.self, UInt8.self) }
    case .word: { shift($0, $1, RotateRight.self, UInt16.self) }
    case .doubleword:
      i.operands.0.isGeneral && i.operands.1.isImmediate && i.immediate & 31 != 0
        ? { shiftRI($0, $1, RotateRight.self, UInt32.self) }
        : { shift($0, $1, RotateRight.self, UInt32.self) }
    }
  }
}

/// Rotates `width + 1` bits, CF being the highest; the count is taken modulo that.
enum RotateCarryLeft: ShiftOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ count: UInt32) -> T {
    let bits = UInt64(T.bitWidth &+ 1)
    let n = UInt64(count) % bits
    guard n != 0 else {
      let carry = cpu.carryFlag
      cpu.setCarryAndOverflow(carry, (a & signBit(T.self) != 0) != carry)
      return a
    }
    let value =
      UInt64(truncatingIfNeeded: a) | (cpu.carryFlag ? 1 &<< UInt64(T.bitWidth) : 0)
    let rotated = (value &<< n) | (value &>> (bits &- n))
    let result = T(truncatingIfNeeded: rotated)
    let carry = rotated &>> UInt64(T.bitWidth) & 1 != 0
    cpu.setCarryAndOverflow(carry, (result & signBit(T.self) != 0) != carry)
    return result
  }

  static func handler(for i: Instruction) -> Handler {
    switch i.width {
    case .byte: { shift($0, $1, RotateCarryLeft.self, UInt8.self) }
    case .word: { shift($0, $1, RotateCarryLeft.self, UInt16.self) }
    case .doubleword: { shift($0, $1, RotateCarryLeft.self, UInt32.self) }
    }
  }
}

/// Rotates `width + 1` bits, CF being the highest; the count is taken modulo that.
enum RotateCarryRight: ShiftOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ count: UInt32) -> T {
    let bits = UInt64(T.bitWidth &+ 1)
    let n = UInt64(count) % bits
    let value =
      UInt64(truncatingIfNeeded: a) | (cpu.carryFlag ? 1 &<< UInt64(T.bitWidth) : 0)
    let rotated = n == 0 ? value : (value &>> n) | (value &<< (bits &- n))
    let result = T(truncatingIfNeeded: rotated)
    cpu.setCarryAndOverflow(
      rotated &>> UInt64(T.bitWidth) & 1 != 0, (result ^ (result &<< 1)) & signBit(T.self) != 0)
    return result
  }

  static func handler(for i: Instruction) -> Handler {
    switch i.width {
    case .byte: { shift($0, $1, RotateCarryRight.self, UInt8.self) }
    case .word: { shift($0, $1, RotateCarryRight.self, UInt16.self) }
    case .doubleword: { shift($0, $1, RotateCarryRight.self, UInt32.self) }
    }
  }
}
