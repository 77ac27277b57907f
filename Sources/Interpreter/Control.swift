import CPU
import ISA
import Memory

/// Near control transfers, procedure frames, BOUND. The far transfers, interrupts and IRET are in
/// `FarControl`.
enum ControlFamily {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .jcc: jumpConditionHandler(for: i)
    case .jmp: jumpHandler(for: i)
    case .call: callHandler(for: i)
    case .ret: returnHandler(for: i)
    case .jcxz: { jumpIfCountZero($0, $1) }
    case .loop: { loop($0, $1, true) }
    case .loope: { loop($0, $1, $0.zeroFlag) }
    case .loopne: { loop($0, $1, !$0.zeroFlag) }
    case .enter:
      i.operandSize == 2 ? { enter($0, $1, UInt16.self) } : { enter($0, $1, UInt32.self) }
    case .leave:
      i.operandSize == 2 ? { leave($0, $1, UInt16.self) } : { leave($0, $1, UInt32.self) }
    case .bound:
      i.operandSize == 2 ? { bound($0, $1, UInt16.self) } : { bound($0, $1, UInt32.self) }
    case .ud0, .ud1, .ud2: { cpu, _ in raise(cpu, .invalidOpcode) }
    default: nil
    }
  }
}

// MARK: Jumps

/// Goes to `target`, which is truncated to the operand size already.
/// - Throws: #GP(0) beyond the limit of CS.
@inline(__always)
private func branch(_ cpu: CPU, to target: UInt32) -> UInt32 {
  guard target <= cpu.cs.pointee.limit else { return raise(cpu, .generalProtection()) }
  cpu.pointee.eip = target
  return Leave.branched
}

/// Goes on after the instruction.
@inline(__always)
private func fallThrough(_ cpu: CPU, _ op: Op) -> UInt32 {
  cpu.pointee.eip = cpu.nextEIP(op)
  return Leave.branched
}

/// The target of a relative branch with a 32-bit operand size.
@inline(__always)
private func relativeTarget(_ cpu: CPU, _ op: Op) -> UInt32 {
  cpu.nextEIP(op) &+ op.pointee.immediate
}

/// The target of a relative branch.
@inline(__always)
private func anyRelativeTarget(_ cpu: CPU, _ op: Op) -> UInt32 {
  let target = relativeTarget(cpu, op)
  return op.pointee.instruction.operandSize == 2 ? target & 0xFFFF : target
}

/// SDM vol. 2 "Jcc".
private func jumpConditionHandler(for i: Instruction) -> Handler {
  guard i.operandSize == 4 else { return { jumpCondition16($0, $1) } }
  return switch i.condition & 15 {
  case 0: jumpIfO
  case 1: jumpIfNO
  case 2: jumpIfB
  case 3: jumpIfAE
  case 4: jumpIfE
  case 5: jumpIfNE
  case 6: jumpIfBE
  case 7: jumpIfA
  case 8: jumpIfS
  case 9: jumpIfNS
  case 10: jumpIfP
  case 11: jumpIfNP
  case 12: jumpIfL
  case 13: jumpIfGE
  case 14: jumpIfLE
  default: jumpIfG
  }
}

@inline(__always)
private func jumpCondition(_ cpu: CPU, _ op: Op, _ condition: Bool) -> UInt32 {
  condition ? branch(cpu, to: relativeTarget(cpu, op)) : fallThrough(cpu, op)
}

private func jumpCondition16(_ cpu: CPU, _ op: Op) -> UInt32 {
  cpu.holds(op.pointee.instruction.condition)
    ? branch(cpu, to: anyRelativeTarget(cpu, op)) : fallThrough(cpu, op)
}

/// SDM vol. 2 "JMP", near forms.
private func jumpHandler(for i: Instruction) -> Handler {
  switch (OperandKind(rawValue: i.operands.0.kind), i.operandSize) {
  case (.relative, 4): jump32Relative
  case (.relative, _): { branch($0, to: anyRelativeTarget($0, $1)) }
  case (.general, 4): { branch($0, to: $0[gpr: $1.pointee.register0]) }
  case (_, 4): { jumpIndirect($0, $1, UInt32.self) }
  default: { jumpIndirect($0, $1, UInt16.self) }
  }
}

@inline(__always)
private func jumpIndirect<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let target: T = try cpu.read(op.pointee.instruction.operands.0, op)
    return branch(cpu, to: UInt32(truncatingIfNeeded: target))
  }
}

