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

  /// A string instruction with a repeat prefix.
  @inlinable public var isRepeated: Bool {
    !prefixSet.isDisjoint(with: [.repeatEqual, .repeatNotEqual])
      && attributes.contains(.repeatable)
  }

  /// Flags it reads, for its condition.
  public var flagsRead: FlagSet {
    switch kind {
    case .jcc, .setcc, .cmovcc, .fcmovcc: Condition.flags(condition)
    default: tableRow.flags.reads
    }
  }

  /// Flags that may change and have a defined value afterwards. Shifts change none of them when the
  /// count is 0.
  public var flagsWritten: FlagSet {
    tableRow.flags.writes.union(isShiftByImmediate1 ? .of : [])
  }

  /// Flags whose value afterwards is undefined.
  public var flagsUndefined: FlagSet {
    tableRow.flags.undefined.subtracting(isShiftByImmediate1 ? .of : [])
  }

  /// OF is defined for single-bit shifts and rotates only.
  private var isShiftByImmediate1: Bool {
    switch kind {
    case .rol, .ror, .rcl, .rcr, .shl, .shr, .sar:
      operands.1.isImmediate && immediate & 31 == 1
    case .shld, .shrd: operands.2.isImmediate && immediate & 31 == 1
    default: false
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
