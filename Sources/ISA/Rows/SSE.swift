/// Single-precision SIMD. Clocks are the Pentium III's latencies. SDM vol. 1, chapter 10.

/// Makes an XMM row that raises no floating-point exceptions.
private func sse(
  _ mnemonic: String, _ operation: Operation, _ encoding: String, _ operands: [OperandSpec],
  _ clocks: UInt16, _ attributes: RowAttributes = []
) -> Row {
  user(mnemonic, operation, encoding, operands, cycles(clocks), .none, attributes.union(.sse))
}

/// The packed and the scalar form of an arithmetic instruction.
private func arithmetic(
  _ name: String, _ packed: Operation, _ scalar: Operation, _ opcode: String, _ clocks: UInt16,
  _ scalarClocks: UInt16, _ immediate: [OperandSpec] = [], _ attributes: RowAttributes = [],
  faults: Faults = .simdFloatingPoint
) -> [Row] {
  [
    user(
      name + "ps", packed, "NP 0F \(opcode) /r", [.Vx, .Wx] + immediate, cycles(clocks), .none,
      attributes.union([.sse, .aligned]), faults: faults),
    user(
      name + "ss", scalar, "F3 0F \(opcode) /r", [.Vx, .Wd] + immediate, cycles(scalarClocks),
      .none, attributes.union(.sse), faults: faults),
  ]
}

let sseArithmeticRows: [Row] = [
  arithmetic("add", .addps, .addss, "58", 4, 3), arithmetic("mul", .mulps, .mulss, "59", 5, 4),
  arithmetic("sub", .subps, .subss, "5C", 4, 3), arithmetic("min", .minps, .minss, "5D", 4, 3),
  arithmetic("div", .divps, .divss, "5E", 36, 18),
  arithmetic("max", .maxps, .maxss, "5F", 4, 3),
  arithmetic("sqrt", .sqrtps, .sqrtss, "51", 58, 30, [], .writesOnly),
  arithmetic("rsqrt", .rsqrtps, .rsqrtss, "52", 2, 1, [], .writesOnly, faults: .none),
  arithmetic("rcp", .rcpps, .rcpss, "53", 2, 1, [], .writesOnly, faults: .none),
  arithmetic("cmp", .cmpps, .cmpss, "C2", 4, 3, [.Ib]),
].flatMap { $0 }

let sseRows: [Row] = [
  sse("movups", .movups, "NP 0F 10 /r", [.Vx, .Wx], 2, .writesOnly),
  sse("movups", .movups, "NP 0F 11 /r", [.Wx, .Vx], 2, .writesOnly),
  sse("movss", .movss, "F3 0F 10 /r", [.Vx, .Wd], 1, .writesOnly),
  sse("movss", .movss, "F3 0F 11 /r", [.Wd, .Vx], 1, .writesOnly),
  sse("movaps", .movaps, "NP 0F 28 /r", [.Vx, .Wx], 1, [.aligned, .writesOnly]),
  sse("movaps", .movaps, "NP 0F 29 /r", [.Wx, .Vx], 1, [.aligned, .writesOnly]),
  sse("movlps", .movlps, "NP 0F 12 /r", [.Vx, .Mq], 1),
  sse("movhlps", .movhlps, "NP 0F 12 /r", [.Vx, .Ux], 1),
  sse("movlps", .movlps, "NP 0F 13 /r", [.Mq, .Vx], 1, .writesOnly),
  sse("movhps", .movhps, "NP 0F 16 /r", [.Vx, .Mq], 1),
  sse("movlhps", .movlhps, "NP 0F 16 /r", [.Vx, .Ux], 1),
  sse("movhps", .movhps, "NP 0F 17 /r", [.Mq, .Vx], 1, .writesOnly),
  sse("movmskps", .movmskps, "NP 0F 50 /r", [.Gd, .Ux], 1, .writesOnly),
  sse("movntps", .movntps, "NP 0F 2B /r", [.Mx, .Vx], 1, [.aligned, .writesOnly]),
  sse("unpcklps", .unpcklps, "NP 0F 14 /r", [.Vx, .Wx], 2, .aligned),
  sse("unpckhps", .unpckhps, "NP 0F 15 /r", [.Vx, .Wx], 2, .aligned),
  sse("shufps", .shufps, "NP 0F C6 /r", [.Vx, .Wx, .Ib], 2, .aligned),
  sse("andps", .andps, "NP 0F 54 /r", [.Vx, .Wx], 2, .aligned),
  sse("andnps", .andnps, "NP 0F 55 /r", [.Vx, .Wx], 2, .aligned),
  sse("orps", .orps, "NP 0F 56 /r", [.Vx, .Wx], 2, .aligned),
  sse("xorps", .xorps, "NP 0F 57 /r", [.Vx, .Wx], 2, .aligned),
  sse("ldmxcsr", .ldmxcsr, "NP 0F AE /2", [.Md], 7, .readsOnly),
  sse("stmxcsr", .stmxcsr, "NP 0F AE /3", [.Md], 4, .writesOnly),
  simd("ucomiss", .ucomiss, "NP 0F 2E /r", [.Vx, .Wd], 3, .arithmetic, .readsOnly),
  simd("comiss", .comiss, "NP 0F 2F /r", [.Vx, .Wd], 3, .arithmetic, .readsOnly),
  simd("cvtpi2ps", .cvtpi2ps, "NP 0F 2A /r", [.Vx, .Qq], 4, .none, [.x87, .mmx]),
  simd("cvtsi2ss", .cvtsi2ss, "F3 0F 2A /r", [.Vx, .Ed], 4),
  simd("cvttps2pi", .cvttps2pi, "NP 0F 2C /r", [.Pq, .Wq], 4, .none, [.x87, .mmx, .writesOnly]),
  simd("cvttss2si", .cvttss2si, "F3 0F 2C /r", [.Gd, .Wd], 3, .none, .writesOnly),
  simd("cvtps2pi", .cvtps2pi, "NP 0F 2D /r", [.Pq, .Wq], 4, .none, [.x87, .mmx, .writesOnly]),
  simd("cvtss2si", .cvtss2si, "F3 0F 2D /r", [.Gd, .Wd], 3, .none, .writesOnly),
]

/// Makes a row that uses XMM registers and raises SIMD floating-point exceptions.
func simd(
  _ mnemonic: String, _ operation: Operation, _ encoding: String, _ operands: [OperandSpec],
  _ clocks: UInt16, _ flags: FlagUse = .none, _ attributes: RowAttributes = []
) -> Row {
  user(
    mnemonic, operation, encoding, operands, cycles(clocks), flags, attributes.union(.sse),
    faults: .simdFloatingPoint)
}
