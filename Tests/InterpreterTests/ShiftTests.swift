import ISA
import Testing

@testable import CPU
@testable import Interpreter
@testable import Memory

/// Shifts and rotates, against a model that moves one bit at a time.
struct ShiftTests {
  /// Operand, carry and the carry before the last step.
  private struct Model {
    var value: UInt64
    var carry: Bool
    let bits: Int

    var top: Bool { value >> UInt64(bits - 1) & 1 != 0 }

    mutating func step(_ digit: UInt8) {
      let mask = UInt64(1) << UInt64(bits) - 1
      let high = UInt64(1) << UInt64(bits - 1)
      let low = value & 1 != 0
      let oldTop = top
      let oldCarry = carry
      switch digit {
      case 0, 2, 4, 6:
        let incoming = digit == 0 ? oldTop : digit == 2 && oldCarry
        value = value << 1 & mask | (incoming ? 1 : 0)
        carry = oldTop
      default:
        let incoming = digit == 1 ? low : digit == 3 ? oldCarry : digit == 7 && oldTop
        value = value >> 1 | (incoming ? high : 0)
        carry = low
      }
    }
  }

  private enum Count: CaseIterable { case immediate, one, cl }

  @Test(arguments: [8, 16, 32])
  func everyCount(bits: Int) {
    let bench = Bench()
    let mask = UInt64(1) << UInt64(bits) - 1
    let wide: UInt8 = bits == 8 ? 0 : 1
    let prefix: [UInt8] = bits == 16 ? [0x66] : []
    let before = EFLAGS.arithmetic
    for digit in 0..<8 as Range<UInt8> {
      for kind in Count.allCases {
        for count in kind == .one ? 1...1 : 0...40 as ClosedRange<UInt8> {
          for a in edgeValues.map({ UInt64($0) & mask }) {
            for (inMemory, carry) in [(false, true), (true, true), (false, false)] {
              var model = Model(value: a, carry: carry, bits: bits)
              let steps = count & 31
              for _ in 0..<steps { model.step(digit) }
              bench.flags = carry ? before : before & ~EFLAGS.cf
              let oldFlags = bench.flags
              bench.registers = [0, UInt32(count), UInt32(a), Bench.data, Bench.stack, 0, 0, 0]
              bench.poke(Bench.data, a, 4)
              let modrm = (inMemory ? 0x03 : 0xC2) | digit << 3
              switch kind {
              case .immediate: bench.run(prefix + [0xC0 | wide, modrm, count])
              case .one: bench.run(prefix + [0xD0 | wide, modrm])
              case .cl: bench.run(prefix + [0xD2 | wide, modrm])
              }
              let result = inMemory ? bench.peek(Bench.data, 4) : UInt64(bench.cpu.edx)
              #expect(result == model.value, "/\(digit) \(a) by \(count)")
              if steps == 0 {
                #expect(bench.flags == oldFlags)
                continue
              }
              #expect(bench.cpu.carryFlag == model.carry, "/\(digit) \(a) by \(count)")
              if digit >= 4 {
                #expect(bench.cpu.zeroFlag == (model.value == 0))
                #expect(bench.cpu.signFlag == model.top)
                #expect(
                  bench.cpu.parityFlag == ((model.value & 0xFF).nonzeroBitCount % 2 == 0))
              } else {
                let kept = EFLAGS.zf | EFLAGS.sf | EFLAGS.pf | EFLAGS.af
                #expect(bench.flags & kept == oldFlags & kept)
              }
              if steps == 1 {
                // OF: the sign has changed, except that SAR keeps it and SHR reports the old one.
                let changed = model.top != (a >> UInt64(bits - 1) & 1 != 0)
                #expect(bench.cpu.overflowFlag == changed, "/\(digit) \(a)")
              }
            }
          }
        }
      }
    }
  }

  @Test func doubleShifts() {
    let bench = Bench()
    for bits in [16, 32] {
      let mask = UInt64(1) << UInt64(bits) - 1
      let prefix: [UInt8] = bits == 16 ? [0x66] : []
      for opcode in [0xA4, 0xA5, 0xAC, 0xAD] as [UInt8] {
        let isLeft = opcode < 0xA8
        for count in 0...31 as ClosedRange<UInt8> {
          for a in edgeValues.map({ UInt64($0) & mask }) {
            for b in edgeValues.map({ UInt64($0) & mask }) {
              // The bits that come in, next one first; beyond 16 the source starts again.
              var value = a
              var carry = true
              for step in 0..<Int(count) {
                let position = isLeft ? bits - 1 - step % bits : step % bits
                let incoming = b >> UInt64(position) & 1
                if isLeft {
                  carry = value >> UInt64(bits - 1) & 1 != 0
                  value = value << 1 & mask | incoming
                } else {
                  carry = value & 1 != 0
                  value = value >> 1 | incoming << UInt64(bits - 1)
                }
              }
              bench.flags = EFLAGS.arithmetic
              bench.registers = [
                UInt32(a), UInt32(count), UInt32(b), 0, Bench.stack, 0, 0, 0,
              ]
              let immediate: [UInt8] = opcode & 1 == 0 ? [count] : []
              bench.run(prefix + [0x0F, opcode, 0xD0] + immediate)
              #expect(UInt64(bench.cpu.eax) == value, "\(opcode) \(a) \(b) \(count)")
              #expect(bench.cpu.carryFlag == carry)
              if count == 0 {
                #expect(bench.flags == EFLAGS.arithmetic)
              } else {
                #expect(bench.cpu.zeroFlag == (value == 0))
                #expect(bench.cpu.signFlag == (value >> UInt64(bits - 1) & 1 != 0))
              }
              if count == 1 {
                #expect(
                  bench.cpu.overflowFlag == ((value ^ a) >> UInt64(bits - 1) & 1 != 0))
              }
            }
          }
        }
      }
    }
  }
}
