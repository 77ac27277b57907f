import CHost
import CPU
import Memory

/// What a stopped sandbox asks for.
enum Trap: Equatable {
  case preempted
  case pageFault(UInt32, AddressSpace.Access)
  /// The instruction at EIP is to be executed by another engine.
  case handOver(TrapKind)
  /// The single-step trap is due.
  case singleStep
  /// Not a state that the guest's 32-bit code can reach.
  case escape

  /// Signal numbers of x86-64 Linux.
  private enum Signal {
    static let preempt: Int32 = 10
    static let segment: Int32 = 11
    static let trap: Int32 = 5
    static let system: Int32 = 31
  }

  /// Signals that stay unblocked while guest code runs: ILL, TRAP, BUS, FPE, USR1, SEGV, SYS.
  static let signalMask: UInt64 = ~0x4000_06D8

  /// Reads the kind of trap from a frame and moves the frame's EIP back to the trapping instruction where the
  /// host's has passed it. Nothing here is trusted: a wrong claim leads to a fault of the guest at most.
  /// - Parameter isGuard: whether a breakpoint is set at a linear address.
  static func decode(
    _ frame: SignalFrame, signal: Int32, codeSegment: UInt16, cpu: CPU,
    isGuard: (UInt32) -> Bool
  ) -> Trap {
    guard frame.cs == codeSegment, frame.rip < 1 << 32 else { return .escape }
    if signal == Signal.preempt { return .preempted }
    let eip = UInt32(truncatingIfNeeded: frame.rip)
    if signal == Signal.system {
      // INT 80h; only the host's own entry comes here, not the guest's fault.
      guard code(eip &- 2, cpu) == 0xCD, code(eip &- 1, cpu) == 0x80 else { return .escape }
      frame.setEIP(eip &- 2)
      return .handOver(.systemCall)
    }
    switch frame.trap {
    case 0: return .handOver(.divideError)
    case 1:
      if frame.flags & EFLAGS.tf != 0 { return .singleStep }
      if isGuard(cpu.cs.pointee.base &+ eip) { return .handOver(.guarded) }
      // INT1.
      if code(eip &- 1, cpu) == 0xF1 { frame.setEIP(eip &- 1) }
      return .handOver(.debug)
    case 3:
      frame.setEIP(eip &- length(of: 0xCC, vector: 3, before: eip, cpu))
      return .handOver(.breakpoint)
    case 4:
      frame.setEIP(eip &- length(of: 0xCE, vector: 4, before: eip, cpu))
      return .handOver(.overflow)
    case 5: return .handOver(.bounds)
    case 6: return .handOver(.invalidOpcode)
    case 14 where signal == Signal.segment:
      guard frame.faultAddress < 1 << 32 else { return .handOver(.protection) }
      let error = frame.error
      let access: AddressSpace.Access =
        error & 16 != 0 ? .fetch : error & 2 != 0 ? .write : .read
      return .pageFault(UInt32(truncatingIfNeeded: frame.faultAddress), access)
    case 16: return .handOver(.floatingPoint)
    case 17: return .handOver(.alignment)
    case 19: return .handOver(.simdFloatingPoint)
    default: return .handOver(.protection)
    }
  }

  /// Length of the one-byte instruction `opcode`, or of INT with its vector, that ends at `eip`.
  private static func length(
    of opcode: UInt8, vector: UInt8, before eip: UInt32, _ cpu: CPU
  ) -> UInt32 {
    code(eip &- 1, cpu) == vector && code(eip &- 2, cpu) == 0xCD ? 2 : 1
  }

  private static func code(_ eip: UInt32, _ cpu: CPU) -> UInt8? {
    guard let physical = cpu.peekTranslate(cpu.cs.pointee.base &+ eip), physical < 1 << 32 else {
      return nil
    }
    return UInt8(
      truncatingIfNeeded: cpu.memory.readCode(UInt32(truncatingIfNeeded: physical), 1)[0])
  }
}
