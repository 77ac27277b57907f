import CPU
import ISA
import Interpreter

// Blocks that are laid out one behind the other, so that a branch not taken, a jump and a return fall through.

extension Translator {
  func isTranslatable(_ block: BlockPointer) -> Bool {
    block.pointee.cycles < 1 << 11 && block.pointee.instructionCount > 0
  }

  private static let unitLimit = 32
  /// Instructions.
  private static let tailLimit = 8

  /// What is laid out together.
  struct Unit {
    var blocks: [BlockPointer]
    /// Those that a later one jumps back to.
    var loopHeads: [BlockPointer] = []
    /// The innermost loops: indices of their last blocks, and of their first.
    var loops: [Int: Int] = [:]
    /// Indices of blocks behind which comes the target of their conditional jump.
    var inverted: Set<Int> = []
    /// How many blocks at the end are copies of such as have a translation elsewhere.
    var copyCount = 0
  }

  /// The blocks to lay out one behind the other.
  func unit(from head: BlockPointer) -> Unit {
    var unit = Unit(blocks: [head])
    var block = head
    while true {
      noteLoop(&unit)
      guard !stepsBlocks, unit.blocks.count < Self.unitLimit else { return unit }
      if let target = likelyTarget(of: block, in: unit) {
        unit.inverted.insert(unit.blocks.count - 1)
        unit.blocks.append(target)
        block = target
        continue
      }
      guard
        let follower = follower(of: block, in: head)
      else { return unit }
      let eip = cpu.pointee.eip &+ (follower.pointee.physical &- head.pointee.physical)
      if unit.blocks.contains(follower) || existing(follower, at: eip) != nil {
        let copies = loopEnd(from: follower, in: unit) ?? tail(from: follower, in: head)
        unit.copyCount = copies.count
        for block in copies {
          unit.blocks.append(block)
          noteLoop(&unit)
        }
        return unit
      }
      unit.blocks.append(follower)
      block = follower
    }
  }

  /// Notes where the last block jumps back to.
  private func noteLoop(_ unit: inout Unit) {
    let index = unit.blocks.count - 1
    guard let target = jumpBack(from: unit.blocks[index], in: unit) else { return }
    unit.loopHeads.append(unit.blocks[target])
    let kind = lastInstruction(unit.blocks[index]).kind
    if kind == .jcc || kind == .jmp, !unit.loops.keys.contains(where: { $0 >= target }) {
      unit.loops[index] = target
    }
  }

  /// The index of the block of `unit` that a block jumps to.
  private func jumpBack(from block: BlockPointer, in unit: Unit) -> Int? {
    guard let target = target(of: block) else { return nil }
    return unit.blocks.firstIndex { $0.pointee.physical == target }
  }

  /// The physical address that a block's last instruction jumps to, if that is known.
  func target(of block: BlockPointer) -> UInt32? {
    let last = lastInstruction(block)
    guard last.endsBlock, last.operands.0.operandKind == .relative, last.kind != .call
    else { return nil }
    return block.pointee.physical &+ block.pointee.length &+ last.immediate
  }

  /// The few instructions from here to a jump back into `unit`; nil if there is none soon. Compilers enter a loop at the
  /// test at its end, which has its own translation then, and would be jumped to and back from in each iteration.
  private func loopEnd(from first: BlockPointer, in unit: Unit) -> [BlockPointer]? {
    var blocks: [BlockPointer] = []
    var next: BlockPointer? = first
    var instructions = 0
    while let block = next, !unit.blocks.contains(block), !blocks.contains(block) {
      instructions += Int(block.pointee.instructionCount)
      guard instructions <= Self.tailLimit else { return nil }
      blocks.append(block)
      if jumpBack(from: block, in: unit) != nil { return blocks }
      let last = lastInstruction(block)
      guard last.kind == .jcc || !last.endsBlock else { return nil }
      next = follower(of: block, in: unit.blocks[0])
    }
    return nil
  }

  /// The block that should be laid out behind another one, if it has run.
  private func follower(of block: BlockPointer, in head: BlockPointer) -> BlockPointer? {
    let end = block.pointee.physical &+ block.pointee.length
    return continuation(lastInstruction(block), end).flatMap { find($0, in: head) }
  }

