/// Turns bytes into instructions. Prefixes may repeat and come in any order; the last segment
/// prefix and the last of F2/F3 win, F2/F3 select an SSE opcode before 66 does. SDM vol. 2, 2.1 and
/// appendix A.
public enum Decoder {
  /// Architectural limit, in bytes. SDM vol. 2, 2.3.11.
  public static let maximumLength = 15
  /// With this many readable bytes decoding takes place without copying them.
  public static let fastCount = 32

  /// Decodes the instruction at `bytes`, of which `count` may be read; `codeSize` is CS's default
  /// operand and address size in bytes, 2 or 4.
  public static func decode(
    _ bytes: UnsafePointer<UInt8>, count: Int, codeSize: UInt8
  ) -> DecodeResult {
    var instruction = Instruction()
    switch decode(bytes, count: count, codeSize: codeSize, into: &instruction) {
    case .instruction: return .instruction(instruction)
    case .invalid: return .invalid(needed: Int(instruction.length))
    case .tooLong: return .tooLong
    case .truncated: return .truncated
    }
  }

  /// Decodes from an array; for tests and tools.
  public static func decode(_ bytes: [UInt8], codeSize: UInt8) -> DecodeResult {
    bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return .truncated }
      return decode(base, count: buffer.count, codeSize: codeSize)
    }
  }

  /// Decodes into `instruction`. When it is invalid, `instruction.length` is the number of bytes
  /// that were needed to know; its other fields are unspecified unless `.instruction` is returned.
  public static func decode(
    _ bytes: UnsafePointer<UInt8>, count: Int, codeSize: UInt8, into instruction: inout Instruction
  ) -> DecodeStatus {
    if count >= fastCount {
      return decode(padded: bytes, count: count, codeSize: codeSize, into: &instruction)
    }
    // Zeros behind the bytes keep the decoder free of bounds checks; what it then consumed tells
    // whether the zeros played a part.
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: fastCount) { buffer in
      let base = buffer.baseAddress.unsafelyUnwrapped
      base.initialize(from: bytes, count: max(count, 0))
      (base + max(count, 0)).initialize(repeating: 0, count: fastCount - max(count, 0))
      return decode(padded: base, count: count, codeSize: codeSize, into: &instruction)
    }
  }

  private static func decode(
    padded bytes: UnsafePointer<UInt8>, count: Int, codeSize: UInt8,
    into instruction: inout Instruction
  ) -> DecodeStatus {
    var cursor = DecodeCursor(bytes: bytes, codeSize: codeSize)
    let valid = cursor.decode(into: &instruction)
    if cursor.position > maximumLength { return count >= maximumLength ? .tooLong : .truncated }
    if cursor.position > count { return .truncated }
    instruction.length = UInt8(truncatingIfNeeded: cursor.position)
    return valid ? .instruction : .invalid
  }
}

/// The state of decoding one instruction. `bytes` has `Decoder.fastCount` readable bytes: at most
/// 15 prefixes, two opcode bytes, ModRM, SIB, a displacement and a far pointer are read.
private struct DecodeCursor {
  let bytes: UnsafePointer<UInt8>
  var position = 0
  var operandSize: UInt8
  var addressSize: UInt8
  let codeSize: UInt8
  var opcode: UInt8 = 0
  var modrm: UInt8 = 0
  /// The ModRM rm field is a register.
  var isRegister = true
  var registersAreValid = true

  init(bytes: UnsafePointer<UInt8>, codeSize: UInt8) {
    self.bytes = bytes
    self.codeSize = codeSize
    operandSize = codeSize
    addressSize = codeSize
  }

  @inline(__always) mutating func byte() -> UInt8 {
    let value = bytes[position]
    position &+= 1
    return value
  }

  @inline(__always) mutating func word() -> UInt16 {
    let value = UnsafeRawPointer(bytes + position).loadUnaligned(as: UInt16.self)
    position &+= 2
    return value
  }

