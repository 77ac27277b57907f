import CPU
import ISA
import Memory

// MUL, IMUL, DIV, IDIV. Flags that the manual leaves undefined stay as they are, as on AMD processors.

extension CPU {
  /// The double-width accumulator in two halves: AH:AL, DX:AX or EDX:EAX.
  @inline(__always)
  fileprivate func setDoubleAccumulator<T: GuestInteger>(high: T, low: T) {
    if T.bitWidth == 8 {
      self[gpr16: 0] = UInt16(truncatingIfNeeded: high) &<< 8 | UInt16(truncatingIfNeeded: low)
    } else {
      setRegister(0, low)
      setRegister(2, high)
    }
  }

  /// The double-width accumulator: AX, DX:AX or EDX:EAX.
  @inline(__always)
  fileprivate func doubleAccumulator<T: GuestInteger>(of: T.Type) -> UInt64 {
    if T.bitWidth == 8 { return UInt64(self[gpr16: 0]) }
    if T.bitWidth == 16 { return UInt64(self[gpr16: 2]) &<< 16 | UInt64(self[gpr16: 0]) }
    return UInt64(edx) &<< 32 | UInt64(eax)
  }
}

// MARK: Multiplication

/// SDM vol. 2 "MUL".
func multiplyHandler(for i: Instruction) -> Handler {
  switch i.width {
  case .byte: { multiply($0, $1, UInt8.self) }
  case .word: { multiply($0, $1, UInt16.self) }
  case .doubleword: { multiply($0, $1, UInt32.self) }
  }
}

@inline(__always)
private func multiply<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let b: T = try cpu.read(op.pointee.instruction.operands.0, op)
    let product =
      UInt64(truncatingIfNeeded: cpu.register(0, as: T.self)) &* UInt64(truncatingIfNeeded: b)
    let high = T(truncatingIfNeeded: product &>> UInt64(T.bitWidth))
    cpu.setDoubleAccumulator(high: high, low: T(truncatingIfNeeded: product))
    cpu.setCarryAndOverflow(high != 0, high != 0)
    return cpu.pointee.stop
  }
}

/// SDM vol. 2 "IMUL": with one, two or three operands.
func signedMultiplyHandler(for i: Instruction) -> Handler {
  if OperandKind(rawValue: i.operands.1.kind) == OperandKind.none {
    return switch i.width {
    case .byte: { signedMultiplyAccumulator($0, $1, UInt8.self) }
    case .word: { signedMultiplyAccumulator($0, $1, UInt16.self) }
    case .doubleword: { signedMultiplyAccumulator($0, $1, UInt32.self) }
    }
  }
  switch (i.width, i.form, OperandKind(rawValue: i.operands.2.kind) == OperandKind.none) {
  case (.doubleword, .registerRegister, true): return signedMultiply32RR
  case (.doubleword, .registerRegister, false): return signedMultiply32RRI
  case (.doubleword, _, _): return { signedMultiply($0, $1, UInt32.self) }
  default: return { signedMultiply($0, $1, UInt16.self) }
  }
}

@inline(__always)
private func signedMultiplyAccumulator<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let b: T = try cpu.read(op.pointee.instruction.operands.0, op)
    let product = CPU.signExtended(cpu.register(0, as: T.self)) &* CPU.signExtended(b)
    let low = T(truncatingIfNeeded: product)
    cpu.setDoubleAccumulator(
      high: T(truncatingIfNeeded: product &>> Int64(T.bitWidth)), low: low)
    let overflow = CPU.signExtended(low) != product
    cpu.setCarryAndOverflow(overflow, overflow)
    return cpu.pointee.stop
  }
}

/// The product of two operands, truncated, with its flags.
@inline(__always)
private func signedProduct<T: GuestInteger>(_ cpu: CPU, _ a: T, _ b: T) -> T {
  let product = CPU.signExtended(a) &* CPU.signExtended(b)
  let low = T(truncatingIfNeeded: product)
  let overflow = CPU.signExtended(low) != product
  cpu.setCarryAndOverflow(overflow, overflow)
  return low
}

