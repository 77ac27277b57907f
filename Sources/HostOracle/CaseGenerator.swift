import CHostOracle
import ISA

/// Draws random cases from the rows of the instruction table.
public struct CaseGenerator {
  public var random: RandomSource
  /// For the translator: mostly flat segments, without which it does not translate, and longer sequences.
  public var suitsTranslator = false
  /// Rows that sequences are made of.
  private let sequenceRows: [Row]

  public init(seed: UInt64) {
    random = RandomSource(seed: seed)
    sequenceRows = InstructionTable.shared.rows.filter {
      HostDifferences.reasonToSkip($0) == nil && !$0.attributes.contains(.endsBlock)
        && $0.attributes.isDisjoint(with: [.privileged, .io])
    }
  }

  /// A case whose last instruction is of `row`; nil when the row has no encoding in the mode chosen.
  public mutating func next(row: Row) -> OracleCase? {
    var item = OracleCase()
    item.registers = registers()
    item.codeOffset = codeOffset()
    var bytes: [UInt8] = []
    if random.chance(suitsTranslator ? 60 : 25) {
      for _ in 0..<1 + random.below(suitsTranslator ? 12 : 3) {
        let registersOnly = suitsTranslator && random.chance(70)
        let more = encode(
          random.pick(sequenceRows), codeSize: item.codeSize, registersOnly: registersOnly)
        if let more, bytes.count + more.count < Int(ORACLE_CODE_BYTES) - 20 {
          if bytes.isEmpty { aim(more, &item) }
          bytes += more
        }
      }
    }
    guard let last = encode(row, codeSize: item.codeSize) else { return nil }
    item.bytes = bytes + last
    item.registers.eip =
      UInt32(ORACLE_CODE) &- item.codeBase &+ item.codeOffset
    if bytes.isEmpty {
      let aimed = aim(last, &item)
      item.bytes = aimed
      adjust(row, &item)
    }
    guard item.steps.last?.instruction.tableRow.mnemonic != nil, isDefined(item) else { return nil }
    return item
  }

  /// Most cases lie in the middle of the page, some at its end, so that fetching meets the next one.
  private mutating func codeOffset() -> UInt32 {
    random.chance(4) ? 4096 - UInt32(1 + random.below(16)) : UInt32(0x400 + random.below(0x400))
  }

  private mutating func encode(
    _ row: Row, codeSize: UInt8, registersOnly: Bool = false
  ) -> [UInt8]? {
    var constraints = EncodingConstraints()
    if registersOnly { constraints.form = .register }
    constraints.codeSize = codeSize
    constraints.relative = random.chance(80) ? 0...64 : -0x3C0 ... -0x100
    constraints.registers = random.chance(90) ? 0xEF : 0xFF
    constraints.prefixes = []
    if random.chance(30) { constraints.prefixes.insert(.operandSize) }
    if random.chance(10) { constraints.prefixes.insert(.addressSize) }
    if random.chance(25) { constraints.prefixes.insert(.segmentOverride) }
    if random.chance(10) { constraints.prefixes.insert(.lock) }
    if random.chance(90) { constraints.prefixes.formUnion([.repeatEqual, .repeatNotEqual]) }
    return row.sampleEncoding(using: &random, constraints: constraints)
  }

  // MARK: Initial state

