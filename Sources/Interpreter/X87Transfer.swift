import CPU
import ISA
import Memory

// Loads, stores, exchanges and conditional moves. SDM vol. 1, 8.3.3.

/// Pushes what `load` puts into the new ST(0).
@inline(__always)
private func loadMemory<T: FixedWidthInteger & UnsignedInteger>(
  _ cpu: CPU, _ op: Op, _ load: (FPU, UInt32, T) -> Void
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    let offset = cpu.effectiveOffset(op)
    let operand = try cpu.read(op.pointee.instruction.segment, offset, as: T.self)
    x87Note(cpu, op, operand: offset)
    let fpu = cpu.fpu
    let new = (fpu.top &- 1) & 7
    guard fpu.masksAll && fpu.isEmpty(new) else { return x87Whole(cpu, op, UInt64(operand)) }
    load(fpu, new, operand)
    fpu.push(new)
    return cpu.pointee.stop
  }
}

/// The same with an 80-bit operand.
@inline(__always)
private func load80(_ cpu: CPU, _ op: Op, _ load: (FPU, UInt32, X87Value) -> Void) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    let offset = cpu.effectiveOffset(op)
    let linear = try cpu.readAddress(op.pointee.instruction.segment, offset, 10)
    let operand = X87Value(
      significand: try cpu.readLinear(linear), signExponent: try cpu.readLinear(linear &+ 8))
    x87Note(cpu, op, operand: offset)
    let fpu = cpu.fpu
    let new = (fpu.top &- 1) & 7
    guard fpu.masksAll && fpu.isEmpty(new) else {
      return x87Whole(cpu, op, operand.significand, operand.signExponent)
    }
    load(fpu, new, operand)
    fpu.push(new)
    return cpu.pointee.stop
  }
}

/// Pushes a value that needs no memory.
@inline(__always)
private func push(_ cpu: CPU, _ op: Op, _ load: (FPU, UInt32) -> Void) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    let fpu = cpu.fpu
    let new = (fpu.top &- 1) & 7
    guard fpu.masksAll && fpu.isEmpty(new) else { return x87Whole(cpu, op) }
    load(fpu, new)
    fpu.push(new)
    return 0
  }
}

/// Converts ST(0) and writes it to memory.
@inline(__always)
private func storeMemory<T: FixedWidthInteger & UnsignedInteger>(
  _ cpu: CPU, _ op: Op, as type: T.Type, pop: Bool, _ convert: (FPU, UInt32) -> X87Stored
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    let segment = op.pointee.instruction.segment
    let offset = cpu.effectiveOffset(op)
    let fpu = cpu.fpu
    let top = fpu.top
    guard fpu.isReady(top) else {
      let probe: () throws(Fault) -> Void = { () throws(Fault) in
        let linear = try cpu.writeAddress(segment, offset, MemoryLayout<T>.size)
        try cpu.probeWrite(linear, MemoryLayout<T>.size, user: cpu.pointee.cpl == 3)
      }
      let leave = try x87WholeStore(cpu, op, probe: probe) { value throws(Fault) in
        try cpu.write(segment, offset, T(truncatingIfNeeded: value.significand))
      }
      x87Note(cpu, op, operand: offset)
      return leave
    }
    let stored = convert(fpu, top)
    do throws(Fault) {
      try cpu.write(segment, offset, T(truncatingIfNeeded: stored.value))
    } catch {
      fpu.pointee.hostBinding = 0  // The host has flags that the guest has not got.
      throw error
    }
    x87Merge(fpu, stored.status, UInt16(X87_C1))
    x87Note(cpu, op, operand: offset)
    if pop { fpu.pop() }
    return cpu.pointee.stop
  }
}

/// FSTP m80 and FBSTP.
@inline(__always)
private func store80(
  _ cpu: CPU, _ op: Op, _ convert: (FPU, UInt32) -> X87Stored
) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    let offset = cpu.effectiveOffset(op)
    let linear = try cpu.writeAddress(op.pointee.instruction.segment, offset, 10)
    if linear & 0xFFF > 0xFF6 { try cpu.probeWrite(linear, 10, user: cpu.pointee.cpl == 3) }
    let fpu = cpu.fpu
    let top = fpu.top
    guard fpu.isReady(top) else {
      let probe: () throws(Fault) -> Void = { () throws(Fault) in
        try cpu.probeImage(linear, 10, write: true)
      }
      let leave = try x87WholeStore(cpu, op, probe: probe) { value throws(Fault) in
        try cpu.writeLinear(linear, value.significand)
        try cpu.writeLinear(linear &+ 8, value.signExponent)
      }
      x87Note(cpu, op, operand: offset)
      return leave
    }
    let stored = convert(fpu, top)
    do throws(Fault) {
      try cpu.writeLinear(linear, stored.value)
      try cpu.writeLinear(linear &+ 8, stored.high)
    } catch {
      fpu.pointee.hostBinding = 0
      throw error
    }
    x87Merge(fpu, stored.status, UInt16(X87_C1))
    x87Note(cpu, op, operand: offset)
    fpu.pop()
    return cpu.pointee.stop
  }
}

/// FSTP m80's conversion: none, and no exceptions.
@inline(__always)
private func storeUnchanged(_ fpu: FPU, _ n: UInt32) -> X87Stored {
  let value = x87Value(fpu, n)
  return X87Stored(value: value.significand, high: value.signExponent, status: 0)
}

