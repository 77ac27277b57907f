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
    exits.load = a.position
    a.move64(HostRegister.r8, UInt64(UInt(bitPattern: switchback_fpu_load_address())))
    a.jump(register: HostRegister.r8)
    exits.codeBase = UInt32(code.address(0))
    var lowering = Lowering(a: a, exits: exits, isGlobal: false)
    exits.returnStackEmpty = lowering.a.position
    lowering.a.loadState64(HostRegister.returnStack, StateOffset.returnStackTop)
    exits.table = lowering.a.position
    lowering.jumpThroughTable()
    lowering.a.align(64)
    free = lowering.a.position
    firstFree = free
  }

  /// What entering a block takes off the budget.
  func charge(_ t: Translation) -> UInt64 {
    UInt64(t.block.pointee.cycles) << 20 &- UInt64(t.instructionCount)
  }

  // MARK: Units

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
    let blocks = unit.blocks + unit.tail
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
    let numbers = Dictionary(
      uniqueKeysWithValues: unit.loops.map { last, first in
        (last, copies(ofLoop: unit.blocks[first...last], callouts))
      })
    for (index, b) in blocks.enumerated() {
      let isCopy = index >= unit.blocks.count
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
      let body = unit.blocks[first...index].reduce(0) { $0 + charge($1) }
      var left = body * Int32(copies)
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

  // MARK: Blocks

  /// How far a unit has been emitted.
  private struct UnitProgress {
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
  private struct Role {
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
  private struct Advance {
    /// What has been taken off for this block and later ones when it is entered.
    var before: Int32 = 0
    /// What is taken off at its head.
    var taken: Int32 = 0
    /// What has been taken off for later blocks.
    var after: Int32 = 0

    var isNone: Bool { before == 0 && taken == 0 }
  }

  /// What a block is taken off the budget.
  private func charge(_ block: BlockPointer) -> Int32 {
    Int32(block.pointee.cycles) << 20 - Int32(block.pointee.instructionCount)
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

  /// A bit for each instruction of a block that calls its handler.
  private func callouts(_ block: BlockPointer) -> UInt64 {
    var callouts: UInt64 = 0
    for index in 0..<Int(block.pointee.instructionCount) {
      let op = block.ops + index
      let place = block.pointee.physical &+ UInt32(op.pointee.startOffset)
      if callsInterpreter(op.pointee.instruction) || trapping.contains(place)
        || coldAccesses.contains(place) || cpu.processor.breakpoints.watches(place)
      {
        callouts |= 1 << UInt64(index)
      }
    }
    return callouts
  }

  /// A jump to be led to the stop of the budget before a micro-op.
  private struct Stop {
    let hole: Int
    let number: Int
    let op: Op
    let pointers: PendingX87Pointers
  }

  /// Whether a block has to check the budget, given the cycles that may have passed without a check up to its
  /// start and up to its end.
  /// - Parameter isCheap: whether the flags are dead somewhere.
  private func mustCheck(
    _ block: BlockPointer, _ progress: UnitProgress, isLoopHead: Bool, isCheap: Bool,
    after: UInt32
  ) -> Bool {
    // Where it is dear, jumps to a block from where there is time left skip the check, and loops are checked where
    // they jump back.
    if isCheap, progress.continuation == nil || isLoopHead { return true }
    if after > Self.uncheckedLimit { return true }
    let last = lastInstruction(block)
    if last.kind == .ret { return after > Self.returnLimit }
    guard last.endsBlock, last.operands.0.operandKind == .relative, last.kind != .call else {
      return false
    }
    let target = block.pointee.physical &+ block.pointee.length &+ last.immediate
    if target == block.pointee.physical { return true }
    return translations[progress.first...].contains {
      $0.block.pointee.physical == target && !$0.isChecked && after > $0.uncheckedBefore
    }
  }

  /// Emits one block. Its cycles and instructions are taken off the budget at its head, or where the budget is
  /// checked: where the flags are dead, or else at its head, without touching them. Not every block is checked:
  /// each assumes that some cycles may have passed since the last check, and jumps from where more may have
  /// lead through a thunk that checks.
  private func emit(
    _ block: BlockPointer, at eip: UInt32, _ bytes: UnsafePointer<UInt8>, _ role: Role,
    _ lowering: inout Lowering, _ progress: inout UnitProgress
  ) {
    let isLoopHead = role.isLoopHead
    let count = Int(block.pointee.instructionCount)
    let number = translations.count
    let physical = block.pointee.physical
    let callouts = callouts(block)
    for index in 0..<count where callouts >> UInt64(index) & 1 != 0 {
      coldAccesses.note(
        translation: number, of: physical &+ UInt32(block.ops[index].startOffset))
    }
    func isCallout(_ index: Int) -> Bool { callouts >> UInt64(index) & 1 != 0 }
    let need = floatingPointNeed(block, count, isCallout: isCallout)
    let isEntered = progress.continuation != nil
    // Behind a block with the same needs they are met.
    let checksNeed = !need.isEmpty && !(isEntered && lowering.need.isSuperset(of: need))
    lowering.eip = eip
    lowering.blockCycles = block.pointee.cycles
    lowering.number = UInt32(number)
    lowering.need = need
    let cheapCheck = checkPosition(block, count)
    let last = block.ops[count - 1].instruction
    let assumed = isEntered && !isLoopHead ? Self.joinLimit : Self.headLimit
    let before = isEntered ? max(progress.unchecked, assumed) : assumed
    let isChecked =
      role.advance.isNone
      && (role.isChecked
        || mustCheck(
          block, progress, isLoopHead: isLoopHead, isCheap: cheapCheck != nil,
          after: before + block.pointee.cycles))
    let hasPrelude = !isEntered && !isChecked && !checksNeed
    if isEntered {
      if checksNeed {
        let over = lowering.shortJump()
        if isLoopHead { lowering.a.align(64, before: Assembler.refusalSize) }
        lowering.refuseFloatingPoint()
        lowering.patchShort(over)
      } else if isLoopHead {
        lowering.a.align(64)
      }
    } else {
      if progress.hasCalls { lowering.catchStrayReturns() }
      let stub =
        checksNeed ? Assembler.refusalSize : hasPrelude && isLoopHead ? Assembler.touchSize : 0
      lowering.a.align(64, before: stub)
      if checksNeed { lowering.refuseFloatingPoint() }
      if hasPrelude {
        lowering.a.touchIfNegative()
        entryChecks[lowering.a.position - 4] = number
      }
    }
    let start = lowering.a.position
    if checksNeed {
      lowering.a.checkFloatingPoint(need)
    }
    let startWhenReady = lowering.a.position
    var crossing = 0
    if block.pointee.secondPage != Block.noPage {
      crossing = crossingCount
      crossingCount += 1
      lowering.checkCrossing(UInt64(UInt(bitPattern: crossings + crossing)))
    }
    let charge = charge(block)
    lowering.refund = role.advance.after
    lowering.invertsJump = role.invertsJump
    lowering.defersPointers = role.defersPointers
    let check = isChecked ? cheapCheck : nil
    // Its iterations may use up more than the budget.
    let after =
      last.isRepeated ? Self.uncheckedLimit : isChecked ? 0 : before + block.pointee.cycles
    lowering.unchecked = after
    progress.unchecked = last.kind == .call ? Self.returnLimit : after
    if !role.advance.isNone {
      if role.advance.taken != 0 { lowering.a.addBudget(-role.advance.taken) }
    } else if check == 0 {
      lowering.a.subtractBudget(charge)
      progress.stops.append(
        Stop(hole: lowering.a.jump(if: 8), number: number, op: block.ops, pointers: .init()))
    } else if check != nil {
      lowering.pendingCharge = charge
    } else {
      lowering.a.addBudget(-charge)
      if isChecked { lowering.a.touchIfNegative() }
    }
    let firstPlace = places.count
    var flow = Lowering.Flow.next
    for index in 0..<count {
      if index == check, index > 0 {
        lowering.settleStack()
        if lowering.pendingCharge != 0 {
          lowering.a.subtractBudget(lowering.pendingCharge)
          lowering.pendingCharge = 0
        } else {
          lowering.a.testBudget()
        }
        progress.stops.append(
          Stop(
            hole: lowering.a.jump(if: 8), number: number, op: block.ops + index,
            pointers: lowering.pointers))
      }
      let op = block.ops + index
      let guest = GuestCode(
        bytes + Int(op.pointee.startOffset), length: Int(op.pointee.instruction.length))
      lowering.settle(before: op.pointee.instruction, guest, callout: isCallout(index))
      places.append(
        Place(
          position: Int32(lowering.a.position), stackDelta: Int16(lowering.stackDelta),
          isCharged: lowering.pendingCharge == 0))
      if let replacement, let code = replacement(op.pointee.instruction) {
        for byte in code { lowering.a.byte(byte) }
        continue
      }
      flow = lowering.lower(
        op.pointee.instruction, guest, op: UInt64(UInt(bitPattern: op)),
        next: eip &+ UInt32(op.pointee.endOffset),
        cyclesPerIteration: UInt32(op.pointee.cyclesPerIteration), callout: isCallout(index))
    }
    if flow == .next { lowering.writeX87Pointers() }
    lowering.settleStack()
    places.append(Place(position: Int32(lowering.a.position)))
    // Room for the jump that replaces it when the block is no more.
    while lowering.a.position < start + 5 { lowering.a.byte(0x90) }
    let meetsNeed = need.isEmpty || checksNeed
    // Jumps from elsewhere lead to the first translation, not to copies.
    let original = role.isCopy ? existing(block, at: eip) : nil
    let prelude = hasPrelude ? start - Assembler.touchSize : nil
    translations.append(
      Translation(
        block: block, eip: eip, start: start, end: lowering.a.position,
        firstPlace: firstPlace, instructionCount: count,
        entry: prelude ?? (isChecked && meetsNeed ? start : 0),
        next: original.map { translations[$0].next } ?? block.pointee.translation,
        crossing: crossing,
        isGlobal: lowering.isGlobal, isUser: cpu.pointee.cpl == 3, need: need,
        startWhenReady: startWhenReady,
        isChecked: isChecked, uncheckedBefore: before, uncheckedAfter: after,
        readyEntry: prelude ?? (isChecked ? startWhenReady : 0),
        advanceBefore: role.advance.before, advanceAfter: role.advance.after,
        inheritsPointers: role.inheritsPointers))
    if let original {
      translations[original].next = UInt32(number + 1)
    } else {
      block.pointee.translation = UInt32(number + 1)
    }
    if lowering.isGlobal {
      globalCode.note(number, eip: eip, isUser: cpu.pointee.cpl == 3, physical: physical)
    }
    statistics.blocks += 1
    statistics.guestBytes += UInt64(block.pointee.length)
    switch flow {
    case .next: progress.continuation = eip &+ block.pointee.length
    case .continues(let address): progress.continuation = address
    case .ended: progress.continuation = nil
    }
  }

  /// Links the jumps whose targets in the same page are translated already.
  private func linkKnown(_ lowering: inout Lowering) {
    if stepsBlocks { return }
    lowering.links.removeAll { link in
      guard link.kind != .table, (link.target ^ lowering.eip) & 0xFFFF_F000 == 0,
        let page = cpu.cachedCodePage(lowering.eip),
        let block = interpreter.cache.find(page | link.target & 0xFFF, codeSize: 4),
        let number = existing(block, at: link.target)
      else { return false }
      let entry = translations[number].entry(with: link.need, unchecked: link.unchecked)
      guard entry != 0 else { return false }
      lowering.a.patch(link.hole, to: entry)
      statistics.chained += 1
      return true
    }
  }

  /// Makes the entry of a translation that it was emitted without: for jumps to a block that does not check the
  /// budget, or not for its floating-point state.
  /// - Returns: whether the cache had room.
  func makeEntry(_ number: Int) -> Bool {
    let t = translations[number]
    if t.entry != 0 { return true }
    guard free + 192 <= code.size else {
      flushSoon()
      return false
    }
    var lowering = Lowering(
      a: Assembler(base: code.writable, position: free), exits: exits, isGlobal: false)
    let checksNeed = !t.need.isEmpty && t.start == t.startWhenReady
    if checksNeed {
      lowering.number = UInt32(number)
      lowering.need = t.need
      lowering.refuseFloatingPoint()
    }
    translations[number].entry = lowering.a.position
    if checksNeed { lowering.a.checkFloatingPoint(t.need) }
    if !t.isChecked {
      translations[number].readyEntry = lowering.a.position
      lowering.a.touchIfNegative()
      entryChecks[lowering.a.position - 4] = number
    }
    lowering.a.jump(to: t.start)
    free = lowering.a.position
    return true
  }

  /// Whether an instruction is never lowered: no instruction at all, of a family that is switched off, or one
  /// that uses CS as data.
  private func callsInterpreter(_ i: Instruction) -> Bool {
    if i.row == .max { return true }
    // Through CS nothing can be written, and not everything read.
    if i.hasMemoryOperand, i.segment == SegmentNumber.cs, i.kind != .lea { return true }
    return !options.loweringOff.isEmpty
      && options.loweringOff.contains(InstructionTable.shared.family(ofRow: i.row))
  }

  /// The block's bytes in host memory; nil when they are not plain memory, or lie in two pages.
  func guestBytes(_ block: BlockPointer) -> UnsafePointer<UInt8>? {
    guard block.pointee.secondPage == Block.noPage else { return nil }
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