/// SDM vol. 2 "JCXZ/JECXZ".
private func jumpIfCountZero(_ cpu: CPU, _ op: Op) -> UInt32 {
  let isZero = op.pointee.instruction.addressSize == 2 ? cpu[gpr16: 1] == 0 : cpu.ecx == 0
  return isZero ? branch(cpu, to: anyRelativeTarget(cpu, op)) : fallThrough(cpu, op)
}

/// SDM vol. 2 "LOOP/LOOPcc". The count changes only when the target is within the limit.
@inline(__always)
private func loop(_ cpu: CPU, _ op: Op, _ condition: Bool) -> UInt32 {
  let isShort = op.pointee.instruction.addressSize == 2
  let count = isShort ? UInt32(cpu[gpr16: 1] &- 1) : cpu.ecx &- 1
  let isTaken = count != 0 && condition
  let target = isTaken ? anyRelativeTarget(cpu, op) : cpu.nextEIP(op)
  // Going on beyond the limit is the fault of the next instruction.
  guard !isTaken || target <= cpu.cs.pointee.limit else { return raise(cpu, .generalProtection()) }
  if isShort {
    cpu[gpr16: 1] = UInt16(truncatingIfNeeded: count)
  } else {
    cpu.ecx = count
  }
  cpu.pointee.eip = target
  return Leave.branched
}

// MARK: Procedures

/// SDM vol. 2 "CALL", near forms.
private func callHandler(for i: Instruction) -> Handler {
  switch (OperandKind(rawValue: i.operands.0.kind), i.operandSize) {
  case (.relative, 4): call32Relative
  case (.general, 4): { call($0, $1, to: $0[gpr: $1.pointee.register0], UInt32.self) }
  case (.relative, _): { call($0, $1, to: anyRelativeTarget($0, $1), UInt16.self) }
  case (_, 4): { callIndirect($0, $1, UInt32.self) }
  default: { callIndirect($0, $1, UInt16.self) }
  }
}

@inline(__always)
private func callRelative(_ cpu: CPU, _ op: Op) -> UInt32 {
  let next = cpu.nextEIP(op)
  let target = next &+ op.pointee.immediate
  guard target <= cpu.cs.pointee.limit, cpu.quickPush(next) else {
    return call(cpu, op, to: target, UInt32.self)
  }
  cpu.pointee.eip = target
  return Leave.branched
}

/// Pushes the return address and branches, in this order of faults: target, stack.
@inline(never)
private func call<T: GuestInteger>(_ cpu: CPU, _ op: Op, to target: UInt32, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    guard target <= cpu.cs.pointee.limit else { throw .generalProtection() }
    try cpu.push(T(truncatingIfNeeded: cpu.nextEIP(op)))
    cpu.pointee.eip = target
    return Leave.branched
  }
}

@inline(__always)
private func callIndirect<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let target: T = try cpu.read(op.pointee.instruction.operands.0, op)
    return call(cpu, op, to: UInt32(truncatingIfNeeded: target), T.self)
  }
}

/// SDM vol. 2 "RET", near forms.
private func returnHandler(for i: Instruction) -> Handler {
  switch (i.operandSize, i.operands.0.isImmediate) {
  case (4, false): { returnNear($0, $1) }
  case (4, true): { returnNear($0, $1, UInt32.self) }
  default: { returnNear($0, $1, UInt16.self) }
  }
}

@inline(__always)
private func returnNear(_ cpu: CPU, _ op: Op) -> UInt32 {
  guard let target: UInt32 = cpu.quickPeekStack(), target <= cpu.cs.pointee.limit else {
    return returnNear(cpu, op, UInt32.self)
  }
  cpu.releaseStack(4)
  cpu.pointee.eip = target
  return Leave.branched
}

/// Every form, with its faults.
@inline(never)
private func returnNear<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let target = UInt32(truncatingIfNeeded: try cpu.peekStack(as: T.self))
    guard target <= cpu.cs.pointee.limit else { throw .generalProtection() }
    let parameters = op.pointee.instruction.operands.0.isImmediate ? op.pointee.immediate : 0
    cpu.releaseStack(UInt32(MemoryLayout<T>.size) &+ (parameters & 0xFFFF))
    cpu.pointee.eip = target
    return Leave.branched
  }
}

// MARK: Frames and bounds

