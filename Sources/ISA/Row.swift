/// The arithmetic flags as a set; the order follows EFLAGS. SDM vol. 1, 3.4.3.1.
public struct FlagSet: OptionSet, Sendable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let cf = FlagSet(rawValue: 1)
  public static let pf = FlagSet(rawValue: 2)
  public static let af = FlagSet(rawValue: 4)
  public static let zf = FlagSet(rawValue: 8)
  public static let sf = FlagSet(rawValue: 16)
  public static let of = FlagSet(rawValue: 32)
  public static let df = FlagSet(rawValue: 64)
  public static let none: FlagSet = []
  /// CF PF AF ZF SF OF.
  public static let all: FlagSet = [.cf, .pf, .af, .zf, .sf, .of]
}

/// How an operand is encoded, in the notation of SDM vol. 2, appendix A.2 where it has one.
public enum OperandSpec: UInt8, Sendable, CaseIterable {
  case none
  /// ModRM.rm general register or memory of 1, 2, 4, operand-size bytes.
  case Eb, Ew, Ed, Ev
  /// ModRM.reg general register.
  case Gb, Gw, Gd, Gv
  /// ModRM.rm, register only.
  case Rd, Rv, Rw
  /// Memory only: none/1/2/4/8/16/10 bytes, BOUND pair, far pointer, 6-byte table.
  case M, Mb, Mw, Md, Mq, Mx, Mt, Ma, Mp, Ms
  /// x87 environment, x87 state, FXSAVE image.
  case M14or28, M94or108, M512
  /// ModRM.rm: 32-bit register or 16-bit memory.
  case RdMw
  /// ModRM.rm: 32-bit register or 8-bit memory.
  case RdMb
  /// ModRM.rm: operand-size register or 16-bit memory.
  case RvMw
  /// Immediates: byte, word, operand size (max 4), sign-extended byte.
  case Ib, Iw, Iz, Ibs
  /// Second immediate byte (ENTER).
  case Ib2
  /// The constant 1 (shifts).
  case one
  /// Relative displacements.
  case Jb, Jz
  /// Direct far pointer.
  case Ap
  /// Moffs.
  case Ob, Ov
  /// ModRM.reg segment register.
  case Sw
  /// ModRM.reg control, debug register.
  case Cd, Dd
  /// Register in opcode bits 2:0.
  case Zb, Zv, Zd
  /// Fixed general registers; e.. = operand size.
  case AL, AX, eAX, CL, DX, eDX
  /// Fixed segment registers.
  case ES, CS, SS, DS, FS, GS
  /// String source and destination.
  case Xb, Xv, Yb, Yv
  /// x87 top of stack; ST(ModRM.rm).
  case ST0, STi
  /// MMX: ModRM.reg; ModRM.rm register only; ModRM.rm register or 8 / 4 bytes of memory.
  case Pq, Nq, Qq, Qd
  /// XMM: ModRM.reg; ModRM.rm register only; ModRM.rm register or 16/8/4 bytes.
  case Vx, Ux, Wx, Wq, Wd
}

/// The flags an instruction reads, defines, and leaves undefined.
public struct FlagUse: Sendable {
  public var reads: FlagSet
  /// Flags that get a defined value.
  public var writes: FlagSet
  /// Flags whose value afterwards the manual does not define. Shifts and rotates by a count other
  /// than 1 leave OF undefined as well, and change no flag when the count is 0.
  public var undefined: FlagSet

  init(reads: FlagSet = [], writes: FlagSet = [], undefined: FlagSet = []) {
    self.reads = reads
    self.writes = writes
    self.undefined = undefined
  }

  static let none = FlagUse()
  /// ADD, SUB, CMP, NEG, XADD, CMPXCHG...
  static let arithmetic = FlagUse(writes: .all)
  /// ADC, SBB.
  static let withCarry = FlagUse(reads: .cf, writes: .all)
  /// AND, OR, XOR, TEST.
  static let logic = FlagUse(writes: [.cf, .pf, .zf, .sf, .of], undefined: .af)
  /// INC, DEC.
  static let allButCarry = FlagUse(writes: [.pf, .af, .zf, .sf, .of])
  static let multiply = FlagUse(writes: [.cf, .of], undefined: [.pf, .af, .zf, .sf])
  static let divide = FlagUse(undefined: .all)
  static let bitTest = FlagUse(writes: .cf, undefined: [.pf, .af, .sf, .of])
  static let bitScan = FlagUse(writes: .zf, undefined: [.cf, .pf, .af, .sf, .of])
  /// Jcc, SETcc, CMOVcc: which ones depends on the condition, see `Instruction.flagsRead`.
  static let condition = FlagUse(reads: [.cf, .pf, .zf, .sf, .of])
  /// LAR, LSL, VERR, VERW, ARPL, CMPXCHG8B.
  static let zero = FlagUse(writes: .zf)
  /// String instructions that do not compare.
  static let direction = FlagUse(reads: .df)
  /// CMPS, SCAS.
  static let compareString = FlagUse(reads: .df, writes: .all)
}

