import CZydis
import Testing

@testable import ISA

/// Compares the decoder with the Zydis library on random bytes. The few differences that are not
/// errors - instructions newer than Pentium III and SSE2 - are named in `difference`.
@Suite struct ZydisTests {
  @Test(arguments: [2, 4] as [UInt8]) func randomBytes(codeSize: UInt8) {
    var generator = TestGenerator(state: 0x5A + UInt64(codeSize))
    var differences: Set<String> = []
    var agreed = 0
    let count = 500_000
    for _ in 0..<count {
      let bytes = randomCode(using: &generator)
      if let difference = difference(bytes, codeSize: codeSize) {
        // One example of each kind is enough.
        let kind = difference.prefix { $0 != "[" && $0 != ":" }
        if !differences.contains(where: { $0.hasPrefix(kind) }) { differences.insert(difference) }
      } else {
        agreed += 1
      }
    }
    for difference in differences.sorted() {
      Issue.record("\(difference)")
    }
    #expect(agreed == count)
  }

  /// Bytes biased towards prefixes, the 0F map and x87 opcodes.
  private func randomCode(using generator: inout TestGenerator) -> [UInt8] {
    let prefixes: [UInt8] = [0x66, 0x67, 0xF2, 0xF3, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65, 0xF0]
    var bytes: [UInt8] = []
    while Int.random(in: 0..<3, using: &generator) == 0 {
      bytes.append(prefixes.randomElement(using: &generator)!)
    }
    switch Int.random(in: 0..<8, using: &generator) {
    case 0...2: bytes.append(0x0F)
    case 3: bytes.append(UInt8.random(in: 0xD8...0xDF, using: &generator))
    default: break
    }
    let length = Int.random(in: 1...16, using: &generator)
    while bytes.count < length { bytes.append(UInt8.random(in: 0...255, using: &generator)) }
    return bytes
  }

  /// A description of how the two decoders differ on `bytes`, nil when they agree.
  private func difference(_ bytes: [UInt8], codeSize: UInt8) -> String? {
    var view = ZydisView()
    guard zydisView(bytes, bytes.count, Int32(codeSize), &view) != 0 else { return nil }
    let result = Decoder.decode(bytes, codeSize: codeSize)
    let hex = bytes.map { String($0, radix: 16) }.joined(separator: " ")
    switch (result, Int(view.status)) {
    case (.instruction(let instruction), ZYDIS_VIEW_INSTRUCTION):
      return difference(instruction, view).map { "\($0): \(instruction.text(at: 0)) [\(hex)]" }
    case (.truncated, ZYDIS_VIEW_TRUNCATED), (.tooLong, ZYDIS_VIEW_TOO_LONG),
      (.invalid, ZYDIS_VIEW_INVALID):
      return nil
    case (.invalid, ZYDIS_VIEW_TRUNCATED):
      // Decided by the opcode here; Zydis reads on for extensions that share it.
      return nil
    case (.invalid, ZYDIS_VIEW_INSTRUCTION), (.truncated, ZYDIS_VIEW_INSTRUCTION):
      // Newer than Pentium III and SSE2.
      if view.isBaseline == 0 { return nil }
      return "\(view.mnemonicText) \(view.extensionText) not decoded [\(hex)]"
    case (.instruction(let instruction), _):
      return "valid here as \(instruction.tableRow.encoding.text), Zydis \(view.status) [\(hex)]"
    default: return "\(result) against status \(view.status) [\(hex)]"
    }
  }

  private func difference(_ instruction: Instruction, _ view: ZydisView) -> String? {
    if instruction.length != view.length { return "length \(view.length)" }
    if view.isBaseline == 0 {
      // AMD's and later Intel's prefetches are no-operations on a Pentium III.
      return instruction.kind == .nop && view.mnemonicText.hasPrefix("prefetch")
        ? nil : "Zydis \(view.extensionText) \(view.mnemonicText)"
    }
    let mnemonic = String(instruction.mnemonic.split(separator: " ")[0])
    if mnemonic != view.mnemonicText && zydisNames[mnemonic] != view.mnemonicText {
      return "mnemonic \(view.mnemonicText)"
    }
    return operandDifference(instruction, view)
  }

