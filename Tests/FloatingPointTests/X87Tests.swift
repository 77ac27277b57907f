import CPU
import ISA
import Memory
import Testing

@testable import Interpreter

@Suite struct X87Tests {
  @Test func arithmeticHasEightyBitPrecision() throws {
    let m = try FPUMachine()
    m.push(1)
    m.push(3)
    m.run(0xDE, 0xF9)  // fdivp st1, st0
    #expect(m.st(0) == (0x3FFD, 0xAAAA_AAAA_AAAA_AAAB))
    #expect(m.status & 0x3F == 0x20)  // PE
    #expect(m.status & 0x200 != 0)  // C1: rounded up
    #expect(m.tags == 0x80)
  }

  @Test(
    arguments: [
      // opcode, modrm, result in ST(0) and ST(1) for ST(0) = 3, ST(1) = 12
      (0xD8, 0xC1, 15.0, 12.0), (0xDC, 0xC1, 3.0, 15.0), (0xD8, 0xC9, 36.0, 12.0),
      (0xD8, 0xE1, -9.0, 12.0), (0xD8, 0xE9, 9.0, 12.0), (0xDC, 0xE1, 3.0, -9.0),
      (0xDC, 0xE9, 3.0, 9.0), (0xD8, 0xF1, 0.25, 12.0), (0xD8, 0xF9, 4.0, 12.0),
      (0xDC, 0xF1, 3.0, 0.25), (0xDC, 0xF9, 3.0, 4.0), (0xD9, 0xC9, 12.0, 3.0),
      (0xD9, 0xE0, -3.0, 12.0), (0xD9, 0xFD, 12288.0, 12.0), (0xDD, 0xD1, 3.0, 3.0),
      (0xD9, 0xC1, 12.0, 3.0), (0xD9, 0xE8, 1.0, 3.0), (0xD9, 0xEE, 0.0, 3.0),
      (0xD9, 0xF8, 3.0, 12.0), (0xD9, 0xFC, 3.0, 12.0), (0xD9, 0xF4, 1.5, 1.0),
    ] as [(UInt8, UInt8, Double, Double)])
  func registerForms(opcode: UInt8, modrm: UInt8, st0: Double, st1: Double) throws {
    let m = try FPUMachine()
    m.push(12)
    m.push(3)
    #expect(m.run(opcode, modrm) == nil)
    #expect(Double(m.number(0)) == st0)
    #expect(Double(m.number(1)) == st1)
    #expect(m.status & 0x7F == 0)
  }

  @Test(
    arguments: [
      (0xDE, 0xC1, 15.0), (0xDE, 0xC9, 36.0), (0xDE, 0xE1, -9.0), (0xDE, 0xE9, 9.0),
      (0xDE, 0xF1, 0.25), (0xDE, 0xF9, 4.0),
    ] as [(UInt8, UInt8, Double)])
  func poppingForms(opcode: UInt8, modrm: UInt8, result: Double) throws {
    let m = try FPUMachine()
    m.push(12)
    m.push(3)
    #expect(m.run(opcode, modrm) == nil)
    #expect(Double(m.number(0)) == result)
    #expect(m.tags == 0x80)
    #expect(m.cpu.fpu.top == 7)
  }

  @Test(
    arguments: [
      (0xD8, 0x4000_0000, 2.0), (0xDC, 0x4000_0000_0000_0000, 2.0), (0xDA, 2, 2.0), (0xDE, 2, 2.0),
    ] as [(UInt8, UInt64, Double)])
  func memoryForms(opcode: UInt8, bits: UInt64, operand: Double) throws {
    let expected: [Double?] = [5 + 2, 5 * 2, nil, nil, 5 - 2, 2 - 5, 2.5, 0.4]
    for digit in 0..<8 as Range<UInt8> {
      let m = try FPUMachine()
      m.push(5)
      m.poke(bits)
      #expect(m.onMemory([opcode], digit) == nil)
      guard let result = expected[Int(digit)] else { continue }
      #expect(Double(m.number(0)) == result)
    }
  }

  @Test func precisionAndRoundingControlAreHonoured() throws {
    let m = try FPUMachine()
    m.control = 0x07F  // single precision
    m.push(1)
    m.push(3)
    m.run(0xD8, 0xF9)  // 1/3
    #expect(m.st(0) == (0x3FFD, 0xAAAA_AB00_0000_0000))
    m.control = 0xF7F  // extended, towards zero
    m.push(1)
    m.run(0xD8, 0xF2)
    #expect(m.status & 0x3F == 0x20)
    m.control = 0x37F
    m.push(2.5)
    m.run(0xD9, 0xFC)
    #expect(m.number(0) == 2)
    m.control = 0xB7F  // up
    m.push(2.5)
    m.run(0xD9, 0xFC)
    #expect(m.number(0) == 3)
  }

