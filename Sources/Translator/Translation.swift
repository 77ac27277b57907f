import Interpreter

/// One translated block.
struct Translation {
  let block: BlockPointer
  /// Linear EIP of its first instruction; a physical block at another address is not this translation.
  let eip: UInt32
  /// Position of its first byte in the code cache.
  let start: Int
  /// Position behind its last byte.
  let end: Int
  /// Positions of its instructions, and of the end of the last.
  let instructions: [Int]
  /// Whether its page is mapped globally, so that jumps between such pages outlive CR3 loads.
  let isGlobal: Bool
  var isAlive = true
}
