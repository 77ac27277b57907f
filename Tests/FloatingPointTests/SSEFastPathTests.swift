import CHost
import Testing

/// The shortcuts of SSEFastPaths.h against the host's own flags.
@Suite struct SSEFastPathTests {
  typealias Shim = (UInt32, XMMValue, XMMValue) -> SSEResult

  /// Bit patterns that favour the exponents where something is raised.
  private static func double(_ random: inout SystemRandomNumberGenerator) -> UInt64 {
    let bits = random.next()
    let rest = bits & 0x800F_FFFF_FFFF_FFFF
    switch bits >> 56 & 7 {
    case 0: return bits
    case 1: return rest | (random.next() % 4) << 52
    case 2: return rest | (0x7FF - random.next() % 4) << 52
    case 3: return bits & 1 << 63 | (0x3FF + random.next() % 8) << 52
    case 4: return rest | (0x200 + random.next() % 16 + (random.next() & 1) * 0x1F0) << 52
    default: return rest | (0x3F0 + random.next() % 32) << 52
    }
  }

  private static func singles(_ random: inout SystemRandomNumberGenerator) -> UInt64 {
    var result: UInt64 = 0
    for _ in 0..<2 {
      let bits = UInt32(truncatingIfNeeded: random.next())
      let near = bits & 0x807F_FFFF | UInt32(random.next() % 4) << 23
      let large = bits & 0x807F_FFFF | (0xFF - UInt32(random.next() % 4)) << 23
      result =
        result << 32 | UInt64([bits, near, large, bits & 0x8000_0000][Int.random(in: 0..<4)])
    }
    return result
  }

  private func compare(_ fast: Shim, _ exact: Shim, _ a: XMMValue, _ b: XMMValue) -> Bool {
    for mxcsr in [0x1FA0, 0x1F80, 0x1FBF, 0x5FA0, 0x9FA0, 0x1FE0] as [UInt32] {
      let x = fast(mxcsr, a, b)
      let y = exact(mxcsr, a, b)
      if x.value != y.value || x.mxcsr | mxcsr != y.mxcsr | mxcsr { return false }
    }
    return true
  }

  @Test func doublesAgree() {
    let shims: [(Shim, Shim)] = [
      (sseAddSD, sseAddSDExact), (sseSubtractSD, sseSubtractSDExact),
      (sseMultiplySD, sseMultiplySDExact), (sseDivideSD, sseDivideSDExact),
      (sseAddPD, sseAddPDExact), (sseSubtractPD, sseSubtractPDExact),
      (sseMultiplyPD, sseMultiplyPDExact), (sseDividePD, sseDividePDExact),
      (sseSquareRootSD, sseSquareRootSDExact), (sseDoubleToSingle, sseDoubleToSingleExact),
    ]
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let a = XMMValue(Self.double(&random), Self.double(&random))
      let b = XMMValue(Self.double(&random), Self.double(&random))
      for (n, (fast, exact)) in shims.enumerated() where !compare(fast, exact, a, b) {
        Issue.record("shim \(n) of \(a), \(b)")
      }
    }
  }

  @Test func singlesAgree() {
    let shims: [(Shim, Shim)] = [
      (sseAddSS, sseAddSSExact), (sseSubtractSS, sseSubtractSSExact),
      (sseMultiplySS, sseMultiplySSExact), (sseDivideSS, sseDivideSSExact),
      (sseAddPS, sseAddPSExact), (sseSubtractPS, sseSubtractPSExact),
      (sseMultiplyPS, sseMultiplyPSExact), (sseDividePS, sseDividePSExact),
      (sseSingleToDouble, sseSingleToDoubleExact),
    ]
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let a = XMMValue(Self.singles(&random), Self.singles(&random))
      let b = XMMValue(Self.singles(&random), Self.singles(&random))
      for (n, (fast, exact)) in shims.enumerated() where !compare(fast, exact, a, b) {
        Issue.record("shim \(n) of \(a), \(b)")
      }
    }
  }
}
