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
public enum OperandSpec: UInt8, Sendable {
  case Eb, Ew, Ed, Ev  // ModRM.rm general register or memory of 1, 2, 4, operand-size bytes
  case Gb, Gw, Gd, Gv  // ModRM.reg general register
  case Rd, Rv, Rw  // ModRM.rm, register only
  case M, Mb, Mw, Md, Mq, Mx, Mt, Ma, Mp, Ms  // memory only: none/1/2/4/8/16/10 bytes, BOUND pair, far pointer, 6-byte table
  case M14or28, M94or108, M512  // x87 environment, x87 state, FXSAVE image
  case RdMw  // ModRM.rm: 32-bit register or 16-bit memory
  case RdMb  // ModRM.rm: 32-bit register or 8-bit memory
  case RvMw  // ModRM.rm: operand-size register or 16-bit memory
  case Ib, Iw, Iz, Ibs  // immediates: byte, word, operand size (max 4), sign-extended byte
  case Ib2  // second immediate byte (ENTER)
  case one  // the constant 1 (shifts)
  case Jb, Jz  // relative displacements
  case Ap  // direct far pointer
  case Ob, Ov  // moffs
  case Sw  // ModRM.reg segment register
  case Cd, Dd  // ModRM.reg control, debug register
  case Zb, Zv, Zd  // register in opcode bits 2:0
  case AL, AX, eAX, CL, DX, eDX  // fixed general registers; e.. = operand size
  case ES, CS, SS, DS, FS, GS  // fixed segment registers
  case Xb, Xv, Yb, Yv  // string source and destination
  case ST0, STi  // x87 top of stack; ST(ModRM.rm)
  case Pq, Nq, Qq, Qd  // MMX: ModRM.reg; ModRM.rm register only; ModRM.rm register or 8 / 4 bytes of memory
  case Vx, Ux, Wx, Wq, Wd  // XMM: ModRM.reg; ModRM.rm register only; ModRM.rm register or 16/8/4 bytes
}

/// What a row says beyond its encoding. SDM vol. 2, instruction reference.
public struct RowAttributes: OptionSet, Sendable {
  public let rawValue: UInt16
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// A block ends after it: control transfer or a change of mode, segment, paging or interrupt state.
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
  /// Uses x87/MMX state: #NM by CR0.EM/TS, #MF.
  public static let x87 = RowAttributes(rawValue: 512)
  /// Uses XMM state: #UD by CR0.EM / CR4.OSFXSR, #NM by CR0.TS.
  public static let sse = RowAttributes(rawValue: 1024)
  /// A 16-byte memory operand must be aligned, else #GP(0).
  public static let aligned = RowAttributes(rawValue: 2048)
  /// Undocumented or aliased encoding: decoded and executed, left out by generators of typical code.
  public static let alias = RowAttributes(rawValue: 4096)
}

/// Clocks by addressing form, in the units of the timing model. See docs/timing.md.
public struct Cycles: Sendable {
  /// Register forms; memory forms; for repeated strings `perIteration` on top of either.
  public var register: UInt16
  public var memory: UInt16
  public var perIteration: UInt16
  public init(_ register: UInt16, memory: UInt16? = nil, perIteration: UInt16 = 0) {
    self.register = register
    self.memory = memory ?? register
    self.perIteration = perIteration
  }
}
