import CPU
import ISA
import Memory

/// Segment register moves and checks of selectors. SDM vol. 1, 7.3.14.
enum SegmentFamily {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .movToSegment:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in try SegmentFamily.moveToSegment(cpu, op) }
      }
    case .movFromSegment:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          let source = op.pointee.instruction.operands.1.reg
          if source > SegmentNumber.gs { throw .invalidOpcode }
          try storeSystemWord(cpu, op, UInt32(cpu.segment(source).pointee.selector))
          return cpu.pointee.stop
        }
      }
    case .pushSegment:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          let i = op.pointee.instruction
          let selector = cpu.segment(i.operands.0.reg).pointee.selector
          if i.operandSize == 4 {
            try cpu.push(UInt32(selector))
          } else {
            try cpu.push(selector)
          }
          return cpu.pointee.stop
        }
      }
    case .popSegment:
      return { cpu, op in execute(cpu) { () throws(Fault) in try SegmentFamily.popSegment(cpu, op) }
      }
    case .lds: return { cpu, op in SegmentFamily.loadFar(cpu, op, SegmentNumber.ds) }
    case .les: return { cpu, op in SegmentFamily.loadFar(cpu, op, SegmentNumber.es) }
    case .lss: return { cpu, op in SegmentFamily.loadFar(cpu, op, SegmentNumber.ss) }
    case .lfs: return { cpu, op in SegmentFamily.loadFar(cpu, op, SegmentNumber.fs) }
    case .lgs: return { cpu, op in SegmentFamily.loadFar(cpu, op, SegmentNumber.gs) }
    case .arpl:
      return { cpu, op in execute(cpu) { () throws(Fault) in try SegmentFamily.adjustRPL(cpu, op) }
      }
    case .lar:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.requireProtectedMode()
          let selector = try readWord(cpu, op, op.pointee.instruction.operands.1)
          return SegmentFamily.store(cpu, op, try cpu.accessRights(selector))
        }
      }
    case .lsl:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.requireProtectedMode()
          let selector = try readWord(cpu, op, op.pointee.instruction.operands.1)
          return SegmentFamily.store(cpu, op, try cpu.segmentLimit(selector))
        }
      }
    case .verr:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in try SegmentFamily.verify(cpu, op, write: false) }
      }
    case .verw:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in try SegmentFamily.verify(cpu, op, write: true) }
      }
    default: return nil
    }
  }

  private static func moveToSegment(_ cpu: CPU, _ op: Op) throws(Fault) -> UInt32 {
    let i = op.pointee.instruction
    let number = i.operands.0.reg
    if number == SegmentNumber.cs || number > SegmentNumber.gs { throw .invalidOpcode }
    try cpu.loadSegment(number, selector: try readWord(cpu, op, i.operands.1))
    if number == SegmentNumber.ss { castShadow(cpu) }
    return cpu.pointee.stop
  }

  /// POP: the stack pointer moves only when the segment has been loaded.
  private static func popSegment(_ cpu: CPU, _ op: Op) throws(Fault) -> UInt32 {
    let i = op.pointee.instruction
    let number = i.operands.0.reg
    let selector: UInt16
    if i.operandSize == 4 {
      selector = UInt16(truncatingIfNeeded: try cpu.peekStack(as: UInt32.self))
    } else {
      selector = try cpu.peekStack()
    }
    // The old SS.B rules, even when SS itself is popped.
    let mask = cpu.pointee.stackMask
    let new = (cpu.esp & ~mask) | ((cpu.esp &+ UInt32(i.operandSize)) & mask)
    try cpu.loadSegment(number, selector: selector)
    cpu.esp = new
    if number == SegmentNumber.ss { castShadow(cpu) }
    return cpu.pointee.stop
  }

  /// After a load of SS no interrupt may come before the next instruction, which is to load ESP.
  private static func castShadow(_ cpu: CPU) {
    cpu.pointee.shadow = InterruptShadow.stackSegment
    cpu.requestAttention()
  }

  private static func loadFar(_ cpu: CPU, _ op: Op, _ number: UInt8) -> UInt32 {
    execute(cpu) { () throws(Fault) in
      let pointer = try readFarPointer(cpu, op)
      try cpu.loadSegment(number, selector: pointer.selector)
      storeRegister(cpu, op, op.pointee.instruction.operands.0.reg, pointer.offset)
      return cpu.pointee.stop
    }
  }

  private static func adjustRPL(_ cpu: CPU, _ op: Op) throws(Fault) -> UInt32 {
    try cpu.requireProtectedMode()
    let i = op.pointee.instruction
    let wanted = cpu[gpr16: i.operands.1.reg] & 3
    var raised = false
    func adjust(_ selector: UInt16) -> UInt16 {
      raised = selector & 3 < wanted
      return raised ? (selector & ~3) | wanted : selector
    }
    if i.operands.0.isMemory {
      // Written only if it changes: a read-only page is no fault otherwise.
      let adjusted = adjust(try cpu.readOperand(op))
      if raised { try cpu.writeOperand(op, adjusted) }
    } else {
      cpu[gpr16: i.operands.0.reg] = adjust(cpu[gpr16: i.operands.0.reg])
    }
    cpu.setZeroFlag(raised)
    return cpu.pointee.stop
  }

  /// Result of LAR and LSL: ZF says whether there is one.
  private static func store(_ cpu: CPU, _ op: Op, _ value: UInt32?) -> UInt32 {
    if let value { storeRegister(cpu, op, op.pointee.instruction.operands.0.reg, value) }
    cpu.setZeroFlag(value != nil)
    return cpu.pointee.stop
  }

  private static func verify(_ cpu: CPU, _ op: Op, write: Bool) throws(Fault) -> UInt32 {
    try cpu.requireProtectedMode()
    let selector = try readWord(cpu, op, op.pointee.instruction.operands.0)
    cpu.setZeroFlag(try cpu.verify(selector, write: write))
    return cpu.pointee.stop
  }
}
