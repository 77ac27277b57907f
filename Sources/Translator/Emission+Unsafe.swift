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

  /// A bit for each instruction of a block that calls its handler.
  func callouts(_ block: BlockPointer) -> UInt64 {
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

  /// Emits one block. Its cycles and instructions are taken off the budget at its head, or where the budget is
  /// checked: where the flags are dead, or else at its head, without touching them. Not every block is checked:
  /// each assumes that some cycles may have passed since the last check, and jumps from where more may have
  /// lead through a thunk that checks.
  func emit(
    _ block: BlockPointer, at eip: UInt32, _ bytes: UnsafePointer<UInt8>, _ role: Role,
    _ lowering: inout Lowering, _ progress: inout UnitProgress
  ) {
    let isLoopHead = role.isLoopHead
    let count = Int(block.pointee.instructionCount)
    let number = translations.count
    let physical = block.pointee.physical
    let callouts = callouts(block)
    for index in 0..<count where callouts >> UInt64(index) & 1 != 0 {
      let place = physical &+ UInt32(block.ops[index].startOffset)
      coldAccesses.note(translation: number, of: place)
      trapping.note(translation: number, of: place)
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
}
