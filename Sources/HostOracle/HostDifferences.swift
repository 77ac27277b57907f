import CHostOracle
import ISA

/// What cannot be compared: the manual leaves it undefined, the host's kernel interferes, or the host is
/// another model than the one we simulate. Everything else must be equal.
public enum HostDifferences {
  /// Why a row is not compared at all, nil if it is.
  public static func reasonToSkip(_ row: Row) -> String? {
    switch row.operation {
    case .cpuid: "the host is another model"
    case .rdtsc: "the host has another clock"
    case .sgdt, .sidt, .smsw, .sldt, .str: "the host's kernel emulates it under UMIP"
    case .sysenter, .sysexit: "the host does not have it in compatibility mode"
    case .rsm: "system management"
    case .icebp: "the host's hypervisor reports the wrong EIP"
    default: nil
    }
  }

  /// Flags that `instruction` leaves undefined.
  static func undefinedFlags(_ i: Instruction) -> FlagSet {
    var flags = i.flagsUndefined
    switch i.kind {
    case .shl, .shr:
      // "The CF flag is undefined for SHL and SHR instructions where the count is greater than or equal to
      // the size of the destination operand." SDM vol. 2, "SAL/SAR/SHL/SHR". A count in CL may be.
      let size = UInt32(i.operands.0.size) * 8
      if size < 32, !i.operands.1.isImmediate || i.immediate & 31 >= size { flags.insert(.cf) }
    default: break
    }
    return flags
  }

  /// Flags that `instruction` defines whatever its operands are: a repetition of zero iterations defines none.
  static func definedFlags(_ i: Instruction) -> FlagSet { i.isRepeated ? [] : i.flagsWritten }

  /// Why a case says nothing, nil if it does.
  static func reasonToSkip(_ item: OracleCase, host: OracleOutcome) -> String? {
    if host.signal == Int32(ORACLE_TIMED_OUT) { return "ran away" }
    if host.signal == Int32(ORACLE_CRASHED) { return "destroyed the child" }
    if host.signal == 31 { return "system call" }
    for step in item.steps {
      let i = step.instruction
      switch i.kind {
      case .shld, .shrd:
        // The count may exceed the operand: result and flags are undefined. SDM vol. 2, "SHLD".
        let count = i.operands.2.isImmediate ? i.immediate : item.registers[gpr: 1]
        guard i.operandSize == 2 else { continue }
        if count & 31 > 16 || step.offset > 0 { return "undefined result" }
      case .bswap where i.operandSize == 2: return "undefined result"
      case .jmpFar, .callFar, .retFar, .iret:
        if host.registers[selector: 1] == 0x33 { return "64-bit code" }
      case .nop where i.tableRow.encoding.opcode == 0x0D && !i.hasMemoryOperand:
        return "AMD's PREFETCHW has no register form"
      default: break
      }
    }
    if host.vector != 3, let i = faulting(item, host)?.instruction {
      switch i.kind {
      case .maskmovq, .maskmovdqu:
        return "whether masked-out bytes fault depends on the implementation"
      case .iret where host.registers.eflags & 1 << 14 != 0:
        return "the host does not switch tasks"
      case .popa: return "which registers a faulting POPA has loaded depends on the implementation"
      default: break
      }
    }
    let conversion = item.steps.firstIndex {
      $0.instruction.kind == .cvtpi2ps && $0.instruction.hasMemoryOperand
    }
    if let conversion {
      let later = item.steps[(conversion + 1)...].contains {
        !$0.instruction.attributes.isDisjoint(with: [.x87, .mmx])
      }
      if later || host.registers[fxsave: 2, as: UInt16.self] & 0x80 != 0 {
        return "AMD's CVTPI2PS from memory does not touch the x87 state"
      }
    }
    let masksBytes = item.steps.contains {
      $0.instruction.kind == .maskmovdqu || $0.instruction.kind == .maskmovq
    }
    if masksBytes, item.registers.eflags & 1 << 18 != 0 {
      return "whether a masked store checks alignment depends on the implementation"
    }
    if runsOtherCode(item, host) { return "jumped between the listed instructions" }
    if (0..<6).contains(where: { host.registers[selector: $0] & ~3 == 0x78 }) {
      return "the host kernel's own segment"
    }
    if storesStalePointers(item) { return "AMD records the address of control instructions" }
    // AMD's misaligned SSE mode, which Intel's processors do not have.
    if host.registers[fxsave: 24, as: UInt32.self] & 1 << 17 != 0 { return "MXCSR.MM" }
    return nil
  }

