import CPU
import ISA
import Memory

// The packed integer and logical instructions and the shuffles on XMM registers. SDM vol. 1, 11.4.

/// `xmm = xmm op source`; the source may be an immediate shift count.
@inline(__always)
private func packed(_ cpu: CPU, _ op: Op, _ compute: (XMMValue, XMMValue) -> XMMValue) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let b = try xmmSource(cpu, op)
    let fpu = cpu.fpu
    let n = destination(op)
    xmmSetValue(fpu, n, compute(xmmValue(fpu, n), b))
    return cpu.pointee.stop
  }
}

/// The shifts by an immediate count.
@inline(__always)
private func shifted(_ cpu: CPU, _ op: Op, _ compute: (XMMValue, XMMValue) -> XMMValue) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let fpu = cpu.fpu
    let n = destination(op)
    let count = XMMValue(UInt64(op.pointee.instruction.immediate), 0)
    xmmSetValue(fpu, n, compute(xmmValue(fpu, n), count))
    return 0
  }
}

/// PSLLDQ and PSRLDQ.
@inline(__always)
private func shiftBytes(_ cpu: CPU, _ op: Op, _ compute: (XMMValue, UInt32) -> XMMValue) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let fpu = cpu.fpu
    let n = destination(op)
    xmmSetValue(fpu, n, compute(xmmValue(fpu, n), op.pointee.instruction.immediate))
    return 0
  }
}

/// Shuffles by an immediate order: `xmm = f(xmm, source, order)`.
@inline(__always)
private func shuffle(
  _ cpu: CPU, _ op: Op, _ compute: (XMMValue, XMMValue, UInt32) -> XMMValue
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let b = try xmmSource(cpu, op)
    let fpu = cpu.fpu
    let n = destination(op)
    xmmSetValue(fpu, n, compute(xmmValue(fpu, n), b, op.pointee.instruction.immediate))
    return cpu.pointee.stop
  }
}

enum SSEPacked {
  static func handler(for i: Instruction) -> Handler? {
    if i.operands.1.isImmediate { return byImmediate(i.kind) }
    return arithmetic(i.kind) ?? other(i.kind) ?? logical(i.kind) ?? shuffled(i.kind)
  }

  private static func arithmetic(_ operation: Operation) -> Handler? {
    switch operation {
    case .paddb: return { cpu, op in packed(cpu, op, xmmAddBytes) }
    case .paddw: return { cpu, op in packed(cpu, op, xmmAddWords) }
    case .paddd: return { cpu, op in packed(cpu, op, xmmAddDoublewords) }
    case .paddq: return { cpu, op in packed(cpu, op, xmmAddQuadwords) }
    case .paddsb: return { cpu, op in packed(cpu, op, xmmAddBytesSigned) }
    case .paddsw: return { cpu, op in packed(cpu, op, xmmAddWordsSigned) }
    case .paddusb: return { cpu, op in packed(cpu, op, xmmAddBytesUnsigned) }
    case .paddusw: return { cpu, op in packed(cpu, op, xmmAddWordsUnsigned) }
    case .psubb: return { cpu, op in packed(cpu, op, xmmSubtractBytes) }
    case .psubw: return { cpu, op in packed(cpu, op, xmmSubtractWords) }
    case .psubd: return { cpu, op in packed(cpu, op, xmmSubtractDoublewords) }
    case .psubq: return { cpu, op in packed(cpu, op, xmmSubtractQuadwords) }
    case .psubsb: return { cpu, op in packed(cpu, op, xmmSubtractBytesSigned) }
    case .psubsw: return { cpu, op in packed(cpu, op, xmmSubtractWordsSigned) }
    case .psubusb: return { cpu, op in packed(cpu, op, xmmSubtractBytesUnsigned) }
    case .psubusw: return { cpu, op in packed(cpu, op, xmmSubtractWordsUnsigned) }
    case .pmaddwd: return { cpu, op in packed(cpu, op, xmmMultiplyAddWords) }
    case .pmulhw: return { cpu, op in packed(cpu, op, xmmMultiplyHighWords) }
    case .pmulhuw: return { cpu, op in packed(cpu, op, xmmMultiplyHighWordsUnsigned) }
    case .pmullw: return { cpu, op in packed(cpu, op, xmmMultiplyLowWords) }
    case .pmuludq: return { cpu, op in packed(cpu, op, xmmMultiplyDoublewordsUnsigned) }
    case .pavgb: return { cpu, op in packed(cpu, op, xmmAverageBytes) }
    case .pavgw: return { cpu, op in packed(cpu, op, xmmAverageWords) }
    case .pmaxsw: return { cpu, op in packed(cpu, op, xmmMaximumWords) }
    case .pmaxub: return { cpu, op in packed(cpu, op, xmmMaximumBytes) }
    case .pminsw: return { cpu, op in packed(cpu, op, xmmMinimumWords) }
    case .pminub: return { cpu, op in packed(cpu, op, xmmMinimumBytes) }
    case .psadbw: return { cpu, op in packed(cpu, op, xmmSumOfDifferences) }
    default: return nil
    }
  }

