import ISA
import Testing

@testable import CPU
@testable import Interpreter
@testable import Memory

/// String instructions: results, order of accesses, and what an interruption leaves behind.
struct StringTests {
  private static let sizes: [(prefix: [UInt8], wide: UInt8, size: UInt32)] = [
    ([], 0, 1), ([0x66], 1, 2), ([], 1, 4),
  ]

  /// Runs until the instruction has completed.
  private func complete(_ bench: Bench, _ code: [UInt8]) -> Int {
    for turn in 1...1000 where bench.run(code) != .restart { return turn }
    return 0
  }

  @Test func singleElements() {
    let bench = Bench()
    for (prefix, wide, size) in Self.sizes {
      for backward in [false, true] {
        bench.cpu.pointee.eflags = backward ? 2 | EFLAGS.df : 2
        let step = backward ? 0 &- size : size
        bench.registers = [0x1234_5678, 9, 0, 0, Bench.stack, 0, Bench.data, Bench.data + 0x100]
        bench.poke(Bench.data, 0xCAFE_BABE, 4)
        bench.run(prefix + [0xA4 | wide])
        let mask = UInt64(1) << UInt64(size * 8) - 1
        #expect(bench.peek(Bench.data + 0x100, Int(size)) == 0xCAFE_BABE & mask)
        #expect(bench.cpu.esi == Bench.data &+ step)
        #expect(bench.cpu.edi == Bench.data + 0x100 &+ step)
        #expect(bench.cpu.ecx == 9)
        bench.cpu.esi = Bench.data
        bench.run(prefix + [0xAC | wide])
        #expect(UInt64(bench.cpu.eax) & mask == 0xCAFE_BABE & mask)
        bench.cpu.edi = Bench.data + 0x200
        bench.run(prefix + [0xAA | wide])
        #expect(bench.peek(Bench.data + 0x200, Int(size)) == 0xCAFE_BABE & mask)
        bench.cpu.edi = Bench.data
        bench.run(prefix + [0xAE | wide])
        #expect(bench.cpu.zeroFlag && bench.cpu.edi == Bench.data &+ step)
      }
    }
  }

