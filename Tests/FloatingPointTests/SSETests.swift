import CPU
import ISA
import Memory
import Testing

@testable import Interpreter

/// Two singles as the low and high half of 64 bits.
private func singles(_ low: Float, _ high: Float) -> UInt64 {
  UInt64(low.bitPattern) | UInt64(high.bitPattern) << 32
}

private func bits(_ value: Double) -> UInt64 { value.bitPattern }

@Suite struct SSETests {
  @Test(
    arguments: [
      (0x58, 7.5, 0.25), (0x5C, 4.5, 0.75), (0x59, 9, -0.125), (0x5E, 4, -2), (0x5D, 1.5, -0.25),
      (0x5F, 6, 0.5),
    ] as [(UInt8, Double, Double)])
  func arithmetic(opcode: UInt8, low: Double, high: Double) throws {
    let m = try FPUMachine()
    m.setXMM(2, [bits(1.5), bits(-0.25)])
    func reset() { m.setXMM(1, [bits(6.0), bits(0.5)]) }
    reset()
    #expect(m.run(0x66, 0x0F, opcode, 0xCA) == nil)
    #expect(m.xmm(1) == [low.bitPattern, high.bitPattern])
    reset()
    #expect(m.run(0xF2, 0x0F, opcode, 0xCA) == nil)
    #expect(m.xmm(1) == [low.bitPattern, bits(0.5)])
    m.setXMM(2, [singles(1.5, -0.25), singles(1.5, -0.25)])
    func resetSingles() { m.setXMM(1, [singles(6, 0.5), singles(6, 0.5)]) }
    resetSingles()
    #expect(m.run(0x0F, opcode, 0xCA) == nil)
    let expected = singles(Float(low), Float(high))
    #expect(m.xmm(1) == [expected, expected])
    resetSingles()
    #expect(m.run(0xF3, 0x0F, opcode, 0xCA) == nil)
    #expect(m.xmm(1) == [singles(Float(low), 0.5), singles(6, 0.5)])
    // Memory operands of each width.
    m.poke(bits(1.5))
    reset()
    #expect(m.onMemory([0xF2, 0x0F, opcode], 1) == nil)
    #expect(m.xmm(1) == [low.bitPattern, bits(0.5)])
    m.poke((1.5 as Float).bitPattern)
    resetSingles()
    #expect(m.onMemory([0xF3, 0x0F, opcode], 1) == nil)
    #expect(m.xmm(1) == [singles(Float(low), 0.5), singles(6, 0.5)])
    #expect(m.mxcsr == 0x1F80)
  }

  @Test func roundingAndStickyFlags() throws {
    let m = try FPUMachine()
    m.setXMM(0, [bits(1.0), 0])
    m.setXMM(1, [bits(3.0), 0])
    m.run(0xF2, 0x0F, 0x5E, 0xC1)
    #expect(m.xmm(0)[0] == 0x3FD5_5555_5555_5555)
    #expect(m.mxcsr == 0x1FA0)
    m.mxcsr = 0x5F80  // up
    m.setXMM(0, [bits(1.0), 0])
    m.run(0xF2, 0x0F, 0x5E, 0xC1)
    #expect(m.xmm(0)[0] == 0x3FD5_5555_5555_5556)
    m.mxcsr = 0x1FC0  // DAZ
    m.setXMM(0, [1, 0])
    m.setXMM(1, [1, 0])
    m.run(0xF2, 0x0F, 0x58, 0xC1)
    #expect(m.xmm(0)[0] == 0)
    #expect(m.mxcsr == 0x1FC0)
    m.mxcsr = 0x1F80
    m.setXMM(0, [1, 0])
    m.run(0xF2, 0x0F, 0x58, 0xC1)
    #expect(m.xmm(0)[0] == 2)
    #expect(m.mxcsr == 0x1F82)
    m.mxcsr = 0x9F80  // FZ
    m.setXMM(0, [0x0010_0000_0000_0001, 0])
    m.setXMM(1, [0x0010_0000_0000_0000, 0])
    m.run(0xF2, 0x0F, 0x5C, 0xC1)
    #expect(m.xmm(0)[0] == 0)
    #expect(m.mxcsr == 0x9FB0)
  }

