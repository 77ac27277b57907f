import CZydis
import Testing

@testable import ISA

/// Compares what the rows say about flags, operands and LOCK with Zydis's tables.
@Suite struct ZydisRowTests {
  private struct Sample {
    var row: Row
    var instruction: Instruction
    var view: ZydisView
  }

  /// One or more encodings of every row that Zydis knows by the same meaning.
  private func samples() -> [Sample] {
    var generator = TestGenerator(state: 4)
    var result: [Sample] = []
    var constraints = EncodingConstraints()
    constraints.prefixes = []
    for row in InstructionTable.shared.rows {
      for form in [EncodingConstraints.Form.register, .memory] {
        constraints.form = form
        var view = ZydisView()
        guard let bytes = row.sampleEncoding(using: &generator, constraints: constraints),
          case .instruction(let instruction) = Decoder.decode(bytes, codeSize: 4),
          zydisView(bytes, bytes.count, 4, &view) != 0,
          Int(view.status) == ZYDIS_VIEW_INSTRUCTION, view.isBaseline != 0
        else { continue }
        result.append(Sample(row: row, instruction: instruction, view: view))
      }
    }
    return result
  }

  private func flagSet(_ eflags: UInt32) -> FlagSet {
    let bits: [(UInt32, FlagSet)] = [
      (0, .cf), (2, .pf), (4, .af), (6, .zf), (7, .sf), (11, .of), (10, .df),
    ]
    return bits.reduce(into: []) { set, bit in
      if eflags >> bit.0 & 1 != 0 { set.formUnion(bit.1) }
    }
  }

  private func names(_ flags: FlagSet) -> String {
    let all: [(FlagSet, String)] = [
      (.cf, "cf"), (.pf, "pf"), (.af, "af"), (.zf, "zf"), (.sf, "sf"), (.of, "of"), (.df, "df"),
    ]
    return all.filter { flags.contains($0.0) }.map(\.1).joined(separator: "+")
  }

  @Test func flags() {
    for sample in samples() {
      let instruction = sample.instruction
      switch instruction.kind {
      // Zydis does not look at the count, and has AF undefined after SBB and no flags of RSM's own.
      case .rol, .ror, .rcl, .rcr, .shl, .shr, .sar, .shld, .shrd, .sbb, .rsm: continue
      default: break
      }
      let text = instruction.text(at: 0)
      let read = flagSet(sample.view.flagsRead)
      let undefined = flagSet(sample.view.flagsUndefined)
      let written = flagSet(sample.view.flagsWritten).subtracting(undefined)
      if read != instruction.flagsRead {
        Issue.record("\(text) reads \(names(instruction.flagsRead)), Zydis \(names(read))")
      }
      if written != instruction.flagsWritten {
        Issue.record("\(text) writes \(names(instruction.flagsWritten)), Zydis \(names(written))")
      }
      if undefined != instruction.flagsUndefined {
        Issue.record(
          "\(text) undefined \(names(instruction.flagsUndefined)), Zydis \(names(undefined))")
      }
    }
  }

  /// Destinations that keep their value under some condition or in part count as read here.
  private let keepsPartOfDestination: Set<Operation> = [
    .cmovcc, .fcmovcc, .bsf, .bsr, .lar, .lsl, .movlps, .movhps, .movhlps, .movlhps, .movlpd,
    .movhpd, .cvtpi2ps, .cvtss2sd, .cvtsd2ss,
  ]

  @Test func operandAccess() {
    for sample in samples() {
      let instruction = sample.instruction
      let attributes = instruction.attributes
      let text = instruction.text(at: 0)
      if instruction.hasMemoryOperand {
        #expect(attributes.contains(.lockable) == (sample.view.acceptsLock != 0), "\(text)")
      }
      // Zydis omits the register of some x87 forms and the operands of string instructions.
      let isX87 = attributes.contains(.x87) && !attributes.contains(.mmx)
      let names = [instruction.operands.0, instruction.operands.1, instruction.operands.2]
        .filter { $0.operandKind != .none }.count
      guard names > 0, Int(sample.view.operandCount) == names else { continue }
      if isX87 && (instruction.kind == .ffree || instruction.kind == .ffreep) { continue }
      let first = sample.view.operands.0
      let agrees =
        attributes.contains(.readsOnly) == (first.isWritten == 0)
        && (attributes.contains(.writesOnly) == (first.isRead == 0)
          || keepsPartOfDestination.contains(instruction.kind))
      #expect(agrees, "\(text): first operand read \(first.isRead) written \(first.isWritten)")
    }
  }

  @Test func privilege() {
    // Zydis does not count LGDT.
    for sample in samples() where sample.row.operation != .lgdt {
      #expect(
        sample.row.attributes.contains(.privileged) == (sample.view.isPrivileged != 0),
        "\(sample.instruction.text(at: 0))")
    }
  }
}
