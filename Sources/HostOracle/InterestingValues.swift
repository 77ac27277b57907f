// Values at which instructions tend to change their behaviour.
extension RandomSource {
  /// An integer for a general register.
  mutating func integer32() -> UInt32 {
    switch below(10) {
    case 0, 1, 2: return UInt32(truncatingIfNeeded: next())
    case 3: return UInt32(below(64))
    case 4: return 0 &- UInt32(below(64))
    case 5: return 1 << UInt32(below(32))
    case 6: return (1 << UInt32(below(32))) &- 1
    case 7: return UInt32(truncatingIfNeeded: next()) & 0xFFFF
    case 8:
      // Decimal digits, for BCD.
      return (0..<8).reduce(0) { value, _ in value << 4 | UInt32(below(10)) }
    default:
      return pick([
        0, 1, ~0, 0x7FFF_FFFF, 0x8000_0000, 0x7FFF, 0x8000, 0x7F, 0x80, 0xFF, 0xFFFF, 0x1_0000,
        0xFFFF_8000, 0xFFFF_FF80, 0x8080_8080, 0x7F7F_7F7F, 0x7FFF_8000, 0x8000_7FFF,
      ])
    }
  }

  /// The bits of a single.
  mutating func single() -> UInt32 {
    let sign: UInt32 = chance(50) ? 0x8000_0000 : 0
    switch below(12) {
    case 0: return sign
    case 1: return sign | 0x7F80_0000
    case 2: return sign | 0x7FC0_0000 | UInt32(truncatingIfNeeded: next()) & 0x3F_FFFF
    case 3: return sign | 0x7F80_0001 | UInt32(truncatingIfNeeded: next()) & 0x3F_FFFE
    case 4: return sign | UInt32(truncatingIfNeeded: next()) & 0x7F_FFFF  // denormal
    case 5: return sign | pick([1, 0x7F_FFFF, 0x80_0000, 0x80_0001, 0x7F7F_FFFF] as [UInt32])
    case 6: return Float(Int32(truncatingIfNeeded: next()) >> 16).bitPattern
    case 7:
      let near: [Float] = [2_147_483_648, 2_147_483_520, 32768, 65536, 0.5, 1, 1.5, 2.5, 0.25]
      return sign | pick(near).bitPattern
    case 8:
      return sign | (UInt32(truncatingIfNeeded: next()) & 0x7F_FFFF) | UInt32(100 + below(60)) << 23
    default: return UInt32(truncatingIfNeeded: next())
    }
  }

  /// The bits of a double.
  mutating func double() -> UInt64 {
    let sign: UInt64 = chance(50) ? 1 << 63 : 0
    let fraction = next() & 0xF_FFFF_FFFF_FFFF
    switch below(13) {
    case 0: return sign
    case 1: return sign | 0x7FF0 << 48
    case 2: return sign | 0x7FF8 << 48 | fraction
    case 3: return sign | 0x7FF0 << 48 | 1 | fraction >> 1
    case 4: return sign | fraction  // denormal
    case 5:
      return sign | pick([1, 0xF_FFFF_FFFF_FFFF, 1 << 52, 1 << 52 | 1, 0x7FEF_FFFF_FFFF_FFFF])
    case 6: return Double(Int32(truncatingIfNeeded: next())).bitPattern
    case 7: return Double(Float(bitPattern: single())).bitPattern
    case 8:
      let near: [Double] = [
        2_147_483_647, 2_147_483_647.5, 2_147_483_648, 2_147_483_648.5, 4_294_967_296,
        9.223372036854775e18, 1.8e19, 32767.5, 0.5, 1, 1.5, 2.5, 3.402823466385289e38,
        3.4028235677973366e38, 1.1754943508222875e-38, 1.401298464324817e-45,
      ]
      return sign | pick(near).bitPattern
    case 9: return sign | fraction | UInt64(1000 + below(100)) << 52
    default: return next()
    }
  }

  /// An 80-bit value: significand and, above it, sign and exponent.
  mutating func extended() -> (significand: UInt64, exponent: UInt16) {
    let sign: UInt16 = chance(50) ? 0x8000 : 0
    let one: UInt64 = 1 << 63
    switch below(16) {
    case 0: return (0, sign)
    case 1: return (one, sign | 0x7FFF)
    case 2: return (one | 1 << 62 | next() >> 2, sign | 0x7FFF)
    case 3: return (one | 1 | next() >> 2, sign | 0x7FFF)
    case 4: return (next() >> 1, sign)  // denormal
    case 5: return (one | next(), sign)  // pseudo-denormal
    case 6: return (next() >> 1, sign | UInt16(1 + below(0x7FFF)))  // invalid: integer bit missing
    case 7: return (one, sign | 0x3FFF)
    case 8: return (one, sign | UInt16(0x3FFF - 4 + below(70)))
    case 9:
      // Whole numbers and halves.
      let exponent = below(64)
      let mask = ~((UInt64.max >> 1) >> UInt64(max(exponent, 1) - below(2)))
      return (one | next() & mask, sign | UInt16(0x3FFF + exponent))
    case 10: return (one | next(), sign | UInt16(0x3FFF + below(66)))
    case 11:
      return (
        pick([one, one | 1, .max]), sign | pick([1, 2, 0x7FFE, 0x43FE, 0x3C00, 0x407E, 0x3F80])
      )
    case 12: return (one | next(), sign | UInt16(0x3FFF - below(80)))
    case 13: return (one | next() << 40, sign | UInt16(0x3FFF - 30 + below(60)))
    case 14: return (one | next() << 11, sign | UInt16(0x3FFF - 1100 + below(2200)))
    default: return (one | next(), sign | UInt16(below(0x7FFF)))
    }
  }

  /// Sixteen bytes for an XMM register: singles, doubles or integers.
  mutating func vector() -> (UInt64, UInt64) {
    switch below(4) {
    case 0, 1:
      return (
        UInt64(single()) | UInt64(single()) << 32, UInt64(single()) | UInt64(single()) << 32
      )
    case 2: return (double(), double())
    default:
      return (
        UInt64(integer32()) | UInt64(integer32()) << 32,
        UInt64(integer32()) | UInt64(integer32()) << 32
      )
    }
  }
}
