import CPU
import ISA
import Memory

// FNSTENV, FLDENV, FNSAVE, FRSTOR. SDM vol. 1, 8.1.10: seven fields of 2 or 4 bytes, whose last
// four depend on the mode; FNSAVE adds the eight registers in stack order.

/// The seven fields, independent of their width.
private struct Environment {
  var control: UInt16 = 0
  var status: UInt16 = 0
  var tags: UInt16 = 0
  var pointers: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
}

private func usesProtectedFormat(_ cpu: CPU) -> Bool {
  cpu.pointee.cr0 & 1 != 0 && cpu.pointee.eflags & EFLAGS.vm == 0
}

/// The full tag word: valid 0, zero 1, special 2, empty 3 for each physical register.
private func fullTags(_ fpu: FPU) -> UInt16 {
  var word: UInt32 = 0
  for n in 0..<8 as Range<UInt32> {
    word |= (fpu.isEmpty(n) ? 3 : x87TagOf(fpu, n)) << (n * 2)
  }
  return UInt16(truncatingIfNeeded: word)
}

private func currentEnvironment(_ cpu: CPU, wide: Bool) -> Environment {
  let fpu = cpu.fpu
  let state = fpu.pointee
  var e = Environment(control: state.control, status: state.status, tags: fullTags(fpu))
  let opcode = UInt32(state.opcode & 0x7FF)
  if usesProtectedFormat(cpu) {
    e.pointers = (
      state.instructionOffset, UInt32(state.instructionSelector) | (wide ? opcode << 16 : 0),
      state.operandOffset, UInt32(state.operandSelector) | (wide ? 0xFFFF_0000 : 0)
    )
    return e
  }
  let instruction = state.instructionOffset &+ UInt32(state.instructionSelector) << 4
  let operand = state.operandOffset &+ UInt32(state.operandSelector) << 4
  if wide {
    e.pointers = (
      instruction & 0xFFFF | 0xFFFF_0000, (instruction >> 16) << 12 | opcode,
      operand & 0xFFFF | 0xFFFF_0000, (operand >> 16) << 12
    )
  } else {
    e.pointers = (
      instruction & 0xFFFF, (instruction >> 4) & 0xF000 | opcode,
      operand & 0xFFFF, (operand >> 4) & 0xF000
    )
  }
  return e
}

/// Writes the environment at a linear address that has been checked.
private func write(_ cpu: CPU, _ linear: UInt32, wide: Bool) throws(Fault) {
  let e = currentEnvironment(cpu, wide: wide)
  if wide {
    // Reserved upper halves read as ones.
    try cpu.writeLinear(linear, 0xFFFF_0000 | UInt32(e.control))
    try cpu.writeLinear(linear &+ 4, 0xFFFF_0000 | UInt32(e.status))
    try cpu.writeLinear(linear &+ 8, 0xFFFF_0000 | UInt32(e.tags))
    try cpu.writeLinear(linear &+ 12, e.pointers.0)
    try cpu.writeLinear(linear &+ 16, e.pointers.1)
    try cpu.writeLinear(linear &+ 20, e.pointers.2)
    try cpu.writeLinear(linear &+ 24, e.pointers.3)
  } else {
    try cpu.writeLinear(linear, e.control)
    try cpu.writeLinear(linear &+ 2, e.status)
    try cpu.writeLinear(linear &+ 4, e.tags)
    try cpu.writeLinear(linear &+ 6, UInt16(truncatingIfNeeded: e.pointers.0))
    try cpu.writeLinear(linear &+ 8, UInt16(truncatingIfNeeded: e.pointers.1))
    try cpu.writeLinear(linear &+ 10, UInt16(truncatingIfNeeded: e.pointers.2))
    try cpu.writeLinear(linear &+ 12, UInt16(truncatingIfNeeded: e.pointers.3))
  }
}

