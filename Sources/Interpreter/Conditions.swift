import CPU
import Memory

// Conditions and single flags in terms of the lazy flags, see `CPU/Flags.swift`.

extension CPU {
  /// CF or ZF: unsigned below or equal.
  @inline(__always) var isBelowOrEqual: Bool { carryFlag || zeroFlag }

  /// SF differs from OF: signed less.
  @inline(__always) var isLess: Bool {
    let sign = UInt32(truncatingIfNeeded: pointee.flagResult >> 32)
    let carries = pointee.flagCarries
    return Int32(bitPattern: sign ^ carries ^ (carries &<< 1)) < 0
  }

  /// ZF, or SF differs from OF: signed less or equal.
  @inline(__always) var isLessOrEqual: Bool { zeroFlag || isLess }

  /// Replaces ZF and leaves the other flags.
  func setZero(_ zero: Bool) {
    guard zeroFlag != zero else { return }
    setArithmeticFlags((arithmeticFlags & ~EFLAGS.zf) | (zero ? EFLAGS.zf : 0))
  }
}