  @Test func stickyFlagsBelongToTheirProcessor() throws {
    let a = try FPUMachine()
    let b = try FPUMachine()
    a.push(1)
    a.push(3)
    a.run(0xD8, 0xF9)
    #expect(a.status & 0x3F == 0x20)
    b.push(1)
    b.push(2)
    b.run(0xD8, 0xF9)
    #expect(b.status & 0x3F == 0)
    a.run(0xDB, 0xE2)  // fnclex
    a.push(1)
    a.run(0xD8, 0xC0)
    #expect(a.status & 0x3F == 0)
    a.run(0xD9, 0xEE)
    a.run(0xD8, 0xF9)  // 0 divides: ZE? 0 / x is 0
    a.run(0xD9, 0xE8)
    a.run(0xD8, 0xF1)  // 1 / 0
    #expect(a.status & 0x3F == 4)
  }

  @Test func stackFaultsAreMaskedResponses() throws {
    let m = try FPUMachine()
    m.run(0xD8, 0xC1)  // fadd on an empty stack
    #expect(m.st(0) == (0xFFFF, 0xC000_0000_0000_0000))
    #expect(m.status & 0x7F == 0x41)
    #expect(m.status & 0x200 == 0)  // underflow
    m.run(0xDB, 0xE3)
    for _ in 0..<8 { m.run(0xD9, 0xE8) }
    #expect(m.status & 0x7F == 0)
    m.run(0xD9, 0xE8)
    #expect(m.status & 0x27F == 0x241)  // overflow
    #expect(m.st(0) == (0xFFFF, 0xC000_0000_0000_0000))
  }

  @Test func unmaskedExceptionIsReportedByTheNextWaitingInstruction() throws {
    let m = try FPUMachine()
    m.control = 0x37B  // ZM clear
    m.push(1)
    m.push(0)
    #expect(m.run(0xDE, 0xF9) == nil)
    #expect(m.status & 0x80FF == 0x8084)
    #expect(m.cpu.fpu.top == 6)  // nothing was popped or written
    #expect(Double(m.number(1)) == 1)
    #expect(m.run(0xDF, 0xE0) == nil)  // fnstsw ax does not wait
    #expect(m.cpu[gpr16: 0] == m.status)
    #expect(m.run(0x9B) == 16)
    #expect(m.run(0xD9, 0xE8) == 16)
    #expect(m.run(0x0F, 0x77) == 16)  // emms
    #expect(m.run(0xDB, 0xE2) == nil)  // fnclex
    #expect(m.run(0x9B) == nil)
  }

  @Test func withoutNumericErrorTheInterruptPinIsDriven() throws {
    let m = try FPUMachine()
    m.cpu.pointee.cr0 &= ~0x20
    var raised = 0
    m.processor.floatingPointError = { raised += 1 }
    m.control = 0x37B
    m.push(1)
    m.push(0)
    m.run(0xDE, 0xF9)
    #expect(raised == 1)
    #expect(m.cpu.pointee.stop != 0)
    #expect(m.run(0xD9, 0xE8) == nil)
    #expect(m.number(0) == 1)
  }

  @Test func unmaskedStoreLeavesMemoryAlone() throws {
    let m = try FPUMachine()
    m.control = 0x37E  // IM clear
    m.push(1e300)
    m.poke(0x1122_3344 as UInt32)
    #expect(m.onMemory([0xDB], 2) == nil)  // fist m32
    #expect(m.peek(UInt32.self) == 0x1122_3344)
    #expect(m.status & 0x80 != 0)
    m.run(0xDB, 0xE2)
    m.control = 0x37F
    m.onMemory([0xDB], 2)
    #expect(m.peek(UInt32.self) == 0x8000_0000)
  }

  @Test func storeThatStoresNothingStillFaults() throws {
    let m = try FPUMachine()
    m.control = 0x37E
    m.push(1e300)
    m.cpu.ds.pointee.limit = 0x1FFF
    m.cpu.ds.updateBounds()
    let before = m.status
    #expect(m.onMemory([0xDB], 2) == 13)
    #expect(m.onMemory([0xDF], 6) == 13)
    #expect(m.status == before)
    #expect(m.tags == 0x80)
  }

  @Test func invalidRemainderKeepsConditionCodes() throws {
    for modrm in [0xF8, 0xF5] as [UInt8] {
      let m = try FPUMachine()
      m.push(0)
      m.push(3)
      m.status |= 0x4300
      m.run(0xD9, modrm)
      #expect(m.status & 0x473F == 0x4101)
    }
  }