  private mutating func registers() -> OracleRegisters {
    var r = OracleRegisters()
    for number in 0..<8 {
      r[gpr: number] = random.chance(25) ? dataAddress() : random.integer32()
    }
    r[gpr: 4] = stackPointer()
    r.eflags = 0x202 | UInt32(truncatingIfNeeded: random.next()) & 0x8D5
    if random.chance(25) { r.eflags |= 0x400 }
    if random.chance(4) { r.eflags |= 1 << 18 }
    if random.chance(4) { r.eflags |= 1 << 21 }
    if random.chance(3) { r.eflags |= 1 << 14 }
    if random.chance(2) { r.eflags |= 1 << 8 }
    let flat = UInt16(ORACLE_FLAT_DATA)
    r[selector: 0] = random.chance(92) ? flat : random.pick([0x07, 0x1F, 0x2F, 0])
    r[selector: 1] = UInt16(ORACLE_FLAT_CODE)
    r[selector: 2] = flat
    r[selector: 3] = random.chance(92) ? flat : random.pick([0x07, 0x1F, 0x2F, 0])
    r[selector: 4] = random.pick([0x07, 0x07, 0x1F, 0x2F, 0, flat])
    r[selector: 5] = random.pick([0, flat, 0x07, 0x1F])
    if random.chance(10) {
      r[selector: 1] = 0x0F
    } else if random.chance(3) {
      r[selector: 1] = random.pick([0x27, 0x3F])
    }
    if suitsTranslator, random.chance(90) {
      for number in [0, 2, 3] { r[selector: number] = flat }
      r[selector: 4] = random.pick([0, flat])
      r[selector: 5] = random.pick([0, flat])
      r[selector: 1] = UInt16(ORACLE_FLAT_CODE)
    } else if random.chance(8) {
      r[selector: 2] = 0x17
      r[gpr: 4] = r[gpr: 4] & 0xFFF | (random.chance(50) ? 0 : random.integer32() & 0xFFFF_0000)
    }
    floatingPoint(&r)
    return r
  }

  private mutating func stackPointer() -> UInt32 {
    let stack = UInt32(ORACLE_STACK)
    if random.chance(6) {
      return stack &+ random.pick([0, 4096]) &+ UInt32(random.below(40)) &- 20
    }
    let offset = UInt32(0x100 + random.below(0xE00))
    return stack + (random.chance(90) ? offset & ~3 : offset)
  }

  /// An address worth accessing.
  mutating func dataAddress() -> UInt32 {
    let data = UInt32(ORACLE_DATA)
    let near = UInt32(random.below(24))
    switch random.below(40) {
    case 0, 1: return data + 0x1000 - near  // between two pages
    case 2, 3: return data + 0x2000 - near  // out of the last page
    case 4: return data - near  // into the first page
    case 5: return UInt32(ORACLE_READ_ONLY) + UInt32(random.below(0xFF0))
    case 6: return UInt32(ORACLE_READ_ONLY) - near
    case 7: return UInt32(ORACLE_CODE) + UInt32(random.below(0xFF0))
    case 8: return UInt32(ORACLE_STACK) + UInt32(random.below(0xFF0))
    case 9: return UInt32(truncatingIfNeeded: random.next())
    case 10...25: return data + UInt32(random.below(0x1E00)) & ~15
    default: return data + UInt32(random.below(0x1E00))
    }
  }

  private mutating func floatingPoint(_ r: inout OracleRegisters) {
    var control: UInt16 = 0x37F
    if random.chance(60) {
      control = 0x40 | UInt16(truncatingIfNeeded: random.next()) & 0xF00
      control |= random.chance(60) ? 0x3F : UInt16(random.below(64))
    }
    var status = UInt16(random.below(8)) << 11 | UInt16(truncatingIfNeeded: random.next()) & 0x4700
    if random.chance(30) { status |= UInt16(random.below(64)) }
    if random.chance(10) { status |= 0x40 }
    let pending = status & ~control & 0x3F != 0
    if pending, random.chance(80) {
      // Most cases shall get past the instruction's own check for pending exceptions.
      control |= status & 0x3F
    } else if pending {
      status |= 0x8080
    }
    r[fxsave: 0, as: UInt16.self] = control
    r[fxsave: 2, as: UInt16.self] = status
    let tags: UInt8 =
      random.chance(60) ? 0xFF : random.chance(30) ? 0 : UInt8(truncatingIfNeeded: random.next())
    r[fxsave: 4, as: UInt8.self] = tags
    var mxcsr: UInt32 = 0x1F80
    if random.chance(50) {
      mxcsr = UInt32(truncatingIfNeeded: random.next()) & 0xE07F | 0x1F80
      if random.chance(30) { mxcsr &= UInt32(truncatingIfNeeded: random.next()) | 0xE07F }
      if random.chance(60) { mxcsr &= ~0x8040 }
    }
    r[fxsave: 24, as: UInt32.self] = mxcsr
    let similar = random.chance(30)
    for number in 0..<8 {
      var value = random.extended()
      if random.chance(15) { value = (random.vector().0, 0xFFFF) }
      if similar, number > 0, value.exponent & 0x7FFF < 0x7FFF {
        // Exponents near each other, so that sums cancel and remainders end.
        let first = r[fxsave: 32 + 8, as: UInt16.self] & 0x7FFF
        let exponent = Int(first) + random.below(24) - 12
        if exponent > 0, exponent < 0x7FFF {
          value.exponent = value.exponent & 0x8000 | UInt16(exponent)
        }
      }
      r[fxsave: 32 + number * 16, as: UInt64.self] = value.significand
      r[fxsave: 40 + number * 16, as: UInt16.self] = value.exponent
      let vector = random.vector()
      r[fxsave: 160 + number * 16, as: UInt64.self] = vector.0
      r[fxsave: 168 + number * 16, as: UInt64.self] = vector.1
    }
  }

