/// String instructions; the second cycle count is the set-up of the repeated form. SDM vol. 1,
/// 7.3.9.
let stringRows: [Row] = [
  user("movs", .movs, "A4", [.Yb, .Xb], cycles(4, 13, each: 1), .direction, writes),
  user("movs", .movs, "A5", [.Yv, .Xv], cycles(4, 13, each: 1), .direction, writes),
  user("cmps", .cmps, "A6", [.Xb, .Yb], cycles(5, 9, each: 4), .compareString, reads),
  user("cmps", .cmps, "A7", [.Xv, .Yv], cycles(5, 9, each: 4), .compareString, reads),
  user("stos", .stos, "AA", [.Yb, .AL], cycles(3, 9, each: 1), .direction, writes),
  user("stos", .stos, "AB", [.Yv, .eAX], cycles(3, 9, each: 1), .direction, writes),
  user("lods", .lods, "AC", [.AL, .Xb], cycles(2, 7, each: 3), .direction, writes),
  user("lods", .lods, "AD", [.eAX, .Xv], cycles(2, 7, each: 3), .direction, writes),
  user("scas", .scas, "AE", [.AL, .Yb], cycles(4, 9, each: 4), .compareString, reads),
  user("scas", .scas, "AF", [.eAX, .Yv], cycles(4, 9, each: 4), .compareString, reads),
  row("ins", .ins, "6C", [.Yb, .DX], cycles(9, 11, each: 3), .direction, input),
  row("ins", .ins, "6D", [.Yv, .DX], cycles(9, 11, each: 3), .direction, input),
  row("outs", .outs, "6E", [.DX, .Xb], cycles(13, 13, each: 4), .direction, output),
  row("outs", .outs, "6F", [.DX, .Xv], cycles(13, 13, each: 4), .direction, output),
]

private let writes: RowAttributes = [.repeatable, .writesOnly]
private let reads: RowAttributes = [.repeatable, .readsOnly]
private let input: RowAttributes = [.repeatable, .writesOnly, .io]
private let output: RowAttributes = [.repeatable, .readsOnly, .io]
