import Testing

@testable import ISA

private func decoded(_ bytes: [UInt8], codeSize: UInt8 = 4) throws -> Instruction {
  guard case .instruction(let instruction) = Decoder.decode(bytes, codeSize: codeSize) else {
    throw DecodingFailed(bytes: bytes)
  }
  #expect(Int(instruction.length) == bytes.count)
  return instruction
}

private struct DecodingFailed: Error {
  var bytes: [UInt8]
}

@Suite struct DecoderTests {
  @Test func normalisesOperands() throws {
    let add = try decoded([0x01, 0x44, 0xB3, 0xF0])
    #expect(add.kind == .add && add.operandSize == 4)
    #expect(add.operands.0.isMemory && add.operands.0.size == 4)
    #expect(add.operands.1.isGeneral && add.operands.1.reg == 0)
    #expect(add.base == 3 && add.index == 6 && add.scale == 2)
    #expect(add.displacement == 0xFFFF_FFF0 && add.segmentIndex == .ds)

    let increment = try decoded([0x40])
    #expect(increment.kind == .inc && increment.operands.0.isGeneral)
    #expect(increment.operands.0.size == 4 && increment.operands.1.operandKind == .none)

    let shift = try decoded([0xD1, 0xE0])
    #expect(shift.kind == .shl && shift.operands.1.isImmediate && shift.immediate == 1)

    let pushByte = try decoded([0x6A, 0x80])
    #expect(pushByte.immediate == 0xFFFF_FF80)

    let addByte = try decoded([0x04, 0x80])
    #expect(addByte.operandSize == 1 && addByte.immediate == 0x80)

    let branch = try decoded([0x0F, 0x85, 0xFE, 0xFF, 0xFF, 0xFF])
    #expect(branch.kind == .jcc && branch.condition == 5 && branch.immediate == 0xFFFF_FFFE)
    #expect(branch.endsBlock)

    let far = try decoded([0xEA, 1, 2, 3, 4, 0x08, 0])
    #expect(far.selector == 8 && far.immediate == 0x0403_0201)

    let enter = try decoded([0xC8, 0x10, 0, 3])
    #expect(enter.immediate == 16 && enter.selector == 3)
  }

  @Test func sixteenBitAddressing() throws {
    let expected: [(UInt8, UInt8, SegmentIndex)] = [
      (3, 6, .ds), (3, 7, .ds), (5, 6, .ss), (5, 7, .ss), (6, 8, .ds), (7, 8, .ds), (5, 8, .ss),
      (3, 8, .ds),
    ]
    for (rm, (base, index, segment)) in expected.enumerated() {
      let instruction = try decoded([0x8B, 0x40 | UInt8(rm), 0x80], codeSize: 2)
      #expect(instruction.base == base && instruction.index == index)
      #expect(instruction.segmentIndex == segment && instruction.addressSize == 2)
      #expect(instruction.displacement == 0xFFFF_FF80)
    }
    let absolute = try decoded([0x8B, 0x06, 0x34, 0x92], codeSize: 2)
    #expect(absolute.base == 8 && absolute.displacement == 0x9234)
    let moffs = try decoded([0xA1, 0x34, 0x92], codeSize: 2)
    #expect(moffs.base == 8 && moffs.index == 8 && moffs.displacement == 0x9234)
  }

  @Test func defaultAndOverriddenSegments() throws {
    #expect(try decoded([0x8B, 0x04, 0x24]).segmentIndex == .ss)
    #expect(try decoded([0x8B, 0x45, 0]).segmentIndex == .ss)
    #expect(try decoded([0x8B, 0x04, 0x2D, 0, 0, 0, 0]).segmentIndex == .ds)
    #expect(try decoded([0x8B, 0x05, 0, 0, 0, 0]).segmentIndex == .ds)
    #expect(try decoded([0x65, 0x26, 0x64, 0x8B, 0x45, 0]).segmentIndex == .fs)
    #expect(try decoded([0x2E, 0xA5]).segmentIndex == .cs)
  }

