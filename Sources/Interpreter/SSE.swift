import CPU
import ISA
import Memory

/// The instructions that work on XMM registers. SDM vol. 1, chapters 10 and 11.
enum SSEFamily {
  /// The handler of an SSE or SSE2 instruction, nil for other instructions.
  static func handler(for i: Instruction) -> Handler? {
    SSEMove.handler(for: i) ?? SSEArithmetic.handler(for: i.kind) ?? SSEPacked.handler(for: i)
      ?? SSEConvert.handler(for: i) ?? control(i)
  }

  private static func control(_ i: Instruction) -> Handler? {
    switch i.kind {
    case .ldmxcsr: return { cpu, op in loadMXCSR(cpu, op) }
    case .stmxcsr: return { cpu, op in storeMXCSR(cpu, op) }
    default: return nil
    }
  }
}

/// #UD by CR0.EM or without CR4.OSFXSR, #NM by CR0.TS. SDM vol. 3, 13.1.
@inline(__always)
func sseCheck(_ cpu: CPU) throws(Fault) {
  if cpu.pointee.cr0 & 0xC | ~cpu.pointee.cr4 & 0x200 != 0 { try sseRefuse(cpu) }
}

@inline(never)
private func sseRefuse(_ cpu: CPU) throws(Fault) {
  if cpu.pointee.cr0 & 4 != 0 || cpu.pointee.cr4 & 0x200 == 0 { throw .invalidOpcode }
  throw .deviceNotAvailable
}

/// Merges the flags of a host MXCSR into the guest's, and raises an exception that the guest has
/// not masked: the shim reports one by masking them all. SDM vol. 1, 11.5.
@inline(__always)
func sseRaise(_ cpu: CPU, _ host: UInt32) throws(Fault) {
  let old = cpu.fpu.pointee.mxcsr
  cpu.fpu.pointee.mxcsr = old | host & 0x3F
  if (old ^ host) & 0x1F80 != 0 { throw cpu.simdFault }
}

extension CPU {
  /// #XM, or #UD without CR4.OSXMMEXCPT.
  var simdFault: Fault { pointee.cr4 & 0x400 != 0 ? .simdError : .invalidOpcode }
}

private func loadMXCSR(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    let value: UInt32 = try cpu.readOperand(op)
    if value & ~X87Image.mxcsrMask != 0 { throw .generalProtection() }
    cpu.fpu.pointee.mxcsr = value
    return cpu.pointee.stop
  }
}

private func storeMXCSR(_ cpu: CPU, _ op: Op) -> UInt32 {
  execute(cpu) { () throws(Fault) in
    try sseCheck(cpu)
    try cpu.writeOperand(op, cpu.fpu.pointee.mxcsr)
    return cpu.pointee.stop
  }
}
