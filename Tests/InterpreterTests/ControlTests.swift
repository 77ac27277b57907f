import ISA
import Testing

@testable import CPU
@testable import Interpreter
@testable import Memory

/// Jumps, loops, procedures and frames.
struct ControlTests {
  @Test func targets() {
    let bench = Bench()
    #expect(bench.run([0xEB, 0xFE]) == .branched(Bench.code))
    #expect(bench.run([0xE9, 0, 1, 0, 0]) == .branched(Bench.code + 0x105))
    #expect(bench.run([0x66, 0xE9, 0, 0xF0]) == .branched(0x0004))
    #expect(bench.run([0x66, 0xEB, 0x80]) == .branched(Bench.code + 3 - 0x80))
    bench.cpu.eax = 0xABCD_1234
    #expect(bench.run([0xFF, 0xE0]) == .branched(0xABCD_1234))
    #expect(bench.run([0x66, 0xFF, 0xE0]) == .branched(0x1234))
    bench.cpu.ebx = Bench.data
    bench.poke(Bench.data, 0x4444, 4)
    #expect(bench.run([0xFF, 0x23]) == .branched(0x4444))
  }

  @Test func targetBeyondTheLimit() {
    let bench = Bench()
    bench.setSegment(SegmentNumber.cs, limit: 0x10FF, access: 0x409B)
    bench.cpu.ecx = 5
    bench.cpu.eax = 0x1100
    let before = bench.registers
    for code in [
      [0xE9, 0, 1, 0, 0], [0x0F, 0x85, 0, 1, 0, 0], [0xE8, 0, 1, 0, 0], [0xFF, 0xE0], [0xFF, 0xD0],
      [0xC3], [0xC2, 4, 0],
    ] as [[UInt8]] {
      bench.flags = 0
      bench.poke(Bench.stack, 0x1100, 4)
      #expect(bench.run(code) == .fault(.generalProtection()), "\(code)")
      #expect(bench.registers == before)
    }
    bench.setSegment(SegmentNumber.cs, limit: 0x1000, access: 0x409B)
    #expect(bench.run([0xE2, 0x10]) == .fault(.generalProtection()))
    #expect(bench.registers == before)
  }

  @Test func loops() {
    let bench = Bench()
    bench.cpu.ecx = 0x1_0001
    #expect(bench.run([0xE2, 0x10]) == .branched(Bench.code + 0x12))
    #expect(bench.cpu.ecx == 0x1_0000)
    bench.cpu.ecx = 0x1_0001
    #expect(bench.run([0x67, 0xE2, 0x10]) == .branched(Bench.code + 3))
    #expect(bench.cpu.ecx == 0x1_0000)
    #expect(bench.run([0x67, 0xE3, 0x10]) == .branched(Bench.code + 0x13))
    #expect(bench.run([0xE3, 0x10]) == .branched(Bench.code + 2))
    bench.flags = EFLAGS.zf
    #expect(bench.run([0xE1, 0x10]) == .branched(Bench.code + 0x12))
    #expect(bench.run([0xE0, 0x10]) == .branched(Bench.code + 2))
    bench.cpu.ecx = 0
    #expect(bench.run([0xE1, 0x10]) == .branched(Bench.code + 0x12))
    #expect(bench.cpu.ecx == 0xFFFF_FFFF)
  }

  @Test func callsAndReturns() {
    let bench = Bench()
    let top = Bench.stack
    #expect(bench.run([0xE8, 0, 1, 0, 0]) == .branched(Bench.code + 0x105))
    #expect(bench.cpu.esp == top - 4 && bench.peek(top - 4, 4) == UInt64(Bench.code + 5))
    #expect(bench.run([0xC3]) == .branched(Bench.code + 5))
    #expect(bench.cpu.esp == top)
    bench.poke(top, 0x7777, 4)
    #expect(bench.run([0xC2, 0x10, 0]) == .branched(0x7777))
    #expect(bench.cpu.esp == top + 0x14)
    bench.cpu.esp = top
    #expect(bench.run([0xFF, 0x14, 0x24]) == .branched(0x7777))  // call [esp]
    #expect(bench.peek(top - 4, 4) == UInt64(Bench.code + 3))
    bench.cpu.esp = top
    #expect(bench.run([0x66, 0xE8, 0, 0xF0]) == .branched(4))
    #expect(bench.cpu.esp == top - 2 && bench.peek(top - 2, 2) == UInt64(Bench.code + 4))
    #expect(bench.run([0x66, 0xC3]) == .branched(Bench.code + 4))
  }

  @Test func frames() {
    let bench = Bench()
    let top = Bench.stack
    bench.cpu.ebp = 0x1_5000
    bench.run([0xC8, 0x20, 0, 0])
    #expect(bench.cpu.ebp == top - 4 && bench.cpu.esp == top - 0x24)
    #expect(bench.peek(top - 4, 4) == 0x1_5000)
    bench.run([0xC9])
    #expect(bench.cpu.ebp == 0x1_5000 && bench.cpu.esp == top)
    bench.poke(0x1_5000 - 4, 0xAAAA, 4)
    bench.poke(0x1_5000 - 8, 0xBBBB, 4)
    bench.run([0xC8, 0x10, 0, 3])
    let slots = (1...4).map { bench.peek(top - 4 * UInt32($0), 4) }
    #expect(slots == [0x1_5000, 0xAAAA, 0xBBBB, UInt64(top - 4)])
    #expect(bench.cpu.ebp == top - 4 && bench.cpu.esp == top - 0x20)
  }

  @Test func frameWhoseEndIsNotWritable() {
    let bench = Bench()
    bench.setSegment(SegmentNumber.ss, limit: 0xFFF, access: 0x4097)  // expand-down above 0xFFF
    bench.cpu.esp = 0x1040
    bench.cpu.ebp = 0x1080
    let before = bench.registers
    bench.poke(0x103C, 0x5555, 4)
    #expect(bench.run([0xC8, 0x80, 0, 0]) == .fault(.stackFault()))
    #expect(bench.registers == before)
    #expect(bench.peek(0x103C, 4) == 0x5555)
  }

  @Test func boundsAndUndefinedOpcodes() {
    let bench = Bench()
    bench.cpu.ebx = Bench.data
    bench.poke(Bench.data, UInt64(UInt32(bitPattern: -5)) | 10 << 32, 8)
    for (index, inside) in [(-6, false), (-5, true), (10, true), (11, false)] as [(Int32, Bool)] {
      bench.cpu.eax = UInt32(bitPattern: index)
      #expect(bench.run([0x62, 0x03]) == (inside ? .next : .fault(.boundRange)))
    }
    #expect(bench.run([0x0F, 0x0B]) == .fault(.invalidOpcode))
  }
}