  @Test(
    arguments: [
      [0xF0, 0x90], [0xF0, 0x01, 0xC0], [0xF0, 0x03, 0x00], [0xF0, 0x39, 0x00], [0x8E, 0xC8],
      [0x8E, 0xF0], [0x8D, 0xC0], [0xC4, 0xC0], [0xC5, 0xC0], [0x62, 0xC0], [0x0F, 0x22, 0xC8],
      [0x0F, 0x22, 0xE8], [0xFF, 0xF8], [0xFE, 0xD0], [0x0F, 0x38], [0x0F, 0x3A],
      [0x0F, 0x01, 0xC1],
      [0x0F, 0xC7, 0xC8], [0x8F, 0xC8], [0x0F, 0x24], [0xF3, 0x0F, 0xB8],
    ] as [[UInt8]])
  func undefinedOpcodes(bytes: [UInt8]) {
    guard case .invalid(let needed) = Decoder.decode(bytes, codeSize: 4) else {
      Issue.record("\(bytes) is not invalid")
      return
    }
    #expect(needed == bytes.count)
  }

  @Test func lengthLimit() {
    let prefixes = [UInt8](repeating: 0x66, count: 14)
    guard case .instruction = Decoder.decode(prefixes + [0x90], codeSize: 4) else {
      Issue.record("15 bytes are allowed")
      return
    }
    guard case .tooLong = Decoder.decode(prefixes + [0x66, 0x90], codeSize: 4) else {
      Issue.record("16 bytes are not allowed")
      return
    }
    guard case .tooLong = Decoder.decode([UInt8](repeating: 0x66, count: 64), codeSize: 4) else {
      Issue.record("endless prefixes")
      return
    }
    guard case .truncated = Decoder.decode(prefixes, codeSize: 4) else {
      Issue.record("14 prefixes need more")
      return
    }
  }

  @Test func everyStrictPrefixIsTruncated() throws {
    let bytes: [UInt8] = [0x66, 0x65, 0xF0, 0x81, 0x84, 0x88, 1, 2, 3, 4, 5, 6]
    for count in 0..<bytes.count {
      guard case .truncated = Decoder.decode(Array(bytes[..<count]), codeSize: 4) else {
        Issue.record("\(count) bytes")
        continue
      }
    }
    let instruction = try decoded(bytes)
    #expect(instruction.immediate == 0x0605 && instruction.displacement == 0x0403_0201)
    #expect(instruction.prefixSet.contains(.lock))
  }

  /// Whatever the bytes, fewer than were needed are reported as truncated and more change nothing.
  @Test func resultDependsOnNeededBytesOnly() {
    var generator = TestGenerator(state: 5)
    for round in 0..<20_000 {
      let codeSize: UInt8 = round & 1 == 0 ? 2 : 4
      let bytes = (0..<40).map { _ in
        Int.random(in: 0..<4, using: &generator) == 0
          ? 0x66 : UInt8.random(in: 0...255, using: &generator)
      }
      let needed: Int
      switch Decoder.decode(bytes, codeSize: codeSize) {
      case .instruction(let instruction): needed = Int(instruction.length)
      case .invalid(let count): needed = count
      case .tooLong: needed = 15
      case .truncated:
        Issue.record("40 bytes are enough: \(bytes)")
        continue
      }
      #expect((1...15).contains(needed))
      for count in 0..<needed {
        guard case .truncated = Decoder.decode(Array(bytes[..<count]), codeSize: codeSize) else {
          Issue.record("\(count) of \(needed) bytes: \(bytes)")
          break
        }
      }
      if case .truncated = Decoder.decode(Array(bytes[..<needed]), codeSize: codeSize) {
        Issue.record("\(needed) bytes are enough: \(bytes)")
      }
    }
  }
}
