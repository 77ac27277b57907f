/// The six forms of one member of shift group 2.
private func shiftRows(
  _ mnemonic: String, _ operation: Operation, _ digit: Int, _ flags: FlagUse,
  _ attributes: RowAttributes = [], by1: Cycles = cycles(1, 3), byImmediate: Cycles = cycles(1, 3),
  byCL: Cycles = cycles(4)
) -> [Row] {
  var multiple = flags
  multiple.writes.remove(.of)
  multiple.undefined.insert(.of)
  return [
    user(mnemonic, operation, "C0 /\(digit)", [.Eb, .Ib], byImmediate, multiple, attributes),
    user(mnemonic, operation, "C1 /\(digit)", [.Ev, .Ib], byImmediate, multiple, attributes),
    user(mnemonic, operation, "D0 /\(digit)", [.Eb, .one], by1, flags, attributes),
    user(mnemonic, operation, "D1 /\(digit)", [.Ev, .one], by1, flags, attributes),
    user(mnemonic, operation, "D2 /\(digit)", [.Eb, .CL], byCL, multiple, attributes),
    user(mnemonic, operation, "D3 /\(digit)", [.Ev, .CL], byCL, multiple, attributes),
  ]
}

/// Shifts and rotates. A count of 0 changes no flag, so all of them also read what they write.
/// SDM vol. 1, 7.3.6.
let shiftRows: [Row] =
  [
    shiftRows("rol", .rol, 0, rotate), shiftRows("ror", .ror, 1, rotate),
    shiftRows("rcl", .rcl, 2, rotate, byImmediate: cycles(10, 12), byCL: cycles(9, 11)),
    shiftRows("rcr", .rcr, 3, rotate, byImmediate: cycles(10, 12), byCL: cycles(9, 11)),
    shiftRows("shl", .shl, 4, shift), shiftRows("shr", .shr, 5, shift),
    shiftRows("shl", .shl, 6, shift, .alias), shiftRows("sar", .sar, 7, shift),
  ].flatMap { $0 } + [
    user("shld", .shld, "0F A4 /r", [.Ev, .Gv, .Ib], cycles(4), doubleShift),
    user("shld", .shld, "0F A5 /r", [.Ev, .Gv, .CL], cycles(4, 5), doubleShift),
    user("shrd", .shrd, "0F AC /r", [.Ev, .Gv, .Ib], cycles(4), doubleShift),
    user("shrd", .shrd, "0F AD /r", [.Ev, .Gv, .CL], cycles(4, 5), doubleShift),
  ]

private let rotate = FlagUse(reads: [.cf, .of], writes: [.cf, .of])
private let shift = FlagUse(
  reads: .all, writes: [.cf, .pf, .zf, .sf, .of], undefined: .af)
private let doubleShift = FlagUse(
  reads: .all, writes: [.cf, .pf, .zf, .sf], undefined: [.af, .of])
