/// Single-flag instructions. SDM vol. 1, 7.3.13.
let flagRows: [Row] = [
  user("clc", .clc, "F8", [], cycles(2), FlagUse(writes: .cf)),
  user("stc", .stc, "F9", [], cycles(2), FlagUse(writes: .cf)),
  user("cmc", .cmc, "F5", [], cycles(2), FlagUse(reads: .cf, writes: .cf)),
  user("cld", .cld, "FC", [], cycles(2), FlagUse(writes: .df)),
  user("std", .std, "FD", [], cycles(2), FlagUse(writes: .df)),
  row("cli", .cli, "FA", [], cycles(7), .none, faults: .generalProtection),
  row("sti", .sti, "FB", [], cycles(7), .none, faults: .generalProtection),
]
