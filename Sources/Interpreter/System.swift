import CPU
import ISA
import Memory

/// Control, debug and descriptor-table registers, identification and the other system instructions.
/// SDM vol. 3, 2.8.
enum SystemFamily {
  static func handler(for i: Instruction) -> Handler? {
    registers(i) ?? tables(i) ?? modelSpecific(i) ?? caches(i)
  }

  // MARK: Control and debug registers

  private static func registers(_ i: Instruction) -> Handler? {
    switch i.kind {
    case .movControl where i.operands.0.isGeneral:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          let i = op.pointee.instruction
          cpu[gpr: i.operands.0.reg] = try cpu.readControl(i.operands.1.reg)
          return cpu.pointee.stop
        }
      }
    case .movControl:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          let i = op.pointee.instruction
          try cpu.writeControl(i.operands.0.reg, cpu[gpr: i.operands.1.reg])
          return cpu.pointee.stop
        }
      }
    case .movDebug where i.operands.0.isGeneral:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          let i = op.pointee.instruction
          cpu[gpr: i.operands.0.reg] = try cpu.readDebug(i.operands.1.reg)
          return cpu.pointee.stop
        }
      }
    case .movDebug:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          let i = op.pointee.instruction
          try cpu.writeDebug(i.operands.0.reg, cpu[gpr: i.operands.1.reg])
          return cpu.pointee.stop
        }
      }
    case .lmsw:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.requirePrivilege()
          try cpu.loadMachineStatusWord(
            try readWord(cpu, op, op.pointee.instruction.operands.0))
          return cpu.pointee.stop
        }
      }
    case .smsw:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try storeSystemWord(cpu, op, cpu.pointee.cr0)
          return cpu.pointee.stop
        }
      }
    case .clts:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.clearTaskSwitched()
          return cpu.pointee.stop
        }
      }
    case .hlt:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.requirePrivilege()
          cpu.pointee.halted = 1
          cpu.requestAttention()
          return cpu.pointee.stop
        }
      }
    default: return nil
    }
  }

  // MARK: Descriptor tables

  private static func tables(_ i: Instruction) -> Handler? {
    switch i.kind {
    case .lgdt:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          cpu.pointee.gdtr = try SystemFamily.loadedTable(cpu, op)
          return cpu.pointee.stop
        }
      }
    case .lidt:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          cpu.pointee.idtr = try SystemFamily.loadedTable(cpu, op)
          return cpu.pointee.stop
        }
      }
    case .sgdt:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in try SystemFamily.storeTable(cpu, op, cpu.pointee.gdtr) }
      }
    case .sidt:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in try SystemFamily.storeTable(cpu, op, cpu.pointee.idtr) }
      }
    case .lldt:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.requireProtectedMode()
          try cpu.requirePrivilege()
          try cpu.loadLDT(try readWord(cpu, op, op.pointee.instruction.operands.0))
          return cpu.pointee.stop
        }
      }
    case .ltr:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.requireProtectedMode()
          try cpu.requirePrivilege()
          try cpu.loadTaskRegister(try readWord(cpu, op, op.pointee.instruction.operands.0))
          return cpu.pointee.stop
        }
      }
    case .sldt:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.requireProtectedMode()
          try storeSystemWord(cpu, op, UInt32(cpu.pointee.ldtr.selector))
          return cpu.pointee.stop
        }
      }
    case .str:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.requireProtectedMode()
          try storeSystemWord(cpu, op, UInt32(cpu.pointee.tr.selector))
          return cpu.pointee.stop
        }
      }
    default: return nil
    }
  }

  /// SDM vol. 2, "LGDT/LIDT": with 16-bit operands the base has 24 bits.
  private static func loadedTable(_ cpu: CPU, _ op: Op) throws(Fault) -> DescriptorTableRegister {
    try cpu.requirePrivilege()
    let i = op.pointee.instruction
    let limit: UInt16 = try cpu.readOperand(op)
    let base: UInt32 = try cpu.read(i.segment, operandOffset(cpu, op, plus: 2))
    return DescriptorTableRegister(
      base: i.operandSize == 4 ? base : base & 0x00FF_FFFF, limit: UInt32(limit))
  }

  /// SDM vol. 2, "SGDT": with 16-bit operands the last byte is 0.
  private static func storeTable(
    _ cpu: CPU, _ op: Op, _ table: DescriptorTableRegister
  ) throws(Fault) -> UInt32 {
    let i = op.pointee.instruction
    let base = i.operandSize == 4 ? table.base : table.base & 0x00FF_FFFF
    let second = operandOffset(cpu, op, plus: 2)
    // The second part is checked before the first is written.
    let address = try cpu.writeAddress(i.segment, second, 4)
    try cpu.probeWrite(address, 4, user: cpu.pointee.cpl == 3)
    try cpu.writeOperand(op, UInt16(truncatingIfNeeded: table.limit))
    try cpu.write(i.segment, second, base)
    return cpu.pointee.stop
  }

  // MARK: Identification, counters, model-specific registers

  private static func modelSpecific(_ i: Instruction) -> Handler? {
    switch i.kind {
    case .cpuid:
      return { cpu, op in
        if cpu.eax == Identification.markLeaf { cpu.processor.mark?(cpu.ecx) }
        (cpu.eax, cpu.ebx, cpu.ecx, cpu.edx) = Identification.leaf(
          cpu.eax, hasAPIC: cpu.processor.hasAPIC)
        return cpu.pointee.stop
      }
    case .rdtsc:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.checkTimeStampAccess()
          SystemFamily.setPair(cpu, cpu.timeStampCounter)
          return cpu.pointee.stop
        }
      }
    case .rdmsr:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          SystemFamily.setPair(cpu, try cpu.readMSR(cpu.ecx))
          return cpu.pointee.stop
        }
      }
    case .wrmsr:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.writeMSR(cpu.ecx, UInt64(cpu.edx) << 32 | UInt64(cpu.eax))
          return cpu.pointee.stop
        }
      }
    case .rdpmc:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          SystemFamily.setPair(cpu, try cpu.readPerformanceCounter(cpu.ecx))
          return cpu.pointee.stop
        }
      }
    case .sysenter:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.enterSystem()
          return Leave.branched
        }
      }
    case .sysexit:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.exitSystem()
          return Leave.branched
        }
      }
    // There is no system-management mode to resume from.
    case .rsm: return { cpu, op in raise(cpu, .invalidOpcode) }
    default: return nil
    }
  }

  private static func setPair(_ cpu: CPU, _ value: UInt64) {
    cpu.eax = UInt32(truncatingIfNeeded: value)
    cpu.edx = UInt32(truncatingIfNeeded: value >> 32)
  }

  // MARK: Caches and hints

  private static func caches(_ i: Instruction) -> Handler? {
    switch i.kind {
    case .invlpg:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          let segment = cpu.segment(op.pointee.instruction.segment)
          try cpu.invalidatePage(segment.pointee.base &+ cpu.effectiveOffset(op))
          return cpu.pointee.stop
        }
      }
    // No cache is modelled, so there is nothing to write back.
    case .invd, .wbinvd:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try cpu.requirePrivilege()
          return cpu.pointee.stop
        }
      }
    case .clflush:
      // Faults like a byte read.
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          _ = try cpu.readOperand(op, as: UInt8.self)
          return cpu.pointee.stop
        }
      }
    case .pause, .prefetch, .lfence, .mfence, .sfence: return { cpu, op in 0 }
    default: return nil
    }
  }
}
