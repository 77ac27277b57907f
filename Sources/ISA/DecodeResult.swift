/// What `Decoder` made of some bytes.
public enum DecodeResult: Sendable {
  case instruction(Instruction)
  /// #UD, known after `needed` bytes: a fetch fault beyond them does not matter.
  case invalid(needed: Int)
  /// More than 15 bytes: #GP(0).
  case tooLong
  /// More bytes are needed than were given: fetch more, or raise the fault of fetching them.
  case truncated
}

/// The same without payload.
public enum DecodeStatus: UInt8, Sendable {
  case instruction, invalid, tooLong, truncated
}
