import ISA
import Testing

@testable import CPU
@testable import Interpreter
@testable import Memory

/// Multiplication, division and decimal arithmetic.
struct ArithmeticTests {
  private func signed(_ value: UInt64, _ bits: Int) -> Int64 {
    Int64(bitPattern: value << UInt64(64 - bits)) >> Int64(64 - bits)
  }

  /// AX, DX:AX or EDX:EAX.
  private func accumulator(_ bench: Bench, _ bits: Int) -> UInt64 {
    switch bits {
    case 8: UInt64(bench.cpu[gpr16: 0])
    case 16: UInt64(bench.cpu[gpr16: 2]) << 16 | UInt64(bench.cpu[gpr16: 0])
    default: UInt64(bench.cpu.edx) << 32 | UInt64(bench.cpu.eax)
    }
  }

  private func setAccumulator(_ bench: Bench, _ bits: Int, _ value: UInt64) {
    switch bits {
    case 8: bench.cpu[gpr16: 0] = UInt16(value)
    case 16:
      bench.cpu[gpr16: 0] = UInt16(truncatingIfNeeded: value)
      bench.cpu[gpr16: 2] = UInt16(truncatingIfNeeded: value >> 16)
    default:
      bench.cpu.eax = UInt32(truncatingIfNeeded: value)
      bench.cpu.edx = UInt32(truncatingIfNeeded: value >> 32)
    }
  }

  @Test(arguments: [8, 16, 32])
  func multiplication(bits: Int) {
    let bench = Bench()
    let mask = UInt64(1) << UInt64(bits) - 1
    let prefix: [UInt8] = bits == 16 ? [0x66] : []
    let opcode: UInt8 = bits == 8 ? 0xF6 : 0xF7
    for a in edgeValues.map({ UInt64($0) & mask }) {
      for b in edgeValues.map({ UInt64($0) & mask }) {
        bench.registers = [UInt32(a), UInt32(b), 0xDEAD_BEEF, 0, Bench.stack, 0, 0, 0]
        bench.run(prefix + [opcode, 0xE1])  // mul ecx
        #expect(accumulator(bench, bits) == a * b)
        let overflow = (a * b) > mask ? EFLAGS.cf | EFLAGS.of : 0
        #expect(bench.flags & (EFLAGS.cf | EFLAGS.of) == overflow)

        let product = signed(a, bits) * signed(b, bits)
        let fits = signed(UInt64(bitPattern: product) & mask, bits) == product
        let signedOverflow = fits ? 0 : EFLAGS.cf | EFLAGS.of
        bench.registers = [UInt32(a), UInt32(b), 0xDEAD_BEEF, 0, Bench.stack, 0, 0, 0]
        bench.run(prefix + [opcode, 0xE9])  // imul ecx
        let doubleMask = bits == 32 ? ~0 : UInt64(1) << UInt64(2 * bits) - 1
        #expect(accumulator(bench, bits) == UInt64(bitPattern: product) & doubleMask)
        #expect(bench.flags & (EFLAGS.cf | EFLAGS.of) == signedOverflow)

        guard bits > 8 else { continue }
        let constant = (0..<bits / 8).map { UInt8(truncatingIfNeeded: b >> UInt64($0 * 8)) }
        for code in [[0x0F, 0xAF, 0xC1], [0x69, 0xC0] + constant] as [[UInt8]] {
          bench.registers = [UInt32(a), UInt32(b), 0, 0, Bench.stack, 0, 0, 0]
          bench.run(prefix + code)
          #expect(UInt64(bench.cpu.eax) == UInt64(bitPattern: product) & mask)
          #expect(bench.flags & (EFLAGS.cf | EFLAGS.of) == signedOverflow)
        }
      }
    }
  }

  @Test func multiplicationByAByteOfMemory() {
    let bench = Bench()
    bench.poke(Bench.data, UInt64(bitPattern: -3), 4)
    bench.cpu.ebx = Bench.data
    bench.run([0x6B, 0x03, 0xF9])  // imul eax, [ebx], -7
    #expect(bench.cpu.eax == 21)
  }