  // MARK: Making the instruction meet its operands

  /// Sets base and index registers, or the displacement, so that the memory operand of `bytes` lies at an
  /// interesting address, and puts interesting values there.
  @discardableResult
  private mutating func aim(_ bytes: [UInt8], _ item: inout OracleCase) -> [UInt8] {
    guard case .instruction(let i) = Decoder.decode(bytes, codeSize: item.codeSize),
      i.hasMemoryOperand, random.chance(97)
    else { return bytes }
    let target = dataAddress()
    if random.chance(70) { placeOperand(at: target, &item) }
    let segmentBase = SegmentTable.base(item.registers[selector: Int(i.segment)])
    var offset = target &- segmentBase
    if i.addressSize == 2 { offset &= 0xFFFF }
    var bytes = bytes
    if i.base < 8 {
      var index: UInt32 = 0
      if i.index < 8, i.index != i.base {
        if random.chance(50) { item.registers[gpr: Int(i.index)] = UInt32(random.below(16)) }
        index = item.registers[gpr: Int(i.index)] << UInt32(i.scale)
      }
      if i.index == i.base { return bytes }
      set(Int(i.base), offset &- index &- i.displacement, i.addressSize, &item)
    } else if i.index < 8 {
      let rest = offset &- i.displacement
      set(Int(i.index), rest >> UInt32(i.scale), i.addressSize, &item)
    } else if let place = displacementOffset(bytes, i) {
      for k in 0..<Int(i.addressSize) {
        bytes[place + k] = UInt8(truncatingIfNeeded: offset >> (8 * UInt32(k)))
      }
    }
    return bytes
  }

  private func set(_ register: Int, _ value: UInt32, _ size: UInt8, _ item: inout OracleCase) {
    let old = item.registers[gpr: register]
    item.registers[gpr: register] = size == 2 ? old & 0xFFFF_0000 | value & 0xFFFF : value
  }

  /// Where in `bytes` the displacement of an operand without registers is.
  private func displacementOffset(_ bytes: [UInt8], _ i: Instruction) -> Int? {
    let size = Int(i.addressSize)
    let wanted = (0..<size).map { UInt8(truncatingIfNeeded: i.displacement >> (8 * UInt32($0))) }
    return (1...max(bytes.count - size, 1)).last {
      $0 + size <= bytes.count && Array(bytes[$0..<$0 + size]) == wanted
    }
  }

