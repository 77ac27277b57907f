/// How many clocks an instruction is charged. The charge is static - it depends on the decoded
/// instruction only, never on operand values - so that every engine counts alike. See
/// docs/timing.md.
public enum TimingModel: String, Sendable, CaseIterable {
  /// One clock per instruction, and per iteration of a repeated string instruction.
  case unit
  /// The published clock counts of the Pentium, version 1 of our table.
  case pentium = "pentium-1"

  /// The charge for the instruction itself; of a repeated string instruction, its set-up.
  public func cycles(of instruction: Instruction) -> UInt32 {
    guard self == .pentium else { return 1 }
    let row = InstructionTable.shared.cycles(ofRow: instruction.row)
    let isMemoryForm = instruction.hasMemoryOperand || instruction.isRepeated
    var cycles = UInt32(isMemoryForm ? row.memory : row.register)
    // Each prefix takes one clock to decode; the mandatory ones of SSE are part of its opcode.
    let prefixes = instruction.prefixSet
    if prefixes.contains(.lock) { cycles &+= 1 }
    if prefixes.contains(.segmentOverride) { cycles &+= 1 }
    if prefixes.contains(.addressSize) { cycles &+= 1 }
    if prefixes.contains(.operandSize)
      && instruction.attributes.isDisjoint(with: [.mmx, .sse])
    {
      cycles &+= 1
    }
    return cycles
  }

  /// The charge for delivering an exception or interrupt.
  public var exceptionCycles: UInt32 { self == .unit ? 1 : 48 }

  /// The charge for each iteration of a repeated string instruction, 0 for any other.
  public func cyclesPerIteration(of instruction: Instruction) -> UInt32 {
    guard instruction.isRepeated else { return 0 }
    guard self == .pentium else { return 1 }
    return UInt32(InstructionTable.shared.cycles(ofRow: instruction.row).perIteration)
  }
}
