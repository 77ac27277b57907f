import CPU
import ISA
import Memory

/// Transfers between registers, memory and the stack.
enum DataMovementFamily {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .mov: moveHandler(for: i)
    case .movzx: extendHandler(for: i, signed: false)
    case .movsx: extendHandler(for: i, signed: true)
    case .lea: loadAddressHandler(for: i)
    case .push: pushHandler(for: i)
    case .pop: popHandler(for: i)
    case .nop: { _, _ in 0 }
    case .xchg: exchangeHandler(for: i)
    case .cmovcc: conditionalMoveHandler(for: i)
    case .cmpxchg: compareExchangeHandler(for: i)
    case .cmpxchg8b: { compareExchange8Bytes($0, $1) }
    case .xadd: exchangeAddHandler(for: i)
    case .bswap:
      i.width == .word ? { byteSwap16($0, $1) } : { byteSwap($0, $1) }
    case .pusha:
      i.operandSize == 2
        ? { cpu, _ in pushAll(cpu, UInt16.self) } : { cpu, _ in pushAll(cpu, UInt32.self) }
    case .popa:
      i.operandSize == 2
        ? { cpu, _ in popAll(cpu, UInt16.self) } : { cpu, _ in popAll(cpu, UInt32.self) }
    case .lahf:
      { cpu, _ in
        cpu[gpr8: 4] = UInt8(truncatingIfNeeded: cpu.arithmeticFlags) | 2
        return 0
      }
    case .sahf:
      { cpu, _ in
        let overflow = cpu.overflowFlag ? EFLAGS.of : 0
        cpu.setArithmeticFlags(UInt32(cpu[gpr8: 4]) | overflow)
        return 0
      }
    case .cbw: convertHandler(for: i)
    case .cwd: convertDoubleHandler(for: i)
    case .xlat: { translateByte($0, $1) }
    default: nil
    }
  }
}

// MARK: MOV

/// SDM vol. 2 "MOV".
private func moveHandler(for i: Instruction) -> Handler {
  switch (i.width, i.form) {
  case (.doubleword, .registerRegister): { moveRR($0, $1, UInt32.self) }
  case (.doubleword, .registerImmediate): { moveRI($0, $1, UInt32.self) }
  case (.doubleword, .registerBase): move32RBase
  case (.doubleword, .registerIndexed): move32RIndexed
  case (.doubleword, .baseRegister): move32BaseR
  case (.doubleword, .indexedRegister): move32IndexedR
  case (.doubleword, .baseImmediate): move32BaseI
  case (.doubleword, .indexedImmediate): { moveMI($0, $1, UInt32.self, Indexed.self) }
  case (.doubleword, .other): { move($0, $1, UInt32.self) }
  case (.byte, .registerRegister): { moveRR($0, $1, UInt8.self) }
  case (.byte, .registerImmediate): { moveRI($0, $1, UInt8.self) }
  case (.byte, .registerBase): move8RBase
  case (.byte, .registerIndexed): move8RIndexed
  case (.byte, .baseRegister): move8BaseR
  case (.byte, .indexedRegister): move8IndexedR
  case (.byte, .baseImmediate): { moveMI($0, $1, UInt8.self, Base.self) }
  case (.byte, .indexedImmediate): { moveMI($0, $1, UInt8.self, Indexed.self) }
  case (.byte, .other): { move($0, $1, UInt8.self) }
  case (.word, .registerRegister): { moveRR($0, $1, UInt16.self) }
  case (.word, .registerImmediate): { moveRI($0, $1, UInt16.self) }
  case (.word, .registerBase): { moveRM($0, $1, UInt16.self, Base.self) }
  case (.word, .baseRegister): { moveMR($0, $1, UInt16.self, Base.self) }
  case (.word, .indexedRegister): { moveMR($0, $1, UInt16.self, Indexed.self) }
  case (.word, .baseImmediate): { moveMI($0, $1, UInt16.self, Base.self) }
  case (.word, _): { move($0, $1, UInt16.self) }
  }
}

/// Every form, with its faults.
@inline(never)
private func move<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let operands = op.pointee.instruction.operands
    let value: T = try cpu.read(operands.1, op)
    try cpu.write(operands.0, op, value)
    return cpu.pointee.stop
  }
}

@inline(__always)
private func moveRR<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  cpu.setRegister(op.pointee.register0, cpu.register(op.pointee.register1, as: T.self))
  return 0
}

@inline(__always)
private func moveRI<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  cpu.setRegister(op.pointee.register0, T(truncatingIfNeeded: op.pointee.immediate))
  return 0
}

@inline(__always)
private func moveRM<T: GuestInteger, A: AddressForm>(_ cpu: CPU, _ op: Op, _: T.Type, _: A.Type)
  -> UInt32
{
  guard let value: T = cpu.quickRead(op.pointee.segment, A.offset(cpu, op)) else {
    return move(cpu, op, T.self)
  }
  cpu.setRegister(op.pointee.register0, value)
  return 0
}

