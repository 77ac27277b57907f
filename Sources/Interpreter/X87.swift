import CPU
import ISA
import Memory

/// The x87 instructions. SDM vol. 1, chapter 8.
enum X87Family {
  /// The handler of an x87 instruction, nil for other instructions.
  static func handler(for i: Instruction) -> Handler? {
    X87Arithmetic.handler(for: i) ?? X87Transfer.handler(for: i) ?? X87Compare.handler(for: i)
      ?? X87Function.handler(for: i) ?? X87Control.handler(for: i)
  }
}

extension Instruction {
  /// Size in bytes of the memory operand, 0 without one.
  var x87MemorySize: UInt8 {
    operands.0.isMemory ? operands.0.size : operands.1.isMemory ? operands.1.size : 0
  }
}
