import CPU
import ISA
import Memory

// Conversions. SDM vol. 1, 10.4.3 and 11.4.1.6.

/// Packed to packed: `xmm = f(source)` with a source of 128 bits, or of its low 64.
@inline(__always)
private func packed(
  _ cpu: CPU, _ op: Op, half: Bool = false,
  _ compute: (UInt32, XMMValue, XMMValue) -> SSEResult
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let b = half ? XMMValue(try xmmSource64(cpu, op), 0) : try xmmSource(cpu, op)
    let fpu = cpu.fpu
    let result = compute(fpu.pointee.mxcsr, XMMValue(0, 0), b)
    try sseRaise(cpu, result.mxcsr)
    xmmSetValue(fpu, destination(op), result.value)
    return cpu.pointee.stop
  }
}

/// CVTSD2SS.
private func doubleToSingle(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let b = XMMValue(try xmmSource64(cpu, op), 0)
    let result = sseDoubleToSingle(cpu.fpu.pointee.mxcsr, XMMValue(0, 0), b)
    try sseRaise(cpu, result.mxcsr)
    xmmSetLow32(cpu.fpu, destination(op), UInt32(truncatingIfNeeded: result.value[0]))
    return cpu.pointee.stop
  }
}

/// CVTSS2SD.
private func singleToDouble(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let b = XMMValue(UInt64(try xmmSource32(cpu, op)), 0)
    let result = sseSingleToDouble(cpu.fpu.pointee.mxcsr, XMMValue(0, 0), b)
    try sseRaise(cpu, result.mxcsr)
    xmmSetLow(cpu.fpu, destination(op), result.value[0])
    return cpu.pointee.stop
  }
}

/// CVTSI2SS and CVTSI2SD.
@inline(__always)
private func fromInteger(
  _ cpu: CPU, _ op: Op, isDouble: Bool,
  _ compute: (UInt32, XMMValue, UInt32) -> SSEResult
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let operand = op.pointee.instruction.operands.1
    let b = operand.isMemory ? try cpu.readOperand(op, as: UInt32.self) : cpu[gpr: operand.reg]
    let fpu = cpu.fpu
    let result = compute(fpu.pointee.mxcsr, XMMValue(0, 0), b)
    try sseRaise(cpu, result.mxcsr)
    if isDouble {
      xmmSetLow(fpu, destination(op), result.value[0])
    } else {
      xmmSetLow32(fpu, destination(op), UInt32(truncatingIfNeeded: result.value[0]))
    }
    return cpu.pointee.stop
  }
}

/// CVTxS2SI and CVTTxS2SI.
@inline(__always)
private func toInteger(
  _ cpu: CPU, _ op: Op, isDouble: Bool, _ compute: (UInt32, XMMValue) -> SSEScalarResult
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let b = isDouble ? try xmmSource64(cpu, op) : UInt64(try xmmSource32(cpu, op))
    let result = compute(cpu.fpu.pointee.mxcsr, XMMValue(b, 0))
    try sseRaise(cpu, result.mxcsr)
    cpu[gpr: op.pointee.instruction.operands.0.reg] = result.value
    return cpu.pointee.stop
  }
}

/// CVTxx2PI: MMX is the destination, so the x87 unit must be ready and becomes an MMX unit.
@inline(__always)
private func toMMX(
  _ cpu: CPU, _ op: Op, half: Bool, _ compute: (UInt32, XMMValue, XMMValue) -> SSEResult
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    try mmxCheck(cpu)
    let b = half ? XMMValue(try xmmSource64(cpu, op), 0) : try xmmSource(cpu, op)
    let fpu = cpu.fpu
    fpu.enterMMX()  // Also when an exception keeps it from writing its result.
    let result = compute(fpu.pointee.mxcsr, XMMValue(0, 0), b)
    try sseRaise(cpu, result.mxcsr)
    mmxSetValue(fpu, destination(op), result.value[0])
    return cpu.pointee.stop
  }
}

/// CVTPI2PS and CVTPI2PD. A memory source leaves the x87 state alone. SDM vol. 2, "CVTPI2PD".
@inline(__always)
private func fromMMX(_ cpu: CPU, _ op: Op, toDoubles: Bool) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let usesMMX = !op.pointee.instruction.operands.1.isMemory
    if usesMMX { try mmxCheck(cpu) }
    let b = XMMValue(try mmxSource(cpu, op), 0)
    let fpu = cpu.fpu
    if usesMMX { fpu.enterMMX() }
    let zero = XMMValue(0, 0)
    let result =
      toDoubles
      ? sseInt32ToDoubles(fpu.pointee.mxcsr, zero, b)
      : sseInt32ToSingles(fpu.pointee.mxcsr, zero, b)
    try sseRaise(cpu, result.mxcsr)
    if toDoubles {
      xmmSetValue(fpu, destination(op), result.value)
    } else {
      xmmSetLow(fpu, destination(op), result.value[0])
    }
    return cpu.pointee.stop
  }
}

enum SSEConvert {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .cvtpi2ps: return { cpu, op in fromMMX(cpu, op, toDoubles: false) }
    case .cvtpi2pd: return { cpu, op in fromMMX(cpu, op, toDoubles: true) }
    case .cvtps2pi: return { cpu, op in toMMX(cpu, op, half: true, sseSinglesToInt32) }
    case .cvttps2pi: return { cpu, op in toMMX(cpu, op, half: true, sseSinglesToInt32Truncated) }
    case .cvtpd2pi: return { cpu, op in toMMX(cpu, op, half: false, sseDoublesToInt32) }
    case .cvttpd2pi: return { cpu, op in toMMX(cpu, op, half: false, sseDoublesToInt32Truncated) }
    case .cvtsi2ss: return { cpu, op in fromInteger(cpu, op, isDouble: false, sseInt32ToSingle) }
    case .cvtsi2sd: return { cpu, op in fromInteger(cpu, op, isDouble: true, sseInt32ToDouble) }
    case .cvtss2si: return { cpu, op in toInteger(cpu, op, isDouble: false, sseSingleToInt32) }
    case .cvttss2si:
      return { cpu, op in toInteger(cpu, op, isDouble: false, sseSingleToInt32Truncated) }
    case .cvtsd2si: return { cpu, op in toInteger(cpu, op, isDouble: true, sseDoubleToInt32) }
    case .cvttsd2si:
      return { cpu, op in toInteger(cpu, op, isDouble: true, sseDoubleToInt32Truncated) }
    case .cvtsd2ss: return { cpu, op in doubleToSingle(cpu, op) }
    case .cvtss2sd: return { cpu, op in singleToDouble(cpu, op) }
    case .cvtpd2ps: return { cpu, op in packed(cpu, op, sseDoublesToSingles) }
    case .cvtps2pd: return { cpu, op in packed(cpu, op, half: true, sseSinglesToDoubles) }
    case .cvtdq2pd: return { cpu, op in packed(cpu, op, half: true, sseInt32ToDoubles) }
    case .cvtpd2dq: return { cpu, op in packed(cpu, op, sseDoublesToInt32) }
    case .cvttpd2dq: return { cpu, op in packed(cpu, op, sseDoublesToInt32Truncated) }
    case .cvtps2dq: return { cpu, op in packed(cpu, op, sseSinglesToInt32) }
    case .cvttps2dq: return { cpu, op in packed(cpu, op, sseSinglesToInt32Truncated) }
    case .cvtdq2ps: return { cpu, op in packed(cpu, op, sseInt32ToSingles) }
    default: return nil
    }
  }
}
