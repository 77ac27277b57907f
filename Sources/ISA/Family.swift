/// The families of instructions, by the files in `Rows`.
public enum Family: String, Sendable, CaseIterable {
  case dataMovement, arithmetic, logic, shift, control, string, flags, segment, system, x87, mmx,
    sse, sse2
}

extension InstructionTable {
  private static let families: [Family] = familyRows.flatMap { family, rows in
    rows.map { row in
      switch row.operation {
      // These share their opcode pattern with the arithmetic instructions.
      case .and, .or, .xor: .logic
      default: family
      }
    }
  }

  /// The family of row number `row`.
  public func family(ofRow row: UInt16) -> Family { Self.families[Int(row)] }
}
