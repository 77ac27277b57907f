import CHost
import CPU
import ISA
import Memory

extension Lowering {
  // MARK: Stack and control

  mutating func special(_ i: Instruction, _ code: GuestCode, next: UInt32) -> Flow? {
    guard i.operandSize == 4 else { return nil }
    switch i.kind {
    case .push: return push(i, code)
    case .pop: return pop(i)
    case .leave:
      load(HostRegister.r8, base: 5, displacement: 0)
      a.addConstant(HostRegister.esp, 5, 4)
      a.move(5, from: HostRegister.r8)
      return .next
    case .jmp: return jump(i, code, next: next)
    case .call: return callNear(i, code, next: next)
    case .ret:
      let extra = i.operands.0.isImmediate ? Int32(truncatingIfNeeded: i.immediate & 0xFFFF) : 0
      returnNear(discarding: extra)
      return .ended
    case .jcc where invertsJump:
      exit(to: next, jump: a.jump(if: i.condition ^ 1))
      return .continues(next &+ i.immediate)
    case .jcc:
      exit(to: next &+ i.immediate, jump: a.jump(if: i.condition))
      return .continues(next)
    case .jcxz where i.addressSize == 4:
      a.bytes(0xE3, 0x02)  // jrcxz: ECX is zero-extended
      let over = shortJump()
      exit(to: next &+ i.immediate)
      patchShort(over)
      return .continues(next)
    case .loop where i.addressSize == 4:
      a.addConstant(1, 1, -1)
      a.bytes(0xE3, 0x02)
      let over = shortJump()
      let leaves = a.jump()
      patchShort(over)
      exit(to: next &+ i.immediate)
      a.patch(leaves, to: a.position)
      return .continues(next)
    default: return nil
    }
  }

  /// JMP short with a displacement to be patched.
  mutating func shortJump() -> Int {
    a.bytes(0xEB, 0)
    return a.position - 1
  }

  mutating func patchShort(_ hole: Int) {
    a.patchByte(hole, UInt8(truncatingIfNeeded: a.position - (hole + 1)))
  }

  mutating func push(_ i: Instruction, _ code: GuestCode) -> Flow? {
    let operand = i.operands.0
    let top = stackDelta - 4
    if operand.isGeneral {
      store(HostRegister.of(operand.reg), base: HostRegister.esp, displacement: top)
    } else if operand.isImmediate {
      store(immediate: i.immediate, base: HostRegister.esp, displacement: top)
    } else if loadOperand(i, code, into: HostRegister.r8) {
      store(HostRegister.r8, base: HostRegister.esp, displacement: top)
    } else {
      return nil
    }
    stackDelta = top
    return .next
  }

  mutating func pop(_ i: Instruction) -> Flow? {
    let operand = i.operands.0
    guard operand.isGeneral else { return nil }
    load(HostRegister.of(operand.reg), base: HostRegister.esp, displacement: stackDelta)
    if operand.reg != 4 { stackDelta += 4 }
    return .next
  }

  /// A register = the dword memory operand.
  mutating func loadOperand(_ i: Instruction, _ code: GuestCode, into register: UInt8) -> Bool {
    guard i.hasMemoryOperand, i.addressSize == 4 else { return false }
    if i.segment >= SegmentNumber.fs {
      code.emitAddressToR8(&a)
      addSegmentBase(i.segment)
      load(register, base: HostRegister.r8, displacement: 0)
    } else {
      code.emitLoad(&a, into: register)
    }
    return true
  }

  mutating func jump(_ i: Instruction, _ code: GuestCode, next: UInt32) -> Flow? {
    let operand = i.operands.0
    if operand.operandKind == .relative {
      return .continues(next &+ i.immediate)
    } else if operand.isGeneral {
      a.move(HostRegister.r9, from: HostRegister.of(operand.reg))
      jumpThroughTable()
    } else if loadOperand(i, code, into: HostRegister.r9) {
      jumpThroughTable()
    } else {
      return nil
    }
    return .ended
  }