  @Test func unmaskedExceptionsFault() throws {
    let m = try FPUMachine()
    m.mxcsr = 0x1D80  // ZM clear
    m.setXMM(0, [bits(1.0), 7])
    m.setXMM(1, [0, 0])
    #expect(m.run(0xF2, 0x0F, 0x5E, 0xC1) == 19)
    #expect(m.xmm(0) == [bits(1.0), 7])
    #expect(m.mxcsr == 0x1D84)
    m.cpu.pointee.cr4 &= ~0x400
    #expect(m.run(0xF2, 0x0F, 0x5E, 0xC1) == 6)
    // Exact tiny results underflow only when unmasked.
    m.cpu.pointee.cr4 |= 0x400
    m.mxcsr = 0x1780
    m.setXMM(0, [0x0010_0000_0000_0000, 0])
    m.setXMM(1, [bits(0.5), 0])
    #expect(m.run(0xF2, 0x0F, 0x59, 0xC1) == 19)
    #expect(m.mxcsr == 0x1790)
    m.mxcsr = 0x1F80
    #expect(m.run(0xF2, 0x0F, 0x59, 0xC1) == nil)
    #expect(m.mxcsr == 0x1F80)
    // A packed operation: the flags of both elements' pre-computation exceptions, no result.
    m.mxcsr = 0x1F00  // IM clear
    m.setXMM(0, [Double.signalingNaN.bitPattern, bits(1.0)])
    m.setXMM(1, [bits(1.0), bits(3.0)])
    #expect(m.run(0x66, 0x0F, 0x5E, 0xC1) == 19)
    #expect(m.mxcsr & 0x3F == 1)
    for n in 0..<100 as Range<UInt32> {
      m.mxcsr = 0x1F00
      m.setXMM(n & 7, [Double.signalingNaN.bitPattern, 0])
      #expect(m.run(0xF2, 0x0F, 0x2C, 0xC0 | UInt8(n & 7)) == 19)  // cvttsd2si
    }
  }

  @Test func comparisons() throws {
    let m = try FPUMachine()
    m.setXMM(1, [bits(1.0), bits(2.0)])
    for (predicate, low) in [false, true, true, false, true, false, false, true].enumerated() {
      m.setXMM(0, [bits(0.5), Double.nan.bitPattern])
      m.run(0x66, 0x0F, 0xC2, 0xC1, UInt8(predicate))
      #expect(m.xmm(0)[0] == (low ? .max : 0))
      #expect(m.xmm(0)[1] == ((3...6).contains(predicate) ? .max : 0))
    }
    for (a, flags) in [(0.5, 1), (1.0, 0x40), (2, 0), (.nan, 0x45)] as [(Double, UInt32)] {
      m.setXMM(0, [a.bitPattern, 0])
      m.cpu.setArithmeticFlags(0x8D5)
      m.mxcsr = 0x1F80
      m.run(0x66, 0x0F, 0x2E, 0xC1)
      #expect(m.cpu.arithmeticFlags == flags)
      #expect(m.mxcsr == 0x1F80)
      m.run(0x66, 0x0F, 0x2F, 0xC1)
      #expect(m.cpu.arithmeticFlags == flags)
      #expect(m.mxcsr & 1 == (a.isNaN ? 1 : 0))
    }
  }

  @Test func conversions() throws {
    let m = try FPUMachine()
    m.cpu.eax = UInt32(bitPattern: -7)
    m.setXMM(0, [9, 9])
    m.run(0xF2, 0x0F, 0x2A, 0xC0)  // cvtsi2sd xmm0, eax
    #expect(m.xmm(0) == [bits(-7.0), 9])
    m.setXMM(1, [bits(2.5), bits(-2.5)])
    m.run(0xF2, 0x0F, 0x2D, 0xC9)
    #expect(m.cpu.ecx == 2)
    m.run(0xF2, 0x0F, 0x2C, 0xC8)
    #expect(m.cpu.ecx == UInt32(bitPattern: -7))
    m.run(0xF2, 0x0F, 0xE6, 0xD1)  // cvtpd2dq
    #expect(m.xmm(2) == [0xFFFF_FFFE_0000_0002, 0])
    m.run(0xF3, 0x0F, 0xE6, 0xDA)  // cvtdq2pd
    #expect(m.xmm(3) == [bits(2.0), bits(-2.0)])
    m.run(0x66, 0x0F, 0x5A, 0xE1)  // cvtpd2ps
    #expect(m.xmm(4) == [singles(2.5, -2.5), 0])
    m.run(0x0F, 0x5A, 0xEC)  // cvtps2pd
    #expect(m.xmm(5) == [bits(2.5), bits(-2.5)])
    m.setMMX(3, 0xFFFF_FFFF_0000_0004)
    m.run(0x66, 0x0F, 0x2A, 0xF3)  // cvtpi2pd xmm6, mm3
    #expect(m.xmm(6) == [bits(4.0), bits(-1.0)])
    #expect(m.tags == 0xFF)
    m.run(0x66, 0x0F, 0x2D, 0xE1)  // cvtpd2pi mm4, xmm1
    #expect(m.mmx(4) == 0xFFFF_FFFE_0000_0002)
    m.run(0x66, 0x0F, 0xD6, 0xC0)
  }

