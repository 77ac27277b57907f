import Foundation
import ISA
import Testing

@testable import Translator

/// Pins what the translator emits for a sample of every row. `make goldens` accepts changes.
@Suite struct GoldenTests {
  private static let directory = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Goldens")
  private static let accepts = ProcessInfo.processInfo.environment["SWITCHBACK_ACCEPT"] == "1"

  @Test(arguments: Family.allCases)
  func emittedCodeIsAsAccepted(family: Family) throws {
    let file = Self.directory.appending(path: "\(family.rawValue).txt")
    let text = try Self.text(of: family)
    if Self.accepts { try text.write(to: file, atomically: true, encoding: .utf8) }
    let accepted = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    guard text != accepted else { return }
    let new = text.split(separator: "\n", omittingEmptySubsequences: false)
    let old = accepted.split(separator: "\n", omittingEmptySubsequences: false)
    let first = zip(new, old).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    let line = first ?? min(new.count, old.count)
    let row = new[..<min(line + 1, new.count)].last { $0.hasPrefix("#") } ?? ""
    Issue.record(
      """
      \(family.rawValue).txt differs first at line \(line + 1), in \(row): accepted
      \(old.dropFirst(line).prefix(8).joined(separator: "\n"))
      now
      \(new.dropFirst(line).prefix(8).joined(separator: "\n"))
      If that is meant: make goldens
      """)
  }

  /// The golden of a family: for every row a register and a memory form.
  private static func text(of family: Family) throws -> String {
    let table = InstructionTable.shared
    let bench = try TranslationBench(timing: .unit)
    var text = ""
    for (number, row) in table.rows.enumerated()
    where table.family(ofRow: UInt16(number)) == family {
      let operands = row.operandList.map { "\($0)" }.joined(separator: ",")
      text += "# \(row.mnemonic) \(operands) [\(row.encoding.text)]\n"
      var samples: [[UInt8]] = []
      for form in [EncodingConstraints.Form.register, .memory] {
        if let bytes = sample(row, form), !samples.contains(bytes) { samples.append(bytes) }
      }
      for bytes in samples { text += emitted(bench, bytes, row) }
    }
    return text
  }

  /// The same encoding every time, whatever other rows there are.
  private static func sample(_ row: Row, _ form: EncodingConstraints.Form) -> [UInt8]? {
    var constraints = EncodingConstraints()
    constraints.form = form
    constraints.registers = 0b0000_0110
    constraints.base = 3
    constraints.indexRegisters = 0b0100_0000
    constraints.displacement = 16...112
    constraints.absoluteAddress = 0x1000...0x2000
    constraints.relative = 16...64
    constraints.prefixes = row.operation == .movs || row.operation == .stos ? [.repeatEqual] : []
    var generator = Generator(state: 0xCBF2_9CE4_8422_2325)
    for byte in row.encoding.text.utf8 {
      generator.state = (generator.state ^ UInt64(byte)) &* 0x100_0000_01B3
    }
    return row.sampleEncoding(using: &generator, constraints: constraints)
  }

  private static func emitted(_ bench: TranslationBench, _ bytes: [UInt8], _ row: Row) -> String {
    guard case .translated(let listing) = bench.translate(bytes, at: 0x40_0000).first else {
      return "  (not translated)\n"
    }
    let parts = listing.parts.filter {
      $0.address != nil || (row.attributes.contains(.endsBlock) && $0.text == "exits")
    }
    // A call to the interpreter always looks the same.
    if parts[0].isCallout { return "  \(parts[0].text)  [interpreter]\n" }
    return TranslationListing(
      address: listing.address, guestBytes: listing.guestBytes, hostBytes: listing.hostBytes,
      cycles: listing.cycles, parts: parts
    ).golden
  }

  /// SplitMix64.
  private struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }
}
