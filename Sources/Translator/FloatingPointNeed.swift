import CHost
import CPU
import ISA
import Interpreter
import Memory

/// What an instruction needs of the guest's floating-point state to run on the host's own unit.
struct FloatingPointNeed: OptionSet, Hashable {
  let rawValue: UInt32
  static let x87 = FloatingPointNeed(rawValue: FPU_X87.rawValue)
  static let xmm = FloatingPointNeed(rawValue: FPU_XMM.rawValue)
  static let control = FloatingPointNeed(rawValue: FPU_CONTROL.rawValue)

  /// The need of an instruction that is executed as it stands; nil for one that is not.
  static func of(_ i: Instruction) -> FloatingPointNeed? {
    guard i.row != .max else { return nil }
    let attributes = i.attributes
    let usesX87 = !attributes.isDisjoint(with: [.x87, .mmx])
    guard usesX87 || attributes.contains(.sse) else { return nil }
    if i.hasMemoryOperand, i.addressSize != 4 { return nil }
    var need: FloatingPointNeed = []
    if usesX87 { need.insert(.x87) }
    if attributes.contains(.sse) { need.insert(.xmm) }
    switch i.kind {
    case .finit, .fnstenv, .fldenv, .fnsave, .frstor:
      return nil  // They show or set the pointers, which are kept apart.
    case .fnop where i.selector >> 8 == 3:
      return nil  // FNENI and its kin.
    case .ldmxcsr:
      return nil  // The host may have bits that the guest's processor has not.
    case .maskmovq, .maskmovdqu:
      return nil  // The destination is implicit.
    case .cvtpi2ps, .cvtpi2pd:
      // Whether it touches the x87 unit depends on the processor when the source is memory.
      return i.hasMemoryOperand ? nil : need
    case .fldcw: return need.union(.control)
    default: return need
    }
  }
}

/// The x87 unit's pointers to its last instruction and operand (FIP, FDP, FOP; SDM vol. 1, 8.1.8). Emitted code
/// writes them no more often than somebody may look; what it has left out at a signal is worked out then.
enum X87Pointers {
  /// Whether an x87 instruction sets FIP and FOP, and FDP when it has a memory operand.
  static func areSet(by i: Instruction) -> Bool {
    guard i.row != .max else { return false }
    let attributes = i.attributes
    guard attributes.contains(.x87), !attributes.contains(.mmx) else { return false }
    switch i.kind {
    case .fnclex, .fldcw, .fnstcw, .fnstsw, .fwait: return false
    case .fnop: return i.selector >> 8 != 3
    default: return !areReplaced(by: i)
    }
  }

  /// Whether the instruction loads all of them, or clears them.
  static func areReplaced(by i: Instruction) -> Bool {
    switch i.kind {
    case .finit, .fnstenv, .fldenv, .fnsave, .frstor, .fxsave, .fxrstor: return true
    default: return false
    }
  }

  /// General registers that the address of the memory operand is made of, a bit each.
  static func addressRegisters(_ i: Instruction) -> UInt8 {
    (i.base < 8 ? 1 << i.base : 0) | (i.index < 8 ? 1 << i.index : 0)
  }

  /// General registers that an instruction may change, a bit each; all if it may change what an address means.
  static func changedRegisters(_ i: Instruction) -> UInt8 {
    guard i.row != .max else { return 0xFF }
    func first() -> UInt8 {
      let o = i.operands.0
      if o.isMemory { return 0 }
      guard o.isGeneral else { return 0xFF }
      return 1 << (o.size == 1 ? o.reg & 3 : o.reg)
    }
    switch i.kind {
    case .cmp, .test, .nop, .prefetch, .pause, .bt, .clc, .stc, .cmc, .sahf: return 0
    case .mov, .movzx, .movsx, .lea, .add, .adc, .sub, .sbb, .and, .or, .xor, .not, .neg, .inc,
      .dec, .rol, .ror, .rcl, .rcr, .shl, .shr, .sar, .shld, .shrd, .setcc, .cmovcc, .bswap, .bsf,
      .bsr, .bts, .btr, .btc:
      return first()
    case .push: return 1 << 4
    default:
      guard !i.attributes.isDisjoint(with: [.x87, .mmx, .sse]) else { return 0xFF }
      return i.operands.0.isGeneral ? first() : 0
    }
  }

  /// FIP, FOP and the segment of the operand behind block `t`.
  static func behind(_ t: Translation) -> PendingX87Pointers {
    var pointers = PendingX87Pointers()
    for n in 0..<t.instructionCount {
      let op = t.block.ops + n
      let i = op.pointee.instruction
      guard areSet(by: i) else { continue }
      pointers.instruction = (t.eip &+ UInt32(op.pointee.startOffset), i.selector)
      if i.hasMemoryOperand { pointers.segment = i.segment }
    }
    return pointers
  }

  /// Completes the pointers in the state after block `t` has been left by a signal at its instruction `index`.
  static func complete(_ cpu: CPU, _ t: Translation, before index: Int) {
    if t.inheritsPointers {
      // The copy before has not written all.
      let pointers = behind(t)
      if let instruction = pointers.instruction {
        cpu.pointee.fpu.instructionOffset = instruction.eip
        cpu.pointee.fpu.instructionSelector = cpu.cs.pointee.selector
        cpu.pointee.fpu.opcode = instruction.opcode
      }
      if let segment = pointers.segment {
        cpu.pointee.fpu.operandSelector = cpu.segment(segment).pointee.selector
      }
    }
    let ops = t.block.ops
    var changed: UInt8 = 0
    var segmentsChanged = false
    var hasInstruction = false
    func note(_ i: Instruction) {
      let registers = changedRegisters(i)
      changed |= registers
      if registers == 0xFF { segmentsChanged = true }
    }
    for n in stride(from: index - 1, through: 0, by: -1) {
      let op = ops + n
      let i = op.pointee.instruction
      if i.row != .max, areReplaced(by: i) { return }
      guard areSet(by: i) else {
        note(i)
        continue
      }
      if !hasInstruction {
        hasInstruction = true
        cpu.pointee.fpu.instructionOffset = t.eip &+ UInt32(op.pointee.startOffset)
        cpu.pointee.fpu.instructionSelector = cpu.cs.pointee.selector
        cpu.pointee.fpu.opcode = i.selector
      }
      if i.hasMemoryOperand {
        // Otherwise they were written before that changed.
        if segmentsChanged { return }
        cpu.pointee.fpu.operandSelector = cpu.segment(i.segment).pointee.selector
        if changed & addressRegisters(i) == 0 {
          cpu.pointee.fpu.operandOffset = cpu.effectiveOffset(op)
        }
        return
      }
      note(i)
    }
  }
}
