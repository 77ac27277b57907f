import CPU
import ISA
import Memory

// PUSH, POP, PUSHA, POPA. SDM vol. 2, under each name.

/// The value is read before ESP changes: PUSH ESP pushes the old value, and ESP in the address of a memory
/// operand is the old one.
func pushHandler(for i: Instruction) -> Handler {
  switch (i.width, OperandKind(rawValue: i.operands.0.kind)) {
  case (.doubleword, .general): push32R
  case (.doubleword, .immediate): push32I
  case (.doubleword, _):
    switch (i.addressSize, i.index) {
    case (4, 8): push32Base
    case (4, _): { pushM($0, $1, UInt32.self, Indexed.self) }
    default: { push($0, $1, UInt32.self) }
    }
  case (_, .general): { pushR($0, $1, UInt16.self) }
  case (_, .immediate): { pushI($0, $1, UInt16.self) }
  default: { push($0, $1, UInt16.self) }
  }
}

/// Every form, with its faults.
@inline(never)
private func push<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let value: T = try cpu.read(op.pointee.instruction.operands.0, op)
    try cpu.push(value)
    return cpu.pointee.stop
  }
}

@inline(__always)
private func pushR<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  cpu.quickPush(cpu.register(op.pointee.register0, as: T.self)) ? 0 : push(cpu, op, T.self)
}

@inline(__always)
private func pushI<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  cpu.quickPush(T(truncatingIfNeeded: op.pointee.immediate)) ? 0 : push(cpu, op, T.self)
}

@inline(__always)
private func pushM<T: GuestInteger, A: AddressForm>(_ cpu: CPU, _ op: Op, _: T.Type, _: A.Type)
  -> UInt32
{
  guard let value: T = cpu.quickRead(op.pointee.segment, A.offset(cpu, op)), cpu.quickPush(value)
  else { return push(cpu, op, T.self) }
  return 0
}

/// ESP is increased before the destination is written: POP ESP loads the value, and ESP in the address of a
/// memory operand is the new one.
func popHandler(for i: Instruction) -> Handler {
  switch (i.width, i.operands.0.isGeneral) {
  case (.doubleword, true): pop32R
  case (.doubleword, false): { pop($0, $1, UInt32.self) }
  case (_, true): { popR($0, $1, UInt16.self) }
  case (_, false): { pop($0, $1, UInt16.self) }
  }
}

/// Every form, with its faults.
@inline(never)
private func pop<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let old = cpu.esp
    let value: T = try cpu.pop()
    do throws(Fault) {
      try cpu.write(op.pointee.instruction.operands.0, op, value)
    } catch {
      cpu.esp = old
      throw error
    }
    return cpu.pointee.stop
  }
}

@inline(__always)
private func popR<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  guard let value: T = cpu.quickPeekStack() else { return pop(cpu, op, T.self) }
  cpu.releaseStack(UInt32(MemoryLayout<T>.size))
  cpu.setRegister(op.pointee.register0, value)
  return 0
}

// MARK: PUSHA, POPA

/// All eight slots are checked before the first is written.
@inline(__always)
func pushAll<T: GuestInteger>(_ cpu: CPU, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let size = MemoryLayout<T>.size
    let esp = cpu.esp
    let mask = cpu.pointee.stackMask
    for number in 0..<8 as Range<UInt32> {
      let slot = (esp &- (number &+ 1) &* UInt32(size)) & mask
      try cpu.probeWrite(
        try cpu.writeAddress(SegmentNumber.ss, slot, size), size, user: cpu.pointee.cpl == 3)
    }
    for number in 0..<8 as Range<UInt32> {
      let slot = (esp &- (number &+ 1) &* UInt32(size)) & mask
      try cpu.write(SegmentNumber.ss, slot, cpu.register(UInt8(number), as: T.self))
    }
    cpu.setStackPointer(esp &- 8 &* UInt32(size))
    return cpu.pointee.stop
  }
}

/// The popped ESP is thrown away. No register changes before the last slot has been read.
@inline(__always)
func popAll<T: GuestInteger>(_ cpu: CPU, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let size = UInt32(MemoryLayout<T>.size)
    let edi: T = try cpu.peekStack(0)
    let esi: T = try cpu.peekStack(size)
    let ebp: T = try cpu.peekStack(2 &* size)
    let ebx: T = try cpu.peekStack(4 &* size)
    let edx: T = try cpu.peekStack(5 &* size)
    let ecx: T = try cpu.peekStack(6 &* size)
    let eax: T = try cpu.peekStack(7 &* size)
    cpu.setRegister(7, edi)
    cpu.setRegister(6, esi)
    cpu.setRegister(5, ebp)
    cpu.setRegister(3, ebx)
    cpu.setRegister(2, edx)
    cpu.setRegister(1, ecx)
    cpu.setRegister(0, eax)
    cpu.setStackPointer(cpu.esp &+ 8 &* size)
    return cpu.pointee.stop
  }
}

// MARK: Frequent handlers. A named function's code is in its C entry, a closure's a jump away.

@inline(__always)
private func push32R(_ cpu: CPU, _ op: Op) -> UInt32 {
  pushR(cpu, op, UInt32.self)
}

@inline(__always)
private func push32I(_ cpu: CPU, _ op: Op) -> UInt32 {
  pushI(cpu, op, UInt32.self)
}

@inline(__always)
private func push32Base(_ cpu: CPU, _ op: Op) -> UInt32 {
  pushM(cpu, op, UInt32.self, Base.self)
}

@inline(__always)
private func pop32R(_ cpu: CPU, _ op: Op) -> UInt32 {
  popR(cpu, op, UInt32.self)
}