@inline(__always)
private func signedMultiplyRR(_ cpu: CPU, _ op: Op) -> UInt32 {
  let register = op.pointee.register0
  cpu[gpr: register] = signedProduct(cpu, cpu[gpr: register], cpu[gpr: op.pointee.register1])
  return 0
}

@inline(__always)
private func signedMultiplyRRI(_ cpu: CPU, _ op: Op) -> UInt32 {
  cpu[gpr: op.pointee.register0] = signedProduct(
    cpu, cpu[gpr: op.pointee.register1], op.pointee.immediate)
  return 0
}

@inline(__always)
private func signedMultiply<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let i = op.pointee.instruction
    let b: T = try cpu.read(i.operands.1, op)
    let a =
      i.operands.2.isImmediate
      ? T(truncatingIfNeeded: i.immediate) : cpu.register(i.operands.0.reg, as: T.self)
    cpu.setRegister(i.operands.0.reg, signedProduct(cpu, a, b))
    return cpu.pointee.stop
  }
}

// MARK: Division

/// SDM vol. 2 "DIV".
func divideHandler(for i: Instruction) -> Handler {
  switch i.width {
  case .byte: { divide($0, $1, UInt8.self) }
  case .word: { divide($0, $1, UInt16.self) }
  case .doubleword: { divide($0, $1, UInt32.self) }
  }
}

@inline(__always)
private func divide<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let b: T = try cpu.read(op.pointee.instruction.operands.0, op)
    let divisor = UInt64(truncatingIfNeeded: b)
    guard divisor != 0 else { throw .divideError }
    let dividend = cpu.doubleAccumulator(of: T.self)
    let (quotient, remainder) = dividend.quotientAndRemainder(dividingBy: divisor)
    guard quotient &>> UInt64(T.bitWidth) == 0 else { throw .divideError }
    cpu.setDoubleAccumulator(
      high: T(truncatingIfNeeded: remainder), low: T(truncatingIfNeeded: quotient))
    return cpu.pointee.stop
  }
}

/// SDM vol. 2 "IDIV".
func signedDivideHandler(for i: Instruction) -> Handler {
  switch i.width {
  case .byte: { signedDivide($0, $1, UInt8.self) }
  case .word: { signedDivide($0, $1, UInt16.self) }
  case .doubleword: { signedDivide($0, $1, UInt32.self) }
  }
}

@inline(__always)
private func signedDivide<T: GuestInteger>(_ cpu: CPU, _ op: Op, _: T.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let b: T = try cpu.read(op.pointee.instruction.operands.0, op)
    let divisor = CPU.signExtended(b)
    let shift = Int64(64 &- 2 &* T.bitWidth)
    let dividend =
      (Int64(bitPattern: cpu.doubleAccumulator(of: T.self)) &<< shift) &>> shift
    // The first of the two checks also keeps the host's division from trapping.
    guard divisor != 0, !(divisor == -1 && dividend == .min) else { throw .divideError }
    let (quotient, remainder) = dividend.quotientAndRemainder(dividingBy: divisor)
    let low = T(truncatingIfNeeded: quotient)
    guard CPU.signExtended(low) == quotient else { throw .divideError }
    cpu.setDoubleAccumulator(high: T(truncatingIfNeeded: remainder), low: low)
    return cpu.pointee.stop
  }
}

// MARK: Frequent handlers. A named function's code is in its C entry, a closure's a jump away.

@inline(__always)
private func signedMultiply32RR(_ cpu: CPU, _ op: Op) -> UInt32 {
  signedMultiplyRR(cpu, op)
}

@inline(__always)
private func signedMultiply32RRI(_ cpu: CPU, _ op: Op) -> UInt32 {
  signedMultiplyRRI(cpu, op)
}
