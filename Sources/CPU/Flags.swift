import Memory

// Arithmetic flags are lazy: an instruction stores its sign-extended result and the vector of carries out
// of every bit (shifted so that the operand's top bit is bit 31), and readers derive what they need:
//   CF = carries[31]             OF = carries[31] ^ carries[30]      AF = carries[3]
//   ZF = low 32 bits of result == 0      SF = result[63]
//   PF = even parity of (result[7:0] ^ carries[15:8])
// carries[15:8] is zero but for flags that were loaded as bits (POPF, SAHF), where no result has them.

/// EFLAGS bits. SDM vol. 1, 3.4.3.
public enum EFLAGS {
  public static let cf: UInt32 = 1 << 0
  public static let pf: UInt32 = 1 << 2
  public static let af: UInt32 = 1 << 4
  public static let zf: UInt32 = 1 << 6
  public static let sf: UInt32 = 1 << 7
  public static let tf: UInt32 = 1 << 8
  public static let `if`: UInt32 = 1 << 9
  public static let df: UInt32 = 1 << 10
  public static let of: UInt32 = 1 << 11
  public static let iopl: UInt32 = 3 << 12
  public static let nt: UInt32 = 1 << 14
  public static let rf: UInt32 = 1 << 16
  public static let vm: UInt32 = 1 << 17
  public static let ac: UInt32 = 1 << 18
  public static let vif: UInt32 = 1 << 19
  public static let vip: UInt32 = 1 << 20
  public static let id: UInt32 = 1 << 21
  /// The six arithmetic flags.
  public static let arithmetic: UInt32 = cf | pf | af | zf | sf | of
}

@usableFromInline let carryMask: UInt32 = 0xC000_0008

extension CPU {
  // MARK: Setting

  /// Records a result and its carry vector.
  @inlinable @inline(__always)
  public func setFlags<T: FixedWidthInteger & UnsignedInteger>(result: T, carries: T) {
    if T.bitWidth == 32 {
      pointee.flagResult = Int64(Int32(truncatingIfNeeded: result))
      pointee.flagCarries = UInt32(truncatingIfNeeded: carries) & carryMask
    } else if T.bitWidth == 16 {
      pointee.flagResult = Int64(Int16(truncatingIfNeeded: result))
      let c = UInt32(truncatingIfNeeded: carries)
      pointee.flagCarries = ((c &<< 16) & 0xC000_0000) | (c & 8)
    } else {
      pointee.flagResult = Int64(Int8(truncatingIfNeeded: result))
      let c = UInt32(truncatingIfNeeded: carries)
      pointee.flagCarries = ((c &<< 24) & 0xC000_0000) | (c & 8)
    }
  }

  /// The flags of AND, OR, XOR, TEST: CF = OF = 0; AF, which they leave undefined, is cleared.
  @inlinable @inline(__always)
  public func setLogicFlags<T: FixedWidthInteger & UnsignedInteger>(_ result: T) {
    setFlags(result: result, carries: 0)
  }

  /// `a + b + carry` with its flags.
  @inlinable @inline(__always)
  public func add<T: FixedWidthInteger & UnsignedInteger>(_ a: T, _ b: T, carry: T = 0) -> T {
    let r = a &+ b &+ carry
    setFlags(result: r, carries: (a & b) | ((a | b) & ~r))
    return r
  }

  /// `a - b - borrow` with its flags.
  @inlinable @inline(__always)
  public func subtract<T: FixedWidthInteger & UnsignedInteger>(_ a: T, _ b: T, borrow: T = 0) -> T {
    let r = a &- b &- borrow
    setFlags(result: r, carries: (~a & b) | ((~a | b) & r))
    return r
  }

  /// Replaces CF and leaves the other flags.
  @inlinable @inline(__always)
  public func setCarry(_ carry: Bool) {
    let difference = (pointee.flagCarries ^ (carry ? 0x8000_0000 : 0)) & 0x8000_0000
    // OF is the difference of bits 31 and 30: flipping both keeps it.
    pointee.flagCarries ^= difference | (difference >> 1)
  }

  /// Replaces CF and OF and leaves the other flags.
  @inlinable @inline(__always)
  public func setCarryAndOverflow(_ carry: Bool, _ overflow: Bool) {
    pointee.flagCarries =
      (pointee.flagCarries & 0x3FFF_FFFF) | (carry ? 0x8000_0000 : 0)
      | (carry != overflow ? 0x4000_0000 : 0)
  }

