import CPU
import ISA
import Memory

/// Transfers to other segments and privilege levels: far JMP, CALL and RET, interrupts, IRET.
enum FarControlFamily {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .jmpFar:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          let target = try FarControlFamily.farTarget(cpu, op)
          try cpu.jumpFar(
            selector: target.selector, offset: target.offset, nextEIP: cpu.nextEIP(op))
          return Leave.branched
        }
      }
    case .callFar:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          let target = try FarControlFamily.farTarget(cpu, op)
          try cpu.callFar(
            selector: target.selector, offset: target.offset,
            operandSize: op.pointee.instruction.operandSize, nextEIP: cpu.nextEIP(op))
          return Leave.branched
        }
      }
    case .retFar:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          let i = op.pointee.instruction
          let release = i.operands.0.isImmediate ? UInt16(truncatingIfNeeded: i.immediate) : 0
          try cpu.returnFar(operandSize: i.operandSize, release: release)
          return Leave.branched
        }
      }
    case .iret:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.returnFromInterrupt(
            operandSize: op.pointee.instruction.operandSize, nextEIP: cpu.nextEIP(op))
          return Leave.branched
        }
      }
    case .int:
      return { cpu, op in
        FarControlFamily.interrupt(
          cpu, op, UInt8(truncatingIfNeeded: op.pointee.instruction.immediate), checksIOPL: true)
      }
    case .int3: return { cpu, op in FarControlFamily.interrupt(cpu, op, 3) }
    case .into:
      return { cpu, op in
        cpu.overflowFlag ? FarControlFamily.interrupt(cpu, op, 4) : cpu.pointee.stop
      }
    case .icebp: return { cpu, op in FarControlFamily.interrupt(cpu, op, 1, source: .exception) }
    default: return nil
    }
  }

  /// The far pointer that the instruction holds or points to.
  private static func farTarget(
    _ cpu: CPU, _ op: Op
  ) throws(Fault) -> (selector: UInt16, offset: UInt32) {
    let i = op.pointee.instruction
    if i.operands.0.isMemory { return try readFarPointer(cpu, op) }
    return (i.selector, i.operandSize == 4 ? i.immediate : i.immediate & 0xFFFF)
  }

  private static func interrupt(
    _ cpu: CPU, _ op: Op, _ vector: UInt8, checksIOPL: Bool = false,
    source: InterruptSource = .software
  ) -> UInt32 {
    execute(cpu) { () throws(Fault) in
      try cpu.softwareInterrupt(
        vector: vector, nextEIP: cpu.nextEIP(op), checksIOPL: checksIOPL, source: source)
      return Leave.branched
    }
  }
}

extension Op {
  /// Whether leaving with `leave` means that a software interrupt has entered its handler, which clears TF
  /// before the single-step trap could come. SDM vol. 3, 17.3.1.4.
  func entersHandler(_ leave: UInt32) -> Bool {
    guard leave & Leave.branched != 0 else { return false }
    switch pointee.instruction.kind {
    case .int, .int3, .into, .icebp: return true
    default: return false
    }
  }
}
