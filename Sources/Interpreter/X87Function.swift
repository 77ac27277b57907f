import CPU
import ISA
import Memory

// Functions of ST(0), or of ST(0) and ST(1). SDM vol. 1, 8.3.5 to 8.3.9.

/// `ST(0) = f(ST(0))`.
@inline(__always)
private func unary(_ cpu: CPU, _ op: Op, _ compute: (FPU, UInt32) -> Void) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    let fpu = cpu.fpu
    let top = fpu.top
    guard fpu.isReady(top) else { return x87Whole(cpu, op) }
    compute(fpu, top)
    return 0
  }
}

/// `ST(0) = f(ST(0), ST(1))`.
@inline(__always)
private func withSecond(
  _ cpu: CPU, _ op: Op, _ compute: (FPU, UInt32, UInt32) -> Void
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    let fpu = cpu.fpu
    let top = fpu.top
    let second = (top &+ 1) & 7
    guard fpu.isReady(top, second) else { return x87Whole(cpu, op) }
    compute(fpu, top, second)
    return 0
  }
}

/// FPREM and FPREM1. Where there is no remainder C0 and C3 keep their values, which only the whole state tells.
@inline(__always)
private func remainder(
  _ cpu: CPU, _ op: Op, _ compute: (FPU, UInt32, UInt32) -> Void
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    let fpu = cpu.fpu
    let top = fpu.top
    let second = (top &+ 1) & 7
    guard fpu.isReady(top, second), isFinite(x87Value(fpu, top)),
      isFinite(x87Value(fpu, second)), x87Value(fpu, second).significand != 0
    else { return x87Whole(cpu, op) }
    compute(fpu, top, second)
    return 0
  }
}

/// Neither infinity nor NaN nor an unsupported encoding.
private func isFinite(_ value: X87Value) -> Bool {
  let exponent = value.signExponent & 0x7FFF
  return exponent == 0 || (exponent != 0x7FFF && value.significand >> 63 != 0)
}

/// `ST(1) = f(ST(1), ST(0))`, then pop.
@inline(__always)
private func intoSecond(
  _ cpu: CPU, _ op: Op, _ compute: (FPU, UInt32, UInt32, UInt32) -> Void
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    let fpu = cpu.fpu
    let top = fpu.top
    let second = (top &+ 1) & 7
    guard fpu.isReady(top, second) else { return x87Whole(cpu, op) }
    compute(fpu, second, second, top)
    fpu.pop()
    return 0
  }
}

/// Instructions with two results: the whole state goes through the host.
@inline(__always)
private func whole(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    return x87Whole(cpu, op)
  }
}

/// Changes the sign bit as FABS and FCHS do; no exception but the stack fault.
@inline(__always)
private func changeSign(_ fpu: FPU, _ n: UInt32, _ change: (UInt16) -> UInt16) {
  let value = x87Value(fpu, n)
  x87SetValue(fpu, n, value.significand, change(value.signExponent))
  fpu.clearC1()
}

enum X87Function {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .fabs: return { cpu, op in unary(cpu, op) { f, n in changeSign(f, n) { $0 & 0x7FFF } } }
    case .fchs: return { cpu, op in unary(cpu, op) { f, n in changeSign(f, n) { $0 ^ 0x8000 } } }
    case .fsqrt: return { cpu, op in unary(cpu, op, x87SquareRoot) }
    case .frndint: return { cpu, op in unary(cpu, op, x87RoundToInteger) }
    case .f2xm1: return { cpu, op in unary(cpu, op, x87TwoToXMinus1) }
    case .fsin: return { cpu, op in unary(cpu, op, x87Sine) }
    case .fcos: return { cpu, op in unary(cpu, op, x87Cosine) }
    case .fscale: return { cpu, op in withSecond(cpu, op, x87Scale) }
    case .fprem: return { cpu, op in remainder(cpu, op, x87Remainder) }
    case .fprem1: return { cpu, op in remainder(cpu, op, x87RemainderIEEE) }
    case .fpatan: return { cpu, op in intoSecond(cpu, op, x87Arctangent) }
    case .fyl2x: return { cpu, op in intoSecond(cpu, op, x87YLog2X) }
    case .fyl2xp1: return { cpu, op in intoSecond(cpu, op, x87YLog2XPlus1) }
    case .fxtract, .fsincos, .fptan: return { cpu, op in whole(cpu, op) }
    default: return nil
    }
  }
}