/// The exceptions an instruction can raise beyond those of fetching it. SDM vol. 3, table 6-1.
public struct Faults: OptionSet, Sendable {
  public let rawValue: UInt16
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
  public static let none: Faults = []
  /// #DE
  public static let divideError = Faults(rawValue: 1)
  /// #DB or #BP raised by the instruction itself.
  public static let debug = Faults(rawValue: 2)
  /// #OF
  public static let overflow = Faults(rawValue: 4)
  /// #BR
  public static let boundRange = Faults(rawValue: 8)
  /// #UD for a valid encoding: LOCK, the CPU mode, or a control-register bit.
  public static let invalidOpcode = Faults(rawValue: 16)
  /// #NM
  public static let deviceNotAvailable = Faults(rawValue: 32)
  /// #GP, #SS, #PF, #AC of a memory or stack access.
  public static let memory = Faults(rawValue: 64)
  /// #GP for a reason other than a memory access: privilege, selector, limit of EIP, reserved bits.
  public static let generalProtection = Faults(rawValue: 128)
  /// #NP, #TS, #SS of loading a segment register or of a task switch.
  public static let segment = Faults(rawValue: 256)
  /// #MF
  public static let x87FloatingPoint = Faults(rawValue: 512)
  /// #XM
  public static let simdFloatingPoint = Faults(rawValue: 1024)
}

/// What a row says beyond its encoding. SDM vol. 2, instruction reference.
public struct RowAttributes: OptionSet, Sendable {
  public let rawValue: UInt16
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// A block ends after it: control transfer or a change of mode, segment, paging or interrupt
  /// state.
  public static let endsBlock = RowAttributes(rawValue: 1)
  /// May be executed by the host CPU for ring-3 code with the same effect.
  public static let directSafe = RowAttributes(rawValue: 2)
  /// LOCK is allowed when the destination is memory.
  public static let lockable = RowAttributes(rawValue: 4)
  /// REP/REPE/REPNE are meaningful.
  public static let repeatable = RowAttributes(rawValue: 8)
  /// #GP or #UD outside CPL 0 / real mode.
  public static let privileged = RowAttributes(rawValue: 16)
  /// I/O, subject to IOPL and the I/O bitmap.
  public static let io = RowAttributes(rawValue: 32)
  /// #UD in real and virtual-8086 mode.
  public static let protectedOnly = RowAttributes(rawValue: 64)
  /// Does not write its first operand (CMP, TEST, PUSH, ...).
  public static let readsOnly = RowAttributes(rawValue: 128)
  /// Writes its first operand without reading it (MOV, SETcc, LEA, ...).
  public static let writesOnly = RowAttributes(rawValue: 256)
  /// Uses x87/MMX state: #NM by CR0.TS (and CR0.EM unless `mmx`), #MF.
  public static let x87 = RowAttributes(rawValue: 512)
  /// Uses XMM state: #UD by CR0.EM / CR4.OSFXSR, #NM by CR0.TS.
  public static let sse = RowAttributes(rawValue: 1024)
  /// A 16-byte memory operand must be aligned, else #GP(0).
  public static let aligned = RowAttributes(rawValue: 2048)
  /// Undocumented or aliased encoding: decoded and executed, left out by generators of typical
  /// code.
  public static let alias = RowAttributes(rawValue: 4096)
  /// Uses MMX registers: #UD by CR0.EM, and sets TOP and the tags.
  public static let mmx = RowAttributes(rawValue: 8192)
}

/// Clocks by addressing form in the Pentium table. See docs/timing.md.
public struct Cycles: Sendable {
  /// The register form; for string instructions, the one without a repeat prefix.
  public var register: UInt16
  /// The memory form; for string instructions, the set-up of the repeated one.
  public var memory: UInt16
  /// Each iteration of a repeated string instruction.
  public var perIteration: UInt16
  public init(_ register: UInt16, memory: UInt16? = nil, perIteration: UInt16 = 0) {
    self.register = register
    self.memory = memory ?? register
    self.perIteration = perIteration
  }
}

