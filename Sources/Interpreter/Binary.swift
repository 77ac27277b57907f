import CPU
import ISA
import Memory

/// An operation on two operands that replaces the first or only sets flags.
protocol BinaryOperation {
  /// Whether the result replaces the first operand.
  static var writes: Bool { get }
  /// The result; sets the flags.
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ b: T) -> T
}

extension BinaryOperation {
  static var writes: Bool { @inline(__always) get { true } }
}

/// Every form, with its faults.
@inline(never)
func binary<O: BinaryOperation, T: GuestInteger>(_ cpu: CPU, _ op: Op, _: O.Type, _: T.Type)
  -> UInt32
{
  execute(cpu) { () throws(Fault) -> UInt32 in
    let operands = op.pointee.instruction.operands
    if operands.1.isMemory {
      let b: T = try cpu.readOperand(op)
      let r = O.compute(cpu, cpu.register(operands.0.reg, as: T.self), b)
      if O.writes { cpu.setRegister(operands.0.reg, r) }
    } else {
      let b: T = try cpu.read(operands.1, op)
      if O.writes {
        try cpu.modify(operands.0, op) { (a: T) -> T in O.compute(cpu, a, b) }
      } else {
        let a: T = try cpu.read(operands.0, op)
        _ = O.compute(cpu, a, b)
      }
    }
    return cpu.pointee.stop
  }
}

/// Register, register.
@inline(__always)
func binaryRR<O: BinaryOperation, T: GuestInteger>(_ cpu: CPU, _ op: Op, _: O.Type, _: T.Type)
  -> UInt32
{
  let a = cpu.register(op.pointee.register0, as: T.self)
  let b = cpu.register(op.pointee.register1, as: T.self)
  let r = O.compute(cpu, a, b)
  if O.writes { cpu.setRegister(op.pointee.register0, r) }
  return 0
}

/// Register, immediate.
@inline(__always)
func binaryRI<O: BinaryOperation, T: GuestInteger>(_ cpu: CPU, _ op: Op, _: O.Type, _: T.Type)
  -> UInt32
{
  let a = cpu.register(op.pointee.register0, as: T.self)
  let r = O.compute(cpu, a, T(truncatingIfNeeded: op.pointee.immediate))
  if O.writes { cpu.setRegister(op.pointee.register0, r) }
  return 0
}

/// Register, memory.
@inline(__always)
func binaryRM<O: BinaryOperation, T: GuestInteger, A: AddressForm>(
  _ cpu: CPU, _ op: Op, _: O.Type, _: T.Type, _: A.Type
) -> UInt32 {
  guard let b: T = cpu.quickRead(op.pointee.segment, A.offset(cpu, op)) else {
    return binary(cpu, op, O.self, T.self)
  }
  let r = O.compute(cpu, cpu.register(op.pointee.register0, as: T.self), b)
  if O.writes { cpu.setRegister(op.pointee.register0, r) }
  return 0
}

/// Memory, and `b`.
@inline(__always)
private func binaryM<O: BinaryOperation, T: GuestInteger, A: AddressForm>(
  _ cpu: CPU, _ op: Op, _ b: T, _: O.Type, _: A.Type
) -> UInt32 {
  if O.writes {
    let done = cpu.quickModify(op.pointee.segment, A.offset(cpu, op)) { O.compute(cpu, $0, b) }
    return done ? 0 : binary(cpu, op, O.self, T.self)
  }
  guard let a: T = cpu.quickRead(op.pointee.segment, A.offset(cpu, op)) else {
    return binary(cpu, op, O.self, T.self)
  }
  _ = O.compute(cpu, a, b)
  return 0
}

/// Memory, register.
@inline(__always)
func binaryMR<O: BinaryOperation, T: GuestInteger, A: AddressForm>(
  _ cpu: CPU, _ op: Op, _: O.Type, _: T.Type, _: A.Type
) -> UInt32 {
  binaryM(cpu, op, cpu.register(op.pointee.register1, as: T.self), O.self, A.self)
}

/// Memory, immediate.
@inline(__always)
func binaryMI<O: BinaryOperation, T: GuestInteger, A: AddressForm>(
  _ cpu: CPU, _ op: Op, _: O.Type, _: T.Type, _: A.Type
) -> UInt32 {
  binaryM(cpu, op, T(truncatingIfNeeded: op.pointee.immediate), O.self, A.self)
}
