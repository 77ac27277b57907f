/// Double-precision and 128-bit integer SIMD; the widened MMX instructions are in MMX.swift. Clocks
/// extend the Pentium III's. SDM vol. 1, chapter 11.

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
  _ scalarClocks: UInt16, _ immediate: [OperandSpec] = [], _ attributes: RowAttributes = []
) -> [Row] {
  [
    simd(
      name + "pd", packed, "66 0F \(opcode) /r", [.Vx, .Wx] + immediate, clocks, .none,
      attributes.union(.aligned)),
    simd(
      name + "sd", scalar, "F2 0F \(opcode) /r", [.Vx, .Wq] + immediate, scalarClocks, .none,
      attributes),
  ]
}

let sse2ArithmeticRows: [Row] = [
  arithmetic("add", .addpd, .addsd, "58", 4, 3), arithmetic("mul", .mulpd, .mulsd, "59", 6, 5),
  arithmetic("sub", .subpd, .subsd, "5C", 4, 3), arithmetic("min", .minpd, .minsd, "5D", 4, 3),
  arithmetic("div", .divpd, .divsd, "5E", 62, 32),
  arithmetic("max", .maxpd, .maxsd, "5F", 4, 3),
  arithmetic("sqrt", .sqrtpd, .sqrtsd, "51", 114, 57, [], .writesOnly),
  arithmetic("cmp", .cmppd, .cmpsd, "C2", 4, 3, [.Ib]),
].flatMap { $0 }

let sse2MoveRows: [Row] = [
  sse("movupd", .movupd, "66 0F 10 /r", [.Vx, .Wx], 2, .writesOnly),
  sse("movupd", .movupd, "66 0F 11 /r", [.Wx, .Vx], 2, .writesOnly),
  sse("movsd", .movsd, "F2 0F 10 /r", [.Vx, .Wq], 1, .writesOnly),
  sse("movsd", .movsd, "F2 0F 11 /r", [.Wq, .Vx], 1, .writesOnly),
  sse("movapd", .movapd, "66 0F 28 /r", [.Vx, .Wx], 1, [.aligned, .writesOnly]),
  sse("movapd", .movapd, "66 0F 29 /r", [.Wx, .Vx], 1, [.aligned, .writesOnly]),
  sse("movlpd", .movlpd, "66 0F 12 /r", [.Vx, .Mq], 1),
  sse("movlpd", .movlpd, "66 0F 13 /r", [.Mq, .Vx], 1, .writesOnly),
  sse("movhpd", .movhpd, "66 0F 16 /r", [.Vx, .Mq], 1),
  sse("movhpd", .movhpd, "66 0F 17 /r", [.Mq, .Vx], 1, .writesOnly),
  sse("movmskpd", .movmskpd, "66 0F 50 /r", [.Gd, .Ux], 1, .writesOnly),
  sse("movntpd", .movntpd, "66 0F 2B /r", [.Mx, .Vx], 1, [.aligned, .writesOnly]),
  sse("movntdq", .movntdq, "66 0F E7 /r", [.Mx, .Vx], 1, [.aligned, .writesOnly]),
  user("movnti", .movnti, "NP 0F C3 /r", [.Md, .Gd], cycles(1), .none, .writesOnly),
  sse("movd", .movd, "66 0F 6E /r", [.Vx, .Ed], 1, .writesOnly),
  sse("movd", .movd, "66 0F 7E /r", [.Ed, .Vx], 1, .writesOnly),
  sse("movq", .movq, "F3 0F 7E /r", [.Vx, .Wq], 1, .writesOnly),
  sse("movq", .movq, "66 0F D6 /r", [.Wq, .Vx], 1, .writesOnly),
  sse("movdqa", .movdqa, "66 0F 6F /r", [.Vx, .Wx], 1, [.aligned, .writesOnly]),
  sse("movdqa", .movdqa, "66 0F 7F /r", [.Wx, .Vx], 1, [.aligned, .writesOnly]),
  sse("movdqu", .movdqu, "F3 0F 6F /r", [.Vx, .Wx], 2, .writesOnly),
  sse("movdqu", .movdqu, "F3 0F 7F /r", [.Wx, .Vx], 2, .writesOnly),
  sse("movq2dq", .movq2dq, "F3 0F D6 /r", [.Vx, .Nq], 2, [.x87, .mmx, .writesOnly]),
  sse("movdq2q", .movdq2q, "F2 0F D6 /r", [.Pq, .Ux], 2, [.x87, .mmx, .writesOnly]),
  user(
    "maskmovdqu", .maskmovdqu, "66 0F F7 /r", [.Vx, .Ux], cycles(6), .none, [.sse, .readsOnly],
    faults: .memory),
  sse("pshufd", .pshufd, "66 0F 70 /r", [.Vx, .Wx, .Ib], 2, [.aligned, .writesOnly]),
  sse("pshufhw", .pshufhw, "F3 0F 70 /r", [.Vx, .Wx, .Ib], 2, [.aligned, .writesOnly]),
  sse("pshuflw", .pshuflw, "F2 0F 70 /r", [.Vx, .Wx, .Ib], 2, [.aligned, .writesOnly]),
  sse("pinsrw", .pinsrw, "66 0F C4 /r", [.Vx, .RdMw, .Ib], 4),
  sse("pextrw", .pextrw, "66 0F C5 /r", [.Gd, .Ux, .Ib], 2, .writesOnly),
  sse("pmovmskb", .pmovmskb, "66 0F D7 /r", [.Gd, .Ux], 1, .writesOnly),
]

