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
      default: break
      }
    }
    // AMD's misaligned SSE mode, which Intel's processors do not have.
    if host.registers[fxsave: 24, as: UInt32.self] & 1 << 17 != 0 { return "MXCSR.MM" }
    return nil
  }
}