  @inline(__always) mutating func dword() -> UInt32 {
    let value = UnsafeRawPointer(bytes + position).loadUnaligned(as: UInt32.self)
    position &+= 4
    return value
  }

  @inline(__always) mutating func signedByte() -> UInt32 {
    UInt32(bitPattern: Int32(Int8(bitPattern: byte())))
  }

  @inline(__always) var reg: UInt8 { modrm >> 3 & 7 }
  @inline(__always) var rm: UInt8 { modrm & 7 }

  /// Returns whether the instruction is defined; `position` is then its length, else the number of
  /// bytes that decided it.
  @inline(__always) mutating func decode(into instruction: inout Instruction) -> Bool {
    var prefixes: Prefixes = []
    var segment: UInt8 = 0xFF
    // 0 none, 2 F3, 3 F2; 1 stands for 66 below.
    var repeatPrefix = 0
    prefixLoop: while true {
      opcode = byte()
      switch opcode {
      case 0x26, 0x2E, 0x36, 0x3E:
        segment = opcode >> 3 & 3
        prefixes.insert(.segmentOverride)
      case 0x64, 0x65:
        segment = opcode & 7
        prefixes.insert(.segmentOverride)
      case 0x66:
        operandSize = codeSize ^ 6
        prefixes.insert(.operandSize)
      case 0x67:
        addressSize = codeSize ^ 6
        prefixes.insert(.addressSize)
      case 0xF0: prefixes.insert(.lock)
      case 0xF2: repeatPrefix = 3
      case 0xF3: repeatPrefix = 2
      default: break prefixLoop
      }
      if position >= Decoder.maximumLength {
        position = Decoder.maximumLength + 1
        return false
      }
    }

    let table = InstructionTable.shared
    let entry: OpcodeEntry
    let isX87Escape = opcode & 0xF8 == 0xD8
    if opcode == 0x0F {
      opcode = byte()
      entry = table.opcodes[256 &+ Int(opcode)]
    } else {
      entry = table.opcodes[Int(opcode)]
    }
    var leaf = Int(entry.base)
    if entry.flags & OpcodeEntry.hasModRM != 0 { modrm = byte() }
    if entry.flags & (OpcodeEntry.byPrefix | OpcodeEntry.byModRM) != 0 {
      let byModRM = entry.flags & OpcodeEntry.byModRM != 0
      if entry.flags & OpcodeEntry.byPrefix != 0 {
        let selector = repeatPrefix != 0 ? repeatPrefix : prefixes.contains(.operandSize) ? 1 : 0
        leaf &+= byModRM ? selector &* InstructionTable.leavesPerPrefix : selector
      }
      if byModRM { leaf &+= modrm >= 0xC0 ? 8 &+ Int(modrm & 63) : Int(reg) }
    }
    let row = table.leaves[leaf]
    guard row != InstructionTable.noRow else { return false }
    let form = table.forms[Int(row)]

    if repeatPrefix != 0 && form.flags & RowForm.consumesRepeat == 0 {
      prefixes.insert(repeatPrefix == 2 ? .repeatEqual : .repeatNotEqual)
    }
    instruction = Instruction()
    instruction.row = row
    instruction.operation = form.operation
    instruction.modrm = modrm
    if isX87Escape { instruction.selector = UInt16(opcode & 7) &<< 8 | UInt16(modrm) }
    instruction.addressSize = addressSize
    instruction.base = 8
    instruction.index = 8
    var defaultSegment = SegmentIndex.ds.rawValue
    if entry.flags & OpcodeEntry.hasModRM != 0 && modrm < 0xC0
      && form.flags & RowForm.anyMod == 0
    {
      isRegister = false
      if memoryOperand(into: &instruction) { defaultSegment = SegmentIndex.ss.rawValue }
    }
    instruction.segment = segment == 0xFF ? defaultSegment : segment
    instruction.prefixes = prefixes.rawValue
    instruction.operandSize = form.flags & RowForm.byteForm != 0 ? 1 : operandSize
    instruction.condition = opcode & form.conditionMask | form.condition
    if form.spec0 != .none {
      instruction.operands.0 = operand(form.spec0, &instruction)
      if form.spec1 != .none {
        instruction.operands.1 = operand(form.spec1, &instruction)
        if form.spec2 != .none { instruction.operands.2 = operand(form.spec2, &instruction) }
      }
    }
    if prefixes.contains(.lock)
      && (form.flags & RowForm.lockable == 0 || !instruction.operands.0.isMemory)
    {
      return false
    }
    return registersAreValid
  }