let sse2Rows: [Row] = [
  sse("psrlw", .psrlw, "66 0F 71 /2", [.Ux, .Ib], 2),
  sse("psraw", .psraw, "66 0F 71 /4", [.Ux, .Ib], 2),
  sse("psllw", .psllw, "66 0F 71 /6", [.Ux, .Ib], 2),
  sse("psrld", .psrld, "66 0F 72 /2", [.Ux, .Ib], 2),
  sse("psrad", .psrad, "66 0F 72 /4", [.Ux, .Ib], 2),
  sse("pslld", .pslld, "66 0F 72 /6", [.Ux, .Ib], 2),
  sse("psrlq", .psrlq, "66 0F 73 /2", [.Ux, .Ib], 2),
  sse("psrldq", .psrldq, "66 0F 73 /3", [.Ux, .Ib], 4),
  sse("psllq", .psllq, "66 0F 73 /6", [.Ux, .Ib], 2),
  sse("pslldq", .pslldq, "66 0F 73 /7", [.Ux, .Ib], 4),
  sse("punpcklqdq", .punpcklqdq, "66 0F 6C /r", [.Vx, .Wx], 2, .aligned),
  sse("punpckhqdq", .punpckhqdq, "66 0F 6D /r", [.Vx, .Wx], 2, .aligned),
  sse("unpcklpd", .unpcklpd, "66 0F 14 /r", [.Vx, .Wx], 2, .aligned),
  sse("unpckhpd", .unpckhpd, "66 0F 15 /r", [.Vx, .Wx], 2, .aligned),
  sse("shufpd", .shufpd, "66 0F C6 /r", [.Vx, .Wx, .Ib], 2, .aligned),
  sse("andpd", .andpd, "66 0F 54 /r", [.Vx, .Wx], 2, .aligned),
  sse("andnpd", .andnpd, "66 0F 55 /r", [.Vx, .Wx], 2, .aligned),
  sse("orpd", .orpd, "66 0F 56 /r", [.Vx, .Wx], 2, .aligned),
  sse("xorpd", .xorpd, "66 0F 57 /r", [.Vx, .Wx], 2, .aligned),
  simd("ucomisd", .ucomisd, "66 0F 2E /r", [.Vx, .Wq], 3, .arithmetic, .readsOnly),
  simd("comisd", .comisd, "66 0F 2F /r", [.Vx, .Wq], 3, .arithmetic, .readsOnly),
  simd("cvtpi2pd", .cvtpi2pd, "66 0F 2A /r", [.Vx, .Qq], 4, .none, [.x87, .mmx, .writesOnly]),
  simd("cvtsi2sd", .cvtsi2sd, "F2 0F 2A /r", [.Vx, .Ed], 4),
  simd(
    "cvttpd2pi", .cvttpd2pi, "66 0F 2C /r", [.Pq, .Wx], 5, .none,
    [.x87, .mmx, .aligned, .writesOnly]),
  simd("cvttsd2si", .cvttsd2si, "F2 0F 2C /r", [.Gd, .Wq], 3, .none, .writesOnly),
  simd(
    "cvtpd2pi", .cvtpd2pi, "66 0F 2D /r", [.Pq, .Wx], 5, .none,
    [.x87, .mmx, .aligned, .writesOnly]),
  simd("cvtsd2si", .cvtsd2si, "F2 0F 2D /r", [.Gd, .Wq], 3, .none, .writesOnly),
  simd("cvtps2pd", .cvtps2pd, "NP 0F 5A /r", [.Vx, .Wq], 4, .none, .writesOnly),
  simd("cvtpd2ps", .cvtpd2ps, "66 0F 5A /r", [.Vx, .Wx], 5, .none, [.aligned, .writesOnly]),
  simd("cvtss2sd", .cvtss2sd, "F3 0F 5A /r", [.Vx, .Wd], 4),
  simd("cvtsd2ss", .cvtsd2ss, "F2 0F 5A /r", [.Vx, .Wq], 4),
  simd("cvtdq2ps", .cvtdq2ps, "NP 0F 5B /r", [.Vx, .Wx], 4, .none, [.aligned, .writesOnly]),
  simd("cvtps2dq", .cvtps2dq, "66 0F 5B /r", [.Vx, .Wx], 4, .none, [.aligned, .writesOnly]),
  simd("cvttps2dq", .cvttps2dq, "F3 0F 5B /r", [.Vx, .Wx], 4, .none, [.aligned, .writesOnly]),
  simd("cvttpd2dq", .cvttpd2dq, "66 0F E6 /r", [.Vx, .Wx], 5, .none, [.aligned, .writesOnly]),
  simd("cvtdq2pd", .cvtdq2pd, "F3 0F E6 /r", [.Vx, .Wq], 4, .none, .writesOnly),
  simd("cvtpd2dq", .cvtpd2dq, "F2 0F E6 /r", [.Vx, .Wx], 5, .none, [.aligned, .writesOnly]),
]
