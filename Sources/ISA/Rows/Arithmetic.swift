/// The nine forms of one of the eight two-operand instructions that start at `opcode`.
private func binaryRows(
  _ mnemonic: String, _ operation: Operation, _ opcode: UInt8, _ flags: FlagUse,
  _ attributes: RowAttributes = .lockable
) -> [Row] {
  let memory: UInt16 = attributes.contains(.readsOnly) ? 2 : 3
  let unlocked = attributes.subtracting(.lockable)
  func hex(_ offset: UInt8) -> String {
    let text = String(opcode + offset, radix: 16, uppercase: true)
    return text.count == 1 ? "0" + text : text
  }
  let digit = opcode >> 3
  return [
    user(mnemonic, operation, "\(hex(0)) /r", [.Eb, .Gb], cycles(1, memory), flags, attributes),
    user(mnemonic, operation, "\(hex(1)) /r", [.Ev, .Gv], cycles(1, memory), flags, attributes),
    user(mnemonic, operation, "\(hex(2)) /r", [.Gb, .Eb], cycles(1, 2), flags, unlocked),
    user(mnemonic, operation, "\(hex(3)) /r", [.Gv, .Ev], cycles(1, 2), flags, unlocked),
    user(mnemonic, operation, hex(4), [.AL, .Ib], cycles(1), flags, unlocked),
    user(mnemonic, operation, hex(5), [.eAX, .Iz], cycles(1), flags, unlocked),
    user(mnemonic, operation, "80 /\(digit)", [.Eb, .Ib], cycles(1, memory), flags, attributes),
    user(mnemonic, operation, "81 /\(digit)", [.Ev, .Iz], cycles(1, memory), flags, attributes),
    user(
      mnemonic, operation, "82 /\(digit)", [.Eb, .Ib], cycles(1, memory), flags,
      attributes.union(.alias)),
    user(mnemonic, operation, "83 /\(digit)", [.Ev, .Ibs], cycles(1, memory), flags, attributes),
  ]
}

/// ADD, ADC, SUB, SBB, CMP and the logic instructions that share their opcode pattern.
let binaryOperationRows: [Row] = [
  binaryRows("add", .add, 0x00, .arithmetic), binaryRows("or", .or, 0x08, .logic),
  binaryRows("adc", .adc, 0x10, .withCarry), binaryRows("sbb", .sbb, 0x18, .withCarry),
  binaryRows("and", .and, 0x20, .logic), binaryRows("sub", .sub, 0x28, .arithmetic),
  binaryRows("xor", .xor, 0x30, .logic), binaryRows("cmp", .cmp, 0x38, .arithmetic, .readsOnly),
].flatMap { $0 }

/// Binary and decimal arithmetic. SDM vol. 1, 7.3.2 to 7.3.4.
let arithmeticRows: [Row] = [
  user("inc", .inc, "40+r", [.Zv], cycles(1), .allButCarry),
  user("inc", .inc, "FE /0", [.Eb], cycles(1, 3), .allButCarry, .lockable),
  user("inc", .inc, "FF /0", [.Ev], cycles(1, 3), .allButCarry, .lockable),
  user("dec", .dec, "48+r", [.Zv], cycles(1), .allButCarry),
  user("dec", .dec, "FE /1", [.Eb], cycles(1, 3), .allButCarry, .lockable),
  user("dec", .dec, "FF /1", [.Ev], cycles(1, 3), .allButCarry, .lockable),
  user("neg", .neg, "F6 /3", [.Eb], cycles(1, 3), .arithmetic, .lockable),
  user("neg", .neg, "F7 /3", [.Ev], cycles(1, 3), .arithmetic, .lockable),
  user("mul", .mul, "F6 /4", [.Eb], cycles(11), .multiply, .readsOnly),
  user("mul", .mul, "F7 /4", [.Ev], cycles(10), .multiply, .readsOnly),
  user("imul", .imul, "F6 /5", [.Eb], cycles(11), .multiply, .readsOnly),
  user("imul", .imul, "F7 /5", [.Ev], cycles(10), .multiply, .readsOnly),
  user("imul", .imul, "0F AF /r", [.Gv, .Ev], cycles(10), .multiply),
  user("imul", .imul, "69 /r", [.Gv, .Ev, .Iz], cycles(10), .multiply, .writesOnly),
  user("imul", .imul, "6B /r", [.Gv, .Ev, .Ibs], cycles(10), .multiply, .writesOnly),
  user("div", .div, "F6 /6", [.Eb], cycles(17), .divide, .readsOnly, faults: .divideError),
  user("div", .div, "F7 /6", [.Ev], cycles(41), .divide, .readsOnly, faults: .divideError),
  user("idiv", .idiv, "F6 /7", [.Eb], cycles(22), .divide, .readsOnly, faults: .divideError),
  user("idiv", .idiv, "F7 /7", [.Ev], cycles(46), .divide, .readsOnly, faults: .divideError),
  user("daa", .daa, "27", [], cycles(3), decimalAdjust),
  user("das", .das, "2F", [], cycles(3), decimalAdjust),
  user("aaa", .aaa, "37", [], cycles(3), asciiAdjust),
  user("aas", .aas, "3F", [], cycles(3), asciiAdjust),
  user("aam", .aam, "D4", [.Ib], cycles(18), asciiMultiply, .readsOnly, faults: .divideError),
  user("aad", .aad, "D5", [.Ib], cycles(10), asciiMultiply, .readsOnly),
]

private let decimalAdjust = FlagUse(
  reads: [.cf, .af], writes: [.cf, .pf, .af, .zf, .sf], undefined: .of)
private let asciiAdjust = FlagUse(
  reads: .af, writes: [.cf, .af], undefined: [.pf, .zf, .sf, .of])
private let asciiMultiply = FlagUse(
  writes: [.pf, .zf, .sf], undefined: [.cf, .af, .of])
