import Interpreter

/// One translated block.
struct Translation {
  let block: BlockPointer
  /// Linear EIP of its first instruction; a physical block at another address is not this translation.
  let eip: UInt32
  /// Position of its first byte in the code cache.
  let start: Int
  /// Position behind its last byte.
  var end: Int
  /// Where `Translator.places` holds the places of its instructions, and of the end of the last.
  let firstPlace: Int
  let instructionCount: Int
  /// Position where any jump may enter it; 0 = none yet.
  var entry: Int
  /// Positions of the stubs of its unit.
  var stubs = 0..<0
  /// Number, plus 1, of another translation of the block: for another address or the other privilege level.
  var next: UInt32 = 0
  /// Which of `Translator.crossings` its instruction, whose bytes lie in two pages, is; 0 = it lies in one.
  var crossing = 0
  /// Whether its page is mapped globally, so that jumps between such pages outlive CR3 loads.
  let isGlobal: Bool
  /// Whether it is for ring 3: linked jumps between global pages have met the rights of that level.
  let isUser: Bool
  /// What its floating-point instructions need.
  let need: FloatingPointNeed
  /// Position behind the check of that; `start` where there is no need, or the block before meets it.
  let startWhenReady: Int
  /// Whether it checks the budget.
  let isChecked: Bool
  /// Cycles that may pass without a check before it is entered at its start, and up to its end.
  let uncheckedBefore: UInt32
  let uncheckedAfter: UInt32
  /// Position where jumps from code with the same needs may enter it; 0 = none yet.
  var readyEntry: Int
  /// What has been taken off the budget in advance when it is entered, for itself and later copies, and what has been
  /// for later copies while it runs.
  var advanceBefore: Int64 = 0
  var advanceAfter: Int64 = 0
  /// Whether FIP and FOP are those behind another copy of it when it is entered, but not in the state.
  var inheritsPointers = false
  var isAlive = true

  /// Position where a jump may enter it for good; 0 = none yet.
  /// - Parameters:
  ///   - need: what the code that jumps has in the host's registers.
  ///   - unchecked: the cycles that may have passed there without a check.
  func entry(with available: FloatingPointNeed, unchecked: UInt32) -> Int {
    let isReady = available.isSuperset(of: need)
    if isChecked || unchecked <= uncheckedBefore {
      if isReady { return startWhenReady }
      if start != startWhenReady { return start }
    }
    return isReady ? readyEntry : entry
  }
}

/// Where the code of an instruction starts, and what has not caught up there with the guest's state.
struct Place {
  let position: Int32
  /// What is to be added to R12 to make it the guest's ESP.
  var stackDelta: Int16 = 0
  /// Whether its block has been taken off the budget.
  var isCharged = true
}
