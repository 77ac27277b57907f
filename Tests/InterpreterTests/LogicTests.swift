import ISA
import Testing

@testable import CPU
@testable import Interpreter
@testable import Memory

/// Bit tests and scans, conditions.
struct LogicTests {
  @Test(arguments: [16, 32])
  func bitStrings(bits: Int) {
    let bench = Bench()
    let prefix: [UInt8] = bits == 16 ? [0x66] : []
    let base = Bench.data + 0x2000
    for offset in [0, 1, 15, 16, 31, 32, 33, 1000, 32767, -1, -16, -17, -32, -33, -32768] {
      for (opcode, name) in [(0xA3, "bt"), (0xAB, "bts"), (0xB3, "btr"), (0xBB, "btc")]
        as [(UInt8, String)]
      {
        for set in [false, true] {
          let byte = base &+ UInt32(bitPattern: Int32(offset >> 3))
          let mask = UInt64(1) << UInt64(offset & 7)
          bench.poke(byte, set ? 0xFF : 0, 1)
          bench.cpu.ebx = base
          bench.cpu.ecx = UInt32(bitPattern: Int32(offset)) & (bits == 16 ? 0xFFFF : ~0)
          bench.flags = EFLAGS.zf | EFLAGS.sf
          bench.run(prefix + [0x0F, opcode, 0x0B])
          #expect(bench.flags == EFLAGS.zf | EFLAGS.sf | (set ? EFLAGS.cf : 0), "\(name) \(offset)")
          let old: UInt64 = set ? 0xFF : 0
          let wanted =
            switch opcode {
            case 0xA3: old
            case 0xAB: old | mask
            case 0xB3: old & ~mask
            default: old ^ mask
            }
          #expect(bench.peek(byte, 1) == wanted, "\(name) \(offset)")
        }
      }
    }
  }

  @Test func bitOfARegisterOrByAnImmediateStaysInTheOperand() {
    let bench = Bench()
    bench.cpu.eax = 0
    bench.cpu.ecx = 37
    bench.run([0x0F, 0xAB, 0xC8])  // bts eax, ecx
    #expect(bench.cpu.eax == 1 << 5)
    bench.cpu.ebx = Bench.data
    bench.poke(Bench.data, 0, 8)
    bench.run([0x0F, 0xBA, 0x2B, 35])  // bts dword [ebx], 35
    #expect(bench.peek(Bench.data, 8) == 1 << 3)
    bench.run([0x66, 0x0F, 0xBA, 0x2B, 17])  // bts word [ebx], 17
    #expect(bench.peek(Bench.data, 8) == 1 << 3 | 1 << 1)
  }

  @Test(arguments: [16, 32])
  func bitScans(bits: Int) {
    let bench = Bench()
    let prefix: [UInt8] = bits == 16 ? [0x66] : []
    for value in edgeValues.map({ UInt64($0) & (UInt64(1) << UInt64(bits) - 1) }) {
      for opcode in [0xBC, 0xBD] as [UInt8] {
        bench.cpu.eax = 0xABCD_1234
        bench.cpu.ecx = UInt32(value)
        bench.run(prefix + [0x0F, opcode, 0xC1])
        #expect(bench.cpu.zeroFlag == (value == 0))
        let set = (0..<bits).filter { value >> UInt64($0) & 1 != 0 }
        guard let index = opcode == 0xBC ? set.first : set.last else {
          #expect(bench.cpu.eax == 0xABCD_1234)
          continue
        }
        #expect(bench.cpu.eax == (bits == 16 ? 0xABCD_0000 : 0) | UInt32(index))
      }
    }
  }

  /// Every condition on every combination of flags, as Jcc, SETcc and CMOVcc see it.
  @Test func conditions() {
    let bench = Bench()
    for set in 0..<32 as Range<UInt32> {
      let (c, p, z, s, o) = (set & 1 != 0, set & 2 != 0, set & 4 != 0, set & 8 != 0, set & 16 != 0)
      let flags =
        (c ? EFLAGS.cf : 0) | (p ? EFLAGS.pf : 0) | (z ? EFLAGS.zf : 0) | (s ? EFLAGS.sf : 0)
        | (o ? EFLAGS.of : 0)
      let holds = [
        o, !o, c, !c, z, !z, c || z, !(c || z), s, !s, p, !p, s != o, s == o, z || s != o,
        !z && s == o,
      ]
      for condition in 0..<16 as Range<UInt8> {
        bench.flags = flags
        let holds = holds[Int(condition)]
        #expect(bench.run([0x70 | condition, 0x10]) == .branched(Bench.code + (holds ? 0x12 : 2)))
        bench.cpu.ebx = Bench.data
        bench.poke(Bench.data, 0x77, 4)
        bench.cpu.eax = 0x1111_1111
        bench.run([0x0F, 0x90 | condition, 0xC0])
        #expect(bench.cpu.eax == 0x1111_1100 | (holds ? 1 : 0))
        bench.run([0x0F, 0x90 | condition, 0x03])
        #expect(bench.peek(Bench.data, 4) == (holds ? 1 : 0))
        bench.cpu.edx = 0x2222_2222
        bench.run([0x0F, 0x40 | condition, 0xC2])
        #expect((bench.cpu.eax == 0x2222_2222) == holds)
        bench.cpu.eax = 0x1111_1111
        bench.run([0x66, 0x0F, 0x40 | condition, 0xC2])
        #expect(bench.cpu.eax == (holds ? 0x1111_2222 : 0x1111_1111))
        #expect(bench.flags == flags)
      }
    }
  }
}
