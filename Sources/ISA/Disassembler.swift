/// Intel syntax: `lock add dword ptr fs:[ebx+esi*4+0x10], eax`. Numbers are hexadecimal, branch
/// targets absolute; a segment is shown where it is not the default one of the base register.
/// String instructions carry their size in the mnemonic and show both addresses.
extension Instruction {
  /// The mnemonic of this instance: with its condition, operand size and address size.
  public var mnemonic: String {
    let name = tableRow.mnemonic
    if name.hasSuffix("cc") && attributes.isDisjoint(with: .x87) {
      return name.dropLast(2) + Condition.names[Int(condition & 15)]
    }
    switch kind {
    case .movs, .cmps, .stos, .lods, .scas, .ins, .outs:
      return name + (operandSize == 1 ? "b" : operandSize == 2 ? "w" : "d")
    case .pusha, .popa, .pushf, .popf, .iret: return operandSize == 4 ? name + "d" : name
    case .cbw: return operandSize == 4 ? "cwde" : name
    case .cwd: return operandSize == 4 ? "cdq" : name
    case .jcxz: return addressSize == 4 ? "jecxz" : name
    default: return name
    }
  }

  /// The instruction as text, were it at offset `address` of its code segment.
  public func text(at address: UInt32) -> String {
    var text = prefixText + mnemonic
    let operands = [self.operands.0, self.operands.1, self.operands.2]
      .filter { $0.operandKind != .none }
      .map { self.text(of: $0, at: address) }
    if !operands.isEmpty { text += " " + operands.joined(separator: ", ") }
    if kind == .xlat { text += " \(segmentName(segment)):[\(addressSize == 4 ? "ebx" : "bx")+al]" }
    return text
  }

  private var prefixText: String {
    var text = prefixSet.contains(.lock) ? "lock " : ""
    guard isRepeated else { return text }
    switch kind {
    case .cmps, .scas: text += prefixSet.contains(.repeatEqual) ? "repe " : "repne "
    default: text += "rep "
    }
    return text
  }

  private func text(of operand: Operand, at address: UInt32) -> String {
    switch operand.operandKind {
    case .none: return ""
    case .general: return registerName(operand.reg, size: operand.size)
    case .memory: return sizeName(operand.size) + memoryText
    case .immediate:
      let mask: UInt32 = operand.size == 1 ? 0xFF : operand.size == 2 ? 0xFFFF : 0xFFFF_FFFF
      return hexadecimal(immediate & mask)
    case .immediate2: return hexadecimal(UInt32(selector))
    case .relative:
      let target = address &+ UInt32(length) &+ immediate
      return hexadecimal(operandSize == 2 ? target & 0xFFFF : target)
    case .farPointer: return hexadecimal(UInt32(selector)) + ":" + hexadecimal(immediate)
    case .segment: return segmentName(operand.reg)
    case .control: return "cr\(operand.reg)"
    case .debug: return "dr\(operand.reg)"
    case .x87: return "st\(operand.reg)"
    case .mmx: return "mm\(operand.reg)"
    case .xmm: return "xmm\(operand.reg)"
    case .stringSource: return "\(segmentName(segment)):[\(addressSize == 4 ? "esi" : "si")]"
    case .stringDestination: return "es:[\(addressSize == 4 ? "edi" : "di")]"
    }
  }

  private var memoryText: String {
    var terms: [String] = []
    if base < 8 { terms.append(registerName(base, size: addressSize)) }
    if index < 8 {
      terms.append(registerName(index, size: addressSize) + (scale > 0 ? "*\(1 << scale)" : ""))
    }
    var text = terms.joined(separator: "+")
    if terms.isEmpty {
      text = hexadecimal(displacement)
    } else if displacement != 0 {
      let signed = Int32(bitPattern: displacement)
      text += (signed < 0 ? "-" : "+") + hexadecimal(signed.magnitude)
    }
    let defaultSegment: SegmentIndex = base == 4 || base == 5 ? .ss : .ds
    return (segment == defaultSegment.rawValue ? "" : segmentName(segment) + ":") + "[\(text)]"
  }

  private func hexadecimal(_ value: UInt32) -> String { "0x" + String(value, radix: 16) }

  private func segmentName(_ segment: UInt8) -> String {
    ["es", "cs", "ss", "ds", "fs", "gs", "", ""][Int(segment & 7)]
  }

  private func registerName(_ register: UInt8, size: UInt8) -> String {
    let bytes = ["al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"]
    let words = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"]
    let number = Int(register & 7)
    return size == 1 ? bytes[number] : (size == 4 ? "e" : "") + words[number]
  }

  private func sizeName(_ size: UInt8) -> String {
    switch size {
    case 1: "byte ptr "
    case 2: "word ptr "
    case 4: "dword ptr "
    case 6: "fword ptr "
    case 8: "qword ptr "
    case 10: "tbyte ptr "
    case 16: "xmmword ptr "
    default: ""
    }
  }
}
