/// Port I/O, control registers and the other system instructions. SDM vol. 3, 2.8; vol. 1, chapter
/// 19.
let systemRows: [Row] = [
  row("in", .in, "E4", [.AL, .Ib], cycles(7), .none, input),
  row("in", .in, "E5", [.eAX, .Ib], cycles(7), .none, input),
  row("in", .in, "EC", [.AL, .DX], cycles(7), .none, input),
  row("in", .in, "ED", [.eAX, .DX], cycles(7), .none, input),
  row("out", .out, "E6", [.Ib, .AL], cycles(12), .none, output),
  row("out", .out, "E7", [.Ib, .eAX], cycles(12), .none, output),
  row("out", .out, "EE", [.DX, .AL], cycles(12), .none, output),
  row("out", .out, "EF", [.DX, .eAX], cycles(12), .none, output),
  row("hlt", .hlt, "F4", [], cycles(4), .none, change),
  row("clts", .clts, "0F 06", [], cycles(10), .none, change),
  row("invd", .invd, "0F 08", [], cycles(15), .none, .privileged),
  row("wbinvd", .wbinvd, "0F 09", [], cycles(2000), .none, .privileged),
  row("invlpg", .invlpg, "0F 01 /7", [.Mb], cycles(25), .none, [change, .readsOnly]),
  row("lgdt", .lgdt, "0F 01 /2", [.Ms], cycles(6), .none, [change, .readsOnly]),
  row("lidt", .lidt, "0F 01 /3", [.Ms], cycles(6), .none, [change, .readsOnly]),
  row("sgdt", .sgdt, "0F 01 /0", [.Ms], cycles(4), .none, .writesOnly),
  row("sidt", .sidt, "0F 01 /1", [.Ms], cycles(4), .none, .writesOnly),
  row("lldt", .lldt, "0F 00 /2", [.Ew], cycles(9), .none, taskRegister, faults: .segment),
  row("sldt", .sldt, "0F 00 /0", [.RvMw], cycles(2), .none, [.protectedOnly, .writesOnly]),
  row("ltr", .ltr, "0F 00 /3", [.Ew], cycles(10), .none, taskRegister, faults: .segment),
  row("str", .str, "0F 00 /1", [.RvMw], cycles(2), .none, [.protectedOnly, .writesOnly]),
  row("lmsw", .lmsw, "0F 01 /6", [.Ew], cycles(8), .none, [change, .readsOnly]),
  row("smsw", .smsw, "0F 01 /4", [.RvMw], cycles(4), .none, .writesOnly),
  row("mov", .movControl, "0F 20 /x", [.Rd, .Cd], cycles(4), .none, [.privileged, .writesOnly]),
  row("mov", .movControl, "0F 22 /x", [.Cd, .Rd], cycles(22), .none, [change, .writesOnly]),
  row(
    "mov", .movDebug, "0F 21 /x", [.Rd, .Dd], cycles(11), .none, [.privileged, .writesOnly],
    faults: [.debug, .invalidOpcode]),
  row(
    "mov", .movDebug, "0F 23 /x", [.Dd, .Rd], cycles(11), .none, [change, .writesOnly],
    faults: [.debug, .invalidOpcode]),
  row("cpuid", .cpuid, "0F A2", [], cycles(14)),
  row("rdtsc", .rdtsc, "0F 31", [], cycles(11), faults: .generalProtection),
  row("rdmsr", .rdmsr, "0F 32", [], cycles(24), .none, .privileged),
  row("wrmsr", .wrmsr, "0F 30", [], cycles(45), .none, change),
  row("rdpmc", .rdpmc, "0F 33", [], cycles(13), faults: .generalProtection),
  row(
    "sysenter", .sysenter, "0F 34", [], cycles(25), .none, .endsBlock, faults: .generalProtection),
  row("sysexit", .sysexit, "0F 35", [], cycles(25), .none, change),
  row("rsm", .rsm, "0F AA", [], cycles(83), .none, .endsBlock, faults: .invalidOpcode),
  user("pause", .pause, "F3 90", [], cycles(1)),
  user("prefetchnta", .prefetch, "0F 18 /0", [.Mb], cycles(1), .none, .readsOnly),
  user("prefetcht0", .prefetch, "0F 18 /1", [.Mb], cycles(1), .none, .readsOnly),
  user("prefetcht1", .prefetch, "0F 18 /2", [.Mb], cycles(1), .none, .readsOnly),
  user("prefetcht2", .prefetch, "0F 18 /3", [.Mb], cycles(1), .none, .readsOnly),
  user("lfence", .lfence, "NP 0F AE E8+i", [], cycles(4)),
  user("mfence", .mfence, "NP 0F AE F0+i", [], cycles(6)),
  user("sfence", .sfence, "NP 0F AE F8+i", [], cycles(4)),
  user("clflush", .clflush, "NP 0F AE /7", [.Mb], cycles(20), .none, .readsOnly),
]

private let input: RowAttributes = [.io, .writesOnly]
private let output: RowAttributes = [.io, .readsOnly]
private let change: RowAttributes = [.privileged, .endsBlock]
private let taskRegister: RowAttributes = [
  .privileged, .endsBlock, .protectedOnly, .readsOnly,
]