  @Test func moves() throws {
    let m = try FPUMachine()
    m.setXMM(0, [1, 2])
    m.setXMM(1, [3, 4])
    m.run(0x0F, 0x12, 0xC1)  // movhlps
    #expect(m.xmm(0) == [4, 2])
    m.run(0x0F, 0x16, 0xC1)  // movlhps
    #expect(m.xmm(0) == [4, 3])
    m.run(0xF2, 0x0F, 0x10, 0xC1)  // movsd between registers keeps the high half
    #expect(m.xmm(0) == [3, 3])
    m.poke(0x1234_5678_9ABC_DEF0 as UInt64)
    m.onMemory([0xF2, 0x0F, 0x10], 0)
    #expect(m.xmm(0) == [0x1234_5678_9ABC_DEF0, 0])
    m.onMemory([0xF3, 0x0F, 0x10], 1)
    #expect(m.xmm(1) == [0x9ABC_DEF0, 0])
    m.onMemory([0x0F, 0x16], 1)
    #expect(m.xmm(1) == [0x9ABC_DEF0, 0x1234_5678_9ABC_DEF0])
    #expect(m.onMemory([0x0F, 0x29], 1, at: 0x2018) == 13)  // movaps needs alignment
    #expect(m.onMemory([0x0F, 0x11], 1, at: 0x2018) == nil)
    #expect(m.peek(UInt64.self, at: 0x2020) == 0x1234_5678_9ABC_DEF0)
    #expect(m.onMemory([0x0F, 0x58], 1, at: 0x2018) == 13)
    #expect(m.onMemory([0x66, 0x0F, 0x6F], 2, at: 0x2020) == nil)
    #expect(m.xmm(2)[0] == 0x1234_5678_9ABC_DEF0)
    m.run(0xF3, 0x0F, 0x7E, 0xD9)  // movq xmm3, xmm1
    #expect(m.xmm(3) == [0x9ABC_DEF0, 0])
    m.setXMM(4, [0x0003_0002_0001_0000, 0x0007_0006_0005_0004])
    m.run(0x66, 0x0F, 0x70, 0xEC, 0x1B)
    #expect(m.xmm(5) == [0x0005_0004_0007_0006, 0x0001_0000_0003_0002])
    m.run(0xF2, 0x0F, 0x70, 0xEC, 0x1B)
    #expect(m.xmm(5) == [0x0000_0001_0002_0003, 0x0007_0006_0005_0004])
    m.run(0xF3, 0x0F, 0x70, 0xEC, 0x1B)
    #expect(m.xmm(5) == [0x0003_0002_0001_0000, 0x0004_0005_0006_0007])
    m.setXMM(6, [0xA, 0xB])
    m.run(0x66, 0x0F, 0xC6, 0xF4, 0b01)  // shufpd
    #expect(m.xmm(6) == [0xB, 0x0003_0002_0001_0000])
    m.cpu.eax = 0x1FBF
    m.poke(0xFFFF_0000 as UInt32)
    #expect(m.onMemory([0x0F, 0xAE], 2) == 13)
    m.poke(0x1FBF as UInt32)
    #expect(m.onMemory([0x0F, 0xAE], 2) == nil)
    #expect(m.onMemory([0x0F, 0xAE], 3, at: 0x2100) == nil)
    #expect(m.peek(UInt32.self, at: 0x2100) == 0x1FBF)
  }

  @Test func availability() throws {
    let m = try FPUMachine()
    m.cpu.pointee.cr4 = 0
    #expect(m.run(0x0F, 0x58, 0xC1) == 6)
    m.cpu.pointee.cr4 = 0x200
    m.cpu.pointee.cr0 = 0x39
    #expect(m.run(0x0F, 0x58, 0xC1) == 7)
    m.cpu.pointee.cr0 = 0x3D
    #expect(m.run(0x0F, 0x58, 0xC1) == 6)
    #expect(m.onMemory([0x0F, 0xC3], 0) == nil)  // movnti uses no XMM register
  }

  /// Every row of these families has a handler that does not raise #UD.
  @Test func everyRowRuns() throws {
    for row in InstructionTable.shared.rows {
      guard !row.attributes.isDisjoint(with: [.sse, .mmx, .x87]) else { continue }
      for modrm in [0xC1, 0xE1, 0x05] as [UInt8] {
        guard let bytes = encode(row, modrm),
          case .instruction(let i) = Decoder.decode(bytes, codeSize: 4),
          i.kind == row.operation
        else { continue }
        let m = try FPUMachine()
        m.cpu.edi = FPUMachine.data
        #expect(m.run(bytes) == nil, "\(row.mnemonic) \(row.encoding.text)")
      }
    }
  }

  /// The row's bytes with a ModRM byte and `[data]` or an immediate behind it.
  private func encode(_ row: Row, _ modrm: UInt8) -> [UInt8]? {
    let e = row.encoding
    var bytes: [UInt8] = []
    switch e.mandatoryPrefix {
    case .operandSize: bytes.append(0x66)
    case .repeatEqual: bytes.append(0xF3)
    case .repeatNotEqual: bytes.append(0xF2)
    default: break
    }
    if e.isTwoByte { bytes.append(0x0F) }
    bytes.append(e.opcode)
    switch e.modRM {
    case .absent: return bytes
    case .register, .registerAnyMod: bytes.append(modrm)
    case .digit(let digit): bytes.append(modrm & 0xC7 | digit << 3)
    case .fixed(let byte), .fixedAnyRM(let byte): bytes.append(byte)
    }
    if bytes.last! < 0xC0 { bytes += [0x00, 0x20, 0x00, 0x00] }
    return bytes + [1]
  }
}
