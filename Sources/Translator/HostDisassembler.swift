import ISA

/// Lists the host code that the translator emits. That is a subset of x86-64, and 32-bit instructions but for
/// their prefixes, so the guest's decoder does most of it; the operands are named again with REX in mind.
struct HostDisassembler {
  /// Names what a displacement from R14, a position in the code cache or a constant means; nil for nothing.
  var stateName: (Int32) -> String? = { _ in nil }
  var positionName: (Int) -> String = { "0x" + String($0, radix: 16) }
  var constantName: (UInt64) -> String? = { _ in nil }

  /// Prefixes and REX of the instruction at hand.
  private struct Prefixes {
    var usesWindow = false
    var usesAddress32 = false
    /// The prefixes that the 32-bit instruction has as well.
    var kept: [UInt8] = []
    var rex: UInt8 = 0

    var w: Bool { rex & 8 != 0 }
    var r: UInt8 { rex & 4 != 0 ? 8 : 0 }
    var x: UInt8 { rex & 2 != 0 ? 8 : 0 }
    var b: UInt8 { rex & 1 != 0 ? 8 : 0 }
  }

  /// The instruction at the start of `bytes`.
  /// - Parameter position: of its first byte in the code cache.
  /// - Returns: its length and text; a byte that starts none is a `db`.
  func instruction(_ bytes: ArraySlice<UInt8>, at position: Int) -> (length: Int, text: String) {
    let bytes = Array(bytes.prefix(16))
    var prefixes = Prefixes()
    var i = 0
    scan: while i < bytes.count {
      switch bytes[i] {
      case 0x65: prefixes.usesWindow = true
      case 0x67: prefixes.usesAddress32 = true
      case 0x66, 0xF0, 0xF2, 0xF3: prefixes.kept.append(bytes[i])
      default: break scan
      }
      i += 1
    }
    if i < bytes.count, bytes[i] & 0xF0 == 0x40 {
      prefixes.rex = bytes[i]
      i += 1
    }
    let code = Array(bytes[i...])
    let found =
      vector(code, prefixes, at: position + i) ?? wide(code, prefixes)
      ?? ordinary(code, prefixes, at: position + i)
    guard let found else { return (1, "db " + hexadecimal(UInt64(bytes.first ?? 0))) }
    return (i + found.length, found.text)
  }

  // MARK: Encodings that only 64-bit mode has

  /// MOV of a 64-bit constant, and MOVSXD.
  private func wide(_ code: [UInt8], _ p: Prefixes) -> (length: Int, text: String)? {
    guard p.w, let opcode = code.first else { return nil }
    if opcode & 0xF8 == 0xB8, code.count >= 9 {
      let value = (0..<8).reduce(UInt64(0)) { $0 | UInt64(code[1 + $1]) << UInt64($1 * 8) }
      return (9, "mov \(general(opcode & 7 | p.b, 8)), " + constant(value))
    }
    guard opcode == 0x63, code.count >= 2, code[1] >= 0xC0 else { return nil }
    return (
      2,
      "movsxd \(general(code[1] >> 3 & 7 | p.r, 8)), \(general(code[1] & 7 | p.b, 4))"
    )
  }

  /// The BMI instructions with a VEX prefix.
  private func vector(
    _ code: [UInt8], _ p: Prefixes, at position: Int
  ) -> (length: Int, text: String)? {
    guard code.count >= 5, code[0] == 0xC4 else { return nil }
    var q = p
    q.rex = (~code[1] >> 5 & 7) | (code[2] & 0x80 != 0 ? 8 : 0)
    let second = general(~code[2] >> 3 & 15, q.w ? 8 : 4)
    let size: UInt8 = q.w ? 8 : 4
    guard let rm = modRM(Array(code[4...]), q, size: size, at: position + 4, behind: 0) else {
      return nil
    }
    let register = general(code[4] >> 3 & 7 | q.r, size)
    let length = 4 + rm.length
    switch (code[1] & 31, code[2] & 3, code[3]) {
    case (2, 1, 0xF7): return (length, "shlx \(register), \(rm.text), \(second)")
    case (2, 2, 0xF7): return (length, "sarx \(register), \(rm.text), \(second)")
    case (2, 3, 0xF7): return (length, "shrx \(register), \(rm.text), \(second)")
    case (2, 0, 0xF7): return (length, "bextr \(register), \(rm.text), \(second)")
    case (2, 0, 0xF5): return (length, "bzhi \(register), \(rm.text), \(second)")
    case (2, 2, 0xF5): return (length, "pext \(register), \(second), \(rm.text)")
    case (2, 3, 0xF5): return (length, "pdep \(register), \(second), \(rm.text)")
    case (2, 3, 0xF6): return (length, "mulx \(register), \(second), \(rm.text)")
    case (2, 0, 0xF2): return (length, "andn \(register), \(second), \(rm.text)")
    case (3, 3, 0xF0) where code.count > length:
      return (length + 1, "rorx \(register), \(rm.text), " + hexadecimal(UInt64(code[length])))
    default: return nil
    }
  }

