import CHost
import CPU
import ISA
import Interpreter
import Memory

// x87, MMX, SSE and SSE2 instructions are executed by the host as they stand, on the guest's state in the host's
// registers. A block that has any makes sure of that at its head; the state stays there until translated code is
// left. Jumps between such blocks are linked behind the check.

extension StateOffset {
  static let instructionOffset = MemoryLayout<CPUState>.offset(of: \.fpu.instructionOffset)!
  static let operandOffset = MemoryLayout<CPUState>.offset(of: \.fpu.operandOffset)!
  static let x87Opcode = MemoryLayout<CPUState>.offset(of: \.translated.x87Opcode)!

  static func isReady(_ need: FloatingPointNeed) -> Int {
    MemoryLayout<CPUState>.offset(of: \.translated.fpuReady)! + Int(need.rawValue) * 4
  }
}

/// What emitted code has not written of the x87 unit's pointers yet.
struct PendingX87Pointers {
  /// FIP and FOP.
  var instruction: (eip: UInt32, opcode: UInt16)?
  /// The instruction whose operand FDP points to.
  var operand: (instruction: Instruction, code: GuestCode)?
  /// The segment of the last operand, to be written with FOP.
  var segment: UInt8?
}

extension Lowering {
  /// Emits a floating-point instruction, with the block's check behind it.
  mutating func copyFloatingPoint(_ i: Instruction, _ code: GuestCode, eip: UInt32) -> Bool {
    guard FloatingPointNeed.of(i) != nil, code.isTwoByte || code.repeatPrefix == 0,
      !i.usesStackRegister
    else { return false }
    writeX87Pointers(before: i)
    if i.hasMemoryOperand, i.segment >= SegmentNumber.fs {
      code.emitAddressToR8(&a)
      addSegmentBase(i.segment)
      code.emitAtR8(&a)
    } else {
      code.emitCopy(&a)
    }
    if X87Pointers.areSet(by: i) {
      pointers.instruction = (eip, i.selector)
      if i.hasMemoryOperand {
        pointers.operand = (i, code)
        pointers.segment = i.segment
      }
    }
    return true
  }

  /// Writes what would be lost or could be seen after `i`, which is not an x87 instruction that faults alone.
  mutating func writeX87Pointers(before i: Instruction) {
    guard let operand = pointers.operand else { return }
    let changed = X87Pointers.changedRegisters(i)
    if changed == 0xFF || changed & X87Pointers.addressRegisters(operand.instruction) != 0 {
      writeX87Operand(operand)
    }
  }

  /// Writes all pointers, before the monitor or a handler may look at them.
  mutating func writeX87Pointers() {
    if let operand = pointers.operand { writeX87Operand(operand) }
    a.storeX87Instruction(pointers)
    pointers = PendingX87Pointers()
  }

  mutating func writeX87Operand(
    _ operand: (instruction: Instruction, code: GuestCode)
  ) {
    if let register = operand.code.plainAddress {
      a.storeState(StateOffset.operandOffset, HostRegister.of(register))
    } else {
      operand.code.emitAddressToR8(&a)
      a.storeState(StateOffset.operandOffset, HostRegister.r8)
    }
    pointers.operand = nil
  }

  /// Whether a handler works on floating-point state, or on segment registers, which the pointers' selectors
  /// are taken from: those that end a block may load CS.
  static func usesFloatingPoint(_ i: Instruction) -> Bool {
    guard i.row != .max else { return false }
    if i.endsBlock { return true }
    switch i.kind {
    case .fxsave, .fxrstor, .movToSegment, .popSegment, .lds, .les, .lss, .lfs, .lgs: return true
    default: return !i.attributes.isDisjoint(with: [.x87, .mmx, .sse])
    }
  }
}

extension Lowering {
  /// Emits what a block does when its need is not met: it loads the state and goes on behind the check, which
  /// starts behind this.
  mutating func refuseFloatingPoint() {
    let start = a.position
    a.move(1, from: HostRegister.r8)
    a.storeState(StateOffset.translation, immediate: number)
    a.move(HostRegister.r9, need.rawValue)
    let size = Assembler.refusalSize
    _ = a.loadAddress(HostRegister.r10, of: start + size + Assembler.checkSize)
    a.jump(to: exits.load)
    precondition(a.position == start + size)
  }
}

extension Assembler {
  /// Writes FIP and FOP. Changes no flag and no register.
  mutating func storeX87Instruction(_ pointers: PendingX87Pointers) {
    guard let instruction = pointers.instruction else { return }
    storeState(StateOffset.instructionOffset, immediate: instruction.eip)
    let opcode = UInt32(instruction.opcode) | UInt32(X87_IS_SET)
    if let segment = pointers.segment {
      storeState(
        StateOffset.x87Opcode,
        immediate: opcode | (UInt32(segment) | UInt32(X87_IS_SET)) << 16)
    } else {
      // The upper half is of the last instruction with an operand.
      storeState16(StateOffset.x87Opcode, immediate: UInt16(opcode))
    }
  }

  /// Bytes of `refuseFloatingPoint` and of `checkFloatingPoint`.
  static let refusalSize = 32
  static let checkSize = 15

  /// Goes on if `need` is met, and else to the refusal that ends before this. Changes no flag.
  mutating func checkFloatingPoint(_ need: FloatingPointNeed) {
    let start = position
    move(HostRegister.r8, from: 1)
    loadState(1, StateOffset.isReady(need))
    let refusal = start - Self.refusalSize
    bytes(0xE3, UInt8(truncatingIfNeeded: refusal - (position + 2)))  // jrcxz
    move(1, from: HostRegister.r8)
    precondition(position == start + Self.checkSize)
  }
}

extension Translator {
  /// What all floating-point instructions of a block together need.
  func floatingPointNeed(
    _ block: BlockPointer, _ count: Int, isCallout: (Int) -> Bool
  ) -> FloatingPointNeed {
    var need: FloatingPointNeed = []
    for index in 0..<count {
      let op = block.ops + index
      if let own = FloatingPointNeed.of(op.pointee.instruction), !isCallout(index) {
        need.formUnion(own)
      }
    }
    return need
  }

  /// Runs a block whose floating-point instructions the guest may not use now, or not on the host's unit.
  func interpretRefused() {
    let t = translations[Int(cpu.pointee.translated.translation)]
    switchback_flags_to_lazy(cpu)
    settle()
    cpu.pointee.eip = t.eip
    statistics.refusals += 1
    interpreter.execute(t.block)
  }
}
