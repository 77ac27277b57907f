import ISA
import Testing

@testable import CPU
@testable import Interpreter
@testable import Memory

/// Flags by their definitions, on integers wide enough to hold every result.
private struct Expected {
  var result: UInt64
  var flags: UInt32

  /// - Parameters:
  ///   - unsigned, signed: the exact result of the operands taken either way.
  ///   - low: the exact result of the low four bits.
  init(_ bits: Int, unsigned: Int64, signed: Int64, low: Int64) {
    let modulus = Int64(1) << Int64(bits)
    result = UInt64(bitPattern: unsigned & (modulus - 1))
    flags = 0
    if unsigned < 0 || unsigned >= modulus { flags |= EFLAGS.cf }
    if signed < -(modulus / 2) || signed >= modulus / 2 { flags |= EFLAGS.of }
    if low < 0 || low > 15 { flags |= EFLAGS.af }
    setResultFlags(bits)
  }

  init(_ bits: Int, logic: UInt64) {
    result = logic
    flags = 0
    setResultFlags(bits)
  }

  private mutating func setResultFlags(_ bits: Int) {
    if result == 0 { flags |= EFLAGS.zf }
    if result >> UInt64(bits - 1) & 1 != 0 { flags |= EFLAGS.sf }
    if (result & 0xFF).nonzeroBitCount % 2 == 0 { flags |= EFLAGS.pf }
  }
}

private func signed(_ value: UInt64, _ bits: Int) -> Int64 {
  value >> UInt64(bits - 1) & 1 != 0
    ? Int64(value) - (Int64(1) << Int64(bits)) : Int64(value)
}

/// The operation with number 0...7 of the opcode map's first four lines, or 8 for TEST.
private func expected(_ number: UInt8, _ bits: Int, _ a: UInt64, _ b: UInt64, _ carry: Int64)
  -> Expected
{
  let (sa, sb) = (signed(a, bits), signed(b, bits))
  let (ua, ub) = (Int64(a), Int64(b))
  let (la, lb) = (ua & 15, ub & 15)
  return switch number {
  case 0: Expected(bits, unsigned: ua + ub, signed: sa + sb, low: la + lb)
  case 1: Expected(bits, logic: a | b)
  case 2: Expected(bits, unsigned: ua + ub + carry, signed: sa + sb + carry, low: la + lb + carry)
  case 3: Expected(bits, unsigned: ua - ub - carry, signed: sa - sb - carry, low: la - lb - carry)
  case 4, 8: Expected(bits, logic: a & b)
  case 6: Expected(bits, logic: a ^ b)
  default: Expected(bits, unsigned: ua - ub, signed: sa - sb, low: la - lb)
  }
}

/// ADD OR ADC SBB AND SUB XOR CMP and TEST in every form, against their definitions.
struct BinaryTests {
  private static let names = ["add", "or", "adc", "sbb", "and", "sub", "xor", "cmp", "test"]

  /// Where the operands are.
  private enum Form: CaseIterable {
    case registerRegister, registerImmediate, memoryRegister, registerMemory, memoryImmediate
    case indexedRegister, registerIndexed, indexedImmediate, shortAddress
  }

  /// The code for operands EAX or memory, and ECX, memory or an immediate; nil if there is no such form.
  private static func code(_ number: UInt8, _ form: Form, _ bits: Int, _ b: UInt64) -> [UInt8]? {
    let wide: UInt8 = bits == 8 ? 0 : 1
    let isTest = number == 8
    let store = isTest ? 0x84 | wide : number << 3 | wide
    let immediate = isTest ? 0xF6 | wide : 0x80 | wide
    let digit = isTest ? 0 : number << 3
    let constant = (0..<bits / 8).map { UInt8(truncatingIfNeeded: b >> UInt64($0 * 8)) }
    var bytes: [UInt8]
    switch form {
    case .registerRegister: bytes = [store, 0xC8]
    case .registerImmediate: bytes = [immediate, 0xC0 | digit] + constant
    case .memoryRegister: bytes = [store, 0x4B, 0x10]
    case .registerMemory: bytes = [store | 2, 0x43, 0x10]
    case .memoryImmediate: bytes = [immediate, 0x43 | digit, 0x10] + constant
    case .indexedRegister: bytes = [store, 0x4C, 0xB3, 0x08]
    case .registerIndexed: bytes = [store | 2, 0x44, 0xB3, 0x08]
    case .indexedImmediate: bytes = [immediate, 0x44 | digit, 0xB3, 0x08] + constant
    case .shortAddress: bytes = [0x67, store, 0x4F, 0x10]
    }
    if isTest && (form == .registerMemory || form == .registerIndexed) { return nil }
    if bits == 16 { bytes.insert(0x66, at: 0) }
    return bytes
  }

