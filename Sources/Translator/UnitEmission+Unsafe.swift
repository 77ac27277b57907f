import CHost
import CPU
import ISA
import Interpreter
import Memory

// The emission of units: blocks one behind the other, copies of loops, and what their jumps need behind them.

extension Translator {
  /// Translates the block at EIP, and with it those that follow it in the code and have run before, so that
  /// one falls through to the next.
  /// - Returns: its number.
  func translate(_ block: BlockPointer) -> Int? {
    guard isTranslatable(block) else { return nil }
    if block.pointee.secondPage != Block.noPage { return translateCrossing(block) }
    guard let bytes = guestBytes(block) else { return nil }
    return translate(block, bytes, unit(from: block))
  }

  /// Translates an instruction whose bytes lie in two pages.
  private func translateCrossing(_ block: BlockPointer) -> Int? {
    if crossingCount == Self.maximumCrossings { flush() }
    let inFirst = 0x1000 - (block.pointee.physical & 0xFFF)
    guard block.pointee.length > inFirst, block.pointee.instructionCount == 1 else { return nil }
    // Beyond the last address is the limit of CS.
    guard UInt64(cpu.pointee.eip) + UInt64(block.pointee.length) <= 1 << 32 else { return nil }
    // Devices are not read again.
    for page in [block.pointee.physical, block.pointee.secondPage] {
      guard memory.page(page).flags & UInt32(PAGE_READABLE.rawValue) != 0 else { return nil }
    }
    let bytes =
      memory.readBytes(at: block.pointee.physical, count: Int(inFirst))
      + memory.readBytes(
        at: block.pointee.secondPage, count: Int(block.pointee.length - inFirst))
    return bytes.withUnsafeBufferPointer {
      guard let base = $0.baseAddress else { return nil }
      return translate(block, base, Unit(blocks: [block]))
    }
  }

  private func translate(
    _ block: BlockPointer, _ bytes: UnsafePointer<UInt8>,
    _ unit: Unit
  ) -> Int? {
    // 64 bytes cover the longest lowering, and as much again its stub.
    let blocks = unit.blocks
    let room = blocks.reduce(512) { $0 + Int($1.pointee.instructionCount) * 192 + 256 }
    if free + room > code.size { flush() }
    guard free + room <= code.size else { return nil }
    let eip = cpu.pointee.eip
    var lowering = Lowering(
      a: Assembler(base: code.writable, position: free), exits: exits,
      isGlobal: cpu.isCodePageGlobal(eip))
    let first = translations.count
    var progress = UnitProgress(first: first)
    progress.hasCalls = blocks.contains { lastInstruction($0).kind == .call }
    func emit(_ b: BlockPointer, _ role: Role) {
      let offset = b.pointee.physical &- block.pointee.physical
      if let address = progress.continuation, address != eip &+ offset {
        leave(to: address, &lowering)
        progress.continuation = nil
      }
      self.emit(
        b, at: eip &+ offset, bytes + Int(Int32(bitPattern: offset)), role, &lowering, &progress)
    }
    // How many copies of a loop follow it, by the index of its last block.
    let numbers =
      unit.loops.isEmpty
      ? [:]
      : Dictionary(
        uniqueKeysWithValues: unit.loops.map { last, first in
          (last, copies(ofLoop: unit.blocks[first...last]))
        })
    for (index, b) in blocks.enumerated() {
      let isCopy = index >= blocks.count - unit.copyCount
      var role = Role(isLoopHead: !isCopy && unit.loopHeads.contains(b), isCopy: isCopy)
      role.invertsJump = unit.inverted.contains(index)
      let first = unit.loops[index] ?? 0
      let copies = numbers[index] ?? 0
      role.isChecked = unit.loops.contains { last, first in first == index && numbers[last] ?? 0 > 0
      }
      // A jump back is not taken as long as copies follow.
      if copies > 0 { role.invertsJump = true }
      role.defersPointers = copies > 0 && first == index && setsX87Pointers(b)
      let inheritsPointers = role.defersPointers
      emit(b, role)
      guard copies > 0 else { continue }
      let body = unit.blocks[first...index].reduce(Int64(0)) { $0 + charge($1) }
      var left = body * Int64(copies)
      for copy in 0..<copies {
        for (position, block) in zip(first...index, unit.blocks[first...index]) {
          var advance = Advance(before: left, after: left - charge(block))
          if copy == 0, position == first { advance = Advance(taken: left, after: advance.after) }
          left = advance.after
          let goesOn = position == index ? copy < copies - 1 : unit.inverted.contains(position)
          emit(
            block,
            Role(
              isCopy: true, invertsJump: goesOn, inheritsPointers: inheritsPointers,
              defersPointers: inheritsPointers && goesOn, advance: advance))
        }
      }
    }
    if let address = progress.continuation { leave(to: address, &lowering) }
    let stubs = lowering.a.position
    giveBackAdvances(&lowering)
    linkKnown(&lowering)
    lowering.finishLinks()
    for stop in progress.stops {
      lowering.a.patch(stop.hole, to: lowering.a.position)
      lowering.eip = translations[stop.number].eip
      lowering.number = UInt32(stop.number)
      lowering.pointers = stop.pointers
      lowering.writeX87Pointers()
      lowering.stopBefore(UInt64(UInt(bitPattern: stop.op)))
    }
    statistics.hostBytes += UInt64(lowering.a.position - free)
    free = lowering.a.position
    for number in first..<translations.count {
      translations[number].stubs = stubs..<free
      if let traceTranslation { traceTranslation(listing(number)) }
    }
    return first
  }