@inline(__always)
private func moveMR<T: GuestInteger, A: AddressForm>(_ cpu: CPU, _ op: Op, _: T.Type, _: A.Type)
  -> UInt32
{
  let value = cpu.register(op.pointee.register1, as: T.self)
  return cpu.quickWrite(op.pointee.segment, A.offset(cpu, op), value) ? 0 : move(cpu, op, T.self)
}

@inline(__always)
private func moveMI<T: GuestInteger, A: AddressForm>(_ cpu: CPU, _ op: Op, _: T.Type, _: A.Type)
  -> UInt32
{
  let value = T(truncatingIfNeeded: op.pointee.immediate)
  return cpu.quickWrite(op.pointee.segment, A.offset(cpu, op), value) ? 0 : move(cpu, op, T.self)
}

// MARK: MOVZX, MOVSX

/// A conversion from a narrower integer.
private protocol Extension {
  static func extend<S: GuestInteger>(_ value: S) -> UInt32
}

private enum ZeroExtension: Extension {
  @inline(__always) static func extend<S: GuestInteger>(_ value: S) -> UInt32 {
    UInt32(truncatingIfNeeded: value)
  }
}

private enum SignExtension: Extension {
  @inline(__always) static func extend<S: GuestInteger>(_ value: S) -> UInt32 {
    UInt32(truncatingIfNeeded: CPU.signExtended(value))
  }
}

/// SDM vol. 2 "MOVZX", "MOVSX".
private func extendHandler(for i: Instruction, signed: Bool) -> Handler {
  switch (i.width, i.operands.1.size, i.form, signed) {
  case (.doubleword, 1, .registerRegister, false):
    { extendRR($0, $1, ZeroExtension.self, UInt8.self) }
  case (.doubleword, 2, .registerRegister, false):
    { extendRR($0, $1, ZeroExtension.self, UInt16.self) }
  case (.doubleword, 1, .registerRegister, true):
    { extendRR($0, $1, SignExtension.self, UInt8.self) }
  case (.doubleword, 2, .registerRegister, true):
    { extendRR($0, $1, SignExtension.self, UInt16.self) }
  case (.doubleword, 1, .registerBase, false):
    zeroExtend8Base
  case (.doubleword, 1, .registerIndexed, false):
    zeroExtend8Indexed
  case (.doubleword, 2, .registerBase, false):
    zeroExtend16Base
  case (.doubleword, 2, .registerIndexed, false):
    { extendRM($0, $1, ZeroExtension.self, UInt16.self, Indexed.self) }
  case (.doubleword, 1, .registerBase, true):
    { extendRM($0, $1, SignExtension.self, UInt8.self, Base.self) }
  case (.doubleword, 1, .registerIndexed, true):
    { extendRM($0, $1, SignExtension.self, UInt8.self, Indexed.self) }
  case (.doubleword, 2, .registerBase, true):
    { extendRM($0, $1, SignExtension.self, UInt16.self, Base.self) }
  case (.doubleword, 1, _, false): { extend($0, $1, ZeroExtension.self, UInt8.self, UInt32.self) }
  case (.doubleword, 1, _, true): { extend($0, $1, SignExtension.self, UInt8.self, UInt32.self) }
  case (.doubleword, _, _, false): { extend($0, $1, ZeroExtension.self, UInt16.self, UInt32.self) }
  case (.doubleword, _, _, true): { extend($0, $1, SignExtension.self, UInt16.self, UInt32.self) }
  case (_, 1, _, false): { extend($0, $1, ZeroExtension.self, UInt8.self, UInt16.self) }
  case (_, 1, _, true): { extend($0, $1, SignExtension.self, UInt8.self, UInt16.self) }
  // With a 16-bit operand size the word forms are plain moves.
  default: { extend($0, $1, ZeroExtension.self, UInt16.self, UInt16.self) }
  }
}

/// Every form, with its faults.
@inline(never)
private func extend<E: Extension, S: GuestInteger, T: GuestInteger>(
  _ cpu: CPU, _ op: Op, _: E.Type, _: S.Type, _: T.Type
) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let value: S = try cpu.read(op.pointee.instruction.operands.1, op)
    cpu.setRegister(op.pointee.register0, T(truncatingIfNeeded: E.extend(value)))
    return cpu.pointee.stop
  }
}

@inline(__always)
private func extendRR<E: Extension, S: GuestInteger>(_ cpu: CPU, _ op: Op, _: E.Type, _: S.Type)
  -> UInt32
{
  cpu[gpr: op.pointee.register0] = E.extend(cpu.register(op.pointee.register1, as: S.self))
  return 0
}

@inline(__always)
private func extendRM<E: Extension, S: GuestInteger, A: AddressForm>(
  _ cpu: CPU, _ op: Op, _: E.Type, _: S.Type, _: A.Type
) -> UInt32 {
  guard let value: S = cpu.quickRead(op.pointee.segment, A.offset(cpu, op)) else {
    return extend(cpu, op, E.self, S.self, UInt32.self)
  }
  cpu[gpr: op.pointee.register0] = E.extend(value)
  return 0
}

