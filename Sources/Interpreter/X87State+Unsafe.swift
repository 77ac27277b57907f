import CPU
import ISA
import Memory

/// The x87, MMX and SSE registers of a processor.
typealias FPU = UnsafeMutablePointer<FPUState>

extension CPU {
  /// The floating-point registers.
  @inline(__always) var fpu: FPU {
    (UnsafeMutableRawPointer(self) + MemoryLayout<CPUState>.offset(of: \.fpu)!)
      .assumingMemoryBound(to: FPUState.self)
  }
}

extension FPU {
  /// Physical number of ST(0). Kept in three bits by its users.
  @inline(__always) var top: UInt32 { UInt32(pointee.status) >> 11 & 7 }

  /// Whether an unmasked exception is pending (FSW.ES).
  @inline(__always) var hasPendingError: Bool { pointee.status & 0x80 != 0 }

  /// Whether all exceptions are masked.
  @inline(__always) var masksAll: Bool { pointee.control & 0x3F == 0x3F }

  @inline(__always) func isEmpty(_ n: UInt32) -> Bool { pointee.tags >> UInt8(n & 7) & 1 == 0 }

  /// Whether an operation on R[n] can raise neither a stack fault nor an unmasked exception.
  @inline(__always) func isReady(_ n: UInt32) -> Bool { masksAll && !isEmpty(n) }

  /// The same with two operands.
  @inline(__always) func isReady(_ n: UInt32, _ m: UInt32) -> Bool {
    masksAll && UInt32(pointee.tags) &>> (n & 7) & UInt32(pointee.tags) &>> (m & 7) & 1 != 0
  }

  @inline(__always) func setTop(_ n: UInt32) {
    pointee.status = pointee.status & ~0x3800 | UInt16(truncatingIfNeeded: n & 7) &<< 11
  }

  /// Marks ST(0) empty and increments TOP.
  @inline(__always) func pop() {
    let top = self.top
    pointee.tags &= ~(1 &<< UInt8(top))
    setTop(top &+ 1)
  }

  /// Makes R[n], which is TOP - 1, the new ST(0).
  @inline(__always) func push(_ n: UInt32) {
    pointee.tags |= 1 &<< UInt8(n & 7)
    setTop(n)
  }

  @inline(__always) func clearC1() { pointee.status &= ~0x200 }

  /// Sets FSW.ES and B from the flags and masks. SDM vol. 1, 8.1.3.3.
  func updateSummary() {
    let pending = pointee.status & ~pointee.control & 0x3F != 0
    pointee.status = pointee.status & 0x7F7F | (pending ? 0x8080 : 0)
  }

  /// FINIT. SDM vol. 2, "FINIT".
  func initialize() {
    pointee.control = 0x37F
    pointee.status = 0
    pointee.tags = 0
    pointee.opcode = 0
    pointee.instructionOffset = 0
    pointee.instructionSelector = 0
    pointee.operandOffset = 0
    pointee.operandSelector = 0
    pointee.hostBinding = 0
  }

  /// FLDCW's part that all loads of the control word share: reserved bits are fixed.
  func setControl(_ value: UInt16) {
    pointee.control = value & 0x1F7F | 0x40
    updateSummary()
  }
}