/// SDM vol. 2 "ENTER". Every access is checked before the first push.
@inline(__always)
private func enter<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let i = op.pointee.instruction
    let size = UInt32(MemoryLayout<T>.size)
    let mask = cpu.pointee.stackMask
    let level = UInt32(i.selector & 31)
    let esp = cpu.esp
    let frame = esp &- size
    let new = frame &- level &* size &- (i.immediate & 0xFFFF)
    let user = cpu.pointee.cpl == 3
    func checkWrite(_ offset: UInt32) throws(Fault) {
      let linear = try cpu.writeAddress(SegmentNumber.ss, offset & mask, Int(size))
      try cpu.probeWrite(linear, Int(size), user: user)
    }
    for slot in 0...level { try checkWrite(frame &- slot &* size) }
    for display in 1..<max(level, 1) {
      let offset = (cpu.ebp &- display &* size) & mask
      try cpu.probeRead(
        try cpu.readAddress(SegmentNumber.ss, offset, Int(size)), Int(size), user: user)
    }
    // The new top of the stack must be writable although nothing is stored there.
    try checkWrite(new)
    try cpu.push(cpu.register(5, as: T.self))
    if level > 0 {
      for display in 1..<level {
        let pointer: T = try cpu.read(SegmentNumber.ss, (cpu.ebp &- display &* size) & mask)
        try cpu.push(pointer)
      }
      try cpu.push(T(truncatingIfNeeded: frame))
    }
    cpu.setRegister(5, T(truncatingIfNeeded: frame))
    cpu.setStackPointer(new)
    return cpu.pointee.stop
  }
}

/// SDM vol. 2 "LEAVE".
@inline(__always)
private func leave<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let frame = cpu.ebp
    let saved: T = try cpu.read(SegmentNumber.ss, frame & cpu.pointee.stackMask)
    cpu.setStackPointer(frame &+ UInt32(MemoryLayout<T>.size))
    cpu.setRegister(5, saved)
    return cpu.pointee.stop
  }
}

/// SDM vol. 2 "BOUND".
@inline(__always)
private func bound<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let i = op.pointee.instruction
    let address = cpu.effectiveOffset(op)
    let mask: UInt32 = i.addressSize == 2 ? 0xFFFF : 0xFFFF_FFFF
    let lower: T = try cpu.read(i.segment, address)
    let upper: T = try cpu.read(i.segment, (address &+ UInt32(MemoryLayout<T>.size)) & mask)
    let index = CPU.signExtended(cpu.register(i.operands.0.reg, as: T.self))
    guard index >= CPU.signExtended(lower), index <= CPU.signExtended(upper) else {
      throw .boundRange
    }
    return cpu.pointee.stop
  }
}

// MARK: Frequent handlers. A named function's code is in its C entry, a closure's a jump away.

@inline(__always)
private func jumpIfO(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, cpu.overflowFlag)
}

@inline(__always)
private func jumpIfNO(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, !cpu.overflowFlag)
}

@inline(__always)
private func jumpIfB(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, cpu.carryFlag)
}

@inline(__always)
private func jumpIfAE(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, !cpu.carryFlag)
}

@inline(__always)
private func jumpIfE(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, cpu.zeroFlag)
}

@inline(__always)
private func jumpIfNE(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, !cpu.zeroFlag)
}

@inline(__always)
private func jumpIfBE(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, cpu.isBelowOrEqual)
}

@inline(__always)
private func jumpIfA(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, !cpu.isBelowOrEqual)
}

@inline(__always)
private func jumpIfS(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, cpu.signFlag)
}

@inline(__always)
private func jumpIfNS(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, !cpu.signFlag)
}

@inline(__always)
private func jumpIfP(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, cpu.parityFlag)
}

@inline(__always)
private func jumpIfNP(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, !cpu.parityFlag)
}

@inline(__always)
private func jumpIfL(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, cpu.isLess)
}

@inline(__always)
private func jumpIfGE(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, !cpu.isLess)
}

@inline(__always)
private func jumpIfLE(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, cpu.isLessOrEqual)
}

@inline(__always)
private func jumpIfG(_ cpu: CPU, _ op: Op) -> UInt32 {
  jumpCondition(cpu, op, !cpu.isLessOrEqual)
}

@inline(__always)
private func call32Relative(_ cpu: CPU, _ op: Op) -> UInt32 {
  callRelative(cpu, op)
}

@inline(__always)
private func jump32Relative(_ cpu: CPU, _ op: Op) -> UInt32 {
  branch(cpu, to: relativeTarget(cpu, op))
}
