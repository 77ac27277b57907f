import CHostOracle
import ISA

/// Runs cases on the interpreter and as translated code and tells where the two differ: in everything that
/// the guest can see, and in the counts.
public final class EngineComparison {
  private let interpreter: InterpreterRunner
  private let translated: InterpreterRunner
  private let outcomes = UnsafeMutablePointer<OracleOutcome>.allocate(capacity: 2)

  /// - Throws: when there is no memory for it, or the translator cannot run here.
  public init() throws {
    interpreter = try InterpreterRunner()
    translated = try InterpreterRunner(translated: true)
    outcomes.initialize(repeating: OracleOutcome(), count: 2)
    let image = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: NativeRunner.imageSize)
    defer { image.deallocate() }
    Oracle.fill(image)
    interpreter.setInitialImage(image)
    translated.setInitialImage(image)
  }

  deinit { outcomes.deallocate() }

  /// Entries of translated code so far.
  public var entries: UInt64 { translated.translator?.statistics.entries ?? 0 }

  /// Runs a case on both. In a difference "host" is the interpreter and "ours" translated code.
  /// - Parameter strict: compares flags that the manual leaves undefined, too.
  public func differences(_ item: OracleCase, strict: Bool = false) -> [Difference] {
    outcomes.update(repeating: OracleOutcome(), count: 2)
    interpreter.run(item, into: &outcomes[0])
    translated.run(item, into: &outcomes[1])
    var found: [Difference] = []
    func compare<T: FixedWidthInteger>(_ what: String, _ a: T, _ b: T) {
      if a != b {
        found.append(Difference(what: what, host: Comparison.hex(a), ours: Comparison.hex(b)))
      }
    }
    let a = outcomes[0]
    let b = outcomes[1]
    compare("cycles", interpreter.cycles, translated.cycles)
    compare("instructions", interpreter.instructions, translated.instructions)
    compare("end", UInt32(bitPattern: a.signal), UInt32(bitPattern: b.signal))
    // What ran away was stopped somewhere, not by an exception with a frame.
    guard a.signal == 0, b.signal == 0 else { return found }
    compare("vector", a.vector, b.vector)
    compare("error code", a.errorCode, b.errorCode)
    compare("fault address", a.faultAddress, b.faultAddress)
    let names = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"]
    for number in 0..<8 {
      compare(names[number], a.registers[gpr: number], b.registers[gpr: number])
    }
    compare("EIP", a.registers.eip, b.registers.eip)
    let mask = strict ? ~0 : Comparison.flagMask(item, end: a.registers.eip) | 1 << 16
    compare("EFLAGS", a.registers.eflags & mask, b.registers.eflags & mask)
    for (number, name) in ["ES", "CS", "SS", "DS", "FS", "GS"].enumerated() {
      compare(name, a.registers[selector: number], b.registers[selector: number])
    }
    found += Comparison.floatingPoint(a.registers, b.registers)
    // An earlier instruction may have stored undefined flags.
    return found + Comparison.memory(interpreter.image, translated.image, ignoring: 0..<0)
  }

  /// Drops what a failing case does not need.
  public func minimise(_ item: OracleCase) -> OracleCase {
    guard let first = differences(item).first?.what else { return item }
    return Minimiser { [self] in differences($0) }.minimise(item, keeping: first)
  }
}
