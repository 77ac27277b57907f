import Bus
import CPU
import ISA
import Memory

/// IN, OUT, INS and OUTS. SDM vol. 1, chapter 19.
enum InputOutputFamily {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .in:
      return { cpu, op in execute(cpu) { () throws(Fault) in try InputOutputFamily.input(cpu, op) }
      }
    case .out:
      return { cpu, op in execute(cpu) { () throws(Fault) in try InputOutputFamily.output(cpu, op) }
      }
    case .ins:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try InputOutputFamily.repeated(cpu, op, InputOutputFamily.inputString)
        }
      }
    case .outs:
      return { cpu, op in
        execute(cpu) { () throws(Fault) in
          try InputOutputFamily.repeated(cpu, op, InputOutputFamily.outputString)
        }
      }
    default: return nil
    }
  }

  private static func width(_ size: UInt8) -> AccessWidth {
    AccessWidth(rawValue: Int(size)) ?? .dword
  }

  /// The port that an immediate byte or DX names.
  private static func port(_ cpu: CPU, _ i: Instruction, _ o: Operand) -> UInt16 {
    o.isImmediate ? UInt16(truncatingIfNeeded: i.immediate & 0xFF) : cpu[gpr16: 2]
  }

  private static func input(_ cpu: CPU, _ op: Op) throws(Fault) -> UInt32 {
    let i = op.pointee.instruction
    let width = width(i.operands.0.size)
    let port = port(cpu, i, i.operands.1)
    try cpu.checkPort(port, width: width)
    let value = cpu.readPort(port, width: width)
    switch width {
    case .byte: cpu[gpr8: 0] = UInt8(truncatingIfNeeded: value)
    case .word: cpu[gpr16: 0] = UInt16(truncatingIfNeeded: value)
    case .dword: cpu.eax = value
    }
    return cpu.pointee.stop
  }

  private static func output(_ cpu: CPU, _ op: Op) throws(Fault) -> UInt32 {
    let i = op.pointee.instruction
    let width = width(i.operands.1.size)
    let port = port(cpu, i, i.operands.0)
    try cpu.checkPort(port, width: width)
    cpu.writePort(port, width: width, value: cpu.eax)
    return cpu.pointee.stop
  }

  // MARK: Strings

  private typealias Iteration = (CPU, Op) throws(Fault) -> Void

  /// Runs a string instruction once, or with REP until (E)CX is 0. A fault or an interrupt between two
  /// iterations finds the registers of the iterations done, so the instruction can go on afterwards.
  private static func repeated(
    _ cpu: CPU, _ op: Op, _ body: Iteration
  ) throws(Fault) -> UInt32 {
    let i = op.pointee.instruction
    guard !i.prefixSet.isDisjoint(with: [.repeatEqual, .repeatNotEqual]) else {
      try body(cpu, op)
      return cpu.pointee.stop
    }
    // Permission is checked even if there is nothing to do.
    try cpu.checkPort(
      cpu[gpr16: 2], width: width(i.kind == .ins ? i.operands.0.size : i.operands.1.size))
    while count(cpu, i) != 0 {
      var done = i.kind == .ins ? inputAhead(cpu, op) : 0
      if done == 0 {
        try body(cpu, op)
        done = 1
      }
      add(cpu, i, 1, 0 &- done)
      cpu.pointee.cycles &+= UInt64(op.pointee.cyclesPerIteration) &* UInt64(done)
      if count(cpu, i) != 0, isInterrupted(cpu) { return Leave.restart }
    }
    return cpu.pointee.stop
  }

  /// Whether the boundary between two iterations has something to attend to.
  private static func isInterrupted(_ cpu: CPU) -> Bool {
    if cpu.now >= cpu.pointee.deadline || cpu.pointee.debugTriggered != 0 { return true }
    if cpu.pointee.stop & ~UInt32(STOP_ATTENTION.rawValue) != 0 { return true }
    if cpu.pointee.nmiPending != 0 || cpu.pointee.eflags & EFLAGS.tf != 0 { return true }
    return cpu.pointee.interruptLine != 0 && cpu.pointee.eflags & EFLAGS.if != 0
  }

  private static func count(_ cpu: CPU, _ i: Instruction) -> UInt32 {
    i.addressSize == 4 ? cpu.ecx : UInt32(cpu[gpr16: 1])
  }

  /// Adds to a register in the address size.
  private static func add(_ cpu: CPU, _ i: Instruction, _ number: UInt8, _ value: UInt32) {
    if i.addressSize == 4 {
      cpu[gpr: number] = cpu[gpr: number] &+ value
    } else {
      cpu[gpr16: number] = cpu[gpr16: number] &+ UInt16(truncatingIfNeeded: value)
    }
  }

  /// Moves (E)SI or (E)DI by the operand's size in the direction of DF.
  private static func advance(_ cpu: CPU, _ i: Instruction, _ number: UInt8, _ width: AccessWidth) {
    let size = UInt32(width.rawValue)
    add(cpu, i, number, cpu.pointee.eflags & EFLAGS.df == 0 ? size : 0 &- size)
  }

  private static func index(_ cpu: CPU, _ i: Instruction, _ number: UInt8) -> UInt32 {
    i.addressSize == 4 ? cpu[gpr: number] : UInt32(cpu[gpr16: number])
  }

  private static func inputString(_ cpu: CPU, _ op: Op) throws(Fault) {
    let i = op.pointee.instruction
    let width = width(i.operands.0.size)
    let port = cpu[gpr16: 2]
    try cpu.checkPort(port, width: width)
    // Reading a port can have an effect, so the destination is checked first.
    let address = try cpu.writeAddress(SegmentNumber.es, index(cpu, i, 7), width.rawValue)
    try cpu.probeWrite(address, width.rawValue, user: cpu.pointee.cpl == 3)
    let value = cpu.readPort(port, width: width)
    switch width {
    case .byte: try cpu.writeLinear(address, UInt8(truncatingIfNeeded: value))
    case .word: try cpu.writeLinear(address, UInt16(truncatingIfNeeded: value))
    case .dword: try cpu.writeLinear(address, value)
    }
    advance(cpu, i, 7, width)
  }

  /// Iterations of a repeated INS that have no effect but to move data, and no boundary at which to stop.
  /// - Returns: how many were done.
  private static func inputAhead(_ cpu: CPU, _ op: Op) -> UInt32 {
    guard !isInterrupted(cpu) else { return 0 }
    let i = op.pointee.instruction
    let width = width(i.operands.0.size)
    let target = StringSpan(cpu, op, register: 7, segment: SegmentNumber.es)
    let time = (cpu.pointee.deadline &- cpu.now) / max(UInt64(op.pointee.cyclesPerIteration), 1)
    let limit = min(count(cpu, i), target.elements(width.rawValue), UInt32(clamping: time))
    guard !target.isBackward, limit > 1 else { return 0 }
    let bytes = target.write(cpu, limit, width.rawValue) {
      cpu.readPortAhead(cpu[gpr16: 2], width: width, limit: Int(limit))
    }
    let done = UInt32(bytes / width.rawValue)
    if done > 0 { add(cpu, i, 7, UInt32(bytes)) }
    return done
  }

  private static func outputString(_ cpu: CPU, _ op: Op) throws(Fault) {
    let i = op.pointee.instruction
    let width = width(i.operands.1.size)
    let port = cpu[gpr16: 2]
    try cpu.checkPort(port, width: width)
    let offset = index(cpu, i, 6)
    let value: UInt32
    switch width {
    case .byte: value = UInt32(try cpu.read(i.segment, offset, as: UInt8.self))
    case .word: value = UInt32(try cpu.read(i.segment, offset, as: UInt16.self))
    case .dword: value = try cpu.read(i.segment, offset)
    }
    cpu.writePort(port, width: width, value: value)
    advance(cpu, i, 6, width)
  }
}
