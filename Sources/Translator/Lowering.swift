import CHost
import CPU
import ISA
import Memory

/// Emits host code, block by block. Guest registers are host registers, guest flags host flags; what has no
/// lowering calls the interpreter's handler.
struct Lowering {
  var a: Assembler
  /// Of the current block.
  var eip: UInt32 = 0
  var blockCycles: UInt32 = 0
  var number: UInt32 = 0
  let exits: ExitStubs
  /// Whether the source page is global: direct jumps to other global pages may be linked.
  let isGlobal: Bool
  /// Direct jumps and calls that leave their block.
  var links: [Link] = []
  /// `Translation.uncheckedAfter` of the current block.
  var unchecked: UInt32 = 0
  /// What PUSH and POP have still to add to R12, which makes it the guest's ESP.
  var stackDelta: Int32 = 0
  /// Where the last `catchStrayReturns` is.
  var strayReturn: Int?
  /// What a jump out of the current block has to give back to the budget.
  var refund: Int64 = 0
  /// Whether the code of its target follows the current block's conditional jump.
  var invertsJump = false
  /// What the current block has still to take off the budget.
  var pendingCharge: Int64 = 0

  init(a: Assembler, exits: ExitStubs, isGlobal: Bool) {
    self.a = a
    self.exits = exits
    self.isGlobal = isGlobal
  }

  /// What the floating-point instructions of the current block need.
  var need: FloatingPointNeed = []
  /// Whether FIP and FOP are written where the block is left by its jump, and by the copy of it that follows.
  var defersPointers = false
  /// What emitted code has still to write of the x87 unit's pointers.
  var pointers = PendingX87Pointers()

  /// What an instruction did to the flow.
  enum Flow: Equatable {
    case next
    /// Nothing comes after it.
    case ended
    /// The code that follows must be that of a guest address.
    case continues(UInt32)
  }

  mutating func lower(
    _ i: Instruction, _ code: GuestCode, op: UInt64, next: UInt32, cyclesPerIteration: UInt32,
    callout: Bool
  ) -> Flow {
    if !callout {
      let start = next &- UInt32(i.length)
      if copyFloatingPoint(i, code, eip: start) { return .next }
      if Self.copied.contains(i.kind) {
        writeX87Pointers(before: i)
      } else if i.kind == .jcc, defersPointers {
        if let operand = pointers.operand { writeX87Operand(operand) }
      } else {
        writeX87Pointers()
      }
      if Self.copied.contains(i.kind), copy(i, code) { return .next }
      if i.kind == .cld { return .next }  // DF is 0.
      if let flow = string(i, cyclesPerIteration: cyclesPerIteration) { return flow }
      if let flow = special(i, code, next: next) { return flow }
    }
    call(op, i)
    guard i.row != .max else {
      leave(at: next)
      return .ended
    }
    if i.endsBlock || i.isRepeated && !i.isString {
      leave(at: next)
      return .ended
    }
    return .next
  }

  // MARK: Copies

  /// Operations that mean the same in 64-bit mode with the same registers, given 32-bit addressing through
  /// the window.
  static let copied: OperationSet = [
    .mov, .movzx, .movsx, .xchg, .cmpxchg, .cmpxchg8b, .xadd, .bswap, .lea, .cmovcc, .cbw, .cwd,
    .lahf, .sahf, .nop, .add, .adc, .sub, .sbb, .cmp, .inc, .dec, .neg, .mul, .imul, .div, .idiv,
    .and, .or, .xor, .not, .test, .bt, .bts, .btr, .btc, .bsf, .bsr, .setcc, .rol, .ror, .rcl,
    .rcr, .shl, .shr, .sar, .shld, .shrd, .clc, .stc, .cmc, .prefetch, .pause, .movnti, .sfence,
    .lfence, .mfence,
  ]

  /// Operations, to be asked about for each instruction.
  struct OperationSet: ExpressibleByArrayLiteral {
    private var words = [UInt64](repeating: 0, count: Operation.allCases.count / 64 + 1)

    init(arrayLiteral operations: Operation...) {
      for o in operations { words[Int(o.rawValue >> 6)] |= 1 << UInt64(o.rawValue & 63) }
    }

    func contains(_ o: Operation) -> Bool {
      words[Int(o.rawValue >> 6)] >> UInt64(o.rawValue & 63) & 1 != 0
    }
  }

