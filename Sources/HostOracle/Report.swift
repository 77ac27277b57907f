import CHostOracle
import ISA

/// What a failing case looks like to its reader.
public enum Report {
  private static func hex(_ value: UInt32) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }

  /// Listing, both states and the differences of a case.
  public static func text(_ item: OracleCase, oracle: Oracle) -> String {
    var lines = [CaseText.line(item)]
    for step in item.steps {
      let end = step.offset + Int(step.instruction.length)
      let bytes = item.bytes[step.offset..<min(end, item.bytes.count)].map {
        ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true)
      }
      lines.append(
        "  +\(step.offset)  \(bytes.joined(separator: " "))  \(step.instruction.tableRow.title)")
    }
    lines.append("  before  " + registers(item.registers))
    if let (host, ours) = oracle.outcomes(item) {
      lines.append("  host    " + registers(host.registers) + end(host))
      lines.append("  ours    " + registers(ours.registers) + end(ours))
    }
    for difference in oracle.run(item).differences { lines.append("    \(difference)") }
    return lines.joined(separator: "\n")
  }

  private static func registers(_ r: OracleRegisters) -> String {
    let names = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"]
    return names.enumerated().map { "\($0.element)=\(hex(r[gpr: $0.offset]))" }
      .joined(separator: " ") + " EIP=\(hex(r.eip)) EFLAGS=\(hex(r.eflags))"
      + " FSW=\(String(r[fxsave: 2, as: UInt16.self], radix: 16))"
      + " MXCSR=\(String(r[fxsave: 24, as: UInt32.self], radix: 16))"
  }

  private static func end(_ outcome: OracleOutcome) -> String {
    " vector \(outcome.vector) error \(hex(outcome.errorCode)) address \(hex(outcome.faultAddress))"
  }
}
