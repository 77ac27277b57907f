import CPU
import ISA
import Memory
import Testing

@testable import Interpreter

@Suite struct X87EnvironmentTests {
  @Test func protectedFormat() throws {
    let m = try FPUMachine()
    m.push(1)
    m.push(0)
    m.poke(0 as UInt64, at: 0x2100)
    let address = m.cpu.pointee.eip
    m.onMemory([0xDC], 0, at: 0x2100)  // fadd m64
    m.onMemory([0xD9], 6)  // fnstenv
    let words = (0..<7).map { m.peek(UInt32.self, at: FPUMachine.data + UInt32($0) * 4) }
    #expect(words[0] == 0xFFFF_037F)
    #expect(words[1] == 0xFFFF_3000)
    #expect(words[2] == 0xFFFF_1FFF)  // R7 valid, R6 zero
    #expect(words[3] == address)
    #expect(words[4] == 0x0405_0008)  // FOP 405: DC /0 disp32
    #expect(words[5] == 0x2100)
    #expect(words[6] == 0xFFFF_0010)
  }

  @Test func realFormats() throws {
    let m = try FPUMachine()
    m.push(1)
    m.cpu.pointee.cr0 &= ~1
    m.cpu.fpu.pointee.instructionOffset = 0x8765
    m.cpu.fpu.pointee.instructionSelector = 0xF000
    m.cpu.fpu.pointee.operandOffset = 0x4321
    m.cpu.fpu.pointee.operandSelector = 0x1000
    m.cpu.fpu.pointee.opcode = 0x5AB
    m.run([0x66, 0xD9, 0x35, 0x00, 0x20, 0x00, 0x00])  // fnstenv, 14 bytes
    #expect(m.peek(UInt16.self, at: 0x2006) == 0x8765)
    #expect(m.peek(UInt16.self, at: 0x2008) == 0xF5AB)
    #expect(m.peek(UInt16.self, at: 0x200A) == 0x4321)
    #expect(m.peek(UInt16.self, at: 0x200C) == 0x1000)
    m.onMemory([0xD9], 6)
    #expect(m.peek(UInt32.self, at: 0x200C) == 0xFFFF_8765)
    #expect(m.peek(UInt32.self, at: 0x2010) == 0x0000_F5AB)
    m.onMemory([0xD9], 4)  // fldenv
    #expect(m.cpu.fpu.pointee.instructionOffset == 0xF8765)
    #expect(m.cpu.fpu.pointee.instructionSelector == 0)
  }

  @Test(arguments: [false, true]) func saveAndRestore(narrow: Bool) throws {
    let prefix: [UInt8] = narrow ? [0x66] : []
    let m = try FPUMachine()
    for n in 1...5 { m.push(Double(n)) }
    m.run(0xD9, 0xF6)  // fdecstp: TOP and tags differ in phase
    let tags = m.tags
    let status = m.status
    m.onMemory(prefix + [0xDD], 6, at: 0x3000)
    #expect(m.tags == 0)
    #expect(m.status == 0)
    #expect(m.control == 0x37F)
    m.push(99)
    m.onMemory(prefix + [0xDD], 4, at: 0x3000)
    #expect(m.tags == tags)
    #expect(m.status == status)
    for n in 1...5 as ClosedRange<UInt32> { #expect(Double(m.number(n)) == Double(6 - n)) }
  }

  @Test func loadingRecomputesTheSummary() throws {
    let m = try FPUMachine()
    m.push(1)
    m.onMemory([0xD9], 6)
    m.poke(0x0037_B as UInt32)
    m.poke(0x0000_0004 as UInt32, at: 0x2004)
    #expect(m.onMemory([0xD9], 4) == nil)
    #expect(m.status == 0x8084)
    #expect(m.onMemory([0xD9], 4) == 16)
    #expect(m.onMemory([0xD9], 6) == nil)  // fnstenv masks everything
    #expect(m.control == 0x37F)
    #expect(m.run(0x9B) == nil)
  }

  @Test func fxsaveImage() throws {
    let m = try FPUMachine()
    m.push(1)
    m.push(-2)
    m.setXMM(3, [0x1111_2222_3333_4444, 0x5555_6666_7777_8888])
    m.mxcsr = 0x1FA0
    for n in 0..<64 as Range<UInt32> { m.poke(UInt64.max, at: 0x2000 + n * 8) }
    #expect(m.onMemory([0x0F, 0xAE], 0, at: 0x2008) == 13)
    #expect(m.onMemory([0x0F, 0xAE], 0) == nil)
    #expect(m.peek(UInt16.self, at: 0x2000) == 0x37F)
    #expect(m.peek(UInt16.self, at: 0x2002) == 0x3000)
    #expect(m.peek(UInt8.self, at: 0x2004) == 0xC0)
    #expect(m.peek(UInt32.self, at: 0x2018) == 0x1FA0)
    #expect(m.peek(UInt32.self, at: 0x201C) == 0xFFFF)
    #expect(m.peek(UInt16.self, at: 0x2028) == 0xC000)  // ST(0) = -2
    #expect(m.peek(UInt64.self, at: 0x2000 + 160 + 48) == 0x1111_2222_3333_4444)
    m.run(0xDB, 0xE3)
    m.setXMM(3, [0, 0])
    m.mxcsr = 0x1F80
    #expect(m.onMemory([0x0F, 0xAE], 1) == nil)
    #expect(m.number(0) == -2)
    #expect(m.tags == 0xC0)
    #expect(m.xmm(3) == [0x1111_2222_3333_4444, 0x5555_6666_7777_8888])
    #expect(m.mxcsr == 0x1FA0)
    m.poke(0x1_0000 as UInt32, at: 0x2018)
    #expect(m.onMemory([0x0F, 0xAE], 1) == 13)
    m.cpu.pointee.cr4 = 0
    #expect(m.onMemory([0x0F, 0xAE], 1) == nil)
  }

  @Test func faultingStoreLeavesNoTrace() throws {
    let m = try FPUMachine()
    m.push(0.1)
    m.push(3)
    m.run(0xD8, 0xF9)
    m.run(0xDB, 0xE2)
    m.cpu.ds.pointee.limit = 0x20FF
    m.cpu.ds.updateBounds()
    let before = m.status
    #expect(m.onMemory([0xD9], 2, at: 0x20FE) == 13)  // fst m32, inexact
    #expect(m.status == before)
    #expect(m.onMemory([0xDD], 6, at: 0x20C0) == 13)  // fnsave
    #expect(m.tags == 0xC0)
    m.run(0xD9, 0xE0)
    m.run(0xD8, 0xC0)
    #expect(m.status & 0x3F == 0)
  }
}