  /// Whether an x87 instruction that records no address on Intel's processors precedes one that stores it.
  private static func storesStalePointers(_ item: OracleCase) -> Bool {
    let kinds = item.steps.map(\.instruction.kind)
    // What follows may read the image, MXCSR_MASK among it.
    if kinds.dropLast().contains(.fxsave) { return true }
    if let image = kinds.firstIndex(of: .fxsave),
      item.steps[..<image].contains(where: { $0.instruction.attributes.contains(.x87) })
    {
      return true  // AMD's FXSAVE stores them only while an exception is pending.
    }
    let control: Set<Operation> = [.ffree, .ffreep, .fincstp, .fdecstp, .fnop]
    guard let first = kinds.firstIndex(where: control.contains) else { return false }
    return kinds[first...].contains { [.fnsave, .fnstenv, .fxsave].contains($0) }
  }

  /// Whether an undefined opcode or an alignment check may or may not strike.
  static func endMayDiffer(
    _ item: OracleCase, host: OracleOutcome, ours: OracleOutcome
  ) -> Bool {
    guard let i = faulting(item, host)?.instruction else { return false }
    switch i.kind {
    // AMD's have no ModRM byte to fetch.
    case .ud0, .ud1: return host.vector == 6 && [13, 14].contains(ours.vector)
    // "#AC may or may not be generated." SDM vol. 2, "MOVDQU".
    case .movdqu, .movups, .movupd: return host.vector == 17
    default: return false
    }
  }

  /// Whether the case has jumped back among its own bytes, so that it has executed what is not listed and
  /// which flags are defined is not known.
  private static func runsOtherCode(_ item: OracleCase, _ host: OracleOutcome) -> Bool {
    guard let last = item.steps.last else { return false }
    switch last.instruction.kind {
    case .jmp, .call, .ret, .jmpFar, .callFar, .retFar, .iret: break
    default: return false
    }
    let base = SegmentTable.base(host.registers[selector: 1])
    let offset = Int(base &+ host.registers.eip &- UInt32(ORACLE_CODE) &- item.codeOffset)
    if offset == last.offset {
      // An IRET that returns to itself meets the flags that it has loaded.
      return last.instruction.kind == .iret && host.registers.eflags & 1 << 14 != 0
    }
    return offset > last.offset && offset <= item.bytes.count + 16
  }

  /// The instruction at which the host's case ended.
  private static func faulting(_ item: OracleCase, _ host: OracleOutcome) -> OracleCase.Step? {
    let start = UInt32(ORACLE_CODE) &- item.codeBase &+ item.codeOffset
    let offset = Int(host.registers.eip &- start)
    // After a jump it may lie inside another one.
    guard offset < item.bytes.count,
      case .instruction(let instruction) = Decoder.decode(
        Array(item.bytes[offset...]), codeSize: item.codeSize)
    else { return nil }
    return OracleCase.Step(offset: offset, instruction: instruction)
  }

  /// Whether the host may have entered MMX state or not. AMD's CVTPI2PS does not when its operand is in
  /// memory, and its conversions do even when they raise #XM.
  static func x87MayDiffer(_ item: OracleCase, host: OracleOutcome) -> Bool {
    item.steps.contains {
      switch $0.instruction.kind {
      case .cvtpi2ps: $0.instruction.hasMemoryOperand || host.vector == 19
      case .cvtpi2pd, .cvtps2pi, .cvttps2pi, .cvtpd2pi, .cvttpd2pi: host.vector == 19
      default: false
      }
    }
  }

  /// Whether both processors may rightly report different faults for the same instruction: of several
  /// faulting accesses any may be reported first, and an access that crosses 4 GiB in a flat segment may or
  /// may not violate the limit. SDM vol. 3, 5.3 and 6.9.
  static func faultMayDiffer(
    _ item: OracleCase, host: OracleOutcome, ours: OracleOutcome
  ) -> Bool {
    let faults: Set<UInt32> = [10, 11, 12, 13, 14, 17]
    guard faults.contains(host.vector), faults.contains(ours.vector),
      host.registers.eip == ours.registers.eip, let i = faulting(item, host)?.instruction
    else { return false }
    let vectors = [host.vector, ours.vector]
    if vectors.contains(17) { return true }
    // Misaligned and beyond the limit of SS.
    if vectors.contains(12), vectors.contains(13),
      i.attributes.contains(.sse) || i.kind == .fxsave || i.kind == .fxrstor
    {
      return true
    }
    if host.vector != ours.vector,
      host.faultAddress > 0xFFFF_FFE0 || ours.faultAddress > 0xFFFF_FFE0
    {
      return true
    }
    switch i.kind {
    case .cmps, .enter: return true
    case .fnstenv, .fldenv, .fnsave, .frstor, .fxsave, .fxrstor, .fbstp, .call: return true
    case .retFar: return vectors.contains(14) || vectors.contains(12)
    case .iret: return vectors.contains(14) || vectors.contains(12)
    case .callFar, .jmpFar: return vectors.contains(14)
    default: return false
    }
  }
}
