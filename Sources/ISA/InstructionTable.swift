extension InstructionTable {
  /// The rows in the order of `Operation`, with the family that each list belongs to.
  static let familyRows: [(family: Family, rows: [Row])] = [
    (.dataMovement, dataMovementRows), (.arithmetic, binaryOperationRows),
    (.arithmetic, arithmeticRows), (.logic, logicRows), (.shift, shiftRows),
    (.control, controlRows), (.string, stringRows), (.flags, flagRows), (.segment, segmentRows),
    (.system, systemRows), (.x87, x87TransferRows), (.x87, x87ArithmeticRows),
    (.x87, x87FunctionRows), (.x87, x87ControlRows), (.mmx, mmxRows), (.mmx, mmxPackedRows),
    (.sse, sseRows), (.sse, sseArithmeticRows), (.sse2, sse2MoveRows), (.sse2, sse2Rows),
    (.sse2, sse2ArithmeticRows),
  ]

  static let allRows: [Row] = familyRows.flatMap(\.rows)
}
