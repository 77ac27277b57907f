/// Control transfers. SDM vol. 1, 7.3.8; vol. 3, 6.12.
let controlRows: [Row] = [
  user("jcc", .jcc, "70+cc", [.Jb], cycles(1), .condition, branch, faults: target),
  user("jcc", .jcc, "0F 80+cc", [.Jz], cycles(1), .condition, branch, faults: target),
  user("jmp", .jmp, "EB", [.Jb], cycles(1), .none, branch, faults: target),
  user("jmp", .jmp, "E9", [.Jz], cycles(1), .none, branch, faults: target),
  user("jmp", .jmp, "FF /4", [.Ev], cycles(2), .none, branch, faults: target),
  user("call", .call, "E8", [.Jz], cycles(1), .none, branch, faults: [target, .memory]),
  user("call", .call, "FF /2", [.Ev], cycles(2), .none, branch, faults: [target, .memory]),
  user("ret", .ret, "C2", [.Iw], cycles(3), .none, branch, faults: [target, .memory]),
  user("ret", .ret, "C3", [], cycles(2), .none, .endsBlock, faults: [target, .memory]),
  row("jmp far", .jmpFar, "EA", [.Ap], cycles(3), .none, branch, faults: farTarget),
  row("jmp far", .jmpFar, "FF /5", [.Mp], cycles(4), .none, branch, faults: farTarget),
  row("call far", .callFar, "9A", [.Ap], cycles(4), .none, branch, faults: farTarget),
  row("call far", .callFar, "FF /3", [.Mp], cycles(5), .none, branch, faults: farTarget),
  row("ret far", .retFar, "CA", [.Iw], cycles(4), .none, branch, faults: farTarget),
  row("ret far", .retFar, "CB", [], cycles(4), .none, .endsBlock, faults: farTarget),
  user("jcxz", .jcxz, "E3", [.Jb], cycles(6), .none, branch, faults: target),
  user("loop", .loop, "E2", [.Jb], cycles(5), .none, branch, faults: target),
  user("loope", .loope, "E1", [.Jb], cycles(7), FlagUse(reads: .zf), branch, faults: target),
  user("loopne", .loopne, "E0", [.Jb], cycles(7), FlagUse(reads: .zf), branch, faults: target),
  user("enter", .enter, "C8", [.Iw, .Ib2], cycles(11), .none, .readsOnly, faults: .memory),
  user("leave", .leave, "C9", [], cycles(3), faults: .memory),
  row("int", .int, "CD", [.Ib], cycles(16), .none, branch, faults: farTarget),
  row("int3", .int3, "CC", [], cycles(13), .none, .endsBlock, faults: [farTarget, .debug]),
  row(
    "into", .into, "CE", [], cycles(4), FlagUse(reads: .of), .endsBlock,
    faults: [farTarget, .overflow]),
  row(
    "iret", .iret, "CF", [], cycles(10), FlagUse(writes: .all.union(.df)), .endsBlock,
    faults: farTarget),
  user("bound", .bound, "62 /r", [.Gv, .Ma], cycles(8), .none, .readsOnly, faults: .boundRange),
  row("icebp", .icebp, "F1", [], cycles(13), .none, [.endsBlock, .alias], faults: .debug),
  row("ud2", .ud2, "0F 0B", [], cycles(1), .none, .endsBlock, faults: .invalidOpcode),
  row("ud1", .ud1, "0F B9 /r", [.Gv, .Ev], cycles(1), .none, ud, faults: .invalidOpcode),
  row("ud0", .ud0, "0F FF /r", [.Gv, .Ev], cycles(1), .none, ud, faults: .invalidOpcode),
]

private let branch: RowAttributes = [.endsBlock, .readsOnly]
private let ud: RowAttributes = [.endsBlock, .readsOnly, .alias]
private let target: Faults = .generalProtection
private let farTarget: Faults = [.generalProtection, .memory, .segment]