  @Test(arguments: [8, 16, 32])
  func division(bits: Int) {
    let bench = Bench()
    let mask = UInt64(1) << UInt64(bits) - 1
    let prefix: [UInt8] = bits == 16 ? [0x66] : []
    let opcode: UInt8 = bits == 8 ? 0xF6 : 0xF7
    for high in edgeValues.map({ UInt64($0) & mask }) {
      for low in edgeValues.map({ UInt64($0) & mask }) {
        let dividend = high << UInt64(bits) | low
        for divisor in edgeValues.map({ UInt64($0) & mask }) {
          bench.registers = [0, 0, 0, UInt32(divisor), Bench.stack, 0, 0, 0]
          setAccumulator(bench, bits, dividend)
          let before = bench.registers
          let outcome = bench.run(prefix + [opcode, 0xF3])  // div ebx
          if divisor == 0 || dividend / divisor > mask {
            #expect(outcome == .fault(.divideError))
            #expect(bench.registers == before)
          } else {
            let wanted = (dividend % divisor) << UInt64(bits) | dividend / divisor
            #expect(accumulator(bench, bits) == wanted)
          }

          bench.registers = [0, 0, 0, UInt32(divisor), Bench.stack, 0, 0, 0]
          setAccumulator(bench, bits, dividend)
          let signedOutcome = bench.run(prefix + [opcode, 0xFB])  // idiv ebx
          let wide = signed(dividend, 2 * bits)
          let narrow = signed(divisor, bits)
          let limit = Int64(1) << Int64(bits - 1)
          let (quotient, overflow) =
            narrow == 0 ? (0, true) : wide.dividedReportingOverflow(by: narrow)
          if overflow || quotient >= limit || quotient < -limit {
            #expect(signedOutcome == .fault(.divideError))
            #expect(bench.registers == before)
          } else {
            let remainder = UInt64(bitPattern: wide - quotient * narrow) & mask
            let wanted = remainder << UInt64(bits) | UInt64(bitPattern: quotient) & mask
            #expect(accumulator(bench, bits) == wanted)
          }
        }
      }
    }
  }

  // MARK: Decimal

  private func packed(_ value: Int) -> UInt8 { UInt8(value / 10 * 16 + value % 10) }

  @Test func decimalAdditionAndSubtraction() {
    let bench = Bench()
    for a in 0..<100 {
      for b in 0..<100 {
        bench.cpu.eax = UInt32(packed(a))
        bench.run([0x04, packed(b)])  // add al, b
        bench.run([0x27])  // daa
        #expect(bench.cpu.eax == UInt32(packed((a + b) % 100)))
        #expect(bench.cpu.carryFlag == (a + b >= 100))
        #expect(bench.cpu.zeroFlag == ((a + b) % 100 == 0))

        bench.cpu.eax = UInt32(packed(a))
        bench.run([0x2C, packed(b)])  // sub al, b
        bench.run([0x2F])  // das
        #expect(bench.cpu.eax == UInt32(packed((a - b + 100) % 100)))
        #expect(bench.cpu.carryFlag == (a < b))
      }
    }
  }

  @Test func asciiAdditionAndSubtraction() {
    let bench = Bench()
    for a in 0..<10 as Range<UInt32> {
      for b in 0..<10 as Range<UInt32> {
        bench.cpu.eax = 0x500 | a
        bench.run([0x04, UInt8(b)])
        bench.run([0x37])  // aaa
        #expect(bench.cpu.eax == (a + b >= 10 ? 0x600 : 0x500) | (a + b) % 10)
        #expect(bench.cpu.carryFlag == (a + b >= 10) && bench.cpu.adjustFlag == (a + b >= 10))

        bench.cpu.eax = 0x500 | a
        bench.run([0x2C, UInt8(b)])
        bench.run([0x3F])  // aas
        #expect(bench.cpu.eax == (a < b ? 0x400 : 0x500) | (a + 10 - b) % 10)
        #expect(bench.cpu.carryFlag == (a < b) && bench.cpu.adjustFlag == (a < b))
      }
    }
  }

  @Test func asciiMultiplicationAndDivision() {
    let bench = Bench()
    for base in [10, 7, 16, 255] as [UInt32] {
      for value in 0..<256 as Range<UInt32> {
        bench.cpu.eax = 0xFF00 | value
        bench.run([0xD4, UInt8(base)])  // aam
        #expect(bench.cpu.eax == (value / base) << 8 | value % base)
        #expect(bench.cpu.zeroFlag == (value % base == 0))
        bench.run([0xD5, UInt8(base)])  // aad
        #expect(bench.cpu.eax == value)
      }
    }
    bench.cpu.eax = 0x1234
    #expect(bench.run([0xD4, 0]) == .fault(.divideError))
    #expect(bench.cpu.eax == 0x1234)
  }
}
