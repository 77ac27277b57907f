import CPU
import ISA
import Memory

/// Single flags, and EFLAGS as a whole on the stack. SDM vol. 1, 7.3.13.
enum FlagsFamily {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .clc:
      return { cpu, op in
        cpu.setCarry(false)
        return 0
      }
    case .stc:
      return { cpu, op in
        cpu.setCarry(true)
        return 0
      }
    case .cmc:
      return { cpu, op in
        cpu.setCarry(!cpu.carryFlag)
        return 0
      }
    case .cld:
      return { cpu, op in
        cpu.pointee.eflags &= ~EFLAGS.df
        return 0
      }
    case .std:
      return { cpu, op in
        cpu.pointee.eflags |= EFLAGS.df
        return FlagsFamily.leaveIfBackward(cpu)
      }
    case .cli:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try FlagsFamily.requireIOPL(cpu)
          cpu.pointee.eflags &= ~EFLAGS.if
          return cpu.pointee.stop
        }
      }
    case .sti:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try FlagsFamily.requireIOPL(cpu)
          if cpu.pointee.eflags & EFLAGS.if == 0 {
            cpu.pointee.eflags |= EFLAGS.if
            if FlagsFamily.needsShadow(cpu, op) {
              cpu.pointee.shadow = InterruptShadow.sti
              cpu.requestAttention()
            }
          }
          return cpu.pointee.stop
        }
      }
    case .pushf:
      return { cpu, op in execute(cpu) { () throws(Fault) in try FlagsFamily.pushFlags(cpu, op) } }
    case .popf:
      return { cpu, op in execute(cpu) { () throws(Fault) in try FlagsFamily.popFlags(cpu, op) } }
    default: return nil
    }
  }

  /// CLI and STI need CPL <= IOPL. CPL is 0 in real mode and 3 in virtual-8086 mode.
  private static func requireIOPL(_ cpu: CPU) throws(Fault) {
    if cpu.pointee.cpl > cpu.iopl { throw .generalProtection() }
  }

  /// Whether an interrupt could be accepted between STI and the end of the next instruction if nothing held it
  /// back. Devices raise one at deadlines only; HLT waits for the next.
  private static func needsShadow(_ cpu: CPU, _ op: Op) -> Bool {
    let end = cpu.pointee.cycles &+ UInt64(op.pointee.cyclesBefore) &+ UInt64(op.pointee.cycles)
    if end >= cpu.pointee.deadline || cpu.pointee.stop != 0 { return true }
    if cpu.pointee.interruptLine != 0 || cpu.pointee.nmiPending != 0 { return true }
    let next = op[1]
    let isEnd = next.startOffset == next.endOffset
    return isEnd || next.instruction.kind == .hlt || next.instruction.isRepeated
  }

  /// SDM vol. 2, "PUSHF/PUSHFD".
  private static func pushFlags(_ cpu: CPU, _ op: Op) throws(Fault) -> UInt32 {
    if cpu.isVirtual8086 && cpu.iopl < 3 { throw .generalProtection() }
    if op.pointee.instruction.operandSize == 4 {
      try cpu.push(cpu.eflags & ~(EFLAGS.vm | EFLAGS.rf))
    } else {
      try cpu.push(UInt16(truncatingIfNeeded: cpu.eflags))
    }
    return cpu.pointee.stop
  }

  /// SDM vol. 2, "POPF/POPFD".
  private static func popFlags(_ cpu: CPU, _ op: Op) throws(Fault) -> UInt32 {
    if cpu.isVirtual8086 && cpu.iopl < 3 { throw .generalProtection() }
    var mask = EFLAGS.arithmetic | EFLAGS.tf | EFLAGS.df | EFLAGS.nt
    if cpu.pointee.cpl <= cpu.iopl { mask |= EFLAGS.if }
    if cpu.pointee.cpl == 0 { mask |= EFLAGS.iopl }
    let new: UInt32
    if op.pointee.instruction.operandSize == 4 {
      mask |= EFLAGS.ac | EFLAGS.id
      new = try cpu.pop()
    } else {
      new = UInt32(try cpu.pop(as: UInt16.self))
    }
    cpu.changeEFLAGS(((cpu.eflags & ~mask) | (new & mask)) & ~EFLAGS.rf)
    return leaveIfBackward(cpu)
  }

  /// Translated code takes DF to be 0, so the engines look again once it is not.
  private static func leaveIfBackward(_ cpu: CPU) -> UInt32 {
    if cpu.pointee.eflags & EFLAGS.df != 0 { cpu.requestAttention() }
    return cpu.pointee.stop
  }
}
