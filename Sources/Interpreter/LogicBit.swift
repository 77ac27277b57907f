import CPU
import ISA
import Memory

// BT, BTS, BTR, BTC, BSF, BSR. SDM vol. 2, under each name.

/// What a bit test does to the bit after having copied it to CF.
protocol BitOperation {
  static var writes: Bool { get }
  static func apply<T: GuestInteger>(_ value: T, _ mask: T) -> T
}

extension BitOperation {
  static var writes: Bool { @inline(__always) get { true } }
}

/// CF receives the bit; the flags that the manual leaves undefined stay.
@inline(__always)
private func bitTest<O: BitOperation, T: GuestInteger>(_ cpu: CPU, _ op: Op, _: O.Type, _: T.Type)
  -> UInt32
{
  execute(cpu) { () throws(Fault) -> UInt32 in
    let i = op.pointee.instruction
    let offset: T =
      i.operands.1.isImmediate
      ? T(truncatingIfNeeded: i.immediate) : cpu.register(i.operands.1.reg, as: T.self)
    let mask: T = 1 &<< offset
    var tested: T = 0
    if i.operands.0.isGeneral {
      tested = cpu.register(i.operands.0.reg, as: T.self)
      if O.writes { cpu.setRegister(i.operands.0.reg, O.apply(tested, mask)) }
    } else {
      var address = cpu.effectiveOffset(op)
      if !i.operands.1.isImmediate {
        // A bit string: the register's signed bit offset selects the word as well.
        let words = CPU.signExtended(offset) >> (T.bitWidth == 16 ? 4 : 5)
        address = address &+ UInt32(truncatingIfNeeded: words &* Int64(MemoryLayout<T>.size))
        if i.addressSize == 2 { address &= 0xFFFF }
      }
      if O.writes {
        try cpu.modify(i.segment, address) { (value: T) -> T in
          tested = value
          return O.apply(value, mask)
        }
      } else {
        tested = try cpu.read(i.segment, address)
      }
    }
    cpu.setCarry(tested & mask != 0)
    return cpu.pointee.stop
  }
}

/// BT
enum BitTest: BitOperation {
  static var writes: Bool { @inline(__always) get { false } }
  @inline(__always)
  static func apply<T: GuestInteger>(_ value: T, _ mask: T) -> T { value }

  static func handler(for i: Instruction) -> Handler {
    i.width == .word
      ? { bitTest($0, $1, BitTest.self, UInt16.self) }
      : { bitTest($0, $1, BitTest.self, UInt32.self) }
  }
}

/// BTS
enum BitSet: BitOperation {
  @inline(__always)
  static func apply<T: GuestInteger>(_ value: T, _ mask: T) -> T { value | mask }

  static func handler(for i: Instruction) -> Handler {
    i.width == .word
      ? { bitTest($0, $1, BitSet.self, UInt16.self) }
      : { bitTest($0, $1, BitSet.self, UInt32.self) }
  }
}

/// BTR
enum BitReset: BitOperation {
  @inline(__always)
  static func apply<T: GuestInteger>(_ value: T, _ mask: T) -> T { value & ~mask }

  static func handler(for i: Instruction) -> Handler {
    i.width == .word
      ? { bitTest($0, $1, BitReset.self, UInt16.self) }
      : { bitTest($0, $1, BitReset.self, UInt32.self) }
  }
}

/// BTC
enum BitComplement: BitOperation {
  @inline(__always)
  static func apply<T: GuestInteger>(_ value: T, _ mask: T) -> T { value ^ mask }

  static func handler(for i: Instruction) -> Handler {
    i.width == .word
      ? { bitTest($0, $1, BitComplement.self, UInt16.self) }
      : { bitTest($0, $1, BitComplement.self, UInt32.self) }
  }
}

// MARK: BSF, BSR

/// A zero source leaves the destination as it is.
func bitScanForwardHandler(for i: Instruction) -> Handler {
  i.width == .word
    ? { bitScan($0, $1, UInt16.self) { $0.trailingZeroBitCount } }
    : { bitScan($0, $1, UInt32.self) { $0.trailingZeroBitCount } }
}

/// A zero source leaves the destination as it is.
func bitScanReverseHandler(for i: Instruction) -> Handler {
  i.width == .word
    ? { bitScan($0, $1, UInt16.self) { 15 &- $0.leadingZeroBitCount } }
    : { bitScan($0, $1, UInt32.self) { 31 &- $0.leadingZeroBitCount } }
}

/// ZF tells whether the source is zero; the other flags, which the manual leaves undefined, are cleared
/// but for PF.
@inline(__always)
private func bitScan<T: GuestInteger>(
  _ cpu: CPU, _ op: Op, _: T.Type, _ index: (T) -> Int
) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let source: T = try cpu.read(op.pointee.instruction.operands.1, op)
    if source != 0 {
      cpu.setRegister(op.pointee.register0, T(truncatingIfNeeded: index(source)))
    }
    cpu.setLogicFlags(source == 0 ? 0 : 1 as T)
    return cpu.pointee.stop
  }
}