/// One instruction form: everything that decoder, engines, timing and tests know about it.
public struct Row: Sendable {
  /// Intel mnemonic; `cc` at the end stands for the condition, forms that differ by operand size
  /// (CBW/CWDE, MOVSB/MOVSD) share one.
  public let mnemonic: String
  public let operation: Operation
  /// In the manual's notation, see `Encoding`.
  public let encoding: Encoding
  /// Up to three operands, destination first; the rest are `none`.
  public let operands: (OperandSpec, OperandSpec, OperandSpec)
  public let flags: FlagUse
  public let faults: Faults
  public let attributes: RowAttributes
  public let cycles: Cycles
  /// The condition of a row that has a fixed one (FCMOVcc).
  public let condition: UInt8

  /// The operands that are there.
  public var operandList: [OperandSpec] {
    [operands.0, operands.1, operands.2].filter { $0 != .none }
  }
}

/// Makes a row; faults that follow from operands and attributes are added to `faults`.
func row(
  _ mnemonic: String, _ operation: Operation, _ encoding: String, _ operands: [OperandSpec],
  _ cycles: Cycles, _ flags: FlagUse = .none, _ attributes: RowAttributes = [],
  faults: Faults = .none, condition: UInt8 = 0
) -> Row {
  var faults = faults
  if operands.contains(where: \.canBeMemory) && operation != .lea && operation != .prefetch
    && operation != .nop && operation != .invlpg
  {
    faults.insert(.memory)
  }
  if !attributes.isDisjoint(with: [.lockable, .protectedOnly]) { faults.insert(.invalidOpcode) }
  if !attributes.isDisjoint(with: [.privileged, .io]) { faults.insert(.generalProtection) }
  if attributes.contains(.aligned) { faults.insert(.generalProtection) }
  if attributes.contains(.x87) { faults.formUnion([.deviceNotAvailable, .x87FloatingPoint]) }
  if !attributes.isDisjoint(with: [.mmx, .sse]) {
    faults.formUnion([.invalidOpcode, .deviceNotAvailable])
  }
  func operand(_ index: Int) -> OperandSpec { index < operands.count ? operands[index] : .none }
  return Row(
    mnemonic: mnemonic, operation: operation, encoding: Encoding(encoding),
    operands: (operand(0), operand(1), operand(2)), flags: flags, faults: faults,
    attributes: attributes, cycles: cycles, condition: condition)
}

/// Makes the row of an instruction that ring-3 code may run on the host CPU.
func user(
  _ mnemonic: String, _ operation: Operation, _ encoding: String, _ operands: [OperandSpec],
  _ cycles: Cycles, _ flags: FlagUse = .none, _ attributes: RowAttributes = [],
  faults: Faults = .none, condition: UInt8 = 0
) -> Row {
  row(
    mnemonic, operation, encoding, operands, cycles, flags, attributes.union(.directSafe),
    faults: faults, condition: condition)
}

/// Shorthand of the rows for `Cycles`.
func cycles(_ register: UInt16, _ memory: UInt16? = nil, each: UInt16 = 0) -> Cycles {
  Cycles(register, memory: memory, perIteration: each)
}

extension OperandSpec {
  /// Encoded in ModRM.rm, and must be memory.
  public var isMemoryOnly: Bool {
    switch self {
    case .M, .Mb, .Mw, .Md, .Mq, .Mx, .Mt, .Ma, .Mp, .Ms, .M14or28, .M94or108, .M512: true
    default: false
    }
  }
  /// Encoded in ModRM.rm, and must be a register.
  public var isRegisterOnly: Bool {
    switch self {
    case .Rd, .Rv, .Rw, .Nq, .Ux: true
    default: false
    }
  }
  /// Encoded in ModRM.rm as register or memory.
  public var isRegisterOrMemory: Bool {
    switch self {
    case .Eb, .Ew, .Ed, .Ev, .RdMw, .RdMb, .RvMw, .Qq, .Qd, .Wx, .Wq, .Wd: true
    default: false
    }
  }
  /// Some form of it accesses memory.
  public var canBeMemory: Bool {
    if isMemoryOnly || isRegisterOrMemory { return true }
    switch self {
    case .Ob, .Ov, .Xb, .Xv, .Yb, .Yv: return true
    default: return false
    }
  }
  /// An 8-bit general register or memory operand, which makes the instruction a byte form.
  public var isByte: Bool {
    switch self {
    case .Eb, .Gb, .AL, .Xb, .Yb, .Zb, .Ob: true
    default: false
    }
  }
}