  // MARK: Everything else

  private func ordinary(
    _ code: [UInt8], _ p: Prefixes, at position: Int
  ) -> (length: Int, text: String)? {
    guard
      case .instruction(let i) = Decoder.decode(Array((p.kept + code).prefix(15)), codeSize: 4)
    else { return nil }
    let length = Int(i.length) - p.kept.count
    let opcodeLength = i.tableRow.encoding.isTwoByte ? 2 : 1
    let specs = i.tableRow.operandList
    let operands = [i.operands.0, i.operands.1, i.operands.2].filter { $0.operandKind != .none }
    var texts: [String] = []
    for (index, operand) in operands.enumerated() {
      guard index < specs.count else { return nil }
      // 64 bits wide without REX.W.
      let isWide = [.jmp, .call, .push, .pop].contains(i.kind)
      let size = (p.w || isWide) && operand.size == 4 ? 8 : operand.size
      switch operand.operandKind {
      case .general:
        texts.append(general(operand.reg | highBit(of: specs[index], p), size, hasREX: p.rex != 0))
      case .xmm: texts.append("xmm\(operand.reg | highBit(of: specs[index], p))")
      case .memory:
        if i.tableRow.encoding.hasModRM {
          let rest = Array(code[min(opcodeLength, code.count)...])
          let behind = length - opcodeLength
          let m = modRM(rest, p, size: size, at: position + opcodeLength, behind: behind)
          guard let m else { return nil }
          texts.append((i.kind == .lea ? "" : sizeName(size)) + m.text)
        } else {
          texts.append(
            sizeName(size) + segment(p) + "[" + hexadecimal(UInt64(i.displacement)) + "]")
        }
      case .immediate:
        let value = i.immediate & (size == 1 ? 0xFF : size == 2 ? 0xFFFF : 0xFFFF_FFFF)
        texts.append(constant(UInt64(value)))
      case .immediate2: texts.append(hexadecimal(UInt64(i.selector)))
      case .relative:
        texts.append(positionName(position + length + Int(Int32(bitPattern: i.immediate))))
      case .x87: texts.append("st\(operand.reg)")
      case .mmx: texts.append("mm\(operand.reg)")
      case .segment: texts.append(["es", "cs", "ss", "ds", "fs", "gs"][Int(min(operand.reg, 5))])
      case .stringSource: texts.append(segment(p) + "[\(p.usesAddress32 ? "esi" : "rsi")]")
      case .stringDestination: texts.append("[\(p.usesAddress32 ? "edi" : "rdi")]")
      default: return nil
      }
    }
    return (
      length,
      ([name(i, p)] + (texts.isEmpty ? [] : [texts.joined(separator: ", ")]))
        .joined(separator: " ")
    )
  }

  private func name(_ i: Instruction, _ p: Prefixes) -> String {
    var name = i.mnemonic
    switch i.kind {
    case .jcxz: name = p.usesAddress32 ? "jecxz" : "jrcxz"
    case .cwd where p.w: name = "cqo"
    case .cbw where p.w: name = "cdqe"
    case .movs, .stos, .cmps, .scas, .lods: if p.w { name = String(name.dropLast()) + "q" }
    default: break
    }
    if i.prefixSet.contains(.lock) { name = "lock " + name }
    if i.isRepeated {
      let isComparison = i.kind == .cmps || i.kind == .scas
      let isEqual = i.prefixSet.contains(.repeatEqual)
      name = (isComparison ? (isEqual ? "repe " : "repne ") : "rep ") + name
    }
    return name
  }

