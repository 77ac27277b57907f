import CPU
import ISA
import Memory

// Floating-point arithmetic and comparisons on XMM registers, done by the host under the guest's
// MXCSR (SSEShims.h). SDM vol. 1, 10.4, 11.4 and 11.5.

/// `xmm = f(xmm, source)` on all elements.
@inline(__always)
private func packed(
  _ cpu: CPU, _ op: Op, _ compute: (UInt32, XMMValue, XMMValue) -> SSEResult
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let b = try xmmSource(cpu, op)
    let fpu = cpu.fpu
    let n = destination(op)
    let result = compute(fpu.pointee.mxcsr, xmmValue(fpu, n), b)
    try sseRaise(cpu, result.mxcsr)
    xmmSetValue(fpu, n, result.value)
    return cpu.pointee.stop
  }
}

/// The same on the low double.
@inline(__always)
private func double(
  _ cpu: CPU, _ op: Op, _ compute: (UInt32, XMMValue, XMMValue) -> SSEResult
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let b = XMMValue(try xmmSource64(cpu, op), 0)
    let fpu = cpu.fpu
    let n = destination(op)
    let result = compute(fpu.pointee.mxcsr, XMMValue(xmmLow(fpu, n), 0), b)
    try sseRaise(cpu, result.mxcsr)
    xmmSetLow(fpu, n, result.value[0])
    return cpu.pointee.stop
  }
}

/// The same on the low single.
@inline(__always)
private func single(
  _ cpu: CPU, _ op: Op, _ compute: (UInt32, XMMValue, XMMValue) -> SSEResult
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let b = XMMValue(UInt64(try xmmSource32(cpu, op)), 0)
    let fpu = cpu.fpu
    let n = destination(op)
    let result = compute(fpu.pointee.mxcsr, XMMValue(UInt64(xmmLow32(fpu, n)), 0), b)
    try sseRaise(cpu, result.mxcsr)
    xmmSetLow32(fpu, n, UInt32(truncatingIfNeeded: result.value[0]))
    return cpu.pointee.stop
  }
}

/// COMISx and UCOMISx; `read` gets the second operand.
@inline(__always)
private func compare(
  _ cpu: CPU, _ op: Op, isDouble: Bool,
  _ compute: (UInt32, XMMValue, XMMValue) -> SSEScalarResult
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let b = isDouble ? try xmmSource64(cpu, op) : UInt64(try xmmSource32(cpu, op))
    let fpu = cpu.fpu
    let result = compute(
      fpu.pointee.mxcsr, XMMValue(xmmLow(fpu, destination(op)), 0), XMMValue(b, 0))
    try sseRaise(cpu, result.mxcsr)
    cpu.setComparisonFlags(result.value)
    return cpu.pointee.stop
  }
}

enum SSEArithmetic {
  static func handler(for operation: Operation) -> Handler? {
    arithmetic(operation) ?? comparison(operation)
  }

  private static func arithmetic(_ operation: Operation) -> Handler? {
    switch operation {
    case .addps: return { cpu, op in packed(cpu, op, sseAddPS) }
    case .addpd: return { cpu, op in packed(cpu, op, sseAddPD) }
    case .addss: return { cpu, op in single(cpu, op, sseAddSS) }
    case .addsd: return { cpu, op in double(cpu, op, sseAddSD) }
    case .subps: return { cpu, op in packed(cpu, op, sseSubtractPS) }
    case .subpd: return { cpu, op in packed(cpu, op, sseSubtractPD) }
    case .subss: return { cpu, op in single(cpu, op, sseSubtractSS) }
    case .subsd: return { cpu, op in double(cpu, op, sseSubtractSD) }
    case .mulps: return { cpu, op in packed(cpu, op, sseMultiplyPS) }
    case .mulpd: return { cpu, op in packed(cpu, op, sseMultiplyPD) }
    case .mulss: return { cpu, op in single(cpu, op, sseMultiplySS) }
    case .mulsd: return { cpu, op in double(cpu, op, sseMultiplySD) }
    case .divps: return { cpu, op in packed(cpu, op, sseDividePS) }
    case .divpd: return { cpu, op in packed(cpu, op, sseDividePD) }
    case .divss: return { cpu, op in single(cpu, op, sseDivideSS) }
    case .divsd: return { cpu, op in double(cpu, op, sseDivideSD) }
    case .maxps: return { cpu, op in packed(cpu, op, sseMaximumPS) }
    case .maxpd: return { cpu, op in packed(cpu, op, sseMaximumPD) }
    case .maxss: return { cpu, op in single(cpu, op, sseMaximumSS) }
    case .maxsd: return { cpu, op in double(cpu, op, sseMaximumSD) }
    case .minps: return { cpu, op in packed(cpu, op, sseMinimumPS) }
    case .minpd: return { cpu, op in packed(cpu, op, sseMinimumPD) }
    case .minss: return { cpu, op in single(cpu, op, sseMinimumSS) }
    case .minsd: return { cpu, op in double(cpu, op, sseMinimumSD) }
    case .sqrtps: return { cpu, op in packed(cpu, op, sseSquareRootPS) }
    case .sqrtpd: return { cpu, op in packed(cpu, op, sseSquareRootPD) }
    case .sqrtss: return { cpu, op in single(cpu, op, sseSquareRootSS) }
    case .sqrtsd: return { cpu, op in double(cpu, op, sseSquareRootSD) }
    case .rcpps: return { cpu, op in packed(cpu, op, sseReciprocalPS) }
    case .rcpss: return { cpu, op in single(cpu, op, sseReciprocalSS) }
    case .rsqrtps: return { cpu, op in packed(cpu, op, sseReciprocalRootPS) }
    case .rsqrtss: return { cpu, op in single(cpu, op, sseReciprocalRootSS) }
    default: return nil
    }
  }

  /// The predicate of CMPxx is its immediate's low three bits.
  private static func comparison(_ operation: Operation) -> Handler? {
    switch operation {
    case .cmpps:
      return { cpu, op in
        packed(cpu, op) { sseComparePS($0, $1, $2, op.pointee.instruction.immediate) }
      }
    case .cmppd:
      return { cpu, op in
        packed(cpu, op) { sseComparePD($0, $1, $2, op.pointee.instruction.immediate) }
      }
    case .cmpss:
      return { cpu, op in
        single(cpu, op) { sseCompareSS($0, $1, $2, op.pointee.instruction.immediate) }
      }
    case .cmpsd:
      return { cpu, op in
        double(cpu, op) { sseCompareSD($0, $1, $2, op.pointee.instruction.immediate) }
      }
    case .comiss:
      return { cpu, op in compare(cpu, op, isDouble: false, sseCompareSSFlags) }
    case .ucomiss:
      return { cpu, op in compare(cpu, op, isDouble: false, sseCompareSSFlagsUnordered) }
    case .comisd:
      return { cpu, op in compare(cpu, op, isDouble: true, sseCompareSDFlags) }
    case .ucomisd:
      return { cpu, op in compare(cpu, op, isDouble: true, sseCompareSDFlagsUnordered) }
    default: return nil
    }
  }
}
