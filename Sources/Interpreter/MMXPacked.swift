import CPU
import ISA
import Memory

// The packed integer instructions on MMX registers. SDM vol. 1, 9.4; vol. 2 under their names.

/// `mm = mm op source`.
@inline(__always)
private func packed(_ cpu: CPU, _ op: Op, _ compute: (UInt64, UInt64) -> UInt64) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try mmxCheck(cpu)
    let b = try mmxSource(cpu, op)
    let fpu = cpu.fpu
    let n = destination(op)
    fpu.enterMMX()
    mmxSetValue(fpu, n, compute(mmxValue(fpu, n), b))
    return cpu.pointee.stop
  }
}

enum MMXPacked {
  static func handler(for operation: Operation) -> Handler? {
    arithmetic(operation) ?? other(operation)
  }

  private static func arithmetic(_ operation: Operation) -> Handler? {
    switch operation {
    case .paddb: return { cpu, op in packed(cpu, op, mmxAddBytes) }
    case .paddw: return { cpu, op in packed(cpu, op, mmxAddWords) }
    case .paddd: return { cpu, op in packed(cpu, op, mmxAddDoublewords) }
    case .paddq: return { cpu, op in packed(cpu, op, mmxAddQuadwords) }
    case .paddsb: return { cpu, op in packed(cpu, op, mmxAddBytesSigned) }
    case .paddsw: return { cpu, op in packed(cpu, op, mmxAddWordsSigned) }
    case .paddusb: return { cpu, op in packed(cpu, op, mmxAddBytesUnsigned) }
    case .paddusw: return { cpu, op in packed(cpu, op, mmxAddWordsUnsigned) }
    case .psubb: return { cpu, op in packed(cpu, op, mmxSubtractBytes) }
    case .psubw: return { cpu, op in packed(cpu, op, mmxSubtractWords) }
    case .psubd: return { cpu, op in packed(cpu, op, mmxSubtractDoublewords) }
    case .psubq: return { cpu, op in packed(cpu, op, mmxSubtractQuadwords) }
    case .psubsb: return { cpu, op in packed(cpu, op, mmxSubtractBytesSigned) }
    case .psubsw: return { cpu, op in packed(cpu, op, mmxSubtractWordsSigned) }
    case .psubusb: return { cpu, op in packed(cpu, op, mmxSubtractBytesUnsigned) }
    case .psubusw: return { cpu, op in packed(cpu, op, mmxSubtractWordsUnsigned) }
    case .pmaddwd: return { cpu, op in packed(cpu, op, mmxMultiplyAddWords) }
    case .pmulhw: return { cpu, op in packed(cpu, op, mmxMultiplyHighWords) }
    case .pmulhuw: return { cpu, op in packed(cpu, op, mmxMultiplyHighWordsUnsigned) }
    case .pmullw: return { cpu, op in packed(cpu, op, mmxMultiplyLowWords) }
    case .pmuludq: return { cpu, op in packed(cpu, op, mmxMultiplyDoublewordsUnsigned) }
    case .pavgb: return { cpu, op in packed(cpu, op, mmxAverageBytes) }
    case .pavgw: return { cpu, op in packed(cpu, op, mmxAverageWords) }
    case .pmaxsw: return { cpu, op in packed(cpu, op, mmxMaximumWords) }
    case .pmaxub: return { cpu, op in packed(cpu, op, mmxMaximumBytes) }
    case .pminsw: return { cpu, op in packed(cpu, op, mmxMinimumWords) }
    case .pminub: return { cpu, op in packed(cpu, op, mmxMinimumBytes) }
    case .psadbw: return { cpu, op in packed(cpu, op, mmxSumOfDifferences) }
    default: return nil
    }
  }

  private static func other(_ operation: Operation) -> Handler? {
    switch operation {
    case .pand: return { cpu, op in packed(cpu, op, mmxAnd) }
    case .pandn: return { cpu, op in packed(cpu, op, mmxAndNot) }
    case .por: return { cpu, op in packed(cpu, op, mmxOr) }
    case .pxor: return { cpu, op in packed(cpu, op, mmxXor) }
    case .pcmpeqb: return { cpu, op in packed(cpu, op, mmxEqualBytes) }
    case .pcmpeqw: return { cpu, op in packed(cpu, op, mmxEqualWords) }
    case .pcmpeqd: return { cpu, op in packed(cpu, op, mmxEqualDoublewords) }
    case .pcmpgtb: return { cpu, op in packed(cpu, op, mmxGreaterBytes) }
    case .pcmpgtw: return { cpu, op in packed(cpu, op, mmxGreaterWords) }
    case .pcmpgtd: return { cpu, op in packed(cpu, op, mmxGreaterDoublewords) }
    case .psllw: return { cpu, op in packed(cpu, op, mmxShiftLeftWords) }
    case .pslld: return { cpu, op in packed(cpu, op, mmxShiftLeftDoublewords) }
    case .psllq: return { cpu, op in packed(cpu, op, mmxShiftLeftQuadwords) }
    case .psrlw: return { cpu, op in packed(cpu, op, mmxShiftRightWords) }
    case .psrld: return { cpu, op in packed(cpu, op, mmxShiftRightDoublewords) }
    case .psrlq: return { cpu, op in packed(cpu, op, mmxShiftRightQuadwords) }
    case .psraw: return { cpu, op in packed(cpu, op, mmxShiftRightWordsSigned) }
    case .psrad: return { cpu, op in packed(cpu, op, mmxShiftRightDoublewordsSigned) }
    case .packsswb: return { cpu, op in packed(cpu, op, mmxPackWordsSigned) }
    case .packssdw: return { cpu, op in packed(cpu, op, mmxPackDoublewordsSigned) }
    case .packuswb: return { cpu, op in packed(cpu, op, mmxPackWordsUnsigned) }
    case .punpcklbw: return { cpu, op in packed(cpu, op, mmxUnpackLowBytes) }
    case .punpcklwd: return { cpu, op in packed(cpu, op, mmxUnpackLowWords) }
    case .punpckldq: return { cpu, op in packed(cpu, op, mmxUnpackLowDoublewords) }
    case .punpckhbw: return { cpu, op in packed(cpu, op, mmxUnpackHighBytes) }
    case .punpckhwd: return { cpu, op in packed(cpu, op, mmxUnpackHighWords) }
    case .punpckhdq: return { cpu, op in packed(cpu, op, mmxUnpackHighDoublewords) }
    default: return nil
    }
  }
}