  mutating func copy(_ i: Instruction, _ code: GuestCode) -> Bool {
    // 82h is invalid in 64-bit mode; BSWAP of a word is undefined and differs.
    if !code.isTwoByte && code.opcode == 0x82 { return false }
    switch i.kind {
    case .nop, .prefetch, .pause, .sfence, .lfence, .mfence:
      return true
    case .bswap where i.operandSize != 4:
      return false
    case .shld where i.operandSize != 4, .shrd where i.operandSize != 4:
      // Counts beyond the operand are undefined: the interpreter's choice holds.
      return false
    case .lea:
      guard i.addressSize == 4 else { return false }
      code.emitCopy(&a, usesStack: i.usesStackRegister, window: false)
      return true
    case .bt, .bts, .btr, .btc:
      // A bit number in a register reaches beyond the operand.
      if i.operands.0.isMemory && i.operands.1.isGeneral { return false }
    case .mov where i.operands.0.operandKind == .control || i.operands.1.operandKind == .control:
      return false
    default: break
    }
    if code.repeatPrefix != 0 { return false }
    if i.hasMemoryOperand, i.addressSize != 4 { return false }
    let needsSegmentBase = i.hasMemoryOperand && i.segment >= SegmentNumber.fs
    let usesStack = i.usesStackRegister
    if needsSegmentBase || code.stackPrefix(usesStack: usesStack) != 0, usesHighByte(i) {
      return false
    }
    // Their flags are undefined, and host processors differ; the interpreter leaves them alone.
    let keepsFlags = i.kind == .div || i.kind == .idiv
    if keepsFlags { a.saveFlagsToR11() }
    if needsSegmentBase {
      code.emitAddressToR8(&a)
      addSegmentBase(i.segment)
      code.emitAtR8(&a, usesStack: usesStack)
    } else {
      code.emitCopy(&a, usesStack: usesStack)
    }
    if keepsFlags { a.restoreFlagsFromR11() }
    return true
  }

  /// R8D += the base of FS or GS. Raises a signal when the segment is null, so that the interpreter raises #GP.
  mutating func addSegmentBase(_ segment: UInt8) {
    a.loadState(HostRegister.r10, StateOffset.isUsable(segment: segment))
    a.touchUnlessOneInR10()
    a.loadState(HostRegister.r9, StateOffset.base(ofSegment: segment))
    a.bytes(0x47, 0x8D, 0x04, 0x08)  // lea r8d, [r8+r9]
  }

  /// AH...BH cannot be named beside R8 or R12.
  func usesHighByte(_ i: Instruction) -> Bool {
    func high(_ o: Operand) -> Bool { o.isGeneral && o.size == 1 && o.reg >= 4 }
    return high(i.operands.0) || high(i.operands.1) || high(i.operands.2)
  }

  // MARK: Guest memory

  /// register32 = guest dword at [base + displacement]
  mutating func load(_ register: UInt8, base: UInt8, displacement: Int32) {
    a.loadGuest(register, base: base, displacement: displacement)
  }

  /// guest dword at [base + displacement] = register32
  mutating func store(_ register: UInt8, base: UInt8, displacement: Int32) {
    a.storeGuest(register, base: base, displacement: displacement)
  }

  /// guest dword at [base + displacement] = immediate
  mutating func store(immediate: UInt32, base: UInt8, displacement: Int32) {
    a.storeGuest(immediate: immediate, base: base, displacement: displacement)
  }
}

extension Instruction {
  /// Whether an operand is ESP or SP.
  var usesStackRegister: Bool {
    func isStack(_ o: Operand) -> Bool { o.isGeneral && o.reg == 4 && o.size != 1 }
    return isStack(operands.0) || isStack(operands.1) || isStack(operands.2)
  }
}

/// Positions in the code cache that every block jumps to.
struct ExitStubs {
  /// To the monitor with the exit kind in R8.
  var leave = 0
  /// To the interpreter's handler.
  var callout = 0
  /// To the guest address in R9D through the table.
  var table = 0
  /// Where a host RET goes when the return stack is empty.
  var returnStackEmpty = 0
  /// The address of position 0.
  var codeBase: UInt32 = 0
  /// To the loading of floating-point state.
  var load = 0
}