  /// Undocumented forms that Zydis gives names of their own.
  private let zydisNames = [
    "icebp": "int1", "fstp": "fstpnce", "fneni": "feni8087_nop", "fndisi": "fdisi8087_nop",
    "fnsetpm": "fsetpm287_nop",
  ]

  private func operandDifference(_ instruction: Instruction, _ view: ZydisView) -> String? {
    let all = [instruction.operands.0, instruction.operands.1, instruction.operands.2]
    let operands = all.filter {
      ![.none, .stringSource, .stringDestination].contains($0.operandKind)
    }
    let others = withUnsafeBytes(of: view.operands) { bytes in
      Array(bytes.bindMemory(to: ZydisViewOperand.self).prefix(Int(view.operandCount)))
    }
    // Zydis does not show string operands, nor those of undefined instructions in a fixed size;
    // about x87 instructions it is not consistent in naming ST(0).
    if instruction.attributes.contains(.repeatable) { return nil }
    if [.nop, .ud0, .ud1].contains(instruction.kind) { return nil }
    let isX87 = instruction.attributes.contains(.x87) && !instruction.attributes.contains(.mmx)
    if isX87 && operands.count != others.count {
      let own = operands.filter { $0.operandKind != .x87 || $0.reg != 0 }
      let zydis = others.filter { Int($0.kind) != ZYDIS_OPERAND_X87 || $0.reg != 0 }
      return operandDifference(instruction, own, zydis)
    }
    return operandDifference(instruction, operands, others)
  }

  private func operandDifference(
    _ instruction: Instruction, _ operands: [Operand], _ others: [ZydisViewOperand]
  ) -> String? {
    if operands.count != others.count { return "\(others.count) operands" }
    for (operand, other) in zip(operands, others) {
      switch operand.operandKind {
      case .memory:
        if Int(other.kind) != ZYDIS_OPERAND_MEMORY { return "operand kind" }
        // CLFLUSH's operand is a cache line there.
        if operand.size != 0 && UInt16(operand.size) != other.size && instruction.kind != .clflush {
          return "size \(other.size)"
        }
        if instruction.kind != .lea && instruction.segment != other.segment {
          return "segment \(other.segment)"
        }
        if instruction.base != other.base { return "base \(other.base)" }
        if instruction.index != other.index { return "index \(other.index)" }
        if instruction.index != 8 && 1 << instruction.scale != other.scale { return "scale" }
        let mask: UInt32 = instruction.addressSize == 2 ? 0xFFFF : 0xFFFF_FFFF
        if instruction.displacement & mask != other.displacement & mask { return "displacement" }
      case .immediate, .relative:
        let mask: UInt32 =
          operand.size == 1 ? 0xFF : operand.size == 2 ? 0xFFFF : 0xFFFF_FFFF
        if other.kind != operand.kind { return "operand kind" }
        if instruction.immediate & mask != other.immediate & mask { return "immediate" }
      case .immediate2:
        if UInt32(instruction.selector) != other.immediate { return "second immediate" }
      case .farPointer:
        if other.kind != operand.kind { return "operand kind" }
        if UInt32(instruction.selector) != other.selector & 0xFFFF { return "selector" }
        if instruction.immediate != other.immediate { return "offset" }
      default:
        if other.kind != operand.kind { return "operand kind \(other.kind)" }
        if other.reg != operand.reg { return "register" }
        // The source of LAR and LSL is a selector in any case.
        if operand.isGeneral && UInt16(operand.size) != other.size
          && ![.lar, .lsl].contains(instruction.kind)
        {
          return "size \(other.size)"
        }
      }
    }
    return nil
  }
}

extension ZydisView {
  fileprivate var mnemonicText: String { text(mnemonic) }
  fileprivate var extensionText: String { text(self.extension) }

  private func text(_ field: some Any) -> String {
    withUnsafeBytes(of: field) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}
