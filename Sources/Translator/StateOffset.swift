import CHost

/// Where emitted code finds parts of the state, as displacements from R14.
enum StateOffset {
  static let eip = MemoryLayout<CPUState>.offset(of: \.eip)!
  static let codeGeneration = MemoryLayout<CPUState>.offset(of: \.codeGeneration)!
  static let link = MemoryLayout<CPUState>.offset(of: \.translated.link)!
  static let returnStackTop = MemoryLayout<CPUState>.offset(of: \.translated.returnStackTop)!
  static let window = MemoryLayout<CPUState>.offset(of: \.translated.window)!
  static let translation = MemoryLayout<CPUState>.offset(of: \.translated.translation)!
  static let exitOp = MemoryLayout<CPUState>.offset(of: \.translated.exitOp)!
  static let exitLeave = MemoryLayout<CPUState>.offset(of: \.translated.exitLeave)!
  private static let segments = MemoryLayout<CPUState>.offset(of: \.segments)!

  /// The base of segment register `number`.
  static func base(ofSegment number: UInt8) -> Int {
    segments + Int(number) * MemoryLayout<SegmentRegister>.stride
      + MemoryLayout<SegmentRegister>.offset(of: \.base)!
  }

  /// The upper half of segment register `number`'s write bound: 1 for a flat segment, 0 for a null one.
  static func isUsable(segment number: UInt8) -> Int {
    segments + Int(number) * MemoryLayout<SegmentRegister>.stride
      + MemoryLayout<SegmentRegister>.offset(of: \.writeEnd)! + 4
  }
}
