import CPU
import ISA
import Memory

/// MOVS, CMPS, STOS, LODS, SCAS and their repeated forms. INS and OUTS are in `InputOutput`.
///
/// Every iteration of a repeated form is charged by itself and is a boundary at which the deadline counts,
/// however many iterations are carried out at once. After a fault the registers tell what remains.
enum StringFamily {
  static func handler(for i: Instruction) -> Handler? {
    let isRepeated = !i.prefixSet.isDisjoint(with: [.repeatEqual, .repeatNotEqual])
    return switch (i.kind, isRepeated, i.width) {
    case (.movs, false, .byte): { single($0, $1, MoveString<UInt8>.self) }
    case (.movs, false, .word): { single($0, $1, MoveString<UInt16>.self) }
    case (.movs, false, .doubleword): { single($0, $1, MoveString<UInt32>.self) }
    case (.movs, true, .byte): { repeated($0, $1, MoveString<UInt8>.self) }
    case (.movs, true, .word): { repeated($0, $1, MoveString<UInt16>.self) }
    case (.movs, true, .doubleword): { repeated($0, $1, MoveString<UInt32>.self) }
    case (.stos, false, .byte): { single($0, $1, StoreString<UInt8>.self) }
    case (.stos, false, .word): { single($0, $1, StoreString<UInt16>.self) }
    case (.stos, false, .doubleword): { single($0, $1, StoreString<UInt32>.self) }
    case (.stos, true, .byte): { repeated($0, $1, StoreString<UInt8>.self) }
    case (.stos, true, .word): { repeated($0, $1, StoreString<UInt16>.self) }
    case (.stos, true, .doubleword): { repeated($0, $1, StoreString<UInt32>.self) }
    case (.lods, false, .byte): { single($0, $1, LoadString<UInt8>.self) }
    case (.lods, false, .word): { single($0, $1, LoadString<UInt16>.self) }
    case (.lods, false, .doubleword): { single($0, $1, LoadString<UInt32>.self) }
    case (.lods, true, .byte): { repeated($0, $1, LoadString<UInt8>.self) }
    case (.lods, true, .word): { repeated($0, $1, LoadString<UInt16>.self) }
    case (.lods, true, .doubleword): { repeated($0, $1, LoadString<UInt32>.self) }
    case (.scas, false, .byte): { single($0, $1, ScanString<UInt8>.self) }
    case (.scas, false, .word): { single($0, $1, ScanString<UInt16>.self) }
    case (.scas, false, .doubleword): { single($0, $1, ScanString<UInt32>.self) }
    case (.scas, true, .byte): { repeated($0, $1, ScanString<UInt8>.self) }
    case (.scas, true, .word): { repeated($0, $1, ScanString<UInt16>.self) }
    case (.scas, true, .doubleword): { repeated($0, $1, ScanString<UInt32>.self) }
    case (.cmps, false, .byte): { single($0, $1, CompareString<UInt8>.self) }
    case (.cmps, false, .word): { single($0, $1, CompareString<UInt16>.self) }
    case (.cmps, false, .doubleword): { single($0, $1, CompareString<UInt32>.self) }
    case (.cmps, true, .byte): { repeated($0, $1, CompareString<UInt8>.self) }
    case (.cmps, true, .word): { repeated($0, $1, CompareString<UInt16>.self) }
    case (.cmps, true, .doubleword): { repeated($0, $1, CompareString<UInt32>.self) }
    default: nil
    }
  }
}

/// What a string instruction does with one element.
protocol StringOperation {
  associatedtype Element: GuestInteger
  /// One iteration; the registers change only when nothing can fault any more.
  static func iterate(_ cpu: CPU, _ op: Op) throws(Fault)
  /// Up to `limit` iterations that need no checks.
  /// - Returns: how many were done; 0 if the next one needs checks.
  static func iterateQuickly(_ cpu: CPU, _ op: Op, limit: UInt32) -> UInt32
  /// Whether REPE or REPNE ends a repetition after an iteration.
  static var compares: Bool { get }
}

@inline(__always)
private func single<O: StringOperation>(_ cpu: CPU, _ op: Op, _: O.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    try O.iterate(cpu, op)
    return cpu.pointee.stop
  }
}

