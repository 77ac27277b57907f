import CPU
import ISA
import Memory

// Control of the unit: words, tags, stack pointer. SDM vol. 1, 8.3.11. Those that change words
// leave FIP and FOP alone; those of the register stack, and FNOP, set them, as processors do.

/// A non-waiting instruction that touches no memory.
@inline(__always)
private func control(_ cpu: CPU, _ body: (FPU) -> Void) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87CheckAvailable(cpu)
    body(cpu.fpu)
    return 0
  }
}

/// A waiting one.
@inline(__always)
private func waiting(_ cpu: CPU, _ op: Op, _ body: (FPU) -> Void) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    body(cpu.fpu)
    return 0
  }
}

/// FNSTCW and FNSTSW to memory.
@inline(__always)
private func storeWord(_ cpu: CPU, _ op: Op, _ word: (FPU) -> UInt16) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87CheckAvailable(cpu)
    try cpu.writeOperand(op, word(cpu.fpu))
    return cpu.pointee.stop
  }
}

enum X87Control {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .finit: return { cpu, op in control(cpu) { $0.initialize() } }
    case .fnclex:
      return { cpu, op in
        control(cpu) { fpu in
          fpu.pointee.status &= 0x7F00
          fpu.pointee.hostBinding = 0
        }
      }
    case .fincstp:
      return { cpu, op in
        waiting(cpu, op) { fpu in
          fpu.setTop(fpu.top &+ 1)
          fpu.clearC1()
        }
      }
    case .fdecstp:
      return { cpu, op in
        waiting(cpu, op) { fpu in
          fpu.setTop(fpu.top &- 1)
          fpu.clearC1()
        }
      }
    case .ffree: return { cpu, op in waiting(cpu, op) { free($0, op) } }
    case .ffreep:
      return { cpu, op in
        waiting(cpu, op) { fpu in
          free(fpu, op)
          fpu.pop()
        }
      }
    case .fnop where i.selector >> 8 == 3:
      // FNENI, FNDISI and FNSETPM do not wait.
      return { cpu, op in control(cpu) { $0.updateSummary() } }
    case .fnop: return { cpu, op in waiting(cpu, op) { _ in } }
    case .fldcw: return { cpu, op in loadControlWord(cpu, op) }
    case .fnstcw: return { cpu, op in storeWord(cpu, op) { $0.pointee.control } }
    case .fnstsw:
      guard i.hasMemoryOperand else {
        return { cpu, op in control(cpu) { cpu[gpr16: 0] = $0.pointee.status } }
      }
      return { cpu, op in storeWord(cpu, op) { $0.pointee.status } }
    case .fwait: return { cpu, op in wait(cpu) }
    default: return X87Environment.handler(for: i)
    }
  }
}

@inline(__always)
private func free(_ fpu: FPU, _ op: Op) {
  fpu.pointee.tags &= ~(1 &<< UInt8(x87Other(op, fpu.top)))
  fpu.clearC1()
}

private func loadControlWord(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    cpu.fpu.setControl(try cpu.readOperand(op))
    x87AssertFERR(cpu)
    return cpu.pointee.stop
  }
}

/// FWAIT: #NM needs MP as well as TS and ignores EM. SDM vol. 3, table 2-2.
private func wait(_ cpu: CPU) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    if cpu.pointee.cr0 & 0xA == 0xA { throw .deviceNotAvailable }
    if cpu.fpu.hasPendingError { try x87ReportError(cpu) }
    return cpu.pointee.stop
  }
}
