/// What `Row.sampleEncoding` may generate. The defaults allow every encoding of the row.
public struct EncodingConstraints: Sendable {
  public enum Form: Sendable { case any, register, memory }

  /// CS's default operand and address size in bytes, 2 or 4.
  public var codeSize: UInt8 = 4
  /// Form of operands that can be a register or memory.
  public var form: Form = .any
  /// General registers that may be explicit operands, bit n = register n of `OperandKind.general`
  /// (AH, CH, DH, BH count as their 32-bit registers). Fixed registers (AL, CL, DX...) do not
  /// count.
  public var registers: UInt8 = 0xFF
  /// x87, MMX and XMM registers that may be operands.
  public var vectorRegisters: UInt8 = 0xFF
  /// The base register of every memory operand, which then has 32-bit addressing (in 32-bit code).
  public var base: UInt8?
  /// Index registers to choose from when `base` is set, bit n = register n; ESP is never one.
  public var indexRegisters: UInt8 = 0
  /// Displacements to choose from when `base` is set.
  public var displacement: ClosedRange<Int32> = Int32.min...Int32.max
  /// Addresses for operands that have only a displacement; without it and with `base` set, rows
  /// with a moffs operand cannot be encoded.
  public var absoluteAddress: ClosedRange<UInt32>?
  /// Branch displacements; clipped to the field.
  public var relative: ClosedRange<Int32> = Int32.min...Int32.max
  /// Prefixes that may be added where the row allows them; each then appears half of the time.
  public var prefixes: Prefixes = [
    .lock, .repeatEqual, .repeatNotEqual, .operandSize, .addressSize, .segmentOverride,
  ]
  /// Segments for overrides.
  public var segments: [SegmentIndex] = SegmentIndex.allCases

  public init() {}
}

extension Row {
  /// Random bytes that decode to this row, or nil when the constraints exclude it.
  public func sampleEncoding(
    using generator: inout some RandomNumberGenerator,
    constraints: EncodingConstraints = EncodingConstraints()
  ) -> [UInt8]? {
    var encoder = RowEncoder(row: self, constraints: constraints)
    return encoder.encode(using: &generator)
  }
}

/// Encodes one row once.
private struct RowEncoder {
  let row: Row
  let constraints: EncodingConstraints
  var operandSize: UInt8
  var addressSize: UInt8
  var isMemory = false

  init(row: Row, constraints: EncodingConstraints) {
    self.row = row
    self.constraints = constraints
    operandSize = constraints.codeSize
    addressSize = constraints.codeSize
  }

  mutating func encode(using generator: inout some RandomNumberGenerator) -> [UInt8]? {
    guard chooseForm(using: &generator) else { return nil }
    var bytes = choosePrefixes(using: &generator)
    if row.encoding.isTwoByte { bytes.append(0x0F) }
    var opcode = row.encoding.opcode
    if row.encoding.opcodeCount == 16 {
      opcode += UInt8.random(in: 0..<16, using: &generator)
    } else if row.encoding.opcodeCount > 1 {
      guard
        let register = chooseGeneral(
          row.operandList.contains(.Zb) ? 1 : 4, from: opcode & 7..<8, using: &generator)
      else { return nil }
      opcode = opcode & 0xF8 | register
    }
    bytes.append(opcode)
    if row.encoding.hasModRM {
      guard let modRM = encodeModRM(using: &generator) else { return nil }
      bytes += modRM
    }
    for operand in row.operandList {
      guard let field = encodeImmediate(operand, using: &generator) else { return nil }
      bytes += field
    }
    return bytes
  }

  private mutating func chooseForm(using generator: inout some RandomNumberGenerator) -> Bool {
    let operands = row.operandList
    if operands.contains(where: \.isMemoryOnly) {
      isMemory = true
      return constraints.form != .register
    }
    if operands.contains(where: \.isRegisterOrMemory) {
      switch row.encoding.modRM {
      case .fixed, .fixedAnyRM: isMemory = false
      default:
        isMemory =
          constraints.form == .any
          ? Bool.random(using: &generator) : constraints.form == .memory
        return true
      }
    }
    return constraints.form != .memory
      || operands.contains(where: \.canBeMemory) || row.faults.contains(.memory)
  }

