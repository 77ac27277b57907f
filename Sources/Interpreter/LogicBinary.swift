import CPU
import ISA
import Memory

// AND, OR, XOR, TEST in all their forms. SDM vol. 2, under each name.

/// `a & b`
enum And: BinaryOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ b: T) -> T {
    let r = a & b
    cpu.setLogicFlags(r)
    return r
  }

  static func handler(for i: Instruction) -> Handler {
    switch (i.width, i.form) {
    case (.doubleword, .registerRegister): and32RR
    case (.doubleword, .registerImmediate): and32RI
    case (.doubleword, .registerBase): and32RBase
    case (.doubleword, .baseRegister): { binaryMR($0, $1, And.self, UInt32.self, Base.self) }
    case (.doubleword, .baseImmediate): { binaryMI($0, $1, And.self, UInt32.self, Base.self) }
    case (.doubleword, .registerIndexed): { binaryRM($0, $1, And.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedRegister): { binaryMR($0, $1, And.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedImmediate): { binaryMI($0, $1, And.self, UInt32.self, Indexed.self) }
    case (.byte, .registerRegister): { binaryRR($0, $1, And.self, UInt8.self) }
    case (.byte, .registerImmediate): { binaryRI($0, $1, And.self, UInt8.self) }
    case (.byte, .registerBase): { binaryRM($0, $1, And.self, UInt8.self, Base.self) }
    case (.byte, .baseRegister): { binaryMR($0, $1, And.self, UInt8.self, Base.self) }
    case (.byte, .baseImmediate): { binaryMI($0, $1, And.self, UInt8.self, Base.self) }
    case (.byte, .registerIndexed): { binaryRM($0, $1, And.self, UInt8.self, Indexed.self) }
    case (.byte, .indexedRegister): { binaryMR($0, $1, And.self, UInt8.self, Indexed.self) }
    case (.byte, .indexedImmediate): { binaryMI($0, $1, And.self, UInt8.self, Indexed.self) }
    case (.word, .registerRegister): { binaryRR($0, $1, And.self, UInt16.self) }
    case (.word, .registerImmediate): { binaryRI($0, $1, And.self, UInt16.self) }
    case (.byte, _): { binary($0, $1, And.self, UInt8.self) }
    case (.word, _): { binary($0, $1, And.self, UInt16.self) }
    case (.doubleword, _): { binary($0, $1, And.self, UInt32.self) }
    }
  }
}

/// `a | b`
enum Or: BinaryOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ b: T) -> T {
    let r = a | b
    cpu.setLogicFlags(r)
    return r
  }

  static func handler(for i: Instruction) -> Handler {
    switch (i.width, i.form) {
    case (.doubleword, .registerRegister): or32RR
    case (.doubleword, .registerImmediate): or32RI
    case (.doubleword, .registerBase): or32RBase
    case (.doubleword, .baseRegister): { binaryMR($0, $1, Or.self, UInt32.self, Base.self) }
    case (.doubleword, .baseImmediate): { binaryMI($0, $1, Or.self, UInt32.self, Base.self) }
    case (.doubleword, .registerIndexed): { binaryRM($0, $1, Or.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedRegister): { binaryMR($0, $1, Or.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedImmediate): { binaryMI($0, $1, Or.self, UInt32.self, Indexed.self) }
    case (.byte, .registerRegister): { binaryRR($0, $1, Or.self, UInt8.self) }
    case (.byte, .registerImmediate): { binaryRI($0, $1, Or.self, UInt8.self) }
    case (.byte, .registerBase): { binaryRM($0, $1, Or.self, UInt8.self, Base.self) }
    case (.byte, .baseRegister): { binaryMR($0, $1, Or.self, UInt8.self, Base.self) }
    case (.byte, .baseImmediate): { binaryMI($0, $1, Or.self, UInt8.self, Base.self) }
    case (.byte, .registerIndexed): { binaryRM($0, $1, Or.self, UInt8.self, Indexed.self) }
    case (.byte, .indexedRegister): { binaryMR($0, $1, Or.self, UInt8.self, Indexed.self) }
    case (.byte, .indexedImmediate): { binaryMI($0, $1, Or.self, UInt8.self, Indexed.self) }
    case (.word, .registerRegister): { binaryRR($0, $1, Or.self, UInt16.self) }
    case (.word, .registerImmediate): { binaryRI($0, $1, Or.self, UInt16.self) }
    case (.byte, _): { binary($0, $1, Or.self, UInt8.self) }
    case (.word, _): { binary($0, $1, Or.self, UInt16.self) }
    case (.doubleword, _): { binary($0, $1, Or.self, UInt32.self) }
    }
  }
}

/// `a ^ b`
enum ExclusiveOr: BinaryOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ b: T) -> T {
    let r = a ^ b
    cpu.setLogicFlags(r)
    return r
  }

  static func handler(for i: Instruction) -> Handler {
    switch (i.width, i.form) {
    case (.doubleword, .registerRegister): exclusiveOr32RR
    case (.doubleword, .registerImmediate): exclusiveOr32RI
    case (.doubleword, .registerBase):
      exclusiveOr32RBase
    case (.doubleword, .baseRegister):
      { binaryMR($0, $1, ExclusiveOr.self, UInt32.self, Base.self) }
    case (.doubleword, .baseImmediate):
      { binaryMI($0, $1, ExclusiveOr.self, UInt32.self, Base.self) }
    case (.doubleword, .registerIndexed):
      { binaryRM($0, $1, ExclusiveOr.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedRegister):
      { binaryMR($0, $1, ExclusiveOr.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedImmediate):
      { binaryMI($0, $1, ExclusiveOr.self, UInt32.self, Indexed.self) }
    case (.byte, .registerRegister): { binaryRR($0, $1, ExclusiveOr.self, UInt8.self) }
    case (.byte, .registerImmediate): { binaryRI($0, $1, ExclusiveOr.self, UInt8.self) }
    case (.word, .registerRegister): { binaryRR($0, $1, ExclusiveOr.self, UInt16.self) }
    case (.word, .registerImmediate): { binaryRI($0, $1, ExclusiveOr.self, UInt16.self) }
    case (.byte, _): { binary($0, $1, ExclusiveOr.self, UInt8.self) }
    case (.word, _): { binary($0, $1, ExclusiveOr.self, UInt16.self) }
    case (.doubleword, _): { binary($0, $1, ExclusiveOr.self, UInt32.self) }
    }
  }
}

/// The flags of `a & b`
enum Test: BinaryOperation {
  static var writes: Bool { @inline(__always) get { false } }
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ b: T) -> T {
    let r = a & b
    cpu.setLogicFlags(r)
    return r
  }

  static func handler(for i: Instruction) -> Handler {
    switch (i.width, i.form) {
    case (.doubleword, .registerRegister): test32RR
    case (.doubleword, .registerImmediate): test32RI
    case (.doubleword, .registerBase): { binaryRM($0, $1, Test.self, UInt32.self, Base.self) }
    case (.doubleword, .baseRegister): { binaryMR($0, $1, Test.self, UInt32.self, Base.self) }
    case (.doubleword, .baseImmediate): { binaryMI($0, $1, Test.self, UInt32.self, Base.self) }
    case (.doubleword, .registerIndexed): { binaryRM($0, $1, Test.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedRegister): { binaryMR($0, $1, Test.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedImmediate):
      { binaryMI($0, $1, Test.self, UInt32.self, Indexed.self) }
    case (.byte, .registerRegister): test8RR
    case (.byte, .registerImmediate): test8RI
    case (.byte, .registerBase): { binaryRM($0, $1, Test.self, UInt8.self, Base.self) }
    case (.byte, .baseRegister): { binaryMR($0, $1, Test.self, UInt8.self, Base.self) }
    case (.byte, .baseImmediate): test8BaseI
    case (.byte, .registerIndexed): { binaryRM($0, $1, Test.self, UInt8.self, Indexed.self) }
    case (.byte, .indexedRegister): { binaryMR($0, $1, Test.self, UInt8.self, Indexed.self) }
    case (.byte, .indexedImmediate): { binaryMI($0, $1, Test.self, UInt8.self, Indexed.self) }
    case (.word, .registerBase): { binaryRM($0, $1, Test.self, UInt16.self, Base.self) }
    case (.word, .baseRegister): { binaryMR($0, $1, Test.self, UInt16.self, Base.self) }
    case (.word, .baseImmediate): { binaryMI($0, $1, Test.self, UInt16.self, Base.self) }
    case (.word, .registerRegister): { binaryRR($0, $1, Test.self, UInt16.self) }
    case (.word, .registerImmediate): { binaryRI($0, $1, Test.self, UInt16.self) }
    case (.byte, _): { binary($0, $1, Test.self, UInt8.self) }
    case (.word, _): { binary($0, $1, Test.self, UInt16.self) }
    case (.doubleword, _): { binary($0, $1, Test.self, UInt32.self) }
    }
  }
}

// MARK: Frequent handlers. A named function's code is in its C entry, a closure's a jump away.

@inline(__always)
private func and32RR(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRR(cpu, op, And.self, UInt32.self)
}

@inline(__always)
private func and32RI(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRI(cpu, op, And.self, UInt32.self)
}

@inline(__always)
private func and32RBase(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRM(cpu, op, And.self, UInt32.self, Base.self)
}

@inline(__always)
private func or32RR(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRR(cpu, op, Or.self, UInt32.self)
}

@inline(__always)
private func or32RI(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRI(cpu, op, Or.self, UInt32.self)
}

@inline(__always)
private func or32RBase(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRM(cpu, op, Or.self, UInt32.self, Base.self)
}

@inline(__always)
private func exclusiveOr32RR(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRR(cpu, op, ExclusiveOr.self, UInt32.self)
}

@inline(__always)
private func exclusiveOr32RI(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRI(cpu, op, ExclusiveOr.self, UInt32.self)
}

@inline(__always)
private func exclusiveOr32RBase(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRM(cpu, op, ExclusiveOr.self, UInt32.self, Base.self)
}

@inline(__always)
private func test32RR(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRR(cpu, op, Test.self, UInt32.self)
}

@inline(__always)
private func test32RI(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRI(cpu, op, Test.self, UInt32.self)
}

@inline(__always)
private func test8RR(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRR(cpu, op, Test.self, UInt8.self)
}

@inline(__always)
private func test8RI(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRI(cpu, op, Test.self, UInt8.self)
}

@inline(__always)
private func test8BaseI(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryMI(cpu, op, Test.self, UInt8.self, Base.self)
}
