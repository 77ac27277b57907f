import CHostOracle

/// Cases as lines of text: fields that differ from a flat, empty state, `name=value` in hexadecimal.
///
///     code=01C8 at=400 gpr0=80000000 flags=202
public enum CaseText {
  /// The state that a line without fields stands for.
  static var blank: OracleCase {
    var item = OracleCase()
    item.codeOffset = 0x400
    item.registers.eflags = 0x202
    item.registers[gpr: 4] = UInt32(ORACLE_STACK) + 0x800
    for number in 0..<6 { item.registers[selector: number] = UInt16(ORACLE_FLAT_DATA) }
    item.registers[selector: 1] = UInt16(ORACLE_FLAT_CODE)
    clearFloatingPoint(&item.registers)
    return item
  }

  static func clearFloatingPoint(_ registers: inout OracleRegisters) {
    for offset in stride(from: 0, to: 512, by: 8) { registers[fxsave: offset, as: UInt64.self] = 0 }
    registers[fxsave: 0, as: UInt16.self] = 0x37F
    registers[fxsave: 24, as: UInt32.self] = 0x1F80
  }

  private static func hex<T: FixedWidthInteger>(_ value: T) -> String {
    String(UInt64(truncatingIfNeeded: value), radix: 16, uppercase: true)
  }

  private static func hexByte(_ value: UInt8) -> String {
    (value < 16 ? "0" : "") + hex(value)
  }

  /// The line for a case.
  public static func line(_ item: OracleCase) -> String {
    let blank = blank
    var fields = ["code=" + item.bytes.map(hexByte).joined()]
    if item.codeOffset != blank.codeOffset { fields.append("at=\(hex(item.codeOffset))") }
    let r = item.registers
    for number in 0..<8 where r[gpr: number] != blank.registers[gpr: number] {
      fields.append("gpr\(number)=\(hex(r[gpr: number]))")
    }
    if r.eflags != blank.registers.eflags { fields.append("flags=\(hex(r.eflags))") }
    for number in 0..<6 where r[selector: number] != blank.registers[selector: number] {
      fields.append("seg\(number)=\(hex(r[selector: number]))")
    }
    for offset in stride(from: 0, to: 288, by: 8)
    where r[fxsave: offset, as: UInt64.self] != blank.registers[fxsave: offset, as: UInt64.self] {
      fields.append("fx\(offset)=\(hex(r[fxsave: offset, as: UInt64.self]))")
    }
    for patch in item.patchList { fields.append("mem\(patch.offset)=\(hex(patch.value))") }
    return fields.joined(separator: " ")
  }

  /// The case of a line, nil if it is malformed.
  public static func parse(_ line: some StringProtocol) -> OracleCase? {
    var item = blank
    for field in line.split(separator: " ") {
      let parts = field.split(separator: "=")
      guard parts.count == 2 else { return nil }
      if parts[0] == "code" {
        let digits = Array(parts[1])
        let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
          UInt8(String(digits[$0...$0 + 1]), radix: 16)
        }
        guard bytes.count * 2 == digits.count else { return nil }
        item.bytes = bytes
        continue
      }
      let name = parts[0].prefix { !$0.isNumber }
      let number = Int(parts[0].drop { !$0.isNumber }) ?? 0
      guard let value = UInt64(parts[1], radix: 16) else { return nil }
      let word = UInt32(truncatingIfNeeded: value)
      switch name {
      case "at": item.codeOffset = word & 0xFFF
      case "gpr": item.registers[gpr: number] = word
      case "flags": item.registers.eflags = word
      case "seg": item.registers[selector: number] = UInt16(truncatingIfNeeded: value)
      case "fx" where number <= 280: item.registers[fxsave: number, as: UInt64.self] = value
      case "mem": item.patchList.append(OraclePatch(offset: UInt32(number), value: word))
      default: return nil
      }
    }
    item.registers.eip = UInt32(ORACLE_CODE) &- item.codeBase &+ item.codeOffset
    return item
  }
}