@inline(__always)
private func repeated<O: StringOperation>(_ cpu: CPU, _ op: Op, _: O.Type) -> UInt32 {
  execute(cpu) { () throws(Fault) -> UInt32 in
    let isShort = op.pointee.instruction.addressSize == 2
    let whileEqual = op.pointee.instruction.prefixSet.contains(.repeatEqual)
    let cost = UInt64(max(op.pointee.cyclesPerIteration, 1))
    var count = isShort ? UInt32(cpu[gpr16: 1]) : cpu.ecx
    // A single-step trap comes after each iteration. SDM vol. 3, 17.3.1.2.
    let isStepped = cpu.pointee.eflags & EFLAGS.tf != 0
    while count != 0 {
      let now = cpu.now
      let deadline = cpu.pointee.deadline
      // The iterations up to the first boundary at or after the deadline.
      let room = now < deadline && !isStepped ? (deadline &- now &- 1) / cost &+ 1 : 1
      var done = O.iterateQuickly(
        cpu, op, limit: UInt32(truncatingIfNeeded: min(UInt64(count), room)))
      if done == 0 {
        try O.iterate(cpu, op)
        done = 1
      }
      count &-= done
      if isShort {
        cpu[gpr16: 1] = UInt16(truncatingIfNeeded: count)
      } else {
        cpu.ecx = count
      }
      cpu.pointee.cycles &+= UInt64(done) &* cost
      if O.compares && cpu.zeroFlag != whileEqual { break }
      if count != 0, isStepped || cpu.now >= deadline || cpu.pointee.stop != 0 {
        return Leave.restart
      }
    }
    return cpu.pointee.stop
  }
}

extension CPU {
  /// The offset in index register `number` (ESI, EDI) at the instruction's address size.
  @inline(__always)
  func stringOffset(_ number: UInt8, _ op: Op) -> UInt32 {
    op.pointee.instruction.addressSize == 2 ? UInt32(self[gpr16: number]) : self[gpr: number]
  }

  /// Moves index register `number` by `elements` of `size` bytes in the direction of DF.
  @inline(__always)
  func advanceString(_ number: UInt8, _ op: Op, _ size: Int, by elements: UInt32 = 1) {
    let distance = UInt32(truncatingIfNeeded: size) &* elements
    let step = pointee.eflags & EFLAGS.df != 0 ? 0 &- distance : distance
    if op.pointee.instruction.addressSize == 2 {
      self[gpr16: number] = self[gpr16: number] &+ UInt16(truncatingIfNeeded: step)
    } else {
      self[gpr: number] = self[gpr: number] &+ step
    }
  }
}

/// SDM vol. 2 "MOVS".
enum MoveString<T: GuestInteger>: StringOperation {
  typealias Element = T
  static var compares: Bool { @inline(__always) get { false } }

  @inline(__always)
  static func iterate(_ cpu: CPU, _ op: Op) throws(Fault) {
    let value: T = try cpu.read(op.pointee.segment, cpu.stringOffset(6, op))
    try cpu.write(SegmentNumber.es, cpu.stringOffset(7, op), value)
    cpu.advanceString(6, op, MemoryLayout<T>.size)
    cpu.advanceString(7, op, MemoryLayout<T>.size)
  }

  @inline(__always)
  static func iterateQuickly(_ cpu: CPU, _ op: Op, limit: UInt32) -> UInt32 {
    let size = MemoryLayout<T>.size
    let source = StringSpan(cpu, op, register: 6, segment: op.pointee.segment)
    let target = StringSpan(cpu, op, register: 7, segment: SegmentNumber.es)
    let count = min(limit, source.elements(size), target.elements(size))
    guard count != 0, let from = source.readable(cpu, count, size),
      let to = target.writable(cpu, count, size)
    else { return 0 }
    moveElements(from: from, to: to, count: Int(count), isBackward: source.isBackward, T.self)
    cpu.advanceString(6, op, size, by: count)
    cpu.advanceString(7, op, size, by: count)
    return count
  }
}

/// SDM vol. 2 "STOS".
enum StoreString<T: GuestInteger>: StringOperation {
  typealias Element = T
  static var compares: Bool { @inline(__always) get { false } }