  private mutating func choosePrefixes(
    using generator: inout some RandomNumberGenerator
  ) -> [UInt8] {
    var prefixes: [UInt8] = []
    func wants(_ prefix: Prefixes) -> Bool {
      constraints.prefixes.contains(prefix) && Bool.random(using: &generator)
    }
    let mandatory = row.encoding.mandatoryPrefix
    if mandatory == .any && wants(.operandSize) {
      prefixes.append(0x66)
      operandSize = constraints.codeSize ^ 6
    }
    if mandatory == .operandSize { operandSize = constraints.codeSize ^ 6 }
    if constraints.base == nil && wants(.addressSize) {
      prefixes.append(0x67)
      addressSize = constraints.codeSize ^ 6
    }
    if wants(.segmentOverride), let segment = constraints.segments.randomElement(using: &generator)
    {
      prefixes.append([0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65][Int(segment.rawValue)])
    }
    if row.attributes.contains(.lockable) && isMemory && wants(.lock) { prefixes.append(0xF0) }
    if row.attributes.contains(.repeatable) {
      if wants(.repeatEqual) {
        prefixes.append(0xF3)
      } else if wants(.repeatNotEqual) {
        prefixes.append(0xF2)
      }
    }
    switch mandatory {
    case .operandSize: prefixes.append(0x66)
    case .repeatEqual: prefixes.append(0xF3)
    case .repeatNotEqual: prefixes.append(0xF2)
    case .any, .none: break
    }
    prefixes.shuffle(using: &generator)
    return prefixes
  }

  /// A register number of `size` bytes whose 32-bit register the constraints allow.
  private func chooseGeneral(
    _ size: Int, from range: Range<UInt8> = 0..<8,
    using generator: inout some RandomNumberGenerator
  ) -> UInt8? {
    range.filter { constraints.registers >> (size == 1 ? $0 & 3 : $0) & 1 != 0 }
      .randomElement(using: &generator)
  }

  private func chooseVector(using generator: inout some RandomNumberGenerator) -> UInt8? {
    (0..<8 as Range<UInt8>).filter { constraints.vectorRegisters >> $0 & 1 != 0 }
      .randomElement(using: &generator)
  }

  /// The register for ModRM.reg or, with `rm`, for ModRM.rm.
  private func chooseRegister(
    rm: Bool, using generator: inout some RandomNumberGenerator
  ) -> UInt8? {
    for operand in row.operandList {
      switch operand {
      case .Gb where !rm, .Eb where rm: return chooseGeneral(1, using: &generator)
      case .Gw where !rm, .Gd where !rm, .Gv where !rm: return chooseGeneral(4, using: &generator)
      case .Ew, .Ed, .Ev, .Rd, .Rv, .Rw, .RdMw, .RdMb, .RvMw:
        if rm { return chooseGeneral(4, using: &generator) }
      case .Pq where !rm, .Vx where !rm: return chooseVector(using: &generator)
      case .Nq, .Qq, .Qd, .Ux, .Wx, .Wq, .Wd, .STi:
        if rm { return chooseVector(using: &generator) }
      case .Sw where !rm:
        let valid: [UInt8] = row.operation == .movToSegment ? [0, 2, 3, 4, 5] : [0, 1, 2, 3, 4, 5]
        return valid.randomElement(using: &generator)
      case .Cd where !rm: return [0, 2, 3, 4].randomElement(using: &generator)
      default: break
      }
    }
    return UInt8.random(in: 0..<8, using: &generator)
  }

  private func encodeModRM(using generator: inout some RandomNumberGenerator) -> [UInt8]? {
    var reg: UInt8
    switch row.encoding.modRM {
    case .absent: return []
    case .fixed(let byte): return [byte]
    case .fixedAnyRM(let byte):
      guard let rm = chooseRegister(rm: true, using: &generator) else { return nil }
      return [byte | rm]
    case .digit(let digit): reg = digit
    case .register, .registerAnyMod:
      guard let register = chooseRegister(rm: false, using: &generator) else { return nil }
      reg = register
    }
    reg <<= 3
    if isMemory {
      return addressSize == 4
        ? encodeMemory32(reg: reg, using: &generator)
        : encodeMemory16(reg: reg, using: &generator)
    }
    guard let rm = chooseRegister(rm: true, using: &generator) else { return nil }
    let mod: UInt8 =
      row.encoding.modRM == .registerAnyMod ? UInt8.random(in: 0..<4, using: &generator) : 3
    return [mod << 6 | reg | rm]
  }