// MARK: LEA

/// SDM vol. 2 "LEA".
private func loadAddressHandler(for i: Instruction) -> Handler {
  switch (i.width, i.form) {
  case (.doubleword, .registerBase): { loadAddress($0, $1, UInt32.self, Base.self) }
  case (.doubleword, .registerIndexed): loadAddress32Indexed
  case (.doubleword, _): { loadAddress($0, $1, UInt32.self, AnyAddress.self) }
  default: { loadAddress($0, $1, UInt16.self, AnyAddress.self) }
  }
}

@inline(__always)
private func loadAddress<T: GuestInteger, A: AddressForm>(
  _ cpu: CPU, _ op: Op, _: T.Type, _: A.Type
) -> UInt32 {
  cpu.setRegister(op.pointee.register0, T(truncatingIfNeeded: A.offset(cpu, op)))
  return 0
}

// MARK: CBW, CWD, XLAT

/// SDM vol. 2 "CBW/CWDE".
private func convertHandler(for i: Instruction) -> Handler {
  if i.operandSize == 2 {
    return { cpu, _ in
      cpu[gpr16: 0] = UInt16(truncatingIfNeeded: CPU.signExtended(cpu[gpr8: 0]))
      return 0
    }
  }
  return { cpu, _ in
    cpu.eax = UInt32(truncatingIfNeeded: CPU.signExtended(cpu[gpr16: 0]))
    return 0
  }
}

/// SDM vol. 2 "CWD/CDQ".
private func convertDoubleHandler(for i: Instruction) -> Handler {
  if i.operandSize == 2 {
    return { cpu, _ in
      cpu[gpr16: 2] = cpu[gpr16: 0] & 0x8000 != 0 ? 0xFFFF : 0
      return 0
    }
  }
  return { cpu, _ in
    cpu.edx = cpu.eax & 0x8000_0000 != 0 ? 0xFFFF_FFFF : 0
    return 0
  }
}

/// SDM vol. 2 "XLAT".
private func translateByte(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let address = cpu.ebx &+ UInt32(cpu[gpr8: 0])
    let mask: UInt32 = op.pointee.instruction.addressSize == 2 ? 0xFFFF : 0xFFFF_FFFF
    cpu[gpr8: 0] = try cpu.read(op.pointee.segment, address & mask)
    return cpu.pointee.stop
  }
}

// MARK: Frequent handlers. A named function's code is in its C entry, a closure's a jump away.

@inline(__always)
private func move32RBase(_ cpu: CPU, _ op: Op) -> UInt32 {
  moveRM(cpu, op, UInt32.self, Base.self)
}

@inline(__always)
private func move32RIndexed(_ cpu: CPU, _ op: Op) -> UInt32 {
  moveRM(cpu, op, UInt32.self, Indexed.self)
}

@inline(__always)
private func move32BaseR(_ cpu: CPU, _ op: Op) -> UInt32 {
  moveMR(cpu, op, UInt32.self, Base.self)
}

@inline(__always)
private func move32IndexedR(_ cpu: CPU, _ op: Op) -> UInt32 {
  moveMR(cpu, op, UInt32.self, Indexed.self)
}

@inline(__always)
private func move32BaseI(_ cpu: CPU, _ op: Op) -> UInt32 {
  moveMI(cpu, op, UInt32.self, Base.self)
}

@inline(__always)
private func move8RBase(_ cpu: CPU, _ op: Op) -> UInt32 {
  moveRM(cpu, op, UInt8.self, Base.self)
}

@inline(__always)
private func move8RIndexed(_ cpu: CPU, _ op: Op) -> UInt32 {
  moveRM(cpu, op, UInt8.self, Indexed.self)
}

@inline(__always)
private func move8BaseR(_ cpu: CPU, _ op: Op) -> UInt32 {
  moveMR(cpu, op, UInt8.self, Base.self)
}

@inline(__always)
private func move8IndexedR(_ cpu: CPU, _ op: Op) -> UInt32 {
  moveMR(cpu, op, UInt8.self, Indexed.self)
}

@inline(__always)
private func zeroExtend8Base(_ cpu: CPU, _ op: Op) -> UInt32 {
  extendRM(cpu, op, ZeroExtension.self, UInt8.self, Base.self)
}

@inline(__always)
private func zeroExtend8Indexed(_ cpu: CPU, _ op: Op) -> UInt32 {
  extendRM(cpu, op, ZeroExtension.self, UInt8.self, Indexed.self)
}

@inline(__always)
private func zeroExtend16Base(_ cpu: CPU, _ op: Op) -> UInt32 {
  extendRM(cpu, op, ZeroExtension.self, UInt16.self, Base.self)
}

@inline(__always)
private func loadAddress32Indexed(_ cpu: CPU, _ op: Op) -> UInt32 {
  loadAddress(cpu, op, UInt32.self, Indexed.self)
}
