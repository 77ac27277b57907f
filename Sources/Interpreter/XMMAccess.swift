import CPU
import ISA
import Memory

// Operands of 128 bits.

extension CPU {
  /// Reads 16 bytes at the memory operand.
  /// - Throws: #GP(0) if `aligned` and the address is no multiple of 16, whatever the segment's limit.
  @inline(__always)
  func readXMM(_ op: Op, aligned: Bool) throws(Fault) -> XMMValue {
    let segment = op.pointee.instruction.segment
    let offset = effectiveOffset(op)
    if aligned { try requireAlignment(segment, offset) }
    if let value = quickRead(segment, offset, as: UInt128.self) { return XMMValue(value) }
    return try readXMMSlowly(segment, offset, aligned: aligned)
  }

  @inline(never)
  private func readXMMSlowly(
    _ segment: UInt8, _ offset: UInt32, aligned: Bool
  ) throws(Fault) -> XMMValue {
    let linear = try readAddress(segment, offset, 16)
    if !aligned && linear & 15 != 0 && checksAlignment { throw .alignmentCheck }
    return XMMValue(try readLinear(linear), try readLinear(linear &+ 8))
  }

  /// Writes 16 bytes at the memory operand, all or none.
  @inline(__always)
  func writeXMM(_ op: Op, _ value: XMMValue, aligned: Bool) throws(Fault) {
    let segment = op.pointee.instruction.segment
    let offset = effectiveOffset(op)
    if aligned { try requireAlignment(segment, offset) }
    if quickWrite(segment, offset, UInt128(value)) { return }
    try writeXMMSlowly(segment, offset, value, aligned: aligned)
  }

  @inline(never)
  private func writeXMMSlowly(
    _ segment: UInt8, _ offset: UInt32, _ value: XMMValue, aligned: Bool
  ) throws(Fault) {
    let linear = try writeAddress(segment, offset, 16)
    if !aligned && linear & 15 != 0 && checksAlignment { throw .alignmentCheck }
    if linear & 0xFFF > 0xFF0 { try probeWrite(linear, 16, user: pointee.cpl == 3) }
    try writeLinear(linear, value[0])
    try writeLinear(linear &+ 8, value[1])
  }

  @inline(__always)
  private func requireAlignment(_ segment: UInt8, _ offset: UInt32) throws(Fault) {
    if (self.segment(segment).pointee.base &+ offset) & 15 != 0 { throw .generalProtection() }
  }
}

extension XMMValue {
  @inline(__always) init(_ value: UInt128) {
    self.init(UInt64(truncatingIfNeeded: value), UInt64(truncatingIfNeeded: value >> 64))
  }
}

extension UInt128 {
  @inline(__always) init(_ value: XMMValue) {
    self = UInt128(value[1]) << 64 | UInt128(value[0])
  }
}

/// The source in operand 1: an XMM register or 16 bytes of memory.
@inline(__always)
func xmmSource(_ cpu: CPU, _ op: Op, aligned: Bool = true) throws(Fault) -> XMMValue {
  let operand = op.pointee.instruction.operands.1
  if operand.isMemory { return try cpu.readXMM(op, aligned: aligned) }
  return xmmValue(cpu.fpu, UInt32(operand.reg))
}

/// The source in operand 1: the low 64 bits of an XMM register or 8 bytes of memory.
@inline(__always)
func xmmSource64(_ cpu: CPU, _ op: Op) throws(Fault) -> UInt64 {
  let operand = op.pointee.instruction.operands.1
  if operand.isMemory { return try cpu.readOperand(op) }
  return xmmLow(cpu.fpu, UInt32(operand.reg))
}

/// The source in operand 1: the low 32 bits of an XMM register or 4 bytes of memory.
@inline(__always)
func xmmSource32(_ cpu: CPU, _ op: Op) throws(Fault) -> UInt32 {
  let operand = op.pointee.instruction.operands.1
  if operand.isMemory { return try cpu.readOperand(op) }
  return xmmLow32(cpu.fpu, UInt32(operand.reg))
}

/// Number of the register in operand 0.
@inline(__always)
func destination(_ op: Op) -> UInt32 { UInt32(op.pointee.instruction.operands.0.reg) }

/// Number of the register in operand 1.
@inline(__always)
func source(_ op: Op) -> UInt32 { UInt32(op.pointee.instruction.operands.1.reg) }