/// FST ST(i) and FSTP ST(i).
@inline(__always)
private func copy(_ cpu: CPU, _ op: Op, pop: Bool) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    let fpu = cpu.fpu
    let top = fpu.top
    guard fpu.isReady(top) else { return x87Whole(cpu, op) }
    let other = x87Other(op, top)
    x87Copy(fpu, other, top)
    fpu.pointee.tags |= 1 &<< UInt8(other)
    fpu.clearC1()
    if pop { fpu.pop() }
    return 0
  }
}

/// FXCH.
@inline(__always)
private func exchange(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    let fpu = cpu.fpu
    let top = fpu.top
    let other = x87Other(op, top)
    guard fpu.isReady(top, other) else { return x87Whole(cpu, op) }
    x87Exchange(fpu, top, other)
    fpu.clearC1()
    return 0
  }
}

/// FCMOVcc.
@inline(__always)
private func moveIf(_ cpu: CPU, _ op: Op, _ condition: UInt8) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    let fpu = cpu.fpu
    let top = fpu.top
    let other = x87Other(op, top)
    guard fpu.isReady(top, other) else { return x87Whole(cpu, op) }
    if cpu.holds(condition) { x87Copy(fpu, top, other) }
    return 0
  }
}

enum X87Transfer {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .fld: return load(i)
    case .fild: return loadInteger(i)
    case .fbld: return { cpu, op in load80(cpu, op, x87LoadDecimal) }
    case .fst: return store(i)
    case .fstp: return storePopping(i)
    case .fist: return storeInteger(i)
    case .fistp: return storeIntegerPopping(i)
    case .fbstp: return { cpu, op in store80(cpu, op, x87StoreDecimal) }
    case .fxch: return { cpu, op in exchange(cpu, op) }
    case .fcmovcc:
      return { cpu, op in moveIf(cpu, op, op.pointee.instruction.condition) }
    default: return constant(i)
    }
  }

  private static func load(_ i: Instruction) -> Handler {
    switch i.x87MemorySize {
    case 4: return { cpu, op in loadMemory(cpu, op, x87LoadSingle) }
    case 8: return { cpu, op in loadMemory(cpu, op, x87LoadDouble) }
    case 10:
      return { cpu, op in
        load80(cpu, op) { fpu, n, value in
          x87SetValue(fpu, n, value.significand, value.signExponent)
          fpu.clearC1()
        }
      }
    default: return { cpu, op in loadRegister(cpu, op) }
    }
  }

  private static func loadInteger(_ i: Instruction) -> Handler {
    switch i.x87MemorySize {
    case 2: return { cpu, op in loadMemory(cpu, op, x87LoadInt16) }
    case 4: return { cpu, op in loadMemory(cpu, op, x87LoadInt32) }
    default: return { cpu, op in loadMemory(cpu, op, x87LoadInt64) }
    }
  }

  private static func store(_ i: Instruction) -> Handler {
    switch i.x87MemorySize {
    case 4:
      return { cpu, op in
        storeMemory(cpu, op, as: UInt32.self, pop: false, x87StoreSingle)
      }
    case 8:
      return { cpu, op in
        storeMemory(cpu, op, as: UInt64.self, pop: false, x87StoreDouble)
      }
    default: return { cpu, op in copy(cpu, op, pop: false) }
    }
  }

  private static func storePopping(_ i: Instruction) -> Handler {
    switch i.x87MemorySize {
    case 4:
      return { cpu, op in storeMemory(cpu, op, as: UInt32.self, pop: true, x87StoreSingle) }
    case 8:
      return { cpu, op in storeMemory(cpu, op, as: UInt64.self, pop: true, x87StoreDouble) }
    case 10: return { cpu, op in store80(cpu, op, storeUnchanged) }
    default: return { cpu, op in copy(cpu, op, pop: true) }
    }
  }

  private static func storeInteger(_ i: Instruction) -> Handler {
    i.x87MemorySize == 2
      ? { cpu, op in storeMemory(cpu, op, as: UInt16.self, pop: false, x87StoreInt16) }
      : { cpu, op in storeMemory(cpu, op, as: UInt32.self, pop: false, x87StoreInt32) }
  }

  private static func storeIntegerPopping(_ i: Instruction) -> Handler {
    switch i.x87MemorySize {
    case 2:
      return { cpu, op in storeMemory(cpu, op, as: UInt16.self, pop: true, x87StoreInt16) }
    case 4:
      return { cpu, op in storeMemory(cpu, op, as: UInt32.self, pop: true, x87StoreInt32) }
    default:
      return { cpu, op in storeMemory(cpu, op, as: UInt64.self, pop: true, x87StoreInt64) }
    }
  }

  private static func constant(_ i: Instruction) -> Handler? {
    switch i.kind {
    case .fld1: return { cpu, op in push(cpu, op, x87One) }
    case .fldl2t: return { cpu, op in push(cpu, op, x87Log2Of10) }
    case .fldl2e: return { cpu, op in push(cpu, op, x87Log2OfE) }
    case .fldpi: return { cpu, op in push(cpu, op, x87Pi) }
    case .fldlg2: return { cpu, op in push(cpu, op, x87Log10Of2) }
    case .fldln2: return { cpu, op in push(cpu, op, x87LnOf2) }
    case .fldz: return { cpu, op in push(cpu, op, x87Zero) }
    default: return nil
    }
  }
}

/// FLD ST(i).
@inline(__always)
private func loadRegister(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try x87Check(cpu)
    x87Note(cpu, op)
    let fpu = cpu.fpu
    let top = fpu.top
    let other = x87Other(op, top)
    let new = (top &- 1) & 7
    guard fpu.isReady(other) && fpu.isEmpty(new) else { return x87Whole(cpu, op) }
    x87Copy(fpu, new, other)
    fpu.clearC1()
    fpu.push(new)
    return 0
  }
}
