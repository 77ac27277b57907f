import CPU
import ISA
import Memory
import Testing

@testable import Interpreter

@Suite struct MMXTests {
  static let a: UInt64 = 0x8001_7FFF_00FF_1234
  static let b: UInt64 = 0x8001_0001_FF01_0F0F

  @Test(
    arguments: [
      // 0F opcode, a op b
      (0xFC, 0x0002_7F00_FF00_2143), (0xFD, 0x0002_8000_0000_2143), (0xFE, 0x0002_8000_0000_2143),
      (0xD4, 0x0002_8001_0000_2143), (0xED, 0x8000_7FFF_0000_2143), (0xDD, 0xFFFF_8000_FFFF_2143),
      (0xF8, 0x0000_7FFE_01FE_0325), (0xF9, 0x0000_7FFE_01FE_0325), (0xE9, 0x0000_7FFE_01FE_0325),
      (0xD9, 0x0000_7FFE_0000_0325), (0xDB, 0x8001_0001_0001_0204), (0xDF, 0x0000_0000_FF00_0D0B),
      (0xEB, 0x8001_7FFF_FFFF_1F3F), (0xEF, 0x0000_7FFE_FFFE_1D3B), (0x74, 0xFFFF_0000_0000_0000),
      (0x75, 0xFFFF_0000_0000_0000), (0x76, 0), (0x65, 0x0000_FFFF_FFFF_FFFF),
      (0x60, 0xFF00_01FF_0F12_0F34), (0x61, 0xFF01_00FF_0F0F_1234),
      (0x62, 0xFF01_0F0F_00FF_1234), (0x68, 0x8080_0101_007F_01FF),
      (0x69, 0x8001_8001_0001_7FFF), (0x6A, 0x8001_0001_8001_7FFF),
      (0xEE, 0x8001_7FFF_00FF_1234), (0xEA, 0x8001_0001_FF01_0F0F), (0xDA, 0x8001_0001_0001_0F0F),
    ] as [(UInt8, UInt64)])
  func packedOperations(opcode: UInt8, expected: UInt64) throws {
    let m = try FPUMachine()
    m.setMMX(3, Self.a)
    m.setMMX(6, Self.b)
    #expect(m.run(0x0F, opcode, 0xDE) == nil)  // mm3, mm6
    #expect(m.mmx(3) == expected)
    m.setMMX(3, Self.a)
    m.poke(Self.b)
    #expect(m.onMemory([0x0F, opcode], 3) == nil)
    #expect(m.mmx(3) == expected)
    // The widened form does the same to each half, but for packs and unpacks.
    guard opcode > 0x70 else { return }
    m.setXMM(1, [Self.a, Self.a])
    m.setXMM(2, [Self.b, Self.b])
    #expect(m.run(0x66, 0x0F, opcode, 0xCA) == nil)
    #expect(m.xmm(1) == [expected, expected])
  }

  @Test func stateBecomesMMX() throws {
    let m = try FPUMachine()
    m.push(1)
    m.push(2)
    #expect(m.cpu.fpu.top == 6)
    m.setMMX(0, 5)
    #expect(m.run(0x0F, 0x6F, 0xC8) == nil)  // movq mm1, mm0
    #expect(m.cpu.fpu.top == 0)
    #expect(m.tags == 0xFF)
    #expect(m.mmx(1) == 5)
    #expect(x87Value(m.cpu.fpu, 1).signExponent == 0xFFFF)
    #expect(m.run(0x0F, 0x77) == nil)
    #expect(m.tags == 0)
  }

  @Test func shiftsByRegisterAndImmediate() throws {
    let m = try FPUMachine()
    m.setMMX(0, Self.a)
    m.run(0x0F, 0x71, 0xE0, 4)  // psraw mm0, 4
    #expect(m.mmx(0) == 0xF800_07FF_000F_0123)
    m.setMMX(0, Self.a)
    m.setMMX(1, 1 << 32)
    m.run(0x0F, 0xD3, 0xC1)  // psrlq: count too large
    #expect(m.mmx(0) == 0)
    m.setMMX(0, Self.a)
    m.run(0x0F, 0x73, 0xF0, 16)  // psllq
    #expect(m.mmx(0) == 0x7FFF_00FF_1234_0000)
    m.setXMM(0, [1, 2])
    m.run(0x66, 0x0F, 0x73, 0xF8, 9)  // pslldq
    #expect(m.xmm(0) == [0, 0x100])
    m.run(0x66, 0x0F, 0x73, 0xD8, 16)  // psrldq
    #expect(m.xmm(0) == [0, 0])
  }

  @Test func movesToAndFromGeneralRegisters() throws {
    let m = try FPUMachine()
    m.cpu.eax = 0xDEAD_BEEF
    m.run(0x0F, 0x6E, 0xD0)  // movd mm2, eax
    #expect(m.mmx(2) == 0xDEAD_BEEF)
    m.run(0x0F, 0xC4, 0xD0, 3)  // pinsrw mm2, eax, 3
    #expect(m.mmx(2) == 0xBEEF_0000_DEAD_BEEF)
    m.run(0x0F, 0xC5, 0xCA, 5)  // pextrw ecx, mm2, 1
    #expect(m.cpu.ecx == 0xDEAD)
    m.run(0x0F, 0xD7, 0xCA)  // pmovmskb
    #expect(m.cpu.ecx == 0b1100_1111)
    m.run(0x0F, 0x70, 0xDA, 0x1B)  // pshufw mm3, mm2, reversed
    #expect(m.mmx(3) == 0xBEEF_DEAD_0000_BEEF)
    m.onMemory([0x0F, 0x7E], 2)
    #expect(m.peek(UInt32.self) == 0xDEAD_BEEF)
    m.onMemory([0x0F, 0xE7], 2)
    #expect(m.peek(UInt64.self) == 0xBEEF_0000_DEAD_BEEF)
    m.setMMX(4, 0x8000_0000_0000_0080)
    m.cpu.edi = FPUMachine.data
    m.poke(0 as UInt64)
    m.run(0x0F, 0xF7, 0xD4)  // maskmovq mm2, mm4
    #expect(m.peek(UInt64.self) == 0xBE00_0000_0000_00EF)
  }

  @Test func availability() throws {
    let m = try FPUMachine()
    m.cpu.pointee.cr0 |= 4
    #expect(m.run(0x0F, 0x77) == 6)
    m.cpu.pointee.cr0 = 0x39
    #expect(m.run(0x0F, 0x6F, 0xC8) == 7)
    m.cpu.pointee.cr0 = 0x31
    m.control = 0x37B
    m.status = 0x8084
    #expect(m.run(0x0F, 0x6F, 0xC8) == 16)
    #expect(m.run(0x0F, 0x2D, 0xC8) == 16)  // cvtps2pi
    #expect(m.run(0x0F, 0x58, 0xC8) == nil)  // addps does not care
  }
}
