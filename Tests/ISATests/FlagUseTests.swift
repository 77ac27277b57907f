import Testing

@testable import ISA

@Suite struct FlagUseTests {
  private func decoded(_ bytes: [UInt8]) throws -> Instruction {
    guard case .instruction(let instruction) = Decoder.decode(bytes, codeSize: 4) else {
      throw NotAnInstruction()
    }
    return instruction
  }

  private struct NotAnInstruction: Error {}

  @Test func conditionsReadTheirFlags() throws {
    #expect(try decoded([0x74, 0]).flagsRead == .zf)
    #expect(try decoded([0x0F, 0x9F, 0xC0]).flagsRead == [.zf, .sf, .of])
    #expect(try decoded([0x0F, 0x46, 0xC0]).flagsRead == [.cf, .zf])
    #expect(try decoded([0xDA, 0xC0]).flagsRead == .cf)
    #expect(try decoded([0xDB, 0xD8]).flagsRead == .pf)
  }

  @Test func overflowOfShiftsDependsOnTheCount() throws {
    for bytes in [[0xD1, 0xE0], [0xC1, 0xE0, 1], [0xC1, 0xE0, 0x21]] as [[UInt8]] {
      let instruction = try decoded(bytes)
      #expect(instruction.flagsWritten.contains(.of) && !instruction.flagsUndefined.contains(.of))
    }
    let byZero = try decoded([0xC1, 0xE0, 0x20])
    #expect(byZero.flagsWritten == .none && byZero.flagsUndefined == .none)
    #expect(try decoded([0xD3, 0xE0]).flagsRead == .all)
    #expect(try decoded([0xC1, 0xE0, 2]).flagsRead == .none)
    #expect(try decoded([0xC1, 0xD0, 2]).flagsRead == .cf)
    for bytes in [[0xC1, 0xE0, 2], [0xD3, 0xE0]] as [[UInt8]] {
      let instruction = try decoded(bytes)
      #expect(!instruction.flagsWritten.contains(.of) && instruction.flagsUndefined.contains(.of))
    }
  }

  @Test func faultsFollowFromOperandsAndAttributes() throws {
    #expect(try decoded([0x01, 0x08]).tableRow.faults.contains(.memory))
    #expect(try decoded([0x8D, 0x00]).tableRow.faults.isDisjoint(with: .memory))
    #expect(try decoded([0xF7, 0xF1]).tableRow.faults.contains(.divideError))
    #expect(try decoded([0xD8, 0xC1]).tableRow.faults.contains(.x87FloatingPoint))
    #expect(try decoded([0x0F, 0x58, 0xC1]).tableRow.faults.contains(.simdFloatingPoint))
    #expect(try decoded([0x0F, 0x30]).tableRow.faults.contains(.generalProtection))
  }

  @Test func directSafety() throws {
    for bytes in [[0x01, 0xC8], [0xF3, 0xA4], [0x0F, 0xBC, 0xC1], [0xDD, 0x00]] as [[UInt8]] {
      #expect(try decoded(bytes).isDirectSafe)
    }
    let unsafe: [[UInt8]] = [
      [0xF3, 0x0F, 0xBC, 0xC1], [0x9C], [0x9D], [0x0F, 0xA2], [0x0F, 0x31], [0x8E, 0xD8],
      [0xCD, 0x80],
      [0xFA], [0xEC], [0x0F, 0x01, 0x00], [0x0F, 0x02, 0xC1], [0xCB], [0x8C, 0xD8],
    ]
    for bytes in unsafe { #expect(try !decoded(bytes).isDirectSafe) }
  }
}
