import CPU
import ISA
import Memory

/// FXSAVE and FXRSTOR: the 512-byte image of SDM vol. 1, 10.5. As on Intel's processors, and unlike
/// AMD's, the pointers and FOP are always saved and restored. XMM and MXCSR are left out while
/// CR4.OSFXSR is 0, which the manual leaves to the implementation.
enum X87Image {
  /// What MXCSR_MASK reports: every bit of SSE2 with DAZ.
  static let mxcsrMask: UInt32 = 0xFFFF

  private static func savesXMM(_ cpu: CPU) -> Bool { cpu.pointee.cr4 & (1 << 9) != 0 }

  static func save(_ cpu: CPU, _ op: Op) -> UInt32 {
    execute(cpu) { () throws(Fault) in
      try x87CheckAvailable(cpu)
      let linear = try alignedAddress(cpu, op, write: true)
      try cpu.probeImage(linear, 512, write: true)
      let fpu = cpu.fpu
      let state = fpu.pointee
      try cpu.writeLinear(linear, state.control)
      try cpu.writeLinear(linear &+ 2, state.status)
      try cpu.writeLinear(linear &+ 4, UInt16(state.tags))
      try cpu.writeLinear(linear &+ 6, state.opcode)
      try cpu.writeLinear(linear &+ 8, state.instructionOffset)
      try cpu.writeLinear(linear &+ 12, UInt32(state.instructionSelector))
      try cpu.writeLinear(linear &+ 16, state.operandOffset)
      try cpu.writeLinear(linear &+ 20, UInt32(state.operandSelector))
      for n in 0..<8 as Range<UInt32> {
        let value = x87Value(fpu, fpu.top &+ n)
        try cpu.writeLinear(linear &+ 32 &+ n &* 16, value.significand)
        try cpu.writeLinear(linear &+ 40 &+ n &* 16, UInt64(value.signExponent))
      }
      if savesXMM(cpu) {
        try cpu.writeLinear(linear &+ 24, state.mxcsr)
        try cpu.writeLinear(linear &+ 28, mxcsrMask)
        for n in 0..<8 as Range<UInt32> {
          try cpu.writeLinear(linear &+ 160 &+ n &* 16, xmmLow(fpu, n))
          try cpu.writeLinear(linear &+ 168 &+ n &* 16, xmmHigh(fpu, n))
        }
      }
      return cpu.pointee.stop
    }
  }

  static func restore(_ cpu: CPU, _ op: Op) -> UInt32 {
    execute(cpu) { () throws(Fault) in
      try x87CheckAvailable(cpu)
      let linear = try alignedAddress(cpu, op, write: false)
      try cpu.probeImage(linear, 512, write: false)
      let withXMM = savesXMM(cpu)
      let mxcsr: UInt32 = try cpu.readLinear(linear &+ 24)
      if withXMM && mxcsr & ~mxcsrMask != 0 { throw .generalProtection() }
      let fpu = cpu.fpu
      fpu.pointee.hostBinding = 0
      fpu.pointee.status = try cpu.readLinear(linear &+ 2)
      fpu.setControl(try cpu.readLinear(linear))
      fpu.pointee.tags = try cpu.readLinear(linear &+ 4)
      fpu.pointee.opcode = try cpu.readLinear(linear &+ 6, as: UInt16.self) & 0x7FF
      fpu.pointee.instructionOffset = try cpu.readLinear(linear &+ 8)
      fpu.pointee.instructionSelector = try cpu.readLinear(linear &+ 12)
      fpu.pointee.operandOffset = try cpu.readLinear(linear &+ 16)
      fpu.pointee.operandSelector = try cpu.readLinear(linear &+ 20)
      for n in 0..<8 as Range<UInt32> {
        let address = linear &+ 32 &+ n &* 16
        x87SetValue(
          fpu, fpu.top &+ n, try cpu.readLinear(address), try cpu.readLinear(address &+ 8))
      }
      if withXMM {
        fpu.pointee.mxcsr = mxcsr
        for n in 0..<8 as Range<UInt32> {
          xmmSetLow(fpu, n, try cpu.readLinear(linear &+ 160 &+ n &* 16))
          xmmSetHigh(fpu, n, try cpu.readLinear(linear &+ 168 &+ n &* 16))
        }
      }
      x87AssertFERR(cpu)
      return cpu.pointee.stop
    }
  }

  /// The image's linear address; #GP(0) when it is not a multiple of 16.
  private static func alignedAddress(_ cpu: CPU, _ op: Op, write: Bool) throws(Fault) -> UInt32 {
    let segment = op.pointee.instruction.segment
    let offset = cpu.effectiveOffset(op)
    let linear =
      write
      ? try cpu.writeAddress(segment, offset, 512) : try cpu.readAddress(segment, offset, 512)
    if linear & 15 != 0 {
      if linear & 7 != 0 && cpu.checksAlignment { throw .alignmentCheck }
      throw .generalProtection()
    }
    return linear
  }
}

extension CPU {
  /// Whether misaligned data accesses raise #AC now.
  var checksAlignment: Bool {
    pointee.cpl == 3 && pointee.cr0 & (1 << 18) != 0 && pointee.eflags & EFLAGS.ac != 0
  }
}
