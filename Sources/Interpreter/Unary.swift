import CPU
import ISA
import Memory

/// An operation that replaces its only operand.
protocol UnaryOperation {
  /// The result; sets the flags.
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T) -> T
}

/// Every form, with its faults.
@inline(never)
func unary<O: UnaryOperation, T: GuestInteger>(_ cpu: CPU, _ op: Op, _: O.Type, _: T.Type) -> UInt32
{
  execute(cpu) { () throws(Fault) -> UInt32 in
    try cpu.modify(op.pointee.instruction.operands.0, op) { (a: T) -> T in O.compute(cpu, a) }
    return cpu.pointee.stop
  }
}

/// Register.
@inline(__always)
func unaryR<O: UnaryOperation, T: GuestInteger>(_ cpu: CPU, _ op: Op, _: O.Type, _: T.Type)
  -> UInt32
{
  let register = op.pointee.register0
  cpu.setRegister(register, O.compute(cpu, cpu.register(register, as: T.self)))
  return 0
}

/// Memory.
@inline(__always)
func unaryM<O: UnaryOperation, T: GuestInteger, A: AddressForm>(
  _ cpu: CPU, _ op: Op, _: O.Type, _: T.Type, _: A.Type
) -> UInt32 {
  let done = cpu.quickModify(op.pointee.segment, A.offset(cpu, op)) { (a: T) -> T in
    O.compute(cpu, a)
  }
  return done ? 0 : unary(cpu, op, O.self, T.self)
}

/// `a + 1`; CF stays. SDM vol. 2 "INC".
enum Increment: UnaryOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T) -> T {
    let carry = cpu.carryFlag
    let r = cpu.add(a, 1)
    cpu.setCarry(carry)
    return r
  }

  static func handler(for i: Instruction) -> Handler {
    switch (i.width, i.operands.0.isGeneral) {
    case (.doubleword, true): increment32R
    case (.doubleword, false):
      i.addressSize == 4
        ? { unaryM($0, $1, Increment.self, UInt32.self, Indexed.self) }
        : { unary($0, $1, Increment.self, UInt32.self) }
    case (.word, _): { unary($0, $1, Increment.self, UInt16.self) }
    case (.byte, _): { unary($0, $1, Increment.self, UInt8.self) }
    }
  }
}

/// `a - 1`; CF stays. SDM vol. 2 "DEC".
enum Decrement: UnaryOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T) -> T {
    let carry = cpu.carryFlag
    let r = cpu.subtract(a, 1)
    cpu.setCarry(carry)
    return r
  }

  static func handler(for i: Instruction) -> Handler {
    switch (i.width, i.operands.0.isGeneral) {
    case (.doubleword, true): decrement32R
    case (.doubleword, false):
      i.addressSize == 4
        ? { unaryM($0, $1, Decrement.self, UInt32.self, Indexed.self) }
        : { unary($0, $1, Decrement.self, UInt32.self) }
    case (.word, _): { unary($0, $1, Decrement.self, UInt16.self) }
    case (.byte, _): { unary($0, $1, Decrement.self, UInt8.self) }
    }
  }
}

/// `-a`, the flags of `0 - a`. SDM vol. 2 "NEG".
enum Negate: UnaryOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T) -> T { cpu.subtract(0, a) }

  static func handler(for i: Instruction) -> Handler {
    switch (i.width, i.operands.0.isGeneral) {
    case (.doubleword, true): { unaryR($0, $1, Negate.self, UInt32.self) }
    case (.doubleword, false): { unary($0, $1, Negate.self, UInt32.self) }
    case (.word, _): { unary($0, $1, Negate.self, UInt16.self) }
    case (.byte, _): { unary($0, $1, Negate.self, UInt8.self) }
    }
  }
}

/// `~a`; no flags. SDM vol. 2 "NOT".
enum Not: UnaryOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T) -> T { ~a }

  static func handler(for i: Instruction) -> Handler {
    switch (i.width, i.operands.0.isGeneral) {
    case (.doubleword, true): { unaryR($0, $1, Not.self, UInt32.self) }
    case (.doubleword, false): { unary($0, $1, Not.self, UInt32.self) }
    case (.word, _): { unary($0, $1, Not.self, UInt16.self) }
    case (.byte, _): { unary($0, $1, Not.self, UInt8.self) }
    }
  }
}

// MARK: Frequent handlers. A named function's code is in its C entry, a closure's a jump away.

@inline(__always)
private func increment32R(_ cpu: CPU, _ op: Op) -> UInt32 {
  unaryR(cpu, op, Increment.self, UInt32.self)
}

@inline(__always)
private func decrement32R(_ cpu: CPU, _ op: Op) -> UInt32 {
  unaryR(cpu, op, Decrement.self, UInt32.self)
}
