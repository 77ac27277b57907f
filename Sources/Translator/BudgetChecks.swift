import CHost
import CPU
import ISA
import Interpreter

// Where translated code looks whether its budget of cycles is used up.

/// What R15 holds while translated code runs: the cycles left, and below them the instructions retired.
enum Budget {
  static let shift = UInt64(BUDGET_SHIFT)
  /// The bits of the instructions.
  static let instructions: UInt64 = 1 << shift - 1
}

extension Translator {
  /// Translated code may run past a check of the budget by as many cycles of blocks without one,
  static let uncheckedLimit: UInt32 = 256
  /// and in the next block by as many up to its check.
  static let checkLimit: UInt32 = 64
  /// As many at a jump to a block that others fall into, to the head of a unit or a loop, and behind a RET.
  static let joinLimit: UInt32 = 64
  static let headLimit: UInt32 = 128
  static let returnLimit: UInt32 = 160

  /// What entering a block takes off the budget.
  func charge(_ t: Translation) -> UInt64 {
    UInt64(charge(t.block))
  }

  /// What a block is taken off the budget.
  func charge(_ block: BlockPointer) -> Int64 {
    Int64(block.pointee.cycles) << Budget.shift - Int64(block.pointee.instructionCount)
  }

  /// Whether a block has to check the budget, given the cycles that may have passed without a check up to its
  /// start and up to its end.
  /// - Parameter isCheap: whether the flags are dead somewhere.
  func mustCheck(
    _ block: BlockPointer, _ progress: UnitProgress, isLoopHead: Bool, isCheap: Bool,
    after: UInt32
  ) -> Bool {
    // Where it is dear, jumps to a block from where there is time left skip the check, and loops are checked where
    // they jump back.
    if isCheap, progress.continuation == nil || isLoopHead { return true }
    if after > Self.uncheckedLimit { return true }
    if lastInstruction(block).kind == .ret { return after > Self.returnLimit }
    guard let target = target(of: block) else { return false }
    if target == block.pointee.physical { return true }
    return translations[progress.first...].contains {
      $0.block.pointee.physical == target && !$0.isChecked && after > $0.uncheckedBefore
    }
  }

  /// The first instruction before which the budget may be checked at the cost of the flags: one that sets them
  /// all and can neither fault nor leave the block.
  func checkPosition(_ block: BlockPointer, _ count: Int) -> Int? {
    (0..<count).first { index in
      let i = block.ops[index].instruction
      // One that may stop for a debugger needs the flags.
      let place = block.pointee.physical &+ UInt32(block.ops[index].startOffset)
      guard i.row != .max, !i.hasMemoryOperand,
        block.ops[index].cyclesBefore <= Self.checkLimit,
        !cpu.processor.breakpoints.watches(place)
      else { return false }
      switch i.kind {
      case .add, .sub, .cmp, .and, .or, .xor, .test, .neg: return true
      default: return false
      }
    }
  }
}
