extension InstructionTable {
  /// The families in the order of `Operation`.
  static let allRows: [Row] = [
    dataMovementRows, binaryOperationRows, arithmeticRows, logicRows, shiftRows, controlRows,
    stringRows, flagRows, segmentRows, systemRows, x87TransferRows, x87ArithmeticRows,
    x87FunctionRows, x87ControlRows, mmxRows, mmxPackedRows, sseRows, sseArithmeticRows,
    sse2MoveRows, sse2Rows, sse2ArithmeticRows,
  ].flatMap { $0 }
}