  /// Reads SIB and displacement; returns whether the default segment is SS.
  @inline(__always) private mutating func memoryOperand(
    into instruction: inout Instruction
  ) -> Bool {
    let mod = modrm >> 6
    guard addressSize == 4 else { return memoryOperand16(mod: mod, into: &instruction) }
    var base = rm
    if base == 4 {
      let sib = byte()
      base = sib & 7
      let index = sib >> 3 & 7
      if index != 4 {
        instruction.index = index
        instruction.scale = sib >> 6
      }
    }
    switch mod {
    case 0:
      if base == 5 {
        instruction.displacement = dword()
        return false
      }
    case 1: instruction.displacement = signedByte()
    default: instruction.displacement = dword()
    }
    instruction.base = base
    return base == 4 || base == 5
  }

  /// The 16-bit forms of SDM vol. 2, table 2-1.
  private mutating func memoryOperand16(mod: UInt8, into instruction: inout Instruction) -> Bool {
    // BX+SI BX+DI BP+SI BP+DI SI DI BP BX, one nibble each.
    let base = UInt8(truncatingIfNeeded: 0x3576_5533 as UInt32 >> UInt32(rm &* 4)) & 15
    let index = UInt8(truncatingIfNeeded: 0x8888_7676 as UInt32 >> UInt32(rm &* 4)) & 15
    switch mod {
    case 0:
      if rm == 6 {
        instruction.displacement = UInt32(word())
        return false
      }
    case 1: instruction.displacement = signedByte()
    default: instruction.displacement = UInt32(bitPattern: Int32(Int16(bitPattern: word())))
    }
    instruction.base = base
    instruction.index = index
    return base == 5
  }

  @inline(__always) private func general(_ reg: UInt8, _ size: UInt8) -> Operand {
    Operand(.general, reg: reg, size: size)
  }

  /// The operand in ModRM.rm.
  @inline(__always) private func registerOrMemory(
    _ kind: OperandKind, _ size: UInt8, memory: UInt8
  ) -> Operand {
    isRegister ? Operand(kind, reg: rm, size: size) : Operand(.memory, size: memory)
  }

