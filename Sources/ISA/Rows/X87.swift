/// x87 floating point. Clocks are the Pentium's latencies; ranges are charged their middle.
/// SDM vol. 1, chapter 8; vol. 2, tables.

/// Makes an x87 row.
private func fp(
  _ mnemonic: String, _ operation: Operation, _ encoding: String, _ operands: [OperandSpec],
  _ clocks: UInt16, _ flags: FlagUse = .none, _ attributes: RowAttributes = [],
  condition: UInt8 = 0
) -> Row {
  user(
    mnemonic, operation, encoding, operands, cycles(clocks), flags, attributes.union(.x87),
    condition: condition)
}

/// The forms of a non-popping arithmetic instruction: m32, m64, ST0,STi, STi,ST0 and, with its
/// other operations, STi,ST0 popping and the integers m16, m32. `reversed` is the digit that DC and
/// DE use.
private func arithmetic(
  _ name: String, _ operation: Operation, _ popping: Operation, _ integer: Operation,
  _ digit: Int, reversed: Int, _ clocks: UInt16
) -> [Row] {
  func register(_ digit: Int) -> String {
    String(0xC0 + digit * 8, radix: 16, uppercase: true) + "+i"
  }
  let integerName = "fi" + name.dropFirst()
  return [
    fp(name, operation, "D8 /\(digit)", [.ST0, .Md], clocks),
    fp(name, operation, "DC /\(digit)", [.ST0, .Mq], clocks),
    fp(name, operation, "D8 \(register(digit))", [.ST0, .STi], clocks),
    fp(name, operation, "DC \(register(reversed))", [.STi, .ST0], clocks),
    fp(name + "p", popping, "DE \(register(reversed))", [.STi, .ST0], clocks),
    fp(integerName, integer, "DA /\(digit)", [.ST0, .Md], clocks + 4),
    fp(integerName, integer, "DE /\(digit)", [.ST0, .Mw], clocks + 4),
  ]
}

let x87ArithmeticRows: [Row] = [
  arithmetic("fadd", .fadd, .faddp, .fiadd, 0, reversed: 0, 3),
  arithmetic("fmul", .fmul, .fmulp, .fimul, 1, reversed: 1, 3),
  arithmetic("fsub", .fsub, .fsubp, .fisub, 4, reversed: 5, 3),
  arithmetic("fsubr", .fsubr, .fsubrp, .fisubr, 5, reversed: 4, 3),
  arithmetic("fdiv", .fdiv, .fdivp, .fidiv, 6, reversed: 7, 39),
  arithmetic("fdivr", .fdivr, .fdivrp, .fidivr, 7, reversed: 6, 39),
].flatMap { $0 }

