import Testing

@testable import ISA

/// A small deterministic generator (SplitMix64).
struct TestGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}

@Suite struct InstructionTableTests {
  let rows = InstructionTable.shared.rows

  /// Two rows may share an opcode only if one names a mandatory prefix and the other takes any.
  @Test func noTwoRowsCollide() {
    var owners: [Int: Int] = [:]
    for (index, row) in rows.enumerated() {
      let level = row.encoding.mandatoryPrefix == .any ? 0 : 1
      for opcode in row.opcodeIndices {
        for prefix in row.prefixSelectors {
          for leaf in row.leafNumbers {
            let key = ((level * 512 + opcode) * 4 + prefix) * 72 + leaf
            if let other = owners.updateValue(index, forKey: key) {
              Issue.record("\(row.encoding.text) collides with \(rows[other].encoding.text)")
            }
          }
        }
      }
    }
  }

  /// Rows that share an opcode agree on whether a ModRM byte follows.
  @Test func modRMIsAPropertyOfTheOpcode() {
    var hasModRM: [Int: Bool] = [:]
    for row in rows {
      for opcode in row.opcodeIndices {
        let previous = hasModRM.updateValue(row.encoding.hasModRM, forKey: opcode)
        #expect(previous == nil || previous == row.encoding.hasModRM, "\(row.encoding.text)")
      }
    }
  }

  @Test func everyOperationHasARow() {
    let present = Set(rows.map(\.operation))
    for operation in Operation.allCases {
      #expect(present.contains(operation), "\(operation)")
    }
  }

  @Test func attributesAreConsistent() {
    for row in rows {
      let attributes = row.attributes
      let name = "\(row.mnemonic) \(row.encoding.text)"
      #expect(!(attributes.contains(.readsOnly) && attributes.contains(.writesOnly)), "\(name)")
      #expect(!(attributes.contains(.lockable) && attributes.contains(.readsOnly)), "\(name)")
      if attributes.contains(.privileged) || attributes.contains(.io) {
        #expect(!attributes.contains(.directSafe), "\(name)")
      }
      if attributes.contains(.lockable) {
        #expect(row.operands.0.isMemoryOnly || row.operands.0.isRegisterOrMemory, "\(name)")
      }
      #expect(row.flags.writes.isDisjoint(with: row.flags.undefined), "\(name)")
    }
  }

  /// Random encodings of each row decode to that row and use every byte.
  @Test(arguments: [2, 4] as [UInt8]) func encodingsDecodeToTheirRow(codeSize: UInt8) {
    var generator = TestGenerator(state: 1)
    for (index, row) in rows.enumerated() {
      for form in [EncodingConstraints.Form.any, .register, .memory] {
        var constraints = EncodingConstraints()
        constraints.codeSize = codeSize
        constraints.form = form
        for _ in 0..<40 {
          guard
            let bytes = row.sampleEncoding(using: &generator, constraints: constraints)
          else {
            #expect(form != .any, "\(row.mnemonic) \(row.encoding.text) has no encoding")
            break
          }
          guard case .instruction(let instruction) = Decoder.decode(bytes, codeSize: codeSize)
          else {
            Issue.record("\(row.mnemonic) \(row.encoding.text): \(bytes) is not an instruction")
            break
          }
          #expect(
            Int(instruction.row) == index && Int(instruction.length) == bytes.count,
            "\(row.mnemonic) \(row.encoding.text): \(bytes)")
        }
      }
    }
  }

  @Test func encoderKeepsToItsConstraints() {
    var generator = TestGenerator(state: 2)
    var constraints = EncodingConstraints()
    constraints.form = .memory
    constraints.base = 3
    constraints.displacement = -64...64
    constraints.registers = 0b0000_0110
    constraints.prefixes = [.operandSize]
    for row in rows where row.operandList.contains(where: { $0.isRegisterOrMemory }) {
      for _ in 0..<20 {
        guard let bytes = row.sampleEncoding(using: &generator, constraints: constraints),
          case .instruction(let instruction) = Decoder.decode(bytes, codeSize: 4)
        else { continue }
        let displacement = Int32(bitPattern: instruction.displacement)
        #expect(instruction.base == 3 && instruction.index == 8 && instruction.addressSize == 4)
        #expect(abs(displacement) <= 64)
        #expect(instruction.hasMemoryOperand)
        for operand in [instruction.operands.0, instruction.operands.1]
        where operand.isGeneral && row.operandList.contains(where: { [.Gb, .Gv].contains($0) }) {
          let register = operand.size == 1 ? operand.reg & 3 : operand.reg
          #expect(register == 1 || register == 2 || row.operandList.contains(.CL))
        }
      }
    }
  }
}
