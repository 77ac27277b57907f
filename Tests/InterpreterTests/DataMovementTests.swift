import ISA
import Testing

@testable import CPU
@testable import Interpreter
@testable import Memory

/// Moves, exchanges and the stack.
struct DataMovementTests {
  @Test func movesOfEveryForm() {
    let bench = Bench()
    for (prefix, wide, size) in [([], 0, 1), ([0x66], 1, 2), ([], 1, 4)]
      as [([UInt8], UInt8, Int)]
    {
      let mask = UInt64(1) << UInt64(size * 8) - 1
      let value: UInt64 = 0x8765_4321
      for (address, modrm) in [
        (Bench.data + 0x10, [0x4B, 0x10]), (Bench.data + 0x18, [0x4C, 0xB3, 0x10]),
        (Bench.data + 4, [0x0D, 0x04, 0x80, 0, 0]),
      ] as [(UInt32, [UInt8])] {
        bench.registers = [0, UInt32(value), 0, Bench.data, Bench.stack, 0, 2, 0]
        bench.poke(address, 0xEEEE_EEEE, 4)
        bench.run(prefix + [0x88 | wide] + modrm)  // mov memory, ecx
        #expect(bench.peek(address, 4) == 0xEEEE_EEEE & ~mask | value & mask)
        bench.cpu.ecx = 0xDDDD_DDDD
        bench.run(prefix + [0x8A | wide] + modrm)  // mov ecx, memory
        #expect(UInt64(bench.cpu.ecx) == 0xDDDD_DDDD & ~mask | value & mask)
        let immediate = (0..<size).map { UInt8(truncatingIfNeeded: 0x1357_9BDF >> ($0 * 8)) }
        bench.run(prefix + [0xC6 | wide, modrm[0] & ~0x38] + modrm.dropFirst() + immediate)
        #expect(bench.peek(address, 4) == 0xEEEE_EEEE & ~mask | 0x1357_9BDF & mask)
      }
      bench.registers = [0xAAAA_AAAA, UInt32(value), 0, 0, Bench.stack, 0, 0, 0]
      bench.run(prefix + [0x88 | wide, 0xC8])  // mov eax, ecx
      #expect(UInt64(bench.cpu.eax) == 0xAAAA_AAAA & ~mask | value & mask)
      bench.run(prefix + [0xA2 | wide, 0, 0x90, 0, 0])  // mov [9000], eax
      #expect(bench.peek(0x9000, size) == value & mask)
      bench.cpu.eax = 0
      bench.run(prefix + [0xA0 | wide, 0, 0x90, 0, 0])  // mov eax, [9000]
      #expect(UInt64(bench.cpu.eax) == value & mask)
    }
  }

  @Test func extensions() {
    let bench = Bench()
    bench.poke(Bench.data, 0x8081, 4)
    for (opcode, byte, word) in [(0xB6, 0x81, 0x8081), (0xBE, 0xFFFF_FF81, 0xFFFF_8081)]
      as [(UInt8, UInt32, UInt32)]
    {
      for (modrm, inMemory) in [([0xC1], false), ([0x03], true), ([0x04, 0x33], true)]
        as [([UInt8], Bool)]
      {
        bench.registers = [0x7777_7777, 0x8081, 0, Bench.data, Bench.stack, 0, 0, 0]
        bench.run([0x0F, opcode] + modrm)
        #expect(bench.cpu.eax == byte, "\(opcode) \(inMemory)")
        bench.run([0x0F, opcode | 1] + modrm)
        #expect(bench.cpu.eax == word, "\(opcode) \(inMemory)")
        bench.cpu.eax = 0x7777_7777
        bench.run([0x66, 0x0F, opcode] + modrm)
        #expect(bench.cpu.eax == 0x7777_0000 | byte & 0xFFFF)
        bench.run([0x66, 0x0F, opcode | 1] + modrm)
        #expect(bench.cpu.eax == 0x7777_8081)
      }
    }
  }

