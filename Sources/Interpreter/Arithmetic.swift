import CPU
import ISA
import Memory

/// Integer and decimal arithmetic.
enum ArithmeticFamily {
  static func handler(for i: Instruction) -> Handler? {
    switch i.kind {
    case .add: Add.handler(for: i)
    case .sub: Subtract.handler(for: i)
    case .cmp: Compare.handler(for: i)
    case .inc: Increment.handler(for: i)
    case .dec: Decrement.handler(for: i)
    case .neg: Negate.handler(for: i)
    case .adc: AddWithCarry.handler(for: i)
    case .sbb: SubtractWithBorrow.handler(for: i)
    case .mul: multiplyHandler(for: i)
    case .imul: signedMultiplyHandler(for: i)
    case .div: divideHandler(for: i)
    case .idiv: signedDivideHandler(for: i)
    case .daa: { cpu, _ in decimalAdjustAfterAddition(cpu) }
    case .das: { cpu, _ in decimalAdjustAfterSubtraction(cpu) }
    case .aaa: { cpu, _ in asciiAdjustAfterAddition(cpu) }
    case .aas: { cpu, _ in asciiAdjustAfterSubtraction(cpu) }
    case .aam: { asciiAdjustAfterMultiplication($0, $1) }
    case .aad: { asciiAdjustBeforeDivision($0, $1) }
    default: nil
    }
  }
}