  /// REP MOVS and REP STOS against a loop, for all overlaps, both directions and chunks of any length.
  @Test func repeatedMovesAndStores() {
    let bench = Bench()
    var random = TestRandom(0x5EED)
    for round in 0..<600 {
      let (prefix, wide, size) = Self.sizes[round % 3]
      let backward = random.below(2) == 0
      let count = UInt32(random.below(round % 7 == 0 ? 5000 : 60))
      let isMove = random.below(4) != 0
      let source = 0x4_0000 + UInt32(random.below(0x1100))
      let distance = Int64(random.below(4) == 0 ? random.below(0x3000) : random.below(24))
      let target = UInt32(Int64(source) + (random.below(2) == 0 ? distance : -distance))
      let base: UInt32 = 0x3_0000
      let length = 0x2_0000
      var model = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      bench.processor.memory.writeBytes(model, at: base)
      bench.cpu.pointee.eflags = backward ? 2 | EFLAGS.df : 2
      bench.registers = [0xA1B2_C3D4, count, 0, 0, Bench.stack, 0, source, target]
      var (from, to) = (Int(source - base), Int(target - base))
      let step = backward ? -Int(size) : Int(size)
      for _ in 0..<count {
        for byte in 0..<Int(size) where !isMove {
          model[to + byte] = UInt8(truncatingIfNeeded: 0xA1B2_C3D4 >> (byte * 8))
        }
        if isMove {
          model.replaceSubrange(to..<to + Int(size), with: model[from..<from + Int(size)])
        }
        from += step
        to += step
      }
      let code = prefix + [0xF3, (isMove ? 0xA4 : 0xAA) | wide]
      bench.cpu.pointee.cycles = 0
      var turns = 0
      let chunk = 1 + random.below(700)
      var outcome = Outcome.restart
      while outcome == .restart, turns < 10_000 {
        turns += 1
        bench.cpu.pointee.deadline = bench.cpu.pointee.cycles + chunk
        outcome = bench.run(code)
        let elapsed = bench.cpu.pointee.cycles
        // Interrupted exactly at the deadline, never earlier or later.
        if outcome == .restart { #expect(elapsed == bench.cpu.pointee.deadline) }
        #expect(bench.cpu.ecx == count - UInt32(elapsed))
      }
      #expect(outcome == .next)
      #expect(bench.cpu.pointee.cycles == UInt64(count))
      #expect(bench.cpu.esi == (isMove ? base + UInt32(from) : source))
      #expect(bench.cpu.edi == base + UInt32(to))
      #expect(bench.bytes(base, length) == model, "\(isMove) \(size) \(backward) \(count)")
    }
    bench.cpu.pointee.deadline = .max
  }

  @Test func costOfAnIterationSetsTheBoundary() {
    let bench = Bench()
    bench.registers = [0, 100, 0, 0, Bench.stack, 0, 0, Bench.data]
    bench.cpu.pointee.deadline = 10
    #expect(bench.run([0xF3, 0xAA], cyclesPerIteration: 4) == .restart)
    #expect(bench.cpu.ecx == 97 && bench.cpu.pointee.cycles == 12)
  }

  @Test func repeatedComparisons() {
    let bench = Bench()
    var random = TestRandom(77)
    for round in 0..<600 {
      let (prefix, wide, size) = Self.sizes[round % 3]
      let backward = random.below(3) == 0
      let isScan = random.below(2) == 0
      let whileEqual = random.below(2) == 0
      let count = UInt32(random.below(3000))
      // Long runs of (un)equal elements with a rare exception.
      let a = (0..<0x4000).map { _ in
        random.below(1500) == 0 ? UInt8(random.below(3)) : whileEqual ? 7 : 9
      }
      let b = (0..<0x4000).map { _ in random.below(1500) == 0 ? UInt8(random.below(3)) : 7 }
      let start: UInt32 = backward ? 0x3F00 : 0x100 + UInt32(random.below(64))
      bench.processor.memory.writeBytes(a, at: 0x4_0000)
      bench.processor.memory.writeBytes(b, at: 0x5_0000)
      bench.cpu.pointee.eflags = backward ? 2 | EFLAGS.df : 2
      let accumulator: UInt32 = whileEqual ? 0x0707_0707 : 0x0909_0909
      bench.registers = [
        accumulator, count, 0, 0, Bench.stack, 0, 0x4_0000 + start, 0x5_0000 + start,
      ]
      bench.flags = EFLAGS.of
      func element(_ bytes: [UInt8], _ at: UInt32) -> UInt32 {
        (0..<size).reduce(0) { $0 | UInt32(bytes[Int(at + $1)]) << ($1 * 8) }
      }
      var left = count
      var at = start
      var last: (UInt32, UInt32)?
      let mask = size == 4 ? ~0 : UInt32(1) << (size * 8) - 1
      while left != 0 {
        let first = isScan ? accumulator & mask : element(a, at)
        let second = element(b, at)
        last = (first, second)
        left -= 1
        at = backward ? at &- size : at &+ size
        if (first == second) != whileEqual { break }
      }
      let code = prefix + [whileEqual ? 0xF3 : 0xF2, (isScan ? 0xAE : 0xA6) | wide]
      bench.cpu.pointee.deadline = .max
      #expect(complete(bench, code) == 1)
      #expect(bench.cpu.ecx == left)
      #expect(bench.cpu.edi == 0x5_0000 + at)
      #expect(bench.cpu.esi == 0x4_0000 + (isScan ? start : at))
      if let last {
        #expect(bench.cpu.zeroFlag == (last.0 == last.1))
        #expect(bench.cpu.carryFlag == (last.0 < last.1))
      } else {
        #expect(bench.flags == EFLAGS.of)
      }
    }
  }

  @Test func faultLeavesTheCompletedIterations() {
    let bench = Bench()
    bench.setSegment(SegmentNumber.es, limit: 0x8FFF, access: 0x4093)
    bench.registers = [0, 0x40, 0, 0, Bench.stack, 0, Bench.data, 0x8FE0]
    #expect(bench.run([0xF3, 0xA5]) == .fault(.generalProtection()))
    #expect(bench.cpu.ecx == 0x38)
    #expect(bench.cpu.esi == Bench.data + 0x20 && bench.cpu.edi == 0x9000)
    #expect(bench.cpu.pointee.cycles == 8)
  }

  @Test func sixteenBitAddressesWrap() {
    let bench = Bench()
    bench.registers = [0x55, 0xAAAA_0008, 0, 0, Bench.stack, 0, 0, 0xBBBB_FFFC]
    bench.run([0x67, 0xF3, 0xAA])
    #expect(bench.cpu.ecx == 0xAAAA_0000 && bench.cpu.edi == 0xBBBB_0004)
    #expect(bench.peek(0xFFFC, 4) == 0x5555_5555 && bench.peek(0, 4) == 0x5555_5555)
  }

  @Test func segmentOverrideAndZeroCount() {
    let bench = Bench()
    bench.setSegment(SegmentNumber.fs, base: 0x100)
    bench.poke(Bench.data + 0x100, 0x99, 1)
    bench.registers = [0, 0, 0, 0, Bench.stack, 0, Bench.data, Bench.data + 0x500]
    bench.run([0x64, 0xA4])
    #expect(bench.peek(Bench.data + 0x500, 1) == 0x99)
    let before = bench.registers
    bench.setSegment(SegmentNumber.ds, access: 0x1_0000)
    #expect(bench.run([0xF3, 0xA4]) == .next)
    #expect(bench.registers == before)
  }
}
