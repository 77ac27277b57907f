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
      a.addConstant(4, 5, 4)
      a.move(5, from: HostRegister.r8)
      return .next
    case .jmp: return jump(i, code, next: next)
    case .call: return callNear(i, code, next: next)
    case .ret:
      let extra = i.operands.0.isImmediate ? Int32(truncatingIfNeeded: i.immediate & 0xFFFF) : 0
      load(HostRegister.r9, base: 4, displacement: 0)
      a.addConstant(4, 4, 4 + extra)
      jumpThroughTable()
      return .ended
    case .jcc:
      let target = next &+ i.immediate
      let taken = a.jump(if: i.condition)
      exit(to: next)
      a.patch(taken, to: a.position)
      exit(to: target)
      return .ended
    case .jcxz where i.addressSize == 4:
      a.bytes(0xE3, 0x02)  // jrcxz: ECX is zero-extended
      let over = shortJump()
      exit(to: next &+ i.immediate)
      patchShort(over)
      exit(to: next)
      return .ended
    case .loop where i.addressSize == 4:
      a.addConstant(1, 1, -1)
      a.bytes(0xE3, 0x02)
      let over = shortJump()
      exit(to: next)
      patchShort(over)
      exit(to: next &+ i.immediate)
      return .ended
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
    if operand.isGeneral {
      store(operand.reg, base: 4, displacement: -4)
    } else if operand.isImmediate {
      store(immediate: i.immediate, base: 4, displacement: -4)
    } else if loadOperand(i, code) {
      store(HostRegister.r8, base: 4, displacement: -4)
    } else {
      return nil
    }
    a.addConstant(4, 4, -4)
    return .next
  }

  mutating func pop(_ i: Instruction) -> Flow? {
    let operand = i.operands.0
    guard operand.isGeneral else { return nil }
    if operand.reg == 4 {
      load(4, base: 4, displacement: 0)
    } else {
      load(operand.reg, base: 4, displacement: 0)
      a.addConstant(4, 4, 4)
    }
    return .next
  }

  /// R8D = the dword memory operand.
  mutating func loadOperand(_ i: Instruction, _ code: GuestCode) -> Bool {
    guard i.hasMemoryOperand, i.addressSize == 4 else { return false }
    code.emitAddressToR8(&a)
    if i.segment >= SegmentNumber.fs { addSegmentBase(i.segment) }
    load(HostRegister.r8, base: HostRegister.r8, displacement: 0)
    return true
  }

  mutating func jump(_ i: Instruction, _ code: GuestCode, next: UInt32) -> Flow? {
    let operand = i.operands.0
    if operand.operandKind == .relative {
      exit(to: next &+ i.immediate)
    } else if operand.isGeneral {
      a.move(HostRegister.r9, from: operand.reg)
      jumpThroughTable()
    } else if loadOperand(i, code) {
      a.move(HostRegister.r9, from: HostRegister.r8)
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
      a.move(HostRegister.r9, from: operand.reg)
    } else if !isRelative {
      guard loadOperand(i, code) else { return nil }
      a.move(HostRegister.r9, from: HostRegister.r8)
    }
    store(immediate: next, base: 4, displacement: -4)
    a.addConstant(4, 4, -4)
    if isRelative {
      exit(to: next &+ i.immediate)
    } else {
      jumpThroughTable()
    }
    return .ended
  }

  // MARK: Leaving

  /// Goes on at the guest address in R9D.
  mutating func jumpThroughTable() {
    a.loadState64(HostRegister.r8, StateOffset.jumpTable)
    a.bytes(0x47, 0x8B, 0x04, 0x88)  // mov r8d, [r8+r9*4]
    a.bytes(0x4F, 0x8D, 0x04, 0x28)  // lea r8, [r8+r13]
    a.jump(register: HostRegister.r8)
  }

  /// Goes on at a constant address: by a jump that is linked to the target when it has been translated, or
  /// through the table where the pages may come to be mapped apart.
  mutating func exit(to target: UInt32) {
    if (target ^ eip) & 0xFFFF_F000 == 0 || isGlobal {
      let hole = a.jump()
      links.append((hole, target))
    } else {
      a.move(HostRegister.r9, target)
      jumpThroughTable()
    }
  }

  /// Returns to the monitor, which looks at the state again before it goes on at `target`.
  mutating func leave(at target: UInt32) {
    a.storeState(StateOffset.eip, immediate: target)
    a.move(HostRegister.r8, 0)
    a.storeState64(StateOffset.link, HostRegister.r8)
    a.jump(to: exits.leave)
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
  mutating func call(_ op: UInt64) {
    a.storeState(StateOffset.eip, immediate: eip)
    a.storeState(StateOffset.translation, immediate: number)
    a.move64(HostRegister.r9, op)
    a.move(HostRegister.r11, blockCycles)
    let resume = a.loadAddress(HostRegister.r10, of: 0)
    a.jump(to: exits.callout)
    a.patch(resume, to: a.position)
  }

  /// The stubs of the linkable jumps, behind the block.
  mutating func finishLinks() {
    for link in links {
      a.patch(link.hole, to: a.position)
      a.storeState(StateOffset.eip, immediate: link.target)
      // The position of the displacement names the jump; 0 stands for none.
      a.move(HostRegister.r8, UInt32(link.hole))
      a.storeState64(StateOffset.link, HostRegister.r8)
      a.move(HostRegister.r8, 0)
      a.jump(to: exits.leave)
    }
  }
}