  /// Also consumes the immediate bytes that belong to the operand.
  private mutating func operand(_ spec: OperandSpec, _ instruction: inout Instruction) -> Operand {
    switch spec {
    case .none: return Operand(.none)
    case .Eb: return registerOrMemory(.general, 1, memory: 1)
    case .Ew: return registerOrMemory(.general, 2, memory: 2)
    case .Ed: return registerOrMemory(.general, 4, memory: 4)
    case .Ev: return registerOrMemory(.general, operandSize, memory: operandSize)
    case .RdMw: return registerOrMemory(.general, 4, memory: 2)
    case .RdMb: return registerOrMemory(.general, 4, memory: 1)
    case .RvMw: return registerOrMemory(.general, operandSize, memory: 2)
    case .Gb: return general(reg, 1)
    case .Gw: return general(reg, 2)
    case .Gd: return general(reg, 4)
    case .Gv: return general(reg, operandSize)
    case .Rd: return general(rm, 4)
    case .Rw: return general(rm, 2)
    case .Rv: return general(rm, operandSize)
    case .M, .M512: return Operand(.memory)
    case .Mb: return Operand(.memory, size: 1)
    case .Mw: return Operand(.memory, size: 2)
    case .Md: return Operand(.memory, size: 4)
    case .Mq: return Operand(.memory, size: 8)
    case .Mx: return Operand(.memory, size: 16)
    case .Mt: return Operand(.memory, size: 10)
    case .Ma: return Operand(.memory, size: operandSize &* 2)
    case .Mp: return Operand(.memory, size: operandSize &+ 2)
    case .Ms: return Operand(.memory, size: 6)
    case .M14or28: return Operand(.memory, size: operandSize == 2 ? 14 : 28)
    case .M94or108: return Operand(.memory, size: operandSize == 2 ? 94 : 108)
    case .Ib:
      instruction.immediate = UInt32(byte())
      return Operand(.immediate, size: 1)
    case .Ibs:
      instruction.immediate = signedByte()
      return Operand(.immediate, size: operandSize)
    case .Iw:
      instruction.immediate = UInt32(word())
      return Operand(.immediate, size: 2)
    case .Iz:
      instruction.immediate = operandSize == 2 ? UInt32(word()) : dword()
      return Operand(.immediate, size: operandSize)
    case .Ib2:
      instruction.selector = UInt16(byte())
      return Operand(.immediate2, size: 1)
    case .one:
      instruction.immediate = 1
      return Operand(.immediate, size: 1)
    case .Jb:
      instruction.immediate = signedByte()
      return Operand(.relative, size: 1)
    case .Jz:
      instruction.immediate =
        operandSize == 2 ? UInt32(bitPattern: Int32(Int16(bitPattern: word()))) : dword()
      return Operand(.relative, size: operandSize)
    case .Ap:
      instruction.immediate = operandSize == 2 ? UInt32(word()) : dword()
      instruction.selector = word()
      return Operand(.farPointer, size: operandSize &+ 2)
    case .Ob, .Ov:
      instruction.displacement = addressSize == 2 ? UInt32(word()) : dword()
      return Operand(.memory, size: spec == .Ob ? 1 : operandSize)
    case .Sw:
      if reg > 5 || (reg == 1 && instruction.kind == .movToSegment) { registersAreValid = false }
      return Operand(.segment, reg: reg, size: 2)
    case .Cd:
      if reg == 1 || reg > 4 { registersAreValid = false }
      return Operand(.control, reg: reg, size: 4)
    case .Dd: return Operand(.debug, reg: reg, size: 4)
    case .Zb: return general(opcode & 7, 1)
    case .Zv: return general(opcode & 7, operandSize)
    case .Zd: return general(opcode & 7, 4)
    case .AL: return general(0, 1)
    case .AX: return general(0, 2)
    case .eAX: return general(0, operandSize)
    case .CL: return general(1, 1)
    case .DX: return general(2, 2)
    case .eDX: return general(2, operandSize)
    case .ES, .CS, .SS, .DS, .FS, .GS:
      return Operand(.segment, reg: spec.rawValue &- OperandSpec.ES.rawValue, size: 2)
    case .Xb: return Operand(.stringSource, size: 1)
    case .Xv: return Operand(.stringSource, size: operandSize)
    case .Yb: return Operand(.stringDestination, size: 1)
    case .Yv: return Operand(.stringDestination, size: operandSize)
    case .ST0: return Operand(.x87, size: 10)
    case .STi: return Operand(.x87, reg: rm, size: 10)
    case .Pq: return Operand(.mmx, reg: reg, size: 8)
    case .Nq: return Operand(.mmx, reg: rm, size: 8)
    case .Qq: return registerOrMemory(.mmx, 8, memory: 8)
    case .Qd: return registerOrMemory(.mmx, 4, memory: 4)
    case .Vx: return Operand(.xmm, reg: reg, size: 16)
    case .Ux: return Operand(.xmm, reg: rm, size: 16)
    case .Wx: return registerOrMemory(.xmm, 16, memory: 16)
    case .Wq: return registerOrMemory(.xmm, 8, memory: 8)
    case .Wd: return registerOrMemory(.xmm, 4, memory: 4)
    }
  }
}
