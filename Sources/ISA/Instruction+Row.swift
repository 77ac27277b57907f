extension InstructionTable {
  /// `Row.attributes` of row number `row`, without touching the row itself.
  @inlinable public func attributes(ofRow row: UInt16) -> RowAttributes { attributes[Int(row)] }
  /// `Row.cycles` of row number `row`.
  @inlinable public func cycles(ofRow row: UInt16) -> Cycles { cycles[Int(row)] }
}

extension Instruction {
  /// The row it was decoded from.
  public var tableRow: Row { InstructionTable.shared.rows[Int(row)] }

  /// `Row.attributes` of its row.
  @inlinable public var attributes: RowAttributes {
    InstructionTable.shared.attributes(ofRow: row)
  }

  @inlinable public var endsBlock: Bool { attributes.contains(.endsBlock) }

  /// Bytes of the first operand; the operand size where there is none.
  public var firstOperandSize: UInt8 { operands.0.size != 0 ? operands.0.size : operandSize }

  /// A string instruction with a repeat prefix.
  @inlinable public var isRepeated: Bool {
    !prefixSet.isDisjoint(with: [.repeatEqual, .repeatNotEqual])
      && attributes.contains(.repeatable)
  }

  /// A ring-3 instruction that a newer host CPU executes with the same effect. With F3, BSF and BSR
  /// are TZCNT and LZCNT there.
  public var isDirectSafe: Bool {
    guard attributes.contains(.directSafe) else { return false }
    return !((kind == .bsf || kind == .bsr) && prefixSet.contains(.repeatEqual))
  }

  /// Flags it reads, for its condition. A shift by CL reads what it writes, as a count of 0 keeps it.
  public var flagsRead: FlagSet {
    switch kind {
    case .jcc, .setcc, .cmovcc, .fcmovcc: return Condition.flags(condition)
    default:
      guard let count = shiftCount else { return tableRow.flags.reads }
      return (kind == .rcl || kind == .rcr) && count != 0 ? .cf : []
    }
  }

  /// Flags that may change and have a defined value afterwards.
  public var flagsWritten: FlagSet {
    switch shiftCount {
    case 0: []
    case 1: tableRow.flags.writes.union(.of)
    default: tableRow.flags.writes
    }
  }

  /// Flags whose value afterwards is undefined.
  public var flagsUndefined: FlagSet {
    switch shiftCount {
    case 0: []
    case 1: tableRow.flags.undefined.subtracting(.of)
    default: tableRow.flags.undefined
    }
  }

  /// The masked count of a shift or rotate by an immediate: 0 changes no flag, 1 defines OF.
  private var shiftCount: UInt32? {
    switch kind {
    case .rol, .ror, .rcl, .rcr, .shl, .shr, .sar:
      operands.1.isImmediate ? immediate & 31 : nil
    case .shld, .shrd: operands.2.isImmediate ? immediate & 31 : nil
    default: nil
    }
  }
}

/// Condition codes. SDM vol. 2, table B-10.
public enum Condition {
  /// The suffixes of Jcc by condition code.
  public static let names = [
    "o", "no", "b", "nb", "z", "nz", "be", "nbe", "s", "ns", "p", "np", "l", "nl", "le", "nle",
  ]

  /// The flags that condition code `code` tests.
  public static func flags(_ code: UInt8) -> FlagSet {
    switch code >> 1 & 7 {
    case 0: .of
    case 1: .cf
    case 2: .zf
    case 3: [.cf, .zf]
    case 4: .sf
    case 5: .pf
    case 6: [.sf, .of]
    default: [.zf, .sf, .of]
    }
  }
}