  private static func other(_ operation: Operation) -> Handler? {
    switch operation {
    case .pand: return { cpu, op in packed(cpu, op, xmmAnd) }
    case .pandn: return { cpu, op in packed(cpu, op, xmmAndNot) }
    case .por: return { cpu, op in packed(cpu, op, xmmOr) }
    case .pxor: return { cpu, op in packed(cpu, op, xmmXor) }
    case .pcmpeqb: return { cpu, op in packed(cpu, op, xmmEqualBytes) }
    case .pcmpeqw: return { cpu, op in packed(cpu, op, xmmEqualWords) }
    case .pcmpeqd: return { cpu, op in packed(cpu, op, xmmEqualDoublewords) }
    case .pcmpgtb: return { cpu, op in packed(cpu, op, xmmGreaterBytes) }
    case .pcmpgtw: return { cpu, op in packed(cpu, op, xmmGreaterWords) }
    case .pcmpgtd: return { cpu, op in packed(cpu, op, xmmGreaterDoublewords) }
    case .psllw: return { cpu, op in packed(cpu, op, xmmShiftLeftWords) }
    case .pslld: return { cpu, op in packed(cpu, op, xmmShiftLeftDoublewords) }
    case .psllq: return { cpu, op in packed(cpu, op, xmmShiftLeftQuadwords) }
    case .psrlw: return { cpu, op in packed(cpu, op, xmmShiftRightWords) }
    case .psrld: return { cpu, op in packed(cpu, op, xmmShiftRightDoublewords) }
    case .psrlq: return { cpu, op in packed(cpu, op, xmmShiftRightQuadwords) }
    case .psraw: return { cpu, op in packed(cpu, op, xmmShiftRightWordsSigned) }
    case .psrad: return { cpu, op in packed(cpu, op, xmmShiftRightDoublewordsSigned) }
    case .packsswb: return { cpu, op in packed(cpu, op, xmmPackWordsSigned) }
    case .packssdw: return { cpu, op in packed(cpu, op, xmmPackDoublewordsSigned) }
    case .packuswb: return { cpu, op in packed(cpu, op, xmmPackWordsUnsigned) }
    case .punpcklbw: return { cpu, op in packed(cpu, op, xmmUnpackLowBytes) }
    case .punpcklwd: return { cpu, op in packed(cpu, op, xmmUnpackLowWords) }
    case .punpckldq: return { cpu, op in packed(cpu, op, xmmUnpackLowDoublewords) }
    case .punpckhbw: return { cpu, op in packed(cpu, op, xmmUnpackHighBytes) }
    case .punpckhwd: return { cpu, op in packed(cpu, op, xmmUnpackHighWords) }
    case .punpckhdq: return { cpu, op in packed(cpu, op, xmmUnpackHighDoublewords) }
    default: return nil
    }
  }

  private static func logical(_ operation: Operation) -> Handler? {
    switch operation {
    case .andps: return { cpu, op in packed(cpu, op, xmmAnd) }
    case .andnps: return { cpu, op in packed(cpu, op, xmmAndNot) }
    case .orps: return { cpu, op in packed(cpu, op, xmmOr) }
    case .xorps: return { cpu, op in packed(cpu, op, xmmXor) }
    case .andpd: return { cpu, op in packed(cpu, op, xmmAnd) }
    case .andnpd: return { cpu, op in packed(cpu, op, xmmAndNot) }
    case .orpd: return { cpu, op in packed(cpu, op, xmmOr) }
    case .xorpd: return { cpu, op in packed(cpu, op, xmmXor) }
    case .unpcklps: return { cpu, op in packed(cpu, op, xmmUnpackLowDoublewords) }
    case .unpckhps: return { cpu, op in packed(cpu, op, xmmUnpackHighDoublewords) }
    case .unpcklpd: return { cpu, op in packed(cpu, op, xmmUnpackLowQuadwords) }
    case .unpckhpd: return { cpu, op in packed(cpu, op, xmmUnpackHighQuadwords) }
    case .punpcklqdq: return { cpu, op in packed(cpu, op, xmmUnpackLowQuadwords) }
    case .punpckhqdq: return { cpu, op in packed(cpu, op, xmmUnpackHighQuadwords) }
    default: return nil
    }
  }

  private static func byImmediate(_ operation: Operation) -> Handler? {
    switch operation {
    case .psllw: return { cpu, op in shifted(cpu, op, xmmShiftLeftWords) }
    case .pslld: return { cpu, op in shifted(cpu, op, xmmShiftLeftDoublewords) }
    case .psllq: return { cpu, op in shifted(cpu, op, xmmShiftLeftQuadwords) }
    case .psrlw: return { cpu, op in shifted(cpu, op, xmmShiftRightWords) }
    case .psrld: return { cpu, op in shifted(cpu, op, xmmShiftRightDoublewords) }
    case .psrlq: return { cpu, op in shifted(cpu, op, xmmShiftRightQuadwords) }
    case .psraw: return { cpu, op in shifted(cpu, op, xmmShiftRightWordsSigned) }
    case .psrad: return { cpu, op in shifted(cpu, op, xmmShiftRightDoublewordsSigned) }
    case .pslldq: return { cpu, op in shiftBytes(cpu, op, xmmShiftLeftBytes) }
    case .psrldq: return { cpu, op in shiftBytes(cpu, op, xmmShiftRightBytes) }
    default: return nil
    }
  }

  private static func shuffled(_ operation: Operation) -> Handler? {
    switch operation {
    case .shufps: return { cpu, op in shuffle(cpu, op, xmmShuffleDoublewords) }
    case .shufpd:
      return { cpu, op in
        shuffle(cpu, op) { a, b, order in
          XMMValue(order & 1 == 0 ? a[0] : a[1], order & 2 == 0 ? b[0] : b[1])
        }
      }
    case .pshufd:
      return { cpu, op in shuffle(cpu, op) { _, b, order in xmmShuffleDoublewords(b, b, order) } }
    case .pshuflw:
      return { cpu, op in
        shuffle(cpu, op) { _, b, order in XMMValue(packedShuffleWords(b[0], order), b[1]) }
      }
    case .pshufhw:
      return { cpu, op in
        shuffle(cpu, op) { _, b, order in XMMValue(b[0], packedShuffleWords(b[1], order)) }
      }
    default: return nil
    }
  }
}
