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
    case (.doubleword, .registerRegister): { binaryRR($0, $1, Add.self, UInt32.self) }
    case (.doubleword, .registerImmediate): { binaryRI($0, $1, Add.self, UInt32.self) }
    case (.doubleword, .registerBase): { binaryRM($0, $1, Add.self, UInt32.self, Base.self) }
    case (.doubleword, .baseRegister): { binaryMR($0, $1, Add.self, UInt32.self, Base.self) }
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
    case (.doubleword, .registerRegister): { binaryRR($0, $1, Subtract.self, UInt32.self) }
    case (.doubleword, .registerImmediate): { binaryRI($0, $1, Subtract.self, UInt32.self) }
    case (.doubleword, .registerBase): { binaryRM($0, $1, Subtract.self, UInt32.self, Base.self) }
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
    case (.doubleword, .registerRegister): { binaryRR($0, $1, Compare.self, UInt32.self) }
    case (.doubleword, .registerImmediate): { binaryRI($0, $1, Compare.self, UInt32.self) }
    case (.doubleword, .registerBase): { binaryRM($0, $1, Compare.self, UInt32.self, Base.self) }
    case (.doubleword, .baseRegister): { binaryMR($0, $1, Compare.self, UInt32.self, Base.self) }
    case (.doubleword, .baseImmediate): { binaryMI($0, $1, Compare.self, UInt32.self, Base.self) }
    case (.doubleword, .registerIndexed):
      { binaryRM($0, $1, Compare.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedRegister):
      { binaryMR($0, $1, Compare.self, UInt32.self, Indexed.self) }
    case (.doubleword, .indexedImmediate):
      { binaryMI($0, $1, Compare.self, UInt32.self, Indexed.self) }
    case (.byte, .registerRegister): { binaryRR($0, $1, Compare.self, UInt8.self) }
    case (.byte, .registerImmediate): { binaryRI($0, $1, Compare.self, UInt8.self) }
    case (.byte, .registerBase): { binaryRM($0, $1, Compare.self, UInt8.self, Base.self) }
    case (.byte, .baseRegister): { binaryMR($0, $1, Compare.self, UInt8.self, Base.self) }
    case (.byte, .baseImmediate): { binaryMI($0, $1, Compare.self, UInt8.self, Base.self) }
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
