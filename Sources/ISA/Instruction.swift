import CHost

/// What an operand names. SDM vol. 2, 2.1.5 and appendix A.2.
public enum OperandKind: UInt8, Sendable, CaseIterable {
  case none
  /// General register `reg`; with size 1 the numbers 4...7 are AH, CH, DH, BH.
  case general
  /// The instruction's memory operand, `size` bytes at `segment:base+index<<scale+displacement`.
  case memory
  /// The immediate in `Instruction.immediate`, already extended to the operand's size.
  case immediate
  /// A branch displacement relative to the next instruction, in `Instruction.immediate`.
  case relative
  /// A direct far pointer: `Instruction.selector` and `Instruction.immediate`.
  case farPointer
  /// Segment register `reg` (`SegmentIndex`).
  case segment
  case control
  case debug
  /// x87 stack register ST(reg).
  case x87
  case mmx
  case xmm
  /// The string source DS:(E)SI (segment override in `Instruction.segment`).
  case stringSource
  /// The string destination ES:(E)DI.
  case stringDestination
  /// The second immediate (ENTER's nesting level), in `Instruction.selector`.
  case immediate2
}

/// Segment registers by their encoding. SDM vol. 2, table B-8.
public enum SegmentIndex: UInt8, Sendable, CaseIterable {
  case es, cs, ss, ds, fs, gs
}

/// Prefix bytes that were present. SDM vol. 2, 2.1.1.
public struct Prefixes: OptionSet, Sendable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let lock = Prefixes(rawValue: 1)
  /// F3 as a repeat prefix, not as part of an SSE opcode.
  public static let repeatEqual = Prefixes(rawValue: 2)
  /// F2 as a repeat prefix, not as part of an SSE opcode.
  public static let repeatNotEqual = Prefixes(rawValue: 4)
  public static let operandSize = Prefixes(rawValue: 8)
  public static let addressSize = Prefixes(rawValue: 16)
  public static let segmentOverride = Prefixes(rawValue: 32)
}

extension Operand {
  /// The kind of this operand.
  @inlinable public var operandKind: OperandKind {
    OperandKind(rawValue: kind).unsafelyUnwrapped
  }
  /// A C operand with a typed kind.
  @inlinable public init(_ kind: OperandKind, reg: UInt8 = 0, size: UInt8 = 0) {
    self.init(kind: kind.rawValue, reg: reg, size: size, reserved: 0)
  }
  @inlinable public var isMemory: Bool { kind == OperandKind.memory.rawValue }
  @inlinable public var isGeneral: Bool { kind == OperandKind.general.rawValue }
  @inlinable public var isImmediate: Bool { kind == OperandKind.immediate.rawValue }
}

extension Instruction {
  /// What the instruction does.
  @inlinable public var kind: Operation { Operation(rawValue: operation).unsafelyUnwrapped }
  @inlinable public var prefixSet: Prefixes { Prefixes(rawValue: prefixes) }
  /// The segment its memory operand goes through.
  @inlinable public var segmentIndex: SegmentIndex {
    SegmentIndex(rawValue: segment).unsafelyUnwrapped
  }
  @inlinable public var hasMemoryOperand: Bool {
    operands.0.isMemory || operands.1.isMemory || operands.2.isMemory
  }
}