  @Test func addressesAndConversions() {
    let bench = Bench()
    bench.registers = [0, 0x10, 0, 0xFFFF_FFF0, Bench.stack, 0, 0, 0]
    bench.run([0x8D, 0x44, 0xCB, 0x7F])  // lea eax, [ebx+ecx*8+7F]
    #expect(bench.cpu.eax == 0xEF)
    bench.run([0x8D, 0x43, 0x04])  // lea eax, [ebx+4]
    #expect(bench.cpu.eax == 0xFFFF_FFF4)
    bench.run([0x67, 0x8D, 0x47, 0x20])  // lea eax, [bx+20]
    #expect(bench.cpu.eax == 0x10)
    bench.run([0x66, 0x8D, 0x43, 0x04])  // lea ax, [ebx+4]
    #expect(bench.cpu.eax == 0xFFF4)
    bench.run([0x98])  // cwde
    #expect(bench.cpu.eax == 0xFFFF_FFF4)
    bench.run([0x99])  // cdq
    #expect(bench.cpu.edx == 0xFFFF_FFFF)
    bench.cpu.eax = 0x1234_0080
    bench.run([0x66, 0x98])  // cbw
    #expect(bench.cpu.eax == 0x1234_FF80)
    bench.cpu.edx = 0
    bench.run([0x66, 0x99])  // cwd
    #expect(bench.cpu.edx == 0xFFFF)
    bench.cpu.eax = 0x0102_0304
    bench.run([0x0F, 0xC8])  // bswap eax
    #expect(bench.cpu.eax == 0x0403_0201)
    bench.run([0x66, 0x0F, 0xC8])
    #expect(bench.cpu.eax == 0x0403_0000)
    bench.flags = EFLAGS.of | EFLAGS.cf | EFLAGS.zf
    bench.run([0x9F])  // lahf
    #expect(bench.cpu.eax == 0x0403_4300)
    bench.cpu.eax = 0x9400
    bench.run([0x9E])  // sahf
    #expect(bench.flags == EFLAGS.of | EFLAGS.sf | EFLAGS.af | EFLAGS.pf)
    bench.poke(Bench.data + 0x90, 0x42, 1)
    bench.cpu.ebx = Bench.data
    bench.cpu.eax = 0x1111_1190
    bench.run([0xD7])  // xlat
    #expect(bench.cpu.eax == 0x1111_1142)
  }

  @Test func exchanges() {
    let bench = Bench()
    bench.registers = [1, 2, 3, Bench.data, Bench.stack, 0, 0, 0]
    bench.poke(Bench.data, 0x11, 4)
    bench.run([0x87, 0x0B])  // xchg [ebx], ecx
    #expect(bench.cpu.ecx == 0x11 && bench.peek(Bench.data, 4) == 2)
    bench.run([0x92])  // xchg edx, eax
    #expect(bench.cpu.eax == 3 && bench.cpu.edx == 1)
    bench.run([0x86, 0xE0])  // xchg al, ah
    #expect(bench.cpu.eax == 0x300)

    bench.cpu.eax = 2
    bench.run([0x0F, 0xB1, 0x0B])  // cmpxchg [ebx], ecx: equal
    #expect(bench.cpu.zeroFlag && bench.peek(Bench.data, 4) == 0x11 && bench.cpu.eax == 2)
    bench.run([0x0F, 0xB1, 0x0B])  // different
    #expect(!bench.cpu.zeroFlag && bench.cpu.eax == 0x11 && bench.cpu.carryFlag)

    bench.poke(Bench.data, 0x1_0000_0002, 8)
    bench.registers = [2, 7, 1, 9, Bench.stack, 0, Bench.data, 0]
    bench.flags = EFLAGS.cf
    bench.run([0x0F, 0xC7, 0x0E])  // cmpxchg8b [esi]: equal
    #expect(bench.flags == EFLAGS.cf | EFLAGS.zf && bench.peek(Bench.data, 8) == 0x7_0000_0009)
    bench.run([0x0F, 0xC7, 0x0E])
    #expect(bench.flags == EFLAGS.cf && bench.cpu.eax == 9 && bench.cpu.edx == 7)

    bench.registers = [5, 6, 0, Bench.data, Bench.stack, 0, 0, 0]
    bench.run([0x0F, 0xC1, 0x0B])  // xadd [ebx], ecx
    #expect(bench.cpu.ecx == 9 && bench.peek(Bench.data, 4) == 15)
    bench.run([0x0F, 0xC1, 0xC0])  // xadd eax, eax
    #expect(bench.cpu.eax == 10)
  }

  // MARK: The stack

  @Test func pushAndPop() {
    let bench = Bench()
    let top = Bench.stack
    bench.cpu.eax = 0x1234_5678
    bench.run([0x50])
    #expect(bench.cpu.esp == top - 4 && bench.peek(top - 4, 4) == 0x1234_5678)
    bench.run([0x66, 0x50])
    #expect(bench.cpu.esp == top - 6 && bench.peek(top - 6, 2) == 0x5678)
    bench.run([0x6A, 0xFF])
    #expect(bench.peek(top - 10, 4) == 0xFFFF_FFFF)
    bench.run([0x68, 1, 2, 3, 4])
    #expect(bench.peek(top - 14, 4) == 0x0403_0201)
    bench.run([0x59])
    #expect(bench.cpu.ecx == 0x0403_0201 && bench.cpu.esp == top - 10)
  }

  @Test func stackPointerAsOperand() {
    let bench = Bench()
    let top = Bench.stack
    bench.run([0x54])  // push esp
    #expect(bench.peek(top - 4, 4) == UInt64(top))
    bench.run([0x5C])  // pop esp
    #expect(bench.cpu.esp == top)
    bench.poke(top, 0xAABB, 4)
    bench.run([0xFF, 0x34, 0x24])  // push [esp]
    #expect(bench.peek(top - 4, 4) == 0xAABB)
    bench.run([0x8F, 0x44, 0x24, 0x08])  // pop [esp+8]
    #expect(bench.peek(top + 8, 4) == 0xAABB && bench.cpu.esp == top)
  }