let x87TransferRows: [Row] = [
  fp("fld", .fld, "D9 /0", [.Md], 1, .none, .readsOnly),
  fp("fld", .fld, "DD /0", [.Mq], 1, .none, .readsOnly),
  fp("fld", .fld, "DB /5", [.Mt], 3, .none, .readsOnly),
  fp("fld", .fld, "D9 C0+i", [.STi], 1, .none, .readsOnly),
  fp("fst", .fst, "D9 /2", [.Md], 2, .none, .writesOnly),
  fp("fst", .fst, "DD /2", [.Mq], 2, .none, .writesOnly),
  fp("fst", .fst, "DD D0+i", [.STi], 1, .none, .writesOnly),
  fp("fstp", .fstp, "D9 /3", [.Md], 2, .none, .writesOnly),
  fp("fstp", .fstp, "DD /3", [.Mq], 2, .none, .writesOnly),
  fp("fstp", .fstp, "DB /7", [.Mt], 3, .none, .writesOnly),
  fp("fstp", .fstp, "DD D8+i", [.STi], 1, .none, .writesOnly),
  fp("fstp", .fstp, "D9 D8+i", [.STi], 1, .none, [.writesOnly, .alias]),
  fp("fstp", .fstp, "DF D0+i", [.STi], 1, .none, [.writesOnly, .alias]),
  fp("fstp", .fstp, "DF D8+i", [.STi], 1, .none, [.writesOnly, .alias]),
  fp("fild", .fild, "DF /0", [.Mw], 3, .none, .readsOnly),
  fp("fild", .fild, "DB /0", [.Md], 3, .none, .readsOnly),
  fp("fild", .fild, "DF /5", [.Mq], 3, .none, .readsOnly),
  fp("fist", .fist, "DF /2", [.Mw], 6, .none, .writesOnly),
  fp("fist", .fist, "DB /2", [.Md], 6, .none, .writesOnly),
  fp("fistp", .fistp, "DF /3", [.Mw], 6, .none, .writesOnly),
  fp("fistp", .fistp, "DB /3", [.Md], 6, .none, .writesOnly),
  fp("fistp", .fistp, "DF /7", [.Mq], 6, .none, .writesOnly),
  fp("fbld", .fbld, "DF /4", [.Mt], 50, .none, .readsOnly),
  fp("fbstp", .fbstp, "DF /6", [.Mt], 150, .none, .writesOnly),
  fp("fxch", .fxch, "D9 C8+i", [.STi], 1),
  fp("fxch", .fxch, "DD C8+i", [.STi], 1, .none, .alias),
  fp("fxch", .fxch, "DF C8+i", [.STi], 1, .none, .alias),
  fp("fcmovb", .fcmovcc, "DA C0+i", [.ST0, .STi], 2, FlagUse(reads: .cf), condition: 2),
  fp("fcmove", .fcmovcc, "DA C8+i", [.ST0, .STi], 2, FlagUse(reads: .zf), condition: 4),
  fp("fcmovbe", .fcmovcc, "DA D0+i", [.ST0, .STi], 2, FlagUse(reads: [.cf, .zf]), condition: 6),
  fp("fcmovu", .fcmovcc, "DA D8+i", [.ST0, .STi], 2, FlagUse(reads: .pf), condition: 10),
  fp("fcmovnb", .fcmovcc, "DB C0+i", [.ST0, .STi], 2, FlagUse(reads: .cf), condition: 3),
  fp("fcmovne", .fcmovcc, "DB C8+i", [.ST0, .STi], 2, FlagUse(reads: .zf), condition: 5),
  fp("fcmovnbe", .fcmovcc, "DB D0+i", [.ST0, .STi], 2, FlagUse(reads: [.cf, .zf]), condition: 7),
  fp("fcmovnu", .fcmovcc, "DB D8+i", [.ST0, .STi], 2, FlagUse(reads: .pf), condition: 11),
  fp("fld1", .fld1, "D9 E8", [], 2),
  fp("fldl2t", .fldl2t, "D9 E9", [], 5),
  fp("fldl2e", .fldl2e, "D9 EA", [], 5),
  fp("fldpi", .fldpi, "D9 EB", [], 5),
  fp("fldlg2", .fldlg2, "D9 EC", [], 5),
  fp("fldln2", .fldln2, "D9 ED", [], 5),
  fp("fldz", .fldz, "D9 EE", [], 2),
]