  mutating func callNear(_ i: Instruction, _ code: GuestCode, next: UInt32) -> Flow? {
    let operand = i.operands.0
    let isRelative = operand.operandKind == .relative
    if operand.isGeneral {
      a.move(HostRegister.r9, from: HostRegister.of(operand.reg))
    } else if !isRelative {
      guard loadOperand(i, code, into: HostRegister.r9) else { return nil }
    }
    store(immediate: next, base: HostRegister.esp, displacement: stackDelta - 4)
    stackDelta -= 4
    settleStack()
    let target = next &+ i.immediate
    if isRelative, isLinkable(target) {
      links.append(Link(hole: a.call(), target: target, kind: .linked, unchecked: unchecked))
    } else {
      if isRelative { a.move(HostRegister.r9, target) }
      a.loadTarget(codeBase: exits.codeBase)
      a.call(register: HostRegister.r8)
    }
    // The callee's RET comes here with the address that it took from the guest's stack in R9.
    a.move(HostRegister.r10, from: 1)
    let size = 7 + 2
    if let stub = strayReturn, a.position + size - stub <= 128 {
      a.addConstant(1, HostRegister.r9, Int32(bitPattern: 1 &- next))
      a.bytes(0xE2, UInt8(truncatingIfNeeded: stub - (a.position + 2)))  // loop
    } else {
      a.addConstant(1, HostRegister.r9, Int32(bitPattern: 0 &- next))
      a.bytes(0xE3, UInt8(Self.strayReturnSize))  // jrcxz
      catchStrayReturns()
    }
    a.move(1, from: HostRegister.r10)
    return .continues(next)
  }

  static let strayReturnSize = 8

  /// Emits where the flow does not come along what a return to another place than the caller's does: calls that follow in
  /// reach use it.
  mutating func catchStrayReturns() {
    strayReturn = a.position
    a.move(1, from: HostRegister.r10)
    a.jump(to: exits.table)
  }

  /// RET: the guest's return address goes to R9, and the host's own return address, which predicts where the
  /// guest goes, is popped from the return stack.
  private mutating func returnNear(discarding extra: Int32) {
    load(HostRegister.r9, base: HostRegister.esp, displacement: stackDelta)
    stackDelta += 4 + extra
    settleStack()
    a.byte(0xC3)
  }

  /// Whether ESP may lag behind while an instruction runs: `stackDelta` is added to it later.
  private static func stepsStack(_ i: Instruction) -> Bool {
    switch i.kind {
    case .push, .pop, .call, .ret: i.operandSize == 4
    default: false
    }
  }

  /// Catches up with ESP and the budget before an instruction that may look at them.
  mutating func settle(before i: Instruction, _ code: GuestCode, callout: Bool) {
    let isCopied =
      !callout && (Self.copied.contains(i.kind) || FloatingPointNeed.of(i) != nil)
    let steps = !callout && Self.stepsStack(i)
    if !isCopied && !steps || i.usesStackRegister || code.hasStackBase { settleStack() }
    if !isCopied && !steps { settleCharge() }
  }

  /// Makes R12 the guest's ESP.
  mutating func settleStack() {
    if stackDelta != 0 { a.addConstant(HostRegister.esp, HostRegister.esp, stackDelta) }
    stackDelta = 0
  }

  /// Takes the block off the budget, if that has not been done.
  mutating func settleCharge() {
    if pendingCharge != 0 { a.addBudget(-pendingCharge) }
    pendingCharge = 0
  }

  // MARK: Leaving

  /// Goes on at the guest address in R9D.
  mutating func jumpThroughTable() {
    a.loadTarget(codeBase: exits.codeBase)
    a.jump(register: HostRegister.r8)
  }

  /// Whether a jump to `target` may be linked for good: the pages cannot come to be mapped apart.
  private func isLinkable(_ target: UInt32) -> Bool {
    (target ^ eip) & 0xFFFF_F000 == 0 || isGlobal
  }

  /// Goes on at a constant address: by a jump that is linked to the target when it has been translated, or
  /// through the table where the pages may come to be mapped apart.
  mutating func exit(to target: UInt32) {
    if isLinkable(target) {
      exit(to: target, jump: a.jump())
    } else {
      a.move(HostRegister.r9, target)
      jumpThroughTable()
    }
  }

  /// The same for a jump that has been emitted with its displacement open.
  mutating func exit(to target: UInt32, jump hole: Int) {
    links.append(
      Link(
        hole: hole, target: target, kind: isLinkable(target) ? .linked : .table,
        unchecked: unchecked, need: need, refund: refund,
        pointers: defersPointers ? pointers : PendingX87Pointers(), source: number))
  }

  /// Returns to the monitor, which looks at the state again before it goes on at `target`.
  mutating func leave(at target: UInt32) {
    a.storeState(StateOffset.eip, immediate: target)
    a.move(HostRegister.r8, 0)
    a.storeState64(StateOffset.link, HostRegister.r8)
    a.jump(to: exits.leave)
  }