  private mutating func placeOperand(at address: UInt32, _ item: inout OracleCase) {
    guard let offset = Self.imageOffset(address) else { return }
    var values: [UInt32]
    switch random.below(5) {
    case 0: values = (0..<4).map { _ in random.integer32() }
    case 1, 2:
      let vector = random.vector()
      values = [vector.0, vector.1].flatMap {
        [UInt32(truncatingIfNeeded: $0), UInt32(truncatingIfNeeded: $0 >> 32)]
      }
    case 3:
      let value = random.extended()
      values = [
        UInt32(truncatingIfNeeded: value.significand),
        UInt32(truncatingIfNeeded: value.significand >> 32),
        UInt32(value.exponent),
      ]
    default: values = (0..<4).map { _ in random.single() }
    }
    var patches = item.patchList
    for (k, value) in values.enumerated() {
      patches.append(OraclePatch(offset: offset + UInt32(k) * 4, value: value))
    }
    item.patchList = patches
  }

  /// Offset in the memory image of a linear address.
  static func imageOffset(_ address: UInt32) -> UInt32? {
    let regions: [(Int32, UInt32, UInt32)] = [
      (ORACLE_DATA, 0x2000, 0), (ORACLE_READ_ONLY, 0x1000, 0x2000), (ORACLE_STACK, 0x1000, 0x3000),
    ].map { (Int32($0.0), $0.1, $0.2) }
    for (start, size, offset) in regions {
      let start = UInt32(start)
      if address >= start, address < start + size { return offset + address - start }
    }
    return nil
  }

  /// Contents of registers and stack that the operation needs to do more than fault.
  private mutating func adjust(_ row: Row, _ item: inout OracleCase) {
    let codeAddress = item.registers.eip &+ UInt32(random.below(200))
    let selectors: [UInt16] = [
      0, 0x2B, 0x2B, 0x23, 0x07, 0x0F, 0x17, 0x1F, 0x27, 0x2F, 0x37, 0x3F, 0x28, 0x47, 0x10, 0x7F,
      0x18, 3, 0x83, 0xFFF3,
    ]
    switch row.operation {
    case .movs, .cmps, .stos, .lods, .scas:
      item.registers[gpr: 1] = random.chance(90) ? UInt32(random.below(24)) : random.integer32()
      let size = item.codeSize
      for (register, segment) in [(6, 3), (7, 0)] where random.chance(95) {
        let base = SegmentTable.base(item.registers[selector: segment])
        let address = dataAddress() &- base
        item.registers[gpr: register] = size == 2 ? address & 0xFFFF : address
      }
      if random.chance(40) { makeStringsEqual(&item) }
    case .xlat:
      item.registers[gpr: 3] =
        dataAddress() &- SegmentTable.base(item.registers[selector: 3]) &- item.registers[gpr: 0]
        & 0xFF
    case .bt, .bts, .btr, .btc:
      if random.chance(70), let i = item.steps.last?.instruction, i.operands.1.isGeneral,
        i.base != i.operands.1.reg, i.index != i.operands.1.reg
      {
        item.registers[gpr: Int(i.operands.1.reg)] = UInt32(random.below(4000)) &- 2000
      }
    case .leave, .enter:
      if random.chance(80) { item.registers[gpr: 5] = stackPointer() }
    case .jmp, .call, .jmpFar, .callFar:
      guard let i = item.steps.last?.instruction, random.chance(80) else { return }
      if i.operands.0.isGeneral { item.registers[gpr: Int(i.operands.0.reg)] = codeAddress }
      if var patch = item.patchList.first {
        patch.value = codeAddress
        var selector = patch
        selector.offset += i.operandSize == 2 ? 2 : 4
        selector.value = UInt32(
          random.chance(50) ? item.registers[selector: 1] : random.pick(selectors))
        item.patchList = [patch, selector]
      }
    case .ret, .retFar, .iret:
      guard let offset = stackOffset(item), random.chance(85) else { return }
      let size = item.steps.last.map { UInt32($0.instruction.operandSize) } ?? 4
      let selector = random.chance(60) ? item.registers[selector: 1] : random.pick(selectors)
      let flags = random.integer32() & 0x0024_4DD5 | (random.chance(90) ? 0 : random.integer32())
      item.patchList = [
        OraclePatch(offset: offset, value: codeAddress),
        OraclePatch(offset: offset + size, value: UInt32(selector)),
        OraclePatch(offset: offset + size * 2, value: flags & ~0x100),
      ]
    case .popSegment:
      guard let offset = stackOffset(item) else { return }
      item.patchList = [OraclePatch(offset: offset, value: UInt32(random.pick(selectors)))]
    case .movToSegment, .lar, .lsl, .verr, .verw, .arpl, .lldt, .ltr:
      guard let i = item.steps.last?.instruction else { return }
      if i.operands.1.isGeneral {
        item.registers[gpr: Int(i.operands.1.reg)] = UInt32(random.pick(selectors))
      }
      if i.operands.0.isGeneral {
        item.registers[gpr: Int(i.operands.0.reg)] = UInt32(random.pick(selectors))
      }
      if var patch = item.patchList.first {
        patch.value = UInt32(random.pick(selectors))
        item.patchList = [patch]
      }
    case .lds, .les, .lss, .lfs, .lgs:
      if let i = item.steps.last?.instruction, var patch = item.patchList.first {
        patch.offset += i.operandSize == 2 ? 2 : 4
        patch.value = UInt32(random.pick(selectors))
        item.patchList = [patch]
      }
    case .popf:
      guard let offset = stackOffset(item) else { return }
      item.patchList = [OraclePatch(offset: offset, value: random.integer32() & ~0x100)]
    case .int:
      break
    case .shl, .shr, .sar, .rol, .ror, .rcl, .rcr, .shld, .shrd:
      if random.chance(60) {
        item.registers[gpr: 1] = item.registers[gpr: 1] & ~0xFF | UInt32(random.below(40))
      }
    case .div, .idiv:
      if random.chance(60) { item.registers[gpr: 2] = random.pick([0, 0, 1, 2, ~0, ~0, 100]) }
    case .fbld:
      if let first = item.patchList.first, random.chance(70) {
        item.patchList = (0..<3).map {
          OraclePatch(
            offset: first.offset + $0 * 4,
            value: (0..<8).reduce(0) { value, _ in value << 4 | UInt32(random.below(10)) })
        }
      }
    case .ldmxcsr:
      if var patch = item.patchList.first {
        patch.value &= random.chance(90) ? 0xFFBF : 0x1_FFFF
        item.patchList = [patch]
      }
    case .cmpxchg, .cmpxchg8b:
      if random.chance(50), let first = item.patchList.first {
        item.registers[gpr: 0] = first.value
        if item.patchList.count > 1 { item.registers[gpr: 2] = item.patchList[1].value }
      }
    default: break
    }
  }