private func read(_ cpu: CPU, _ linear: UInt32, wide: Bool) throws(Fault) -> Environment {
  func field(_ n: UInt32) throws(Fault) -> UInt32 {
    if wide { return try cpu.readLinear(linear &+ n &* 4) }
    return UInt32(try cpu.readLinear(linear &+ n &* 2, as: UInt16.self))
  }
  var e = Environment()
  e.control = UInt16(truncatingIfNeeded: try field(0))
  e.status = UInt16(truncatingIfNeeded: try field(1))
  e.tags = UInt16(truncatingIfNeeded: try field(2))
  e.pointers = (try field(3), try field(4), try field(5), try field(6))
  return e
}

private func load(_ cpu: CPU, _ e: Environment, wide: Bool) {
  let fpu = cpu.fpu
  fpu.pointee.hostBinding = 0
  fpu.pointee.status = e.status
  fpu.setControl(e.control)
  var tags: UInt8 = 0
  for n in 0..<8 as Range<UInt16> where (e.tags >> (n * 2)) & 3 != 3 { tags |= 1 << UInt8(n) }
  fpu.pointee.tags = tags
  if usesProtectedFormat(cpu) {
    fpu.pointee.instructionOffset = e.pointers.0
    fpu.pointee.instructionSelector = UInt16(truncatingIfNeeded: e.pointers.1)
    if wide { fpu.pointee.opcode = UInt16(truncatingIfNeeded: e.pointers.1 >> 16) & 0x7FF }
    fpu.pointee.operandOffset = e.pointers.2
    fpu.pointee.operandSelector = UInt16(truncatingIfNeeded: e.pointers.3)
    return
  }
  // Real mode has linear addresses: they are kept as offsets with selector 0.
  func upper(_ field: UInt32) -> UInt32 {
    wide ? (field >> 12) << 16 : (field & 0xF000) << 4
  }
  fpu.pointee.instructionOffset = e.pointers.0 & 0xFFFF | upper(e.pointers.1)
  fpu.pointee.instructionSelector = 0
  fpu.pointee.opcode = UInt16(truncatingIfNeeded: e.pointers.1) & 0x7FF
  fpu.pointee.operandOffset = e.pointers.2 & 0xFFFF | upper(e.pointers.3)
  fpu.pointee.operandSelector = 0
}

extension CPU {
  /// Checks the pages of an image of at most 4 KiB; `unit` is the alignment that #AC asks for. As
  /// on the processors that we compare with, a fault at the end comes before one at the start.
  func probeImage(_ linear: UInt32, _ size: UInt32, unit: Int = 1, write: Bool) throws(Fault) {
    let user = pointee.cpl == 3
    let last = linear &+ size &- 1
    if write && size == 10 {  // One value: its significand, then its sign and exponent.
      try probeWrite(linear, 8, user: user)
      try probeWrite(linear &+ 8, 2, user: user)
    } else if write {
      try probeWrite(last, 1, user: user)
      try probeWrite(linear, unit, user: user)
    } else {
      try probeRead(last, 1, user: user)
      _ = try readLinear(linear, as: UInt16.self)
    }
  }
}

/// The linear address of an image of `size` bytes after every check that writing it needs.
func x87WritableImage(_ cpu: CPU, _ op: Op, _ size: UInt32) throws(Fault) -> UInt32 {
  let linear = try cpu.writeAddress(
    op.pointee.instruction.segment, cpu.effectiveOffset(op), Int(size))
  let unit = Int(op.pointee.instruction.operandSize)
  try cpu.probeImage(linear, size, unit: unit, write: true)
  return linear
}

// The registers of the image are ten bytes each: word by word they pass #AC like the image itself.

private func write(_ cpu: CPU, _ value: X87Value, at linear: UInt32) throws(Fault) {
  for n in 0..<4 as Range<UInt32> {
    let word = UInt16(truncatingIfNeeded: value.significand >> UInt64(n * 16))
    try cpu.writeLinear(linear &+ n &* 2, word)
  }
  try cpu.writeLinear(linear &+ 8, value.signExponent)
}