  /// Bit 3 of a register number, by where the register is encoded.
  private func highBit(of spec: OperandSpec, _ p: Prefixes) -> UInt8 {
    switch spec {
    case .Gb, .Gw, .Gd, .Gv, .Vx: p.r
    case .Eb, .Ew, .Ed, .Ev, .Rd, .Rv, .Rw, .RdMw, .RdMb, .RvMw, .Ux, .Wx, .Wq, .Wd, .Zb, .Zv, .Zd:
      p.b
    default: 0
    }
  }

  /// The register or memory operand of a ModRM byte, and the length of the byte, SIB and displacement.
  private func modRM(
    _ code: [UInt8], _ p: Prefixes, size: UInt8, at position: Int, behind: Int
  ) -> (length: Int, text: String)? {
    guard let byte = code.first else { return nil }
    let rm = byte & 7
    if byte >= 0xC0 { return (1, general(rm | p.b, size)) }
    var length = 1
    var terms: [String] = []
    var base: UInt8? = rm | p.b
    let addressSize: UInt8 = p.usesAddress32 ? 4 : 8
    var isRelative = false
    if rm == 4 {
      guard code.count > 1 else { return nil }
      let sib = code[1]
      length = 2
      base = sib & 7 | p.b
      if sib & 7 == 5, byte < 0x40 { base = nil }
      let index = sib >> 3 & 7 | p.x
      if let base { terms.append(general(base, addressSize)) }
      if index != 4 {
        terms.append(general(index, addressSize) + (sib >= 0x40 ? "*\(1 << (sib >> 6))" : ""))
      }
    } else if rm == 5, byte < 0x40 {
      isRelative = true
      base = nil
    } else if let base {
      terms.append(general(base, addressSize))
    }
    let displacementLength = byte >= 0x80 || (byte < 0x40 && base == nil) ? 4 : byte >= 0x40 ? 1 : 0
    guard code.count >= length + displacementLength else { return nil }
    var displacement: Int32 = 0
    if displacementLength == 1 { displacement = Int32(Int8(bitPattern: code[length])) }
    if displacementLength == 4 {
      let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(code[length + $1]) << UInt32($1 * 8) }
      displacement = Int32(bitPattern: bits)
    }
    length += displacementLength
    if isRelative {
      return (length, "[" + positionName(position + behind + Int(displacement)) + "]")
    }
    if base == 14, terms.count == 1, !p.usesWindow, let name = stateName(displacement) {
      return (length, "[\(name)]")
    }
    var text = terms.joined(separator: "+")
    if terms.isEmpty {
      text = hexadecimal(UInt64(UInt32(bitPattern: displacement)))
    } else if displacement != 0 {
      text += (displacement < 0 ? "-" : "+") + hexadecimal(UInt64(displacement.magnitude))
    }
    return (length, segment(p) + "[\(text)]")
  }

  private func segment(_ p: Prefixes) -> String { p.usesWindow ? "gs:" : "" }

  private func constant(_ value: UInt64) -> String { constantName(value) ?? hexadecimal(value) }

  private func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

  private func general(_ number: UInt8, _ size: UInt8, hasREX: Bool = true) -> String {
    let names = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"]
    if number >= 8 {
      return "r\(number)" + (size == 8 ? "" : size == 4 ? "d" : size == 2 ? "w" : "b")
    }
    let name = names[Int(number)]
    switch size {
    case 8: return "r" + name
    case 4: return "e" + name
    case 2: return name
    default:
      if number < 4 { return String(name.first!) + "l" }
      return hasREX ? name + "l" : ["ah", "ch", "dh", "bh"][Int(number - 4)]
    }
  }

  private func sizeName(_ size: UInt8) -> String {
    switch size {
    case 1: "byte "
    case 2: "word "
    case 4: "dword "
    case 8: "qword "
    case 10: "tbyte "
    case 16: "xmmword "
    default: ""
    }
  }
}
