import CHost

extension StateOffset {
  /// The parts of the state by where they start.
  private static let names: [(offset: Int, name: String)] = {
    func at(_ path: PartialKeyPath<CPUState>) -> Int { MemoryLayout<CPUState>.offset(of: path)! }
    var list: [(Int, String)] = [
      (at(\.zero), "zero"), (at(\.eip), "eip"), (at(\.flagResult), "flagResult"),
      (at(\.flagCarries), "flagCarries"), (at(\.eflags), "eflags"), (at(\.stop), "stop"),
      (at(\.stackMask), "stackMask"), (at(\.op), "op"), (at(\.tlb), "tlb"),
      (at(\.cycles), "cycles"), (at(\.deadline), "deadline"), (at(\.instructions), "instructions"),
      (at(\.codeGeneration), "codeGeneration"),
      (at(\.modes), "modes"), (at(\.cpl), "cpl"), (at(\.codeSize), "codeSize"),
      (at(\.fault), "fault"), (at(\.cr0), "cr0"), (at(\.cr2), "cr2"), (at(\.cr3), "cr3"),
      (at(\.cr4), "cr4"), (at(\.dr), "dr"), (at(\.fpu), "fpu"), (at(\.userTLB), "userTLB"),
      (at(\.codeGeneration), "codeGeneration"), (at(\.translated), "translated"),
      (hostFlags, "hostFlags"), (at(\.translated.hostStack), "hostStack"),
      (at(\.translated.budget), "budget"), (at(\.translated.returnStack), "returnStack"),
      (at(\.translated.jumpTable), "jumpTable"), (at(\.translated.cycleEnd), "cycleEnd"),
      (at(\.translated.window), "window"), (at(\.translated.resume), "resume"),
      (exitOp, "exitOp"), (link, "link"), (exitLeave, "exitLeave"), (translation, "translation"),
      (at(\.translated.faultPC), "faultPC"), (at(\.translated.fpuReady), "fpuReady"),
      (instructionOffset, "fip"), (operandOffset, "fdp"), (x87Opcode, "fop"),
    ]
    for (number, name) in ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"].enumerated() {
      list.append((at(\.gpr) + number * 4, name))
    }
    for (number, name) in ["es", "cs", "ss", "ds", "fs", "gs"].enumerated() {
      let start = base(ofSegment: UInt8(number)) - MemoryLayout<SegmentRegister>.offset(of: \.base)!
      list.append((start, name))
      list.append((base(ofSegment: UInt8(number)), name + ".base"))
      list.append((isUsable(segment: UInt8(number)), name + ".usable"))
    }
    return list.sorted { $0.0 < $1.0 }
  }()

  private static let hostFlags = MemoryLayout<CPUState>.offset(of: \.translated.hostFlags)!

  /// What lies at a displacement from R14: the name of the part and, within it, the offset.
  static func name(_ displacement: Int32) -> String? {
    let offset = Int(displacement)
    guard offset >= 0, offset < MemoryLayout<CPUState>.size,
      let part = names.last(where: { $0.offset <= offset })
    else { return nil }
    return part.name
      + (offset == part.offset ? "" : "+0x" + String(offset - part.offset, radix: 16))
  }
}
