import CHostOracle
import ISA

/// Makes a failing case simpler as long as it fails in the same respect.
public struct Minimiser {
  private let differences: (OracleCase) -> [Difference]

  public init(_ oracle: Oracle) { self.init { oracle.run($0).differences } }

  /// - Parameter differences: what is wrong with a case; empty for nothing.
  public init(differences: @escaping (OracleCase) -> [Difference]) {
    self.differences = differences
  }

  public func minimise(_ item: OracleCase) -> OracleCase {
    guard let first = differences(item).first?.what else { return item }
    return minimise(item, keeping: first)
  }

  /// Simplifies a case that differs in `first`.
  public func minimise(_ item: OracleCase, keeping first: String) -> OracleCase {
    var best = item
    func attempt(_ change: (inout OracleCase) -> Void) {
      var candidate = best
      change(&candidate)
      if differences(candidate).contains(where: { $0.what == first }) {
        best = candidate
      }
    }
    dropInstructions(&best, attempt)
    attempt { $0.patchList = [] }
    for index in best.patchList.indices.reversed() {
      attempt {
        if index < $0.patchList.count { $0.patchList.remove(at: index) }
      }
    }
    attempt { $0.registers.eflags = 0x202 }
    for bit in [0, 2, 4, 6, 7, 8, 10, 11, 14, 18, 21] as [UInt32] {
      attempt { $0.registers.eflags &= ~(1 << bit) }
    }
    for number in 0..<8 {
      attempt { $0.registers[gpr: number] = number == 4 ? UInt32(ORACLE_STACK) + 0x800 : 0 }
    }
    for number in [0, 3, 4, 5] {
      attempt { $0.registers[selector: number] = UInt16(ORACLE_FLAT_DATA) }
    }
    floatingPoint(attempt)
    return best
  }

  private func dropInstructions(
    _ item: inout OracleCase, _ attempt: ((inout OracleCase) -> Void) -> Void
  ) {
    for step in item.steps.dropLast().reversed() {
      attempt {
        var bytes = $0.bytes
        let end = step.offset + Int(step.instruction.length)
        guard end <= bytes.count else { return }
        bytes.removeSubrange(step.offset..<end)
        $0.bytes = bytes
      }
    }
  }

  private func floatingPoint(_ attempt: ((inout OracleCase) -> Void) -> Void) {
    attempt { CaseText.clearFloatingPoint(&$0.registers) }
    attempt {
      $0.registers[fxsave: 0, as: UInt16.self] = 0x37F
      $0.registers[fxsave: 2, as: UInt16.self] &= ~0x8080
    }
    attempt { $0.registers[fxsave: 2, as: UInt16.self] = 0 }
    attempt { $0.registers[fxsave: 2, as: UInt16.self] &= 0x3800 }
    attempt { $0.registers[fxsave: 24, as: UInt32.self] = 0x1F80 }
    attempt { $0.registers[fxsave: 24, as: UInt32.self] &= ~0x3F }
    for number in 0..<8 {
      attempt {
        $0.registers[fxsave: 32 + number * 16, as: UInt64.self] = 0
        $0.registers[fxsave: 40 + number * 16, as: UInt16.self] = 0
      }
      attempt { $0.registers[fxsave: 160 + number * 16, as: UInt64.self] = 0 }
      attempt { $0.registers[fxsave: 168 + number * 16, as: UInt64.self] = 0 }
    }
  }
}