  @Test func instructionsOfTheOldCoprocessorsDoNotWait() throws {
    let m = try FPUMachine()
    m.control = 0x37B
    m.status = 0x8084
    for modrm in [0xE0, 0xE1, 0xE4] as [UInt8] { #expect(m.run(0xDB, modrm) == nil) }
    #expect(m.run(0xD9, 0xD0) == 16)
  }

  @Test func deviceNotAvailable() throws {
    let m = try FPUMachine()
    m.cpu.pointee.cr0 |= 8  // TS
    #expect(m.run(0xD9, 0xE8) == 7)
    #expect(m.run(0xDB, 0xE3) == 7)
    #expect(m.run(0x9B) == nil)
    m.cpu.pointee.cr0 |= 2  // MP
    #expect(m.run(0x9B) == 7)
    m.cpu.pointee.cr0 = 0x35  // EM
    #expect(m.run(0xD9, 0xE8) == 7)
    #expect(m.run(0x9B) == nil)
  }

  @Test(arguments: [(1.0, 2.0, 0x0100), (2, 1, 0), (2, 2, 0x4000), (.nan, 1, 0x4500)])
  func comparisons(a: Double, b: Double, codes: UInt16) throws {
    let m = try FPUMachine()
    m.push(b)
    m.push(a)
    m.run(0xD8, 0xD1)
    #expect(m.status & 0x4700 == codes)
    #expect(m.status & 1 == (a.isNaN ? 1 : 0))
    m.run(0xDB, 0xE2)
    m.run(0xDD, 0xE1)  // fucom: a quiet NaN is no exception
    #expect(m.status & 0x4700 == codes)
    #expect(m.status & 0x3F == 0)
    m.cpu.setArithmeticFlags(0x8D5)
    m.run(0xDB, 0xE9)  // fucomi
    let flags = UInt32(codes >> 8)  // C0, C2, C3 where SAHF would put them
    #expect(m.cpu.arithmeticFlags == flags)
    m.poke(b.bitPattern)
    m.onMemory([0xDC], 3)  // fcomp m64
    #expect(m.status & 0x4700 == codes)
    #expect(m.cpu.fpu.top == 7)
  }

  @Test func integerAndDecimalTransfers() throws {
    let m = try FPUMachine()
    m.poke(Int64(-1_234_567_890_123))
    m.onMemory([0xDF], 5)  // fild m64
    #expect(m.number(0) == -1_234_567_890_123)
    m.onMemory([0xDF], 6)  // fbstp
    #expect(m.peek(UInt64.self) == 0x1234_5678_90123)
    #expect(m.peek(UInt16.self, at: FPUMachine.data + 8) == 0x8000)
    m.onMemory([0xDF], 4)  // fbld
    #expect(m.number(0) == -1_234_567_890_123)
    m.onMemory([0xDF], 7)  // fistp m64
    #expect(m.peek(Int64.self) == -1_234_567_890_123)
    #expect(m.tags == 0)
    m.push(-2.5)
    m.onMemory([0xDF], 2)
    #expect(m.peek(Int16.self) == -2)
    m.onMemory([0xDB], 7)  // fstp m80
    #expect(m.peek(UInt64.self) == 0xA000_0000_0000_0000)
    #expect(m.peek(UInt16.self, at: FPUMachine.data + 8) == 0xC000)
  }

  @Test func everyOperationRuns() throws {
    for opcode in 0xD8...0xDF as ClosedRange<UInt8> {
      for modrm in 0xC0...0xFF as ClosedRange<UInt8> {
        guard case .instruction(let i) = Decoder.decode([opcode, modrm], codeSize: 4) else {
          continue
        }
        for unmasked in [false, true] {
          let m = try FPUMachine()
          if unmasked { m.control = 0x340 }
          for n in 0..<4 { m.push(Double(n) / 4 + 0.25) }
          #expect(m.run(opcode, modrm) == nil, "\(i.kind)")
        }
      }
      for digit in 0..<8 as Range<UInt8> {
        guard case .instruction(let i) = Decoder.decode([opcode, digit << 3, 0], codeSize: 4)
        else { continue }
        let m = try FPUMachine()
        for n in 0..<4 { m.push(Double(n) / 4 + 0.25) }
        #expect(m.onMemory([opcode], digit) == nil, "\(i.kind)")
      }
    }
  }

  @Test func transcendentals() throws {
    let m = try FPUMachine()
    m.push(1)
    m.run(0xD9, 0xFB)  // fsincos
    #expect(abs(Double(m.number(0)) - 0.5403023058681398) < 1e-15)
    #expect(abs(Double(m.number(1)) - 0.8414709848078965) < 1e-15)
    m.run(0xDB, 0xE3)
    m.push(1)
    m.push(8)
    m.run(0xD9, 0xF1)  // fyl2x
    #expect(m.number(0) == 3)
    m.push(0x1p70)
    m.run(0xD9, 0xFE)  // out of range: C2, operand unchanged
    #expect(m.status & 0x400 != 0)
    #expect(m.number(0) == 0x1p70)
    m.run(0xD9, 0xE5)  // fxam
    #expect(m.status & 0x4700 == 0x400)
    m.run(0xDD, 0xC0)  // ffree
    m.run(0xD9, 0xE5)
    #expect(m.status & 0x4500 == 0x4100)
  }
}
