import CHost
import CPU
import ISA
import Interpreter
import Memory

extension Translator {
  func emitStubs() {
    var a = Assembler(base: code.writable, position: 0)
    // Position 0: an empty entry of the jump table leads here with the target in R9D.
    a.storeState(StateOffset.eip, HostRegister.r9)
    a.move(HostRegister.r8, 0)
    a.storeState64(StateOffset.link, HostRegister.r8)
    exits.leave = a.position
    a.move64(HostRegister.r9, UInt64(UInt(bitPattern: switchback_leave_address())))
    a.jump(register: HostRegister.r9)
    exits.callout = a.position
    a.move64(HostRegister.r8, UInt64(UInt(bitPattern: switchback_callout_address())))
    a.jump(register: HostRegister.r8)
    a.align(64)
    free = a.position
    firstFree = free
  }

  /// What entering a block takes off the budget.
  func charge(_ t: Translation) -> UInt64 {
    UInt64(t.block.pointee.cycles) << 20 &- UInt64(instructionCount(t))
  }

  func translate(_ block: BlockPointer) -> Int? {
    let count = Int(countInstructions(block))
    // 64 bytes cover the longest lowering, and as much again its stub.
    if free + count * 192 + 512 > code.size { flush() }
    guard count > 0, block.pointee.cycles < 1 << 11,
      let bytes = guestBytes(block)
    else { return nil }
    let eip = cpu.pointee.eip
    let number = translations.count
    let isGlobal = cpu.isCodePageGlobal(eip)
    var a = Assembler(base: code.writable, position: free)
    a.align(block.pointee.entries > 64 ? 64 : 16)
    let start = a.position
    let charge = Int32(block.pointee.cycles) << 20 - Int32(count)
    let check = checkPosition(block, count)
    var budgetHole: Int?
    if check == 0 {
      a.subtractBudget(charge)
      budgetHole = a.jump(if: 8)
    } else {
      a.addBudget(-charge)
      if check == nil { a.touchIfNegative() }
    }
    var lowering = Lowering(
      a: a, eip: eip, blockCycles: block.pointee.cycles, number: UInt32(number), exits: exits,
      isGlobal: isGlobal)
    var positions: [Int] = []
    var ended = false
    for index in 0..<count {
      if index == check, index > 0 {
        lowering.a.testBudget()
        budgetHole = lowering.a.jump(if: 8)
      }
      positions.append(lowering.a.position)
      let op = block.ops + index
      let next = eip &+ UInt32(op.pointee.endOffset)
      let physical = block.pointee.physical &+ UInt32(op.pointee.startOffset)
      let guest = GuestCode(
        bytes + Int(op.pointee.startOffset), length: Int(op.pointee.instruction.length))
      let flow = lowering.lower(
        op.pointee.instruction, guest, op: UInt64(UInt(bitPattern: op)), next: next,
        callout: callouts.contains(physical) || cpu.processor.breakpoints.watches(physical)
          || callsInterpreter(op.pointee.instruction))
      if flow == .ended { ended = true }
    }
    positions.append(lowering.a.position)
    if !ended { lowering.exit(to: eip &+ block.pointee.length) }
    lowering.finishLinks()
    if let hole = budgetHole, let check {
      lowering.a.patch(hole, to: lowering.a.position)
      lowering.stopBefore(UInt64(UInt(bitPattern: block.ops + check)))
    }
    free = lowering.a.position
    translations.append(
      Translation(
        block: block, eip: eip, start: start, end: free, instructions: positions,
        isGlobal: isGlobal))
    block.pointee.translation = UInt32(number + 1)
    statistics.blocks += 1
    statistics.guestBytes += UInt64(block.pointee.length)
    statistics.hostBytes += UInt64(free - start)
    traceTranslation?(listing(number))
    return number
  }

  /// Whether an instruction is never lowered: no instruction at all, or of a family that is switched off.
  private func callsInterpreter(_ i: Instruction) -> Bool {
    if i.row == .max { return true }
    return !options.loweringOff.isEmpty
      && options.loweringOff.contains(InstructionTable.shared.family(ofRow: i.row))
  }

  func countInstructions(_ block: BlockPointer) -> UInt16 {
    var op = block.ops
    while op.pointee.startOffset != op.pointee.endOffset { op += 1 }
    return op.pointee.index
  }

  /// The block's bytes in host memory; nil when they are not plain memory.
  func guestBytes(_ block: BlockPointer) -> UnsafePointer<UInt8>? {
    let page = memory.page(block.pointee.physical)
    guard page.flags & UInt32(PAGE_READABLE.rawValue) != 0, let host = page.host else { return nil }
    return UnsafePointer(host + Int(block.pointee.physical & 0xFFF))
  }

  /// The first instruction before which the budget may be checked at the cost of the flags: one that sets them
  /// all and can neither fault nor leave the block.
  func checkPosition(_ block: BlockPointer, _ count: Int) -> Int? {
    (0..<count).first { index in
      let i = block.ops[index].instruction
      // One that may stop for a debugger needs the flags.
      let place = block.pointee.physical &+ UInt32(block.ops[index].startOffset)
      guard i.row != .max, !i.hasMemoryOperand, !cpu.processor.breakpoints.watches(place) else {
        return false
      }
      switch i.kind {
      case .add, .sub, .cmp, .and, .or, .xor, .test, .neg: return true
      default: return false
      }
    }
  }
}