  /// Ends the last block with a jump.
  private func leave(to address: UInt32, _ lowering: inout Lowering) {
    lowering.exit(to: address)
    translations[translations.count - 1].end = lowering.a.position
  }

  /// How far a unit has been emitted.
  struct UnitProgress {
    /// The guest address whose code must follow.
    var continuation: UInt32?
    /// The number of its first translation.
    let first: Int
    var hasCalls = false
    /// Cycles that may have passed since the last check of the budget on the way here.
    var unchecked: UInt32 = 0
    var stops: [Stop] = []
  }

  /// What is particular about a block at its place in a unit.
  struct Role {
    /// A later block jumps back to it.
    var isLoopHead = false
    /// It may have a translation elsewhere.
    var isCopy = false
    /// It checks the budget whatever that costs.
    var isChecked = false
    /// The code of its target follows its conditional jump.
    var invertsJump = false
    /// FIP and FOP have not been written by the copy of it before, and are not by it if another follows.
    var inheritsPointers = false
    var defersPointers = false
    var advance = Advance()
  }

  /// Copies of a loop's body are taken off the budget together, at the head of the first.
  struct Advance {
    /// What has been taken off for this block and later ones when it is entered.
    var before: Int64 = 0
    /// What is taken off at its head.
    var taken: Int64 = 0
    /// What has been taken off for later blocks.
    var after: Int64 = 0

    var isNone: Bool { before == 0 && taken == 0 }
  }

  /// A jump to be led to the stop of the budget before a micro-op.
  struct Stop {
    let hole: Int
    let number: Int
    let op: Op
    let pointers: PendingX87Pointers
  }

  /// Emits what jumps out of copies of a loop must do first: give back what has been taken off the budget for those that
  /// do not run, and write the x87 unit's pointers.
  private func giveBackAdvances(_ lowering: inout Lowering) {
    for index in lowering.links.indices where lowering.links[index].needsThunk {
      lowering.a.patch(lowering.links[index].hole, to: lowering.a.position)
      if lowering.links[index].refund != 0 { lowering.a.addBudget(lowering.links[index].refund) }
      lowering.a.storeX87Instruction(lowering.links[index].pointers)
      let hole = lowering.a.jump()
      lowering.links[index].hole = hole
      linkSources[hole] = Int(lowering.links[index].source)
    }
  }

  /// Whether each run of a block sets FIP and FOP, and nothing in it takes them away.
  private func setsX87Pointers(_ block: BlockPointer) -> Bool {
    let instructions = (0..<Int(block.pointee.instructionCount)).map { block.ops[$0].instruction }
    return instructions.contains(where: X87Pointers.areSet)
      && !instructions.contains { $0.row != .max && X87Pointers.areReplaced(by: $0) }
  }
}
