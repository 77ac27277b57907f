/// Where a row sits in the opcode maps, written as in SDM vol. 2, 3.1.1.1:
///
/// - `NP`, `66`, `F3`, `F2` first: the mandatory prefix (`NP` = none of them). Without one the row
///   applies whatever prefixes there are, except where another row names the prefix.
/// - `0F`: the two-byte map. Then the opcode byte.
/// - `+r`: the register is in opcode bits 2:0 (the row covers the opcodes up to bits 2:0 = 7);
///   `+cc`: the condition is in bits 3:0.
/// - `/r`: a ModRM byte; `/0`...`/7`: its reg field extends the opcode; `/x`: a ModRM byte whose
///   mod field is ignored and taken as 3.
/// - a byte C0...FF after the opcode: the whole ModRM byte; with `+i` its rm field is free.
public struct Encoding: Sendable {
  public enum MandatoryPrefix: UInt8, Sendable {
    case any, none, operandSize, repeatEqual, repeatNotEqual
  }

  public enum ModRM: Sendable, Equatable {
    case absent
    /// `/r`
    case register
    /// `/x`
    case registerAnyMod
    /// `/0`...`/7`
    case digit(UInt8)
    /// The whole byte.
    case fixed(UInt8)
    /// The byte with any rm field.
    case fixedAnyRM(UInt8)
  }

  /// As written in the row.
  public let text: String
  public let mandatoryPrefix: MandatoryPrefix
  /// In the 0F map.
  public let isTwoByte: Bool
  /// First opcode.
  public let opcode: UInt8
  /// Number of consecutive opcodes: 1, 16 for `+cc`, up to 8 for `+r`.
  public let opcodeCount: Int
  public let modRM: ModRM

  /// Parses the notation above; a malformed row is a programming error and stops at start-up.
  init(_ text: String) {
    self.text = text
    var tokens = text.split(separator: " ").map(String.init)[...]
    let prefixes: [String: MandatoryPrefix] = [
      "NP": .none, "66": .operandSize, "F3": .repeatEqual, "F2": .repeatNotEqual,
    ]
    if tokens.count > 1, let prefix = prefixes[tokens[tokens.startIndex]] {
      mandatoryPrefix = prefix
      tokens.removeFirst()
    } else {
      mandatoryPrefix = .any
    }
    if tokens.count > 1 && tokens.first == "0F" {
      isTwoByte = true
      tokens.removeFirst()
    } else {
      isTwoByte = false
    }
    let opcodeParts = tokens.removeFirst().split(separator: "+")
    let opcode = UInt8(opcodeParts[0], radix: 16)!
    self.opcode = opcode
    switch opcodeParts.dropFirst().first {
    case "r": opcodeCount = 8 - Int(opcode & 7)
    case "cc": opcodeCount = 16
    default: opcodeCount = 1
    }
    guard let last = tokens.popFirst() else {
      modRM = .absent
      return
    }
    if last == "/r" {
      modRM = .register
    } else if last == "/x" {
      modRM = .registerAnyMod
    } else if last.hasPrefix("/") {
      modRM = .digit(UInt8(last.dropFirst())!)
    } else if last.hasSuffix("+i") {
      modRM = .fixedAnyRM(UInt8(last.dropLast(2), radix: 16)!)
    } else {
      modRM = .fixed(UInt8(last, radix: 16)!)
    }
    precondition(tokens.isEmpty, "malformed encoding \(text)")
  }

  public var hasModRM: Bool { modRM != .absent }
}
