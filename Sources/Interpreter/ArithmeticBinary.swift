import CPU
import ISA
import Memory

// ADD, ADC, SUB, SBB, CMP in all their forms. SDM vol. 2, under each name.

/// `a + b`
enum Add: BinaryOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ b: T) -> T {
    cpu.add(a, b)
  }

  static func handler(for i: Instruction) -> Handler {
    switch (i.width, i.form) {
    case (.doubleword, .registerRegister): add32RR
    case (.doubleword, .registerImmediate): add32RI
    case (.doubleword, .registerBase): add32RBase
    case (.doubleword, .baseRegister): add32BaseR
    case (.doubleword, .baseImmediate): { binaryMI($0, $1, Add.self, UInt32.self, Base.self) }
    case (.doubleword, .registerIndexed): { binaryRM($0, $1, Add.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedRegister): { binaryMR($0, $1, Add.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedImmediate): { binaryMI($0, $1, Add.self, UInt32.self, Indexed.self) }
    case (.byte, .registerRegister): { binaryRR($0, $1, Add.self, UInt8.self) }
    case (.byte, .registerImmediate): { binaryRI($0, $1, Add.self, UInt8.self) }
    case (.byte, .registerBase): { binaryRM($0, $1, Add.self, UInt8.self, Base.self) }
    case (.byte, .baseRegister): { binaryMR($0, $1, Add.self, UInt8.self, Base.self) }
    case (.byte, .baseImmediate): { binaryMI($0, $1, Add.self, UInt8.self, Base.self) }
    case (.byte, .registerIndexed): { binaryRM($0, $1, Add.self, UInt8.self, Indexed.self) }
    case (.byte, .indexedRegister): { binaryMR($0, $1, Add.self, UInt8.self, Indexed.self) }
    case (.byte, .indexedImmediate): { binaryMI($0, $1, Add.self, UInt8.self, Indexed.self) }
    case (.word, .registerRegister): { binaryRR($0, $1, Add.self, UInt16.self) }
    case (.word, .registerImmediate): { binaryRI($0, $1, Add.self, UInt16.self) }
    case (.byte, _): { binary($0, $1, Add.self, UInt8.self) }
    case (.word, _): { binary($0, $1, Add.self, UInt16.self) }
    case (.doubleword, _): { binary($0, $1, Add.self, UInt32.self) }
    }
  }
}

/// `a + b + CF`
enum AddWithCarry: BinaryOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ b: T) -> T {
    cpu.add(a, b, carry: cpu.carryFlag ? 1 : 0)
  }

  static func handler(for i: Instruction) -> Handler {
    switch (i.width, i.form) {
    case (.doubleword, .registerRegister): { binaryRR($0, $1, AddWithCarry.self, UInt32.self) }
    case (.doubleword, .registerImmediate): { binaryRI($0, $1, AddWithCarry.self, UInt32.self) }
    case (.doubleword, .registerBase):
      { binaryRM($0, $1, AddWithCarry.self, UInt32.self, Base.self) }
    case (.doubleword, .baseRegister):
      { binaryMR($0, $1, AddWithCarry.self, UInt32.self, Base.self) }
    case (.doubleword, .baseImmediate):
      { binaryMI($0, $1, AddWithCarry.self, UInt32.self, Base.self) }
    case (.doubleword, .registerIndexed):
      { binaryRM($0, $1, AddWithCarry.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedRegister):
      { binaryMR($0, $1, AddWithCarry.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedImmediate):
      { binaryMI($0, $1, AddWithCarry.self, UInt32.self, Indexed.self) }
    case (.byte, .registerRegister): { binaryRR($0, $1, AddWithCarry.self, UInt8.self) }
    case (.byte, .registerImmediate): { binaryRI($0, $1, AddWithCarry.self, UInt8.self) }
    case (.word, .registerRegister): { binaryRR($0, $1, AddWithCarry.self, UInt16.self) }
    case (.word, .registerImmediate): { binaryRI($0, $1, AddWithCarry.self, UInt16.self) }
    case (.byte, _): { binary($0, $1, AddWithCarry.self, UInt8.self) }
    case (.word, _): { binary($0, $1, AddWithCarry.self, UInt16.self) }
    case (.doubleword, _): { binary($0, $1, AddWithCarry.self, UInt32.self) }
    }
  }
}

/// `a - b`
enum Subtract: BinaryOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ b: T) -> T {
    cpu.subtract(a, b)
  }

  static func handler(for i: Instruction) -> Handler {
    switch (i.width, i.form) {
    case (.doubleword, .registerRegister): subtract32RR
    case (.doubleword, .registerImmediate): subtract32RI
    case (.doubleword, .registerBase): subtract32RBase
    case (.doubleword, .baseRegister): { binaryMR($0, $1, Subtract.self, UInt32.self, Base.self) }
    case (.doubleword, .baseImmediate): { binaryMI($0, $1, Subtract.self, UInt32.self, Base.self) }
    case (.doubleword, .registerIndexed):
      { binaryRM($0, $1, Subtract.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedRegister):
      { binaryMR($0, $1, Subtract.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedImmediate):
      { binaryMI($0, $1, Subtract.self, UInt32.self, Indexed.self) }
    case (.byte, .registerRegister): { binaryRR($0, $1, Subtract.self, UInt8.self) }
    case (.byte, .registerImmediate): { binaryRI($0, $1, Subtract.self, UInt8.self) }
    case (.byte, .registerBase): { binaryRM($0, $1, Subtract.self, UInt8.self, Base.self) }
    case (.byte, .baseRegister): { binaryMR($0, $1, Subtract.self, UInt8.self, Base.self) }
    case (.byte, .baseImmediate): { binaryMI($0, $1, Subtract.self, UInt8.self, Base.self) }
    case (.byte, .registerIndexed): { binaryRM($0, $1, Subtract.self, UInt8.self, Indexed.self) }
    case (.byte, .indexedRegister): { binaryMR($0, $1, Subtract.self, UInt8.self, Indexed.self) }
    case (.byte, .indexedImmediate): { binaryMI($0, $1, Subtract.self, UInt8.self, Indexed.self) }
    case (.word, .registerRegister): { binaryRR($0, $1, Subtract.self, UInt16.self) }
    case (.word, .registerImmediate): { binaryRI($0, $1, Subtract.self, UInt16.self) }
    case (.byte, _): { binary($0, $1, Subtract.self, UInt8.self) }
    case (.word, _): { binary($0, $1, Subtract.self, UInt16.self) }
    case (.doubleword, _): { binary($0, $1, Subtract.self, UInt32.self) }
    }
  }
}

/// `a - b - CF`
enum SubtractWithBorrow: BinaryOperation {
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ b: T) -> T {
    cpu.subtract(a, b, borrow: cpu.carryFlag ? 1 : 0)
  }

  static func handler(for i: Instruction) -> Handler {
    switch (i.width, i.form) {
    case (.doubleword, .registerRegister):
      { binaryRR($0, $1, SubtractWithBorrow.self, UInt32.self) }
    case (.doubleword, .registerImmediate):
      { binaryRI($0, $1, SubtractWithBorrow.self, UInt32.self) }
    case (.doubleword, .registerBase):
      { binaryRM($0, $1, SubtractWithBorrow.self, UInt32.self, Base.self) }
    case (.doubleword, .baseRegister):
      { binaryMR($0, $1, SubtractWithBorrow.self, UInt32.self, Base.self) }
    case (.doubleword, .baseImmediate):
      { binaryMI($0, $1, SubtractWithBorrow.self, UInt32.self, Base.self) }
    case (.doubleword, .registerIndexed):
      { binaryRM($0, $1, SubtractWithBorrow.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedRegister):
      { binaryMR($0, $1, SubtractWithBorrow.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedImmediate):
      { binaryMI($0, $1, SubtractWithBorrow.self, UInt32.self, Indexed.self) }
    case (.byte, .registerRegister): { binaryRR($0, $1, SubtractWithBorrow.self, UInt8.self) }
    case (.byte, .registerImmediate): { binaryRI($0, $1, SubtractWithBorrow.self, UInt8.self) }
    case (.word, .registerRegister): { binaryRR($0, $1, SubtractWithBorrow.self, UInt16.self) }
    case (.word, .registerImmediate): { binaryRI($0, $1, SubtractWithBorrow.self, UInt16.self) }
    case (.byte, _): { binary($0, $1, SubtractWithBorrow.self, UInt8.self) }
    case (.word, _): { binary($0, $1, SubtractWithBorrow.self, UInt16.self) }
    case (.doubleword, _): { binary($0, $1, SubtractWithBorrow.self, UInt32.self) }
    }
  }
}

/// The flags of `a - b`
enum Compare: BinaryOperation {
  static var writes: Bool { @inline(__always) get { false } }
  @inline(__always)
  static func compute<T: GuestInteger>(_ cpu: CPU, _ a: T, _ b: T) -> T {
    cpu.subtract(a, b)
  }

  static func handler(for i: Instruction) -> Handler {
    switch (i.width, i.form) {
    case (.doubleword, .registerRegister): compare32RR
    case (.doubleword, .registerImmediate): compare32RI
    case (.doubleword, .registerBase): compare32RBase
    case (.doubleword, .baseRegister): compare32BaseR
    case (.doubleword, .baseImmediate): compare32BaseI
    case (.doubleword, .registerIndexed):
      { binaryRM($0, $1, Compare.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedRegister):
      { binaryMR($0, $1, Compare.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedImmediate):
      { binaryMI($0, $1, Compare.self, UInt32.self, Indexed.self) }
    case (.byte, .registerRegister): compare8RR
    case (.byte, .registerImmediate): compare8RI
    case (.byte, .registerBase): { binaryRM($0, $1, Compare.self, UInt8.self, Base.self) }
    case (.byte, .baseRegister): { binaryMR($0, $1, Compare.self, UInt8.self, Base.self) }
    case (.byte, .baseImmediate): compare8BaseI
    case (.byte, .registerIndexed): { binaryRM($0, $1, Compare.self, UInt8.self, Indexed.self) }
    case (.byte, .indexedRegister): { binaryMR($0, $1, Compare.self, UInt8.self, Indexed.self) }
    case (.byte, .indexedImmediate): { binaryMI($0, $1, Compare.self, UInt8.self, Indexed.self) }
    case (.word, .registerBase): { binaryRM($0, $1, Compare.self, UInt16.self, Base.self) }
    case (.word, .baseRegister): { binaryMR($0, $1, Compare.self, UInt16.self, Base.self) }
    case (.word, .baseImmediate): { binaryMI($0, $1, Compare.self, UInt16.self, Base.self) }
    case (.word, .registerRegister): { binaryRR($0, $1, Compare.self, UInt16.self) }
    case (.word, .registerImmediate): { binaryRI($0, $1, Compare.self, UInt16.self) }
    case (.byte, _): { binary($0, $1, Compare.self, UInt8.self) }
    case (.word, _): { binary($0, $1, Compare.self, UInt16.self) }
    case (.doubleword, _): { binary($0, $1, Compare.self, UInt32.self) }
    }
  }
}

// MARK: Frequent handlers. A named function's code is in its C entry, a closure's a jump away.

@inline(__always)
private func add32RR(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRR(cpu, op, Add.self, UInt32.self)
}

@inline(__always)
private func add32RI(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRI(cpu, op, Add.self, UInt32.self)
}

@inline(__always)
private func add32RBase(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRM(cpu, op, Add.self, UInt32.self, Base.self)
}

@inline(__always)
private func add32BaseR(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryMR(cpu, op, Add.self, UInt32.self, Base.self)
}

@inline(__always)
private func subtract32RR(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRR(cpu, op, Subtract.self, UInt32.self)
}

@inline(__always)
private func subtract32RI(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRI(cpu, op, Subtract.self, UInt32.self)
}

@inline(__always)
private func subtract32RBase(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRM(cpu, op, Subtract.self, UInt32.self, Base.self)
}

@inline(__always)
private func compare32RR(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRR(cpu, op, Compare.self, UInt32.self)
}

@inline(__always)
private func compare32RI(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRI(cpu, op, Compare.self, UInt32.self)
}

@inline(__always)
private func compare32RBase(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRM(cpu, op, Compare.self, UInt32.self, Base.self)
}

@inline(__always)
private func compare32BaseR(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryMR(cpu, op, Compare.self, UInt32.self, Base.self)
}

@inline(__always)
private func compare32BaseI(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryMI(cpu, op, Compare.self, UInt32.self, Base.self)
}

@inline(__always)
private func compare8RR(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRR(cpu, op, Compare.self, UInt8.self)
}

@inline(__always)
private func compare8RI(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryRI(cpu, op, Compare.self, UInt8.self)
}

@inline(__always)
private func compare8BaseI(_ cpu: CPU, _ op: Op) -> UInt32 {
  binaryMI(cpu, op, Compare.self, UInt8.self, Base.self)
}
