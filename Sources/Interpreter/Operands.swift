import CPU
import ISA
import Memory

// What the integer families share: the choice of a specialised handler, and operands of any kind.
//
// The handlers of frequent instructions do their work inline when the operand is a register or memory that
// needs no further check, and otherwise jump to the family's general handler, which starts over and knows
// every kind of operand, every address size and every fault. Whether a form has a specialised handler is
// thus a matter of speed only.

/// An integer of a guest operand's width: `UInt8`, `UInt16` or `UInt32`.
typealias GuestInteger = FixedWidthInteger & UnsignedInteger

/// The operand width of an instruction.
enum OperandWidth {
  case byte, word, doubleword
}

/// The kinds of a destination and a source. Memory forms use 32-bit addressing.
enum OperandForm {
  case registerRegister, registerImmediate
  /// Memory at base + displacement.
  case registerBase, baseRegister, baseImmediate
  /// Memory at base + scaled index + displacement.
  case registerIndexed, indexedRegister, indexedImmediate
  /// Anything else, 16-bit addressing among it.
  case other
}

extension Instruction {
  /// The width of the first operand; the operand size where there is none.
  var width: OperandWidth {
    switch firstOperandSize {
    case 1: .byte
    case 2: .word
    default: .doubleword
    }
  }

  /// The kinds of the first two operands.
  var form: OperandForm {
    let isBase = index == 8 && addressSize == 4
    let isIndexed = index != 8 && addressSize == 4
    if operands.0.isGeneral {
      if operands.1.isGeneral { return .registerRegister }
      if operands.1.isImmediate { return .registerImmediate }
      if operands.1.isMemory {
        return isBase ? .registerBase : isIndexed ? .registerIndexed : .other
      }
    } else if operands.0.isMemory {
      if operands.1.isGeneral {
        return isBase ? .baseRegister : isIndexed ? .indexedRegister : .other
      }
      if operands.1.isImmediate {
        return isBase ? .baseImmediate : isIndexed ? .indexedImmediate : .other
      }
    }
    return .other
  }
}

/// How a specialised handler computes the offset of its memory operand.
protocol AddressForm {
  static func offset(_ cpu: CPU, _ op: Op) -> UInt32
}

/// 32-bit base + displacement.
enum Base: AddressForm {
  @inline(__always) static func offset(_ cpu: CPU, _ op: Op) -> UInt32 {
    cpu[gpr: op.pointee.instruction.base] &+ op.pointee.instruction.displacement
  }
}

/// 32-bit base + scaled index + displacement.
enum Indexed: AddressForm {
  @inline(__always) static func offset(_ cpu: CPU, _ op: Op) -> UInt32 {
    let i = op.pointee.instruction
    return cpu[gpr: i.base] &+ (cpu[gpr: i.index] &<< UInt32(i.scale)) &+ i.displacement
  }
}

/// Any addressing.
enum AnyAddress: AddressForm {
  @inline(__always) static func offset(_ cpu: CPU, _ op: Op) -> UInt32 {
    cpu.effectiveOffset(op)
  }
}

extension MicroOp {
  /// The register number of the first operand.
  var register0: UInt8 { @inline(__always) get { instruction.operands.0.reg } }
  /// The register number of the second operand.
  var register1: UInt8 { @inline(__always) get { instruction.operands.1.reg } }
  var segment: UInt8 { @inline(__always) get { instruction.segment } }
  var immediate: UInt32 { @inline(__always) get { instruction.immediate } }
}

extension CPU {
  /// `value` as a signed number of its width.
  @inline(__always)
  static func signExtended<T: GuestInteger>(_ value: T) -> Int64 {
    let shift = Int64(64 &- T.bitWidth)
    return (Int64(bitPattern: UInt64(truncatingIfNeeded: value)) &<< shift) &>> shift
  }

  /// Reads an operand of any integer kind.
  @inline(__always)
  func read<T: GuestInteger>(_ operand: Operand, _ op: Op, as type: T.Type = T.self) throws(Fault)
    -> T
  {
    if operand.isGeneral { return register(operand.reg, as: T.self) }
    if operand.isMemory { return try readOperand(op) }
    return T(truncatingIfNeeded: op.pointee.immediate)
  }

  /// Writes a general register or the memory operand.
  @inline(__always)
  func write<T: GuestInteger>(_ operand: Operand, _ op: Op, _ value: T) throws(Fault) {
    if operand.isMemory {
      try writeOperand(op, value)
    } else {
      setRegister(operand.reg, value)
    }
  }

  /// Replaces a general register or the memory operand by a function of itself. `body` runs only when
  /// the write cannot fault any more.
  @inline(__always)
  func modify<T: GuestInteger>(_ operand: Operand, _ op: Op, _ body: (T) -> T) throws(Fault) {
    if operand.isMemory {
      try modifyOperand(op, body)
    } else {
      setRegister(operand.reg, body(register(operand.reg, as: T.self)))
    }
  }
}