  @Test(arguments: [8, 16, 32])
  func matchesItsDefinition(bits: Int) {
    let bench = Bench()
    let mask = UInt64(1) << UInt64(bits) - 1
    let size = bits / 8
    for number in 0..<9 as Range<UInt8> {
      for form in Form.allCases {
        for a in edgeValues.map({ UInt64($0) & mask }) {
          for b in edgeValues.map({ UInt64($0) & mask }) {
            guard let code = Self.code(number, form, bits, b) else { continue }
            let carry: Int64 = (a ^ b) & 2 != 0 ? 1 : 0
            let expected = expected(number, bits, a, b, carry)
            bench.registers = [
              0xA5A5_A5A5, 0x5A5A_5A5A, 0, Bench.data, Bench.stack, 0, 2, 0,
            ]
            bench.flags = carry != 0 ? EFLAGS.arithmetic : EFLAGS.arithmetic & ~EFLAGS.cf
            let address = Bench.data + 0x10
            bench.poke(address, 0x3C3C_3C3C, 4)
            let destinationInMemory: Bool
            switch form {
            case .registerRegister, .registerImmediate:
              destinationInMemory = false
              bench.cpu.eax = UInt32(UInt64(0xA5A5_A5A5) & ~mask | a)
            case .registerMemory, .registerIndexed:
              destinationInMemory = false
              bench.cpu.eax = UInt32(UInt64(0xA5A5_A5A5) & ~mask | a)
              bench.poke(address, b, size)
            default:
              destinationInMemory = true
              bench.poke(address, a, size)
            }
            bench.cpu.ecx = UInt32(UInt64(0x5A5A_5A5A) & ~mask | b)
            if form == .shortAddress { bench.cpu.ebx = 0xFFFF_0000 | Bench.data }
            let name = Self.names[Int(number)]
            #expect(bench.run(code) == .next)
            #expect(bench.flags == expected.flags, "\(name) \(form) \(bits) \(a) \(b) \(carry)")
            let kept = number >= 7 ? a : expected.result
            if destinationInMemory {
              let whole = UInt64(0x3C3C_3C3C) & ~mask | kept
              #expect(bench.peek(address, 4) == whole, "\(name) \(form) \(bits) \(a) \(b)")
            } else {
              let whole = UInt32(UInt64(0xA5A5_A5A5) & ~mask | kept)
              #expect(bench.cpu.eax == whole, "\(name) \(form) \(bits) \(a) \(b)")
            }
          }
        }
      }
    }
  }

  @Test(arguments: [8, 16, 32])
  func unaryOperations(bits: Int) {
    let bench = Bench()
    let mask = UInt64(1) << UInt64(bits) - 1
    let wide: UInt8 = bits == 8 ? 0 : 1
    let prefix: [UInt8] = bits == 16 ? [0x66] : []
    for a in edgeValues.map({ UInt64($0) & mask }) {
      for (opcode, digit) in [(0xFE, 0), (0xFE, 1), (0xF6, 2), (0xF6, 3)] as [(UInt8, UInt8)] {
        for inMemory in [false, true] {
          for carryIn in [0, EFLAGS.cf] {
            var wanted: Expected
            switch (opcode, digit) {
            case (0xFE, 0): wanted = expected(0, bits, a, 1, 0)
            case (0xFE, 1): wanted = expected(5, bits, a, 1, 0)
            case (0xF6, 3): wanted = expected(5, bits, 0, a, 0)
            default:
              wanted = Expected(bits, logic: ~a & mask)
              wanted.flags = EFLAGS.zf | carryIn
            }
            if opcode == 0xFE { wanted.flags = wanted.flags & ~EFLAGS.cf | carryIn }
            bench.flags = EFLAGS.zf | carryIn
            bench.cpu.ebx = Bench.data
            bench.cpu.edx = UInt32(a)
            bench.poke(Bench.data, a, 4)
            let modrm = (inMemory ? 0x03 : 0xC2) | digit << 3
            bench.run(prefix + [opcode | wide, modrm])
            let result = inMemory ? bench.peek(Bench.data, 4) : UInt64(bench.cpu.edx)
            #expect(result == wanted.result, "\(opcode) /\(digit) \(a)")
            #expect(bench.flags == wanted.flags, "\(opcode) /\(digit) \(a)")
          }
        }
      }
    }
  }

  @Test func highByteRegisters() {
    let bench = Bench()
    bench.registers = [0x1122_33FF, 0x5566_0177, 0, 0, Bench.stack, 0, 0, 0]
    bench.run([0x00, 0xE8])  // add al, ch
    #expect(bench.cpu.eax == 0x1122_3300)
    #expect(bench.flags & (EFLAGS.cf | EFLAGS.zf) == EFLAGS.cf | EFLAGS.zf)
    bench.run([0x00, 0xCC])  // add ah, cl
    #expect(bench.cpu.eax == 0x1122_AA00)
  }
}