  /// A block in the page of `head` that has run.
  private func find(_ physical: UInt32, in head: BlockPointer) -> BlockPointer? {
    guard (physical ^ head.pointee.physical) & 0xFFFF_F000 == 0,
      let block = interpreter.cache.find(physical, codeSize: 4), block.pointee.entries > 0,
      block.pointee.secondPage == Block.noPage, isTranslatable(block)
    else { return nil }
    return block
  }

  /// Where a conditional jump has led nearly every time, if that has not been laid out yet.
  private func likelyTarget(of block: BlockPointer, in unit: Unit) -> BlockPointer? {
    let head = unit.blocks[0]
    let last = lastInstruction(block)
    guard last.kind == .jcc, block.pointee.entries >= Self.fewestEntries else { return nil }
    let end = block.pointee.physical &+ block.pointee.length
    // What comes behind the jump has run at least as often as that was not taken.
    if let next = find(end, in: head), next.pointee.entries > block.pointee.entries / 4 {
      return nil
    }
    guard let target = find(end &+ last.immediate, in: head), !unit.blocks.contains(target)
    else { return nil }
    let eip = cpu.pointee.eip &+ (target.pointee.physical &- head.pointee.physical)
    return existing(target, at: eip) == nil ? target : nil
  }

  private static let fewestEntries: UInt32 = 6

  /// The few instructions from here to a jump whose target is only known when it runs; empty if they are more than a
  /// few. A copy of them for each way that leads there saves a jump and a check of the budget, and the host tells the
  /// copies' targets apart: interpreters in the guest jump from one operation to the next like this.
  private func tail(from first: BlockPointer, in head: BlockPointer) -> [BlockPointer] {
    var blocks = [first]
    var instructions = Int(first.pointee.instructionCount)
    while instructions <= Self.tailLimit, let block = blocks.last {
      let last = lastInstruction(block)
      if last.kind == .jmp, last.operands.0.operandKind != .relative { return blocks }
      if last.kind == .ret { return blocks }
      guard last.kind == .jmp || !last.endsBlock, let next = follower(of: block, in: head) else {
        return []
      }
      blocks.append(next)
      instructions += Int(next.pointee.instructionCount)
    }
    return []
  }

  /// The physical address of what should follow a block that ends at `end`.
  private func continuation(_ last: Instruction, _ end: UInt32) -> UInt32? {
    switch last.kind {
    case .jcc, .jcxz, .loop, .call: return end
    case .jmp: return last.operands.0.operandKind == .relative ? end &+ last.immediate : nil
    default: return last.endsBlock || last.isRepeated && !last.isString ? nil : end
    }
  }

  func lastInstruction(_ block: BlockPointer) -> Instruction {
    block.ops[Int(block.pointee.instructionCount) - 1].instruction
  }

  /// How many copies of a loop's body, `blocks`, are to follow it.
  func copies(ofLoop blocks: ArraySlice<BlockPointer>) -> Int {
    var instructions = 0
    var cycles: UInt32 = 0
    let needs = Set(
      blocks.map { floatingPointNeed($0, Int($0.pointee.instructionCount)) { _ in false } })
    guard needs.count == 1 else { return 0 }
    for block in blocks {
      let last = lastInstruction(block)
      // What ends a block and is no jump inside the loop would need the budget as it is.
      guard last.kind == .jcc || last.kind == .jmp || !last.endsBlock, callouts(block) == 0 else {
        return 0
      }
      for index in 0..<Int(block.pointee.instructionCount)
      where block.ops[index].instruction.isRepeated { return 0 }
      instructions += Int(block.pointee.instructionCount)
      cycles += block.pointee.cycles
    }
    return min(
      Self.mostCopies, Self.copiedInstructions / instructions,
      Int(Self.copiedCycles / max(cycles, 1)) - 1)
  }

  private static let mostCopies = 7
  private static let copiedInstructions = 60
  /// The budget is not checked in copies, so these are far less than translated code stops before the deadline.
  private static let copiedCycles: UInt32 = 192
}