  /// Goes to the monitor, which looks the block up again, unless this has been done since translations of linear
  /// addresses changed last: the counter at a host address tells.
  mutating func checkCrossing(_ counter: UInt64) {
    a.move64(HostRegister.r9, counter)
    a.bytes(0x4D, 0x8B, 0x09)  // mov r9, [r9]
    a.loadState64(HostRegister.r8, StateOffset.codeGeneration)
    a.bytes(0x49, 0xF7, 0xD1)  // not r9
    a.move64(HostRegister.r10, from: 1)
    a.bytes(0x4B, 0x8D, 0x4C, 0x08, 0x01)  // lea rcx, [r8+r9+1]
    a.bytes(0xE3, 0x02)  // jrcxz
    let over = shortJump()
    let passes = shortJump()
    patchShort(over)
    a.move64(1, from: HostRegister.r10)
    leave(at: eip)
    patchShort(passes)
    a.move64(1, from: HostRegister.r10)
  }

  /// Returns to the monitor before the micro-op at a host address has run.
  mutating func stopBefore(_ op: UInt64) {
    a.storeState(StateOffset.eip, immediate: eip)
    a.storeState(StateOffset.translation, immediate: number)
    a.move64(HostRegister.r8, op)
    a.storeState64(StateOffset.exitOp, HostRegister.r8)
    a.move(HostRegister.r8, 0)
    a.storeState(StateOffset.exitLeave, HostRegister.r8)
    a.move(HostRegister.r8, UInt32(TRANSLATED_LEAVE.rawValue))
    a.jump(to: exits.leave)
  }

  /// Calls the interpreter's handler for the micro-op at a host address.
  mutating func call(_ op: UInt64, _ i: Instruction) {
    writeX87Pointers()
    settleStack()
    settleCharge()
    // The handler, and who looks at the state then, sees the budget without what was taken off in advance.
    if refund != 0 { a.addBudget(refund) }
    a.storeState(StateOffset.eip, immediate: eip)
    a.storeState(StateOffset.translation, immediate: number)
    a.move64(HostRegister.r9, op)
    let uses: UInt32 = Self.usesFloatingPoint(i) ? CALLOUT_USES_FPU : 0
    a.move(HostRegister.r11, blockCycles | uses | (Self.mayBend(i) ? CALLOUT_MAY_BEND : 0))
    let resume = a.loadAddress(HostRegister.r10, of: 0)
    a.jump(to: exits.callout)
    a.patch(resume, to: a.position)
    if refund != 0 { a.addBudget(-refund) }
  }

  /// Whether an instruction that does not end its block may change what translated code takes for granted.
  private static func mayBend(_ i: Instruction) -> Bool {
    guard i.row != .max else { return false }
    switch i.kind {
    case .popf, .movToSegment, .popSegment, .lds, .les, .lss, .lfs, .lgs: return true
    default: return false
    }
  }

  /// What the jumps and calls of the unit need outside the flow: stubs that ask for the target.
  mutating func finishLinks() {
    for link in links {
      a.patch(link.hole, to: a.position)
      if link.kind == .table {
        a.move(HostRegister.r9, link.target)
        jumpThroughTable()
        continue
      }
      a.storeState(StateOffset.eip, immediate: link.target)
      a.move(HostRegister.r8, UInt32(link.hole))
      a.storeState64(StateOffset.link, HostRegister.r8)
      a.move(HostRegister.r8, 0)
      a.jump(to: exits.leave)
    }
    links.removeAll(keepingCapacity: true)
  }
}

/// A direct jump or call that leaves its block.
struct Link {
  enum Kind {
    /// Linked to the target when that has been translated.
    case linked
    /// Never linked.
    case table
  }
  /// Position of the displacement.
  var hole: Int
  let target: UInt32
  let kind: Kind
  /// `Translation.uncheckedAfter` of the block that it leaves.
  let unchecked: UInt32
  /// What the block that it leaves has in the host's registers.
  var need: FloatingPointNeed = []
  /// What it has to give back to the budget, and to write of the x87 unit's pointers.
  var refund: Int64 = 0
  var pointers = PendingX87Pointers()
  /// The number of the translation that it leaves.
  var source: UInt32 = 0

  /// Whether something is left to do on the way.
  var needsThunk: Bool { refund != 0 || pointers.instruction != nil }
}