private func readValue(_ cpu: CPU, at linear: UInt32) throws(Fault) -> X87Value {
  var significand: UInt64 = 0
  for n in 0..<4 as Range<UInt32> {
    let word: UInt16 = try cpu.readLinear(linear &+ n &* 2)
    significand |= UInt64(word) << UInt64(n * 16)
  }
  return X87Value(significand: significand, signExponent: try cpu.readLinear(linear &+ 8))
}

enum X87Environment {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .fnstenv: return { cpu, op in X87Environment.storeEnvironment(cpu, op) }
    case .fldenv: return { cpu, op in X87Environment.loadEnvironment(cpu, op) }
    case .fnsave: return { cpu, op in X87Environment.save(cpu, op) }
    case .frstor: return { cpu, op in X87Environment.restore(cpu, op) }
    case .fxsave: return { cpu, op in X87Image.save(cpu, op) }
    case .fxrstor: return { cpu, op in X87Image.restore(cpu, op) }
    default: return nil
    }
  }

  private static func storeEnvironment(_ cpu: CPU, _ op: Op) -> UInt32 {
    execute(cpu) { () throws(Fault) in
      try x87CheckAvailable(cpu)
      let wide = op.pointee.instruction.operandSize != 2
      let linear = try x87WritableImage(cpu, op, wide ? 28 : 14)
      try write(cpu, linear, wide: wide)
      // FNSTENV masks all exceptions afterwards; those that were pending are so no longer.
      cpu.fpu.setControl(cpu.fpu.pointee.control | 0x3F)
      return cpu.pointee.stop
    }
  }

  private static func loadEnvironment(_ cpu: CPU, _ op: Op) -> UInt32 {
    execute(cpu) { () throws(Fault) in
      try x87Check(cpu)
      let wide = op.pointee.instruction.operandSize != 2
      let linear = try cpu.readAddress(
        op.pointee.instruction.segment, cpu.effectiveOffset(op), wide ? 28 : 14)
      try cpu.probeImage(linear, wide ? 28 : 14, write: false)
      load(cpu, try read(cpu, linear, wide: wide), wide: wide)
      x87AssertFERR(cpu)
      return cpu.pointee.stop
    }
  }

  private static func save(_ cpu: CPU, _ op: Op) -> UInt32 {
    execute(cpu) { () throws(Fault) in
      try x87CheckAvailable(cpu)
      let wide = op.pointee.instruction.operandSize != 2
      let linear = try x87WritableImage(cpu, op, wide ? 108 : 94)
      try write(cpu, linear, wide: wide)
      let fpu = cpu.fpu
      var address = linear &+ (wide ? 28 : 14)
      for n in 0..<8 as Range<UInt32> {
        try write(cpu, x87Value(fpu, fpu.top &+ n), at: address)
        address &+= 10
      }
      fpu.initialize()
      return cpu.pointee.stop
    }
  }

  private static func restore(_ cpu: CPU, _ op: Op) -> UInt32 {
    execute(cpu) { () throws(Fault) in
      try x87Check(cpu)
      let wide = op.pointee.instruction.operandSize != 2
      let size: UInt32 = wide ? 108 : 94
      let linear = try cpu.readAddress(
        op.pointee.instruction.segment, cpu.effectiveOffset(op), Int(size))
      try cpu.probeImage(linear, size, write: false)
      load(cpu, try read(cpu, linear, wide: wide), wide: wide)
      let fpu = cpu.fpu
      var address = linear &+ (wide ? 28 : 14)
      for n in 0..<8 as Range<UInt32> {
        let value = try readValue(cpu, at: address)
        x87SetValue(fpu, fpu.top &+ n, value.significand, value.signExponent)
        address &+= 10
      }
      x87AssertFERR(cpu)
      return cpu.pointee.stop
    }
  }
}