  private func stackOffset(_ item: OracleCase) -> UInt32? {
    let base = SegmentTable.base(item.registers[selector: 2])
    let esp = item.registers[gpr: 4]
    return Self.imageOffset(base &+ (base == 0 ? esp : esp & 0xFFFF))
  }

  /// Patches that make source and destination of a comparison the same for a while.
  private mutating func makeStringsEqual(_ item: inout OracleCase) {
    let source = SegmentTable.base(item.registers[selector: 3]) &+ item.registers[gpr: 6]
    let destination = SegmentTable.base(item.registers[selector: 0]) &+ item.registers[gpr: 7]
    let value = item.registers[gpr: 0]
    var patches: [OraclePatch] = []
    for start in [source, destination] {
      for k in 0..<4 as Range<UInt32> {
        if let offset = Self.imageOffset(start &+ k * 4) {
          patches.append(OraclePatch(offset: offset, value: value))
        }
      }
    }
    item.patchList = patches
  }

  /// Whether no instruction reads a flag that an earlier one has left undefined.
  private func isDefined(_ item: OracleCase) -> Bool {
    var undefined: FlagSet = []
    for step in item.steps {
      if !step.instruction.flagsRead.isDisjoint(with: undefined) { return false }
      undefined.formUnion(HostDifferences.undefinedFlags(step.instruction))
      undefined.subtract(HostDifferences.definedFlags(step.instruction))
    }
    return true
  }
}