  @inline(__always)
  static func iterate(_ cpu: CPU, _ op: Op) throws(Fault) {
    try cpu.write(SegmentNumber.es, cpu.stringOffset(7, op), cpu.register(0, as: T.self))
    cpu.advanceString(7, op, MemoryLayout<T>.size)
  }

  @inline(__always)
  static func iterateQuickly(_ cpu: CPU, _ op: Op, limit: UInt32) -> UInt32 {
    let size = MemoryLayout<T>.size
    let target = StringSpan(cpu, op, register: 7, segment: SegmentNumber.es)
    let count = min(limit, target.elements(size))
    guard count != 0, let to = target.writable(cpu, count, size) else { return 0 }
    fillElements(to, count: Int(count), cpu.register(0, as: T.self))
    cpu.advanceString(7, op, size, by: count)
    return count
  }
}

/// SDM vol. 2 "LODS".
enum LoadString<T: GuestInteger>: StringOperation {
  typealias Element = T
  static var compares: Bool { @inline(__always) get { false } }

  @inline(__always)
  static func iterate(_ cpu: CPU, _ op: Op) throws(Fault) {
    let value: T = try cpu.read(op.pointee.segment, cpu.stringOffset(6, op))
    cpu.setRegister(0, value)
    cpu.advanceString(6, op, MemoryLayout<T>.size)
  }

  @inline(__always)
  static func iterateQuickly(_ cpu: CPU, _ op: Op, limit: UInt32) -> UInt32 { 0 }
}

/// SDM vol. 2 "SCAS".
enum ScanString<T: GuestInteger>: StringOperation {
  typealias Element = T
  static var compares: Bool { @inline(__always) get { true } }

  @inline(__always)
  static func iterate(_ cpu: CPU, _ op: Op) throws(Fault) {
    let value: T = try cpu.read(SegmentNumber.es, cpu.stringOffset(7, op))
    _ = cpu.subtract(cpu.register(0, as: T.self), value)
    cpu.advanceString(7, op, MemoryLayout<T>.size)
  }

  @inline(__always)
  static func iterateQuickly(_ cpu: CPU, _ op: Op, limit: UInt32) -> UInt32 {
    let size = MemoryLayout<T>.size
    let target = StringSpan(cpu, op, register: 7, segment: SegmentNumber.es)
    let available = min(limit, target.elements(size))
    guard available != 0, !target.isBackward, let bytes = target.readable(cpu, available, size)
    else { return 0 }
    let accumulator = cpu.register(0, as: T.self)
    let (count, last) = scanElements(
      bytes, count: Int(available), for: accumulator,
      whileEqual: op.pointee.instruction.prefixSet.contains(.repeatEqual))
    _ = cpu.subtract(accumulator, last)
    cpu.advanceString(7, op, size, by: count)
    return count
  }
}

/// SDM vol. 2 "CMPS".
enum CompareString<T: GuestInteger>: StringOperation {
  typealias Element = T
  static var compares: Bool { @inline(__always) get { true } }

  @inline(__always)
  static func iterate(_ cpu: CPU, _ op: Op) throws(Fault) {
    let first: T = try cpu.read(op.pointee.segment, cpu.stringOffset(6, op))
    let second: T = try cpu.read(SegmentNumber.es, cpu.stringOffset(7, op))
    _ = cpu.subtract(first, second)
    cpu.advanceString(6, op, MemoryLayout<T>.size)
    cpu.advanceString(7, op, MemoryLayout<T>.size)
  }

  @inline(__always)
  static func iterateQuickly(_ cpu: CPU, _ op: Op, limit: UInt32) -> UInt32 {
    let size = MemoryLayout<T>.size
    let source = StringSpan(cpu, op, register: 6, segment: op.pointee.segment)
    let target = StringSpan(cpu, op, register: 7, segment: SegmentNumber.es)
    let available = min(limit, source.elements(size), target.elements(size))
    guard available != 0, !source.isBackward, let a = source.readable(cpu, available, size),
      let b = target.readable(cpu, available, size)
    else { return 0 }
    let (count, first, second) = compareElements(
      a, b, count: Int(available),
      whileEqual: op.pointee.instruction.prefixSet.contains(.repeatEqual), T.self)
    _ = cpu.subtract(first, second)
    cpu.advanceString(6, op, size, by: count)
    cpu.advanceString(7, op, size, by: count)
    return count
  }
}
