/// MMX registers alone, SSE's additions to them included. SDM vol. 1, chapter 9.

/// Makes an MMX row.
private func mmx(
  _ mnemonic: String, _ operation: Operation, _ encoding: String, _ operands: [OperandSpec],
  _ clocks: UInt16 = 1, _ attributes: RowAttributes = []
) -> Row {
  user(
    mnemonic, operation, "NP 0F " + encoding, operands, cycles(clocks), .none,
    attributes.union([.x87, .mmx]))
}

/// An MMX instruction and its widening to XMM by prefix 66.
private func packed(
  _ mnemonic: String, _ operation: Operation, _ opcode: String, _ clocks: UInt16 = 1,
  source: OperandSpec = .Qq
) -> [Row] {
  [
    mmx(mnemonic, operation, opcode + " /r", [.Pq, source], clocks),
    user(
      mnemonic, operation, "66 0F \(opcode) /r", [.Vx, .Wx], cycles(clocks + 1), .none,
      [.sse, .aligned]),
  ]
}

let mmxPackedRows: [Row] = [
  packed("punpcklbw", .punpcklbw, "60", source: .Qd),
  packed("punpcklwd", .punpcklwd, "61", source: .Qd),
  packed("punpckldq", .punpckldq, "62", source: .Qd),
  packed("packsswb", .packsswb, "63"), packed("pcmpgtb", .pcmpgtb, "64"),
  packed("pcmpgtw", .pcmpgtw, "65"), packed("pcmpgtd", .pcmpgtd, "66"),
  packed("packuswb", .packuswb, "67"), packed("punpckhbw", .punpckhbw, "68"),
  packed("punpckhwd", .punpckhwd, "69"), packed("punpckhdq", .punpckhdq, "6A"),
  packed("packssdw", .packssdw, "6B"), packed("pcmpeqb", .pcmpeqb, "74"),
  packed("pcmpeqw", .pcmpeqw, "75"), packed("pcmpeqd", .pcmpeqd, "76"),
  packed("psrlw", .psrlw, "D1"), packed("psrld", .psrld, "D2"), packed("psrlq", .psrlq, "D3"),
  packed("paddq", .paddq, "D4"), packed("pmullw", .pmullw, "D5", 3),
  packed("psubusb", .psubusb, "D8"), packed("psubusw", .psubusw, "D9"),
  packed("pminub", .pminub, "DA"), packed("pand", .pand, "DB"),
  packed("paddusb", .paddusb, "DC"), packed("paddusw", .paddusw, "DD"),
  packed("pmaxub", .pmaxub, "DE"), packed("pandn", .pandn, "DF"), packed("pavgb", .pavgb, "E0"),
  packed("psraw", .psraw, "E1"), packed("psrad", .psrad, "E2"), packed("pavgw", .pavgw, "E3"),
  packed("pmulhuw", .pmulhuw, "E4", 3), packed("pmulhw", .pmulhw, "E5", 3),
  packed("psubsb", .psubsb, "E8"), packed("psubsw", .psubsw, "E9"),
  packed("pminsw", .pminsw, "EA"), packed("por", .por, "EB"), packed("paddsb", .paddsb, "EC"),
  packed("paddsw", .paddsw, "ED"), packed("pmaxsw", .pmaxsw, "EE"), packed("pxor", .pxor, "EF"),
  packed("psllw", .psllw, "F1"), packed("pslld", .pslld, "F2"), packed("psllq", .psllq, "F3"),
  packed("pmuludq", .pmuludq, "F4", 3), packed("pmaddwd", .pmaddwd, "F5", 3),
  packed("psadbw", .psadbw, "F6", 3), packed("psubb", .psubb, "F8"),
  packed("psubw", .psubw, "F9"), packed("psubd", .psubd, "FA"), packed("psubq", .psubq, "FB"),
  packed("paddb", .paddb, "FC"), packed("paddw", .paddw, "FD"), packed("paddd", .paddd, "FE"),
].flatMap { $0 }

let mmxRows: [Row] = [
  mmx("emms", .emms, "77", []),
  mmx("movd", .movd, "6E /r", [.Pq, .Ed], 1, .writesOnly),
  mmx("movd", .movd, "7E /r", [.Ed, .Pq], 1, .writesOnly),
  mmx("movq", .movq, "6F /r", [.Pq, .Qq], 1, .writesOnly),
  mmx("movq", .movq, "7F /r", [.Qq, .Pq], 1, .writesOnly),
  mmx("psrlw", .psrlw, "71 /2", [.Nq, .Ib]),
  mmx("psraw", .psraw, "71 /4", [.Nq, .Ib]),
  mmx("psllw", .psllw, "71 /6", [.Nq, .Ib]),
  mmx("psrld", .psrld, "72 /2", [.Nq, .Ib]),
  mmx("psrad", .psrad, "72 /4", [.Nq, .Ib]),
  mmx("pslld", .pslld, "72 /6", [.Nq, .Ib]),
  mmx("psrlq", .psrlq, "73 /2", [.Nq, .Ib]),
  mmx("psllq", .psllq, "73 /6", [.Nq, .Ib]),
  mmx("pshufw", .pshufw, "70 /r", [.Pq, .Qq, .Ib], 1, .writesOnly),
  mmx("pinsrw", .pinsrw, "C4 /r", [.Pq, .RdMw, .Ib], 4),
  mmx("pextrw", .pextrw, "C5 /r", [.Gd, .Nq, .Ib], 2, .writesOnly),
  mmx("pmovmskb", .pmovmskb, "D7 /r", [.Gd, .Nq], 1, .writesOnly),
  mmx("movntq", .movntq, "E7 /r", [.Mq, .Pq], 1, .writesOnly),
  user(
    "maskmovq", .maskmovq, "NP 0F F7 /r", [.Pq, .Nq], cycles(4), .none,
    [.x87, .mmx, .readsOnly], faults: .memory),
]