  /// Loads the six arithmetic flags from their EFLAGS bits.
  @inlinable
  public func setArithmeticFlags(_ bits: UInt32) {
    let zero = bits & EFLAGS.zf != 0
    let sign = bits & EFLAGS.sf != 0
    let carry = bits & EFLAGS.cf != 0
    let overflow = bits & EFLAGS.of != 0
    let parity = bits & EFLAGS.pf != 0
    pointee.flagResult = (zero ? 0 : 1) | (sign ? Int64.min : 0)
    // The low byte is 0 (even) or 1 (odd); flip one bit where PF wants the other parity.
    let flip = zero != parity
    pointee.flagCarries =
      (carry ? 0x8000_0000 : 0) | (carry != overflow ? 0x4000_0000 : 0)
      | (bits & EFLAGS.af != 0 ? 8 : 0) | (flip ? 0x100 : 0)
  }

  // MARK: Reading

  @inlinable public var carryFlag: Bool {
    @inline(__always) get { pointee.flagCarries & 0x8000_0000 != 0 }
  }
  @inlinable public var overflowFlag: Bool {
    @inline(__always) get {
      (pointee.flagCarries ^ (pointee.flagCarries &<< 1)) & 0x8000_0000 != 0
    }
  }
  @inlinable public var zeroFlag: Bool {
    @inline(__always) get { UInt32(truncatingIfNeeded: pointee.flagResult) == 0 }
  }
  @inlinable public var signFlag: Bool {
    @inline(__always) get { pointee.flagResult < 0 }
  }
  @inlinable public var adjustFlag: Bool {
    @inline(__always) get { pointee.flagCarries & 8 != 0 }
  }
  @inlinable public var parityFlag: Bool {
    @inline(__always) get {
      let byte =
        UInt8(truncatingIfNeeded: pointee.flagResult)
        ^ UInt8(truncatingIfNeeded: pointee.flagCarries >> 8)
      return byte.nonzeroBitCount & 1 == 0
    }
  }

  /// The six arithmetic flags as EFLAGS bits.
  @inlinable public var arithmeticFlags: UInt32 {
    var bits: UInt32 = 0
    if carryFlag { bits |= EFLAGS.cf }
    if parityFlag { bits |= EFLAGS.pf }
    if adjustFlag { bits |= EFLAGS.af }
    if zeroFlag { bits |= EFLAGS.zf }
    if signFlag { bits |= EFLAGS.sf }
    if overflowFlag { bits |= EFLAGS.of }
    return bits
  }

  /// The whole EFLAGS register.
  @inlinable public var eflags: UInt32 { pointee.eflags | arithmeticFlags | 2 }

  /// Replaces the whole EFLAGS register and lets the engine see a changed IF, TF, RF, VM or AC.
  public func setEFLAGS(_ value: UInt32) {
    changeEFLAGS(value)
    requestAttention()
  }

  /// The same for instructions that can do without attention where no flag asks for it.
  public func changeEFLAGS(_ value: UInt32) {
    setArithmeticFlags(value)
    let old = pointee.eflags
    pointee.eflags = (value & 0x003F_7700) | 2
    let changed = old ^ pointee.eflags
    if changed & EFLAGS.ac != 0 { selectTLB() }
    let accepts = pointee.eflags & EFLAGS.if != 0 && pointee.interruptLine != 0
    if accepts || (old | pointee.eflags) & (EFLAGS.tf | EFLAGS.rf) != 0
      || changed & (EFLAGS.ac | EFLAGS.vm) != 0
    {
      requestAttention()
    }
  }

  /// Whether condition code `condition` (0...15, as in Jcc) holds. SDM vol. 1, appendix B.
  @inlinable @inline(__always)
  public func holds(_ condition: UInt8) -> Bool {
    let positive: Bool
    switch condition >> 1 {
    case 0: positive = overflowFlag
    case 1: positive = carryFlag
    case 2: positive = zeroFlag
    case 3: positive = carryFlag || zeroFlag
    case 4: positive = signFlag
    case 5: positive = parityFlag
    case 6: positive = signFlag != overflowFlag
    default: positive = zeroFlag || signFlag != overflowFlag
    }
    return positive != (condition & 1 != 0)
  }
}
