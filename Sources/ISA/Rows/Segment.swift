/// Segment registers and checks of selectors. SDM vol. 1, 7.3.14; vol. 3, 5.10.
let segmentRows: [Row] = [
  row("mov", .movFromSegment, "8C /r", [.RvMw, .Sw], cycles(1), .none, .writesOnly),
  row("mov", .movToSegment, "8E /r", [.Sw, .Ew], cycles(3), .none, load, faults: loads),
  row("push", .pushSegment, "06", [.ES], cycles(1), .none, .readsOnly, faults: .memory),
  row("push", .pushSegment, "0E", [.CS], cycles(1), .none, .readsOnly, faults: .memory),
  row("push", .pushSegment, "16", [.SS], cycles(1), .none, .readsOnly, faults: .memory),
  row("push", .pushSegment, "1E", [.DS], cycles(1), .none, .readsOnly, faults: .memory),
  row("push", .pushSegment, "0F A0", [.FS], cycles(1), .none, .readsOnly, faults: .memory),
  row("push", .pushSegment, "0F A8", [.GS], cycles(1), .none, .readsOnly, faults: .memory),
  row("pop", .popSegment, "07", [.ES], cycles(3), .none, load, faults: loads),
  row("pop", .popSegment, "17", [.SS], cycles(3), .none, load, faults: loads),
  row("pop", .popSegment, "1F", [.DS], cycles(3), .none, load, faults: loads),
  row("pop", .popSegment, "0F A1", [.FS], cycles(3), .none, load, faults: loads),
  row("pop", .popSegment, "0F A9", [.GS], cycles(3), .none, load, faults: loads),
  row("lds", .lds, "C5 /r", [.Gv, .Mp], cycles(4), .none, load, faults: loads),
  row("les", .les, "C4 /r", [.Gv, .Mp], cycles(4), .none, load, faults: loads),
  row("lss", .lss, "0F B2 /r", [.Gv, .Mp], cycles(4), .none, load, faults: loads),
  row("lfs", .lfs, "0F B4 /r", [.Gv, .Mp], cycles(4), .none, load, faults: loads),
  row("lgs", .lgs, "0F B5 /r", [.Gv, .Mp], cycles(4), .none, load, faults: loads),
  row("arpl", .arpl, "63 /r", [.Ew, .Gw], cycles(7), .zero, .protectedOnly),
  row("lar", .lar, "0F 02 /r", [.Gv, .Ew], cycles(8), .zero, .protectedOnly),
  row("lsl", .lsl, "0F 03 /r", [.Gv, .Ew], cycles(8), .zero, .protectedOnly),
  row("verr", .verr, "0F 00 /4", [.Ew], cycles(7), .zero, [.protectedOnly, .readsOnly]),
  row("verw", .verw, "0F 00 /5", [.Ew], cycles(7), .zero, [.protectedOnly, .readsOnly]),
]

private let load: RowAttributes = .writesOnly
private let loads: Faults = [.memory, .generalProtection, .segment]