let x87FunctionRows: [Row] = [
  fp("fcom", .fcom, "D8 /2", [.Md], 4, .none, .readsOnly),
  fp("fcom", .fcom, "DC /2", [.Mq], 4, .none, .readsOnly),
  fp("fcom", .fcom, "D8 D0+i", [.STi], 4, .none, .readsOnly),
  fp("fcom", .fcom, "DC D0+i", [.STi], 4, .none, [.readsOnly, .alias]),
  fp("fcomp", .fcomp, "D8 /3", [.Md], 4, .none, .readsOnly),
  fp("fcomp", .fcomp, "DC /3", [.Mq], 4, .none, .readsOnly),
  fp("fcomp", .fcomp, "D8 D8+i", [.STi], 4, .none, .readsOnly),
  fp("fcomp", .fcomp, "DC D8+i", [.STi], 4, .none, [.readsOnly, .alias]),
  fp("fcomp", .fcomp, "DE D0+i", [.STi], 4, .none, [.readsOnly, .alias]),
  fp("fcompp", .fcompp, "DE D9", [], 4),
  fp("fucom", .fucom, "DD E0+i", [.STi], 4, .none, .readsOnly),
  fp("fucomp", .fucomp, "DD E8+i", [.STi], 4, .none, .readsOnly),
  fp("fucompp", .fucompp, "DA E9", [], 4),
  fp("ficom", .ficom, "DE /2", [.Mw], 8, .none, .readsOnly),
  fp("ficom", .ficom, "DA /2", [.Md], 8, .none, .readsOnly),
  fp("ficomp", .ficomp, "DE /3", [.Mw], 8, .none, .readsOnly),
  fp("ficomp", .ficomp, "DA /3", [.Md], 8, .none, .readsOnly),
  fp("fcomi", .fcomi, "DB F0+i", [.ST0, .STi], 4, .arithmetic, .readsOnly),
  fp("fcomip", .fcomip, "DF F0+i", [.ST0, .STi], 4, .arithmetic, .readsOnly),
  fp("fucomi", .fucomi, "DB E8+i", [.ST0, .STi], 4, .arithmetic, .readsOnly),
  fp("fucomip", .fucomip, "DF E8+i", [.ST0, .STi], 4, .arithmetic, .readsOnly),
  fp("ftst", .ftst, "D9 E4", [], 4),
  fp("fxam", .fxam, "D9 E5", [], 21),
  fp("fchs", .fchs, "D9 E0", [], 1),
  fp("fabs", .fabs, "D9 E1", [], 1),
  fp("fprem", .fprem, "D9 F8", [], 40),
  fp("fprem1", .fprem1, "D9 F5", [], 45),
  fp("frndint", .frndint, "D9 FC", [], 15),
  fp("fscale", .fscale, "D9 FD", [], 26),
  fp("fsqrt", .fsqrt, "D9 FA", [], 70),
  fp("fxtract", .fxtract, "D9 F4", [], 13),
  fp("fsin", .fsin, "D9 FE", [], 70),
  fp("fcos", .fcos, "D9 FF", [], 71),
  fp("fsincos", .fsincos, "D9 FB", [], 77),
  fp("fptan", .fptan, "D9 F2", [], 95),
  fp("fpatan", .fpatan, "D9 F3", [], 95),
  fp("f2xm1", .f2xm1, "D9 F0", [], 35),
  fp("fyl2x", .fyl2x, "D9 F1", [], 66),
  fp("fyl2xp1", .fyl2xp1, "D9 F9", [], 62),
]

let x87ControlRows: [Row] = [
  fp("fninit", .finit, "DB E3", [], 12),
  fp("fincstp", .fincstp, "D9 F7", [], 1),
  fp("fdecstp", .fdecstp, "D9 F6", [], 1),
  fp("ffree", .ffree, "DD C0+i", [.STi], 1, .none, .writesOnly),
  fp("ffreep", .ffreep, "DF C0+i", [.STi], 1, .none, [.writesOnly, .alias]),
  fp("fnop", .fnop, "D9 D0", [], 1),
  // The 8087's FENI and FDISI and the 287's FSETPM do nothing.
  fp("fneni", .fnop, "DB E0", [], 1, .none, .alias),
  fp("fndisi", .fnop, "DB E1", [], 1, .none, .alias),
  fp("fnsetpm", .fnop, "DB E4", [], 1, .none, .alias),
  fp("fldcw", .fldcw, "D9 /5", [.Mw], 7, .none, .readsOnly),
  fp("fnstcw", .fnstcw, "D9 /7", [.Mw], 2, .none, .writesOnly),
  fp("fnstsw", .fnstsw, "DD /7", [.Mw], 2, .none, .writesOnly),
  fp("fnstsw", .fnstsw, "DF E0", [.AX], 2, .none, .writesOnly),
  fp("fnclex", .fnclex, "DB E2", [], 9),
  fp("fnstenv", .fnstenv, "D9 /6", [.M14or28], 48, .none, .writesOnly),
  fp("fldenv", .fldenv, "D9 /4", [.M14or28], 37, .none, .readsOnly),
  fp("fnsave", .fnsave, "DD /6", [.M94or108], 127, .none, .writesOnly),
  fp("frstor", .frstor, "DD /4", [.M94or108], 75, .none, .readsOnly),
  fp("fwait", .fwait, "9B", [], 1),
  user(
    "fxsave", .fxsave, "NP 0F AE /0", [.M512], cycles(100), .none, [.aligned, .writesOnly],
    faults: .deviceNotAvailable),
  user(
    "fxrstor", .fxrstor, "NP 0F AE /1", [.M512], cycles(110), .none, [.aligned, .readsOnly],
    faults: .deviceNotAvailable),
]