  @Test func popToAnUnwritablePlaceKeepsTheStackPointer() {
    let bench = Bench()
    bench.setSegment(SegmentNumber.ds, access: 0xC091)
    #expect(bench.run([0x8F, 0x05, 0, 0x80, 0, 0]) == .fault(.generalProtection()))
    #expect(bench.cpu.esp == Bench.stack)
  }

  @Test func sixteenBitStackWraps() {
    let bench = Bench()
    bench.cpu.pointee.stackMask = 0xFFFF
    bench.cpu.esp = 0x5555_0000
    bench.cpu.eax = 0x1234
    bench.run([0x66, 0x50])
    #expect(bench.cpu.esp == 0x5555_FFFE && bench.peek(0xFFFE, 2) == 0x1234)
    bench.run([0x66, 0x5B])
    #expect(bench.cpu.esp == 0x5555_0000 && bench.cpu[gpr16: 3] == 0x1234)
  }

  @Test func allRegisters() {
    let bench = Bench()
    bench.registers = [1, 2, 3, 4, Bench.stack, 6, 7, 8]
    bench.run([0x60])
    let pushed = (1...8).map { bench.peek(Bench.stack - 4 * UInt32($0), 4) }
    #expect(pushed == [1, 2, 3, 4, UInt64(Bench.stack), 6, 7, 8])
    bench.registers = [0, 0, 0, 0, Bench.stack - 32, 0, 0, 0]
    bench.run([0x61])
    #expect(bench.registers == [1, 2, 3, 4, Bench.stack, 6, 7, 8])
    bench.run([0x66, 0x60])
    #expect(bench.cpu.esp == Bench.stack - 16 && bench.peek(Bench.stack - 2, 2) == 1)
  }

  @Test func pushAllFaultsAsAWhole() {
    let bench = Bench()
    bench.setSegment(SegmentNumber.ss, limit: 0xFFF, access: 0x4097)  // expand-down above 0xFFF
    bench.registers = [1, 2, 3, 4, 0x1010, 6, 7, 8]
    let before = bench.bytes(0xF00, 0x200)
    #expect(bench.run([0x60]) == .fault(.stackFault()))
    #expect(bench.registers == [1, 2, 3, 4, 0x1010, 6, 7, 8])
    #expect(bench.bytes(0xF00, 0x200) == before)
  }

  // MARK: Faults leave no trace

  /// Every instruction that writes or reads memory at [EBX], on a segment that forbids it.
  @Test(
    arguments: [
      [0x01, 0x0B], [0x03, 0x0B], [0x83, 0x03, 0x05], [0x39, 0x0B], [0x85, 0x0B], [0x89, 0x0B],
      [0x8B, 0x0B], [0xC7, 0x03, 1, 2, 3, 4], [0xFF, 0x03], [0xFF, 0x0B], [0xF7, 0x1B],
      [0xF7, 0x13],
      [0xF7, 0x23], [0xF7, 0x2B], [0xF7, 0x33], [0xF7, 0x3B], [0x0F, 0xAF, 0x0B],
      [0x69, 0x0B, 1, 2, 3, 4],
      [0xC1, 0x23, 3], [0xD3, 0x23], [0xC1, 0x23, 0], [0xD1, 0x13], [0x0F, 0xA4, 0x0B, 5],
      [0x0F, 0xA3, 0x0B], [0x0F, 0xAB, 0x0B], [0x0F, 0xBA, 0x33, 1], [0x0F, 0xBC, 0x0B],
      [0x0F, 0xB6, 0x0B], [0x0F, 0xBF, 0x0B], [0x0F, 0x44, 0x0B], [0x0F, 0x94, 0x03], [0x87, 0x0B],
      [0x0F, 0xB1, 0x0B], [0x0F, 0xC1, 0x0B], [0x0F, 0xC7, 0x0B], [0xFF, 0x33], [0x8F, 0x03],
      [0xFF, 0x13], [0xFF, 0x23], [0xD7], [0x62, 0x0B], [0xA5], [0xA7], [0xAD], [0x88, 0x0B],
      [0x8A, 0x0B],
      [0xC6, 0x03, 7], [0x66, 0x89, 0x0B], [0x66, 0x01, 0x0B],
    ] as [[UInt8]])
  func faultsLeaveNoTrace(code: [UInt8]) {
    let bench = Bench()
    bench.setSegment(SegmentNumber.ds, access: 0x1_0000)
    bench.registers = [2, 3, 4, Bench.data, Bench.stack, 6, Bench.data, Bench.data]
    bench.flags = EFLAGS.cf | EFLAGS.sf | EFLAGS.af
    let before = bench.registers
    let memory = bench.bytes(0, 1 << 20)
    #expect(bench.run(code) == .fault(.generalProtection()))
    #expect(bench.registers == before)
    #expect(bench.flags == EFLAGS.cf | EFLAGS.sf | EFLAGS.af)
    #expect(bench.bytes(0, 1 << 20) == memory)
  }
}
