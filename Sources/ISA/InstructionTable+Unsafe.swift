/// All rows, and the tables that decoding looks them up in.
///
/// An opcode has a run of leaves (row numbers): one leaf, or one per mandatory prefix, per ModRM
/// value that matters (8 reg fields of memory forms, 64 register forms), or both.
///
/// `@unchecked Sendable`: the tables behind the pointers are written by `init` only, and never
/// freed.
public final class InstructionTable: @unchecked Sendable {
  public static let shared = InstructionTable()

  /// Every row; `Instruction.row` is an index into it.
  public let rows: [Row]

  /// One- and two-byte opcodes, 256 each.
  let opcodes: UnsafeMutablePointer<OpcodeEntry>
  let leaves: UnsafeMutablePointer<UInt16>
  let forms: UnsafeMutablePointer<RowForm>
  @usableFromInline let attributes: UnsafeMutablePointer<RowAttributes>
  @usableFromInline let cycles: UnsafeMutablePointer<Cycles>

  /// The leaf of an undefined encoding.
  static let noRow = UInt16.max
  /// Leaves of one mandatory prefix: reg fields of memory forms, then register forms by ModRM bits
  /// 5:0.
  static let leavesPerPrefix = 8 + 64

  private init() {
    let rows = InstructionTable.allRows
    self.rows = rows
    forms = .allocate(capacity: rows.count)
    attributes = .allocate(capacity: rows.count)
    cycles = .allocate(capacity: rows.count)
    for (index, row) in rows.enumerated() {
      (forms + index).initialize(to: RowForm(row))
      (attributes + index).initialize(to: row.attributes)
      (cycles + index).initialize(to: row.cycles)
    }
    var leaves: [UInt16] = [InstructionTable.noRow]
    opcodes = .allocate(capacity: 512)
    let candidates = InstructionTable.leafCandidates(of: rows)
    for opcode in 0..<512 {
      (opcodes + opcode).initialize(
        to: InstructionTable.entry(of: candidates[opcode], appendingTo: &leaves))
    }
    self.leaves = .allocate(capacity: leaves.count)
    self.leaves.initialize(from: leaves, count: leaves.count)
  }

  /// The full 4 x 72 leaves of one opcode before they are condensed.
  private struct LeafCandidates {
    var leaves: [UInt16]
    var hasModRM = false
  }

  private static func leafCandidates(of rows: [Row]) -> [LeafCandidates] {
    let empty = LeafCandidates(leaves: Array(repeating: noRow, count: 4 * leavesPerPrefix))
    var result = Array(repeating: empty, count: 512)
    for explicit in [false, true] {
      for (index, row) in rows.enumerated()
      where (row.encoding.mandatoryPrefix != .any) == explicit {
        for opcode in row.opcodeIndices {
          result[opcode].hasModRM = row.encoding.hasModRM
          for prefix in row.prefixSelectors {
            for form in row.leafNumbers {
              result[opcode].leaves[prefix * leavesPerPrefix + form] = UInt16(index)
            }
          }
        }
      }
    }
    return result
  }

  private static func entry(
    of candidates: LeafCandidates, appendingTo leaves: inout [UInt16]
  ) -> OpcodeEntry {
    let all = candidates.leaves
    func prefix(_ number: Int) -> ArraySlice<UInt16> {
      all[number * leavesPerPrefix..<(number + 1) * leavesPerPrefix]
    }
    let byPrefix = (1..<4).contains { !prefix($0).elementsEqual(prefix(0)) }
    let byModRM = (0..<4).contains { number in
      prefix(number).contains { $0 != prefix(number).first }
    }
    if !byPrefix && !byModRM && all[0] == noRow { return OpcodeEntry(base: 0, flags: 0) }
    var flags: UInt8 = candidates.hasModRM ? OpcodeEntry.hasModRM : 0
    if byPrefix { flags |= OpcodeEntry.byPrefix }
    if byModRM { flags |= OpcodeEntry.byModRM }
    let base = leaves.count
    for number in 0..<(byPrefix ? 4 : 1) {
      if byModRM { leaves += prefix(number) } else { leaves.append(prefix(number).first!) }
    }
    return OpcodeEntry(base: UInt32(base), flags: flags)
  }
}

/// How an opcode finds its row.
struct OpcodeEntry {
  static let hasModRM: UInt8 = 1
  static let byPrefix: UInt8 = 2
  static let byModRM: UInt8 = 4
  /// Of its first leaf.
  var base: UInt32
  var flags: UInt8
}

/// The part of a row that decoding reads.
struct RowForm {
  static let lockable: UInt8 = 1
  static let byteForm: UInt8 = 2
  static let anyMod: UInt8 = 4
  /// F2 or F3 is part of the opcode.
  static let consumesRepeat: UInt8 = 8

  var operation: UInt16
  var flags: UInt8
  var conditionMask: UInt8
  var condition: UInt8
  var spec0: OperandSpec
  var spec1: OperandSpec
  var spec2: OperandSpec

  init(_ row: Row) {
    operation = row.operation.rawValue
    (spec0, spec1, spec2) = row.operands
    conditionMask = row.encoding.opcodeCount == 16 ? 15 : 0
    condition = row.condition
    flags = 0
    if row.attributes.contains(.lockable) { flags |= RowForm.lockable }
    if row.isByteForm { flags |= RowForm.byteForm }
    if row.encoding.modRM == .registerAnyMod { flags |= RowForm.anyMod }
    if [.repeatEqual, .repeatNotEqual].contains(row.encoding.mandatoryPrefix) {
      flags |= RowForm.consumesRepeat
    }
  }
}

extension Row {
  /// 0...255 for one-byte, 256...511 for two-byte opcodes.
  var opcodeIndices: Range<Int> {
    let first = Int(encoding.opcode) + (encoding.isTwoByte ? 256 : 0)
    return first..<first + encoding.opcodeCount
  }

  /// Without mandatory prefix, with 66, F3, F2.
  var prefixSelectors: ClosedRange<Int> {
    switch encoding.mandatoryPrefix {
    case .any: 0...3
    case .none: 0...0
    case .operandSize: 1...1
    case .repeatEqual: 2...2
    case .repeatNotEqual: 3...3
    }
  }

  /// The ModRM values the row accepts as leaf numbers.
  var leafNumbers: [Int] {
    let memory = !operandList.contains(where: \.isRegisterOnly)
    let register = !operandList.contains(where: \.isMemoryOnly)
    switch encoding.modRM {
    case .absent, .registerAnyMod: return Array(0..<72)
    case .register: return (memory ? Array(0..<8) : []) + (register ? Array(8..<72) : [])
    case .digit(let digit):
      let first = 8 + Int(digit) * 8
      return (memory ? [Int(digit)] : []) + (register ? Array(first..<first + 8) : [])
    case .fixed(let byte): return [8 + Int(byte & 63)]
    case .fixedAnyRM(let byte):
      let first = 8 + Int(byte & 56)
      return Array(first..<first + 8)
    }
  }

  /// Its operand size is one byte.
  public var isByteForm: Bool {
    let first = operandList.first { $0 != .Ib && $0 != .DX }
    return first?.isByte ?? (operation == .aam || operation == .aad)
  }
}
