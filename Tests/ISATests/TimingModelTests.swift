import Testing

@testable import ISA

@Suite struct TimingModelTests {
  private func charge(_ bytes: [UInt8], _ model: TimingModel) -> UInt32? {
    guard case .instruction(let instruction) = Decoder.decode(bytes, codeSize: 4) else {
      return nil
    }
    return model.cycles(of: instruction)
  }

  @Test(
    arguments: [
      ([0x01, 0xC8], 1), ([0x01, 0x08], 3), ([0x03, 0x08], 2), ([0x3B, 0x08], 2),
      ([0x66, 0x01, 0xC8], 2), ([0xF0, 0x01, 0x08], 4), ([0x65, 0x67, 0x8B, 0x07], 3),
      ([0xF7, 0xF1], 41), ([0xA5], 4), ([0xF3, 0xA5], 13), ([0x66, 0x0F, 0xEF, 0xC0], 2),
    ] as [([UInt8], UInt32)])
  func pentium(bytes: [UInt8], expected: UInt32) {
    #expect(charge(bytes, .pentium) == expected)
    #expect(charge(bytes, .unit) == 1)
  }

  @Test func repeatedStrings() {
    for (bytes, pentium, unit) in [
      ([0xF3, 0xA6], 4, 1), ([0xF3, 0xAA], 1, 1), ([0xA6], 0, 0), ([0xF3, 0x90], 0, 0),
      ([0xF3, 0x89, 0xC0], 0, 0),
    ] as [([UInt8], UInt32, UInt32)] {
      guard case .instruction(let instruction) = Decoder.decode(bytes, codeSize: 4) else {
        Issue.record("\(bytes)")
        continue
      }
      #expect(TimingModel.pentium.cyclesPerIteration(of: instruction) == pentium)
      #expect(TimingModel.unit.cyclesPerIteration(of: instruction) == unit)
    }
  }

  /// Time must pass: a loop of any instructions reaches the next event.
  @Test func everyRowIsCharged() {
    for row in InstructionTable.shared.rows {
      #expect(row.cycles.register > 0 && row.cycles.memory > 0, "\(row.mnemonic)")
      #expect(!row.attributes.contains(.repeatable) || row.cycles.perIteration > 0)
    }
  }

  /// An endless chain of faults must not stop time.
  @Test func exceptionsAreCharged() {
    for model in TimingModel.allCases { #expect(model.exceptionCycles > 0) }
  }

  @Test func modelsAreNamedAndVersioned() {
    #expect(TimingModel.allCases.map(\.rawValue) == ["unit", "pentium-1"])
  }
}