  private func encodeMemory32(
    reg: UInt8, using generator: inout some RandomNumberGenerator
  ) -> [UInt8] {
    guard let base = constraints.base else {
      let mod = UInt8.random(in: 0..<3, using: &generator)
      let rm = UInt8.random(in: 0..<8, using: &generator)
      var bytes = [mod << 6 | reg | rm]
      var base = rm
      if rm == 4 {
        let sib = UInt8.random(in: 0...255, using: &generator)
        bytes.append(sib)
        base = sib & 7
      }
      let count = mod == 1 ? 1 : mod == 2 || base == 5 ? 4 : 0
      return bytes + (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
    let displacement = Int32.random(in: constraints.displacement, using: &generator)
    let isByte = displacement == Int32(Int8(truncatingIfNeeded: displacement))
    var mod: UInt8 = isByte && Bool.random(using: &generator) ? 1 : 2
    if displacement == 0 && base != 5 && Bool.random(using: &generator) { mod = 0 }
    let indices = (0..<8 as Range<UInt8>).filter {
      $0 != 4 && constraints.indexRegisters >> $0 & 1 != 0
    }
    var bytes: [UInt8]
    if let index = indices.randomElement(using: &generator), Bool.random(using: &generator) {
      let scale = UInt8.random(in: 0..<4, using: &generator)
      bytes = [mod << 6 | reg | 4, scale << 6 | index << 3 | base]
    } else if base == 4 || Int.random(in: 0..<8, using: &generator) == 0 {
      bytes = [mod << 6 | reg | 4, UInt8.random(in: 0..<4, using: &generator) << 6 | 4 << 3 | base]
    } else {
      bytes = [mod << 6 | reg | base]
    }
    switch mod {
    case 0: break
    case 1: bytes.append(UInt8(truncatingIfNeeded: displacement))
    default: bytes += littleEndian(UInt32(bitPattern: displacement), 4)
    }
    return bytes
  }

  private func encodeMemory16(
    reg: UInt8, using generator: inout some RandomNumberGenerator
  ) -> [UInt8] {
    let mod = UInt8.random(in: 0..<3, using: &generator)
    let rm = UInt8.random(in: 0..<8, using: &generator)
    let count = mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0
    return [mod << 6 | reg | rm]
      + (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }

  /// The bytes of an operand that follows ModRM; empty for those that have none.
  private func encodeImmediate(
    _ operand: OperandSpec, using generator: inout some RandomNumberGenerator
  ) -> [UInt8]? {
    switch operand {
    case .Ib, .Ibs, .Ib2: return littleEndian(interestingValue(using: &generator), 1)
    case .Iw: return littleEndian(interestingValue(using: &generator), 2)
    case .Iz: return littleEndian(interestingValue(using: &generator), operandSize)
    case .Jb, .Jz:
      let size = operand == .Jb ? 1 : operandSize
      let limit = Int32.max >> (32 - Int32(size) * 8)
      let range = constraints.relative.clamped(to: -limit - 1...limit)
      return littleEndian(
        UInt32(bitPattern: Int32.random(in: range, using: &generator)), size)
    case .Ap:
      return littleEndian(interestingValue(using: &generator), operandSize)
        + littleEndian(interestingValue(using: &generator), 2)
    case .Ob, .Ov:
      guard let range = constraints.absoluteAddress else {
        guard constraints.base == nil else { return nil }
        return littleEndian(UInt32.random(in: 0...UInt32.max, using: &generator), addressSize)
      }
      return littleEndian(UInt32.random(in: range, using: &generator), addressSize)
    default: return []
    }
  }

  /// A random value, at times a small or an extreme one.
  private func interestingValue(using generator: inout some RandomNumberGenerator) -> UInt32 {
    switch Int.random(in: 0..<4, using: &generator) {
    case 0: UInt32.random(in: 0..<33, using: &generator)
    case 1:
      [0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0x7FFF_FFFF, 0x8000_0000, UInt32.max]
        .randomElement(using: &generator)!
    default: UInt32.random(in: 0...UInt32.max, using: &generator)
    }
  }

  /// The low `count` bytes of `value`, zero-extended.
  private func littleEndian(_ value: UInt32, _ count: UInt8) -> [UInt8] {
    (0..<UInt64(count)).map { UInt8(truncatingIfNeeded: UInt64(value) >> ($0 * 8)) }
  }
}
