/// What a guest takes its keyboard for. Needed to type text: keys are places, and the guest decides what they mean.
public enum KeyLayout: String, CaseIterable, Sendable {
  case us, uk, de, fr

  /// The keys that layouts differ in, row by row from the upper left; the key between the left Shift key and Z is
  /// the last row's first.
  private static let rows: [[Key]] = [
    [
      .grave, .digit1, .digit2, .digit3, .digit4, .digit5, .digit6, .digit7, .digit8, .digit9,
      .digit0, .minus, .equal,
    ], [.q, .w, .e, .r, .t, .y, .u, .i, .o, .p, .leftBracket, .rightBracket],
    [.a, .s, .d, .f, .g, .h, .j, .k, .l, .semicolon, .apostrophe, .backslash],
    [.isoBackslash, .z, .x, .c, .v, .b, .n, .m, .comma, .period, .slash],
  ]

  /// What the keys of `rows` mean alone, with Shift and with AltGr; a blank for nothing (or for what no plain text
  /// has).
  private var levels: [[String]] {
    switch self {
    case .us:
      [
        ["`1234567890-=", "qwertyuiop[]", "asdfghjkl;'\\", " zxcvbnm,./"],
        ["~!@#$%^&*()_+", "QWERTYUIOP{}", "ASDFGHJKL:\"|", " ZXCVBNM<>?"],
      ]
    case .uk:
      [
        ["`1234567890-=", "qwertyuiop[]", "asdfghjkl;'#", "\\zxcvbnm,./"],
        ["¬!\"£$%^&*()_+", "QWERTYUIOP{}", "ASDFGHJKL:@~", "|ZXCVBNM<>?"],
        ["    €        ", "            ", "            ", "           "],
      ]
    case .de:
      [
        ["^1234567890ß´", "qwertzuiopü+", "asdfghjklöä#", "<yxcvbnm,.-"],
        ["°!\"§$%&/()=?`", "QWERTZUIOPÜ*", "ASDFGHJKLÖÄ'", ">YXCVBNM;:_"],
        ["  ²³   {[]}\\ ", "@ €        ~", "            ", "|      µ   "],
      ]
    case .fr:
      [
        ["²&é\"'(-è_çà)=", "azertyuiop^$", "qsdfghjklmù*", "<wxcvbn,;:!"],
        [" 1234567890°+", "AZERTYUIOP¨£", "QSDFGHJKLM%µ", ">WXCVBN?./§"],
        ["  ~#{[|`\\^@]}", "  €         ", "            ", "           "],
      ]
    }
  }

  /// Keys that only change the next character, and stand for themselves before a blank: by level, the characters
  /// of `levels`.
  var deadKeys: [String] {
    switch self {
    case .us, .uk: []
    case .de: ["^´", "`"]
    case .fr: ["^", "¨"]
    }
  }

  /// The letters that a dead key changes, and what becomes of them.
  private static let composed: [Character: (bases: String, results: String)] = [
    "^": ("aeiouAEIOU", "âêîôûÂÊÎÔÛ"), "´": ("aeiouyAEIOUY", "áéíóúýÁÉÍÓÚÝ"),
    "`": ("aeiouAEIOU", "àèìòùÀÈÌÒÙ"), "¨": ("aeiouyAEIOU", "äëïöüÿÄËÏÖÜ"),
  ]

  /// All characters that a layout has, and how they are typed.
  private static let tables: [KeyLayout: [Character: [KeyStroke]]] = Dictionary(
    uniqueKeysWithValues: allCases.map { ($0, $0.makeTable()) })

  private func makeTable() -> [Character: [KeyStroke]] {
    var table: [Character: [KeyStroke]] = [" ": [KeyStroke(.space)]]
    var dead: [(Character, KeyStroke)] = []
    for (level, rows) in levels.enumerated() {
      for (keys, characters) in zip(Self.rows, rows) {
        for (key, character) in zip(keys, characters) where character != " " {
          let stroke = KeyStroke(key, shift: level == 1, altGr: level == 2)
          if level < deadKeys.count, deadKeys[level].contains(character) {
            dead.append((character, stroke))
          } else if table[character] == nil {
            table[character] = [stroke]
          }
        }
      }
    }
    for (character, stroke) in dead {
      if table[character] == nil { table[character] = [stroke, KeyStroke(.space)] }
      guard let (bases, results) = Self.composed[character] else { continue }
      for (base, result) in zip(bases, results) where table[result] == nil {
        if let rest = table[base] { table[result] = [stroke] + rest }
      }
    }
    return table
  }

  /// The strokes that type a character; nil when the layout does not have it. Control characters are typed with
  /// the Control key, except Backspace, Tab, Enter and Escape.
  public func strokes(typing character: Character) -> [KeyStroke]? {
    switch character.isNewline ? 10 : character.asciiValue {
    case 0x08, 0x7F: return [KeyStroke(.backspace)]
    case 0x09: return [KeyStroke(.tab)]
    case 0x0A: return [KeyStroke(.enter)]
    case 0x1B: return [KeyStroke(.escape)]
    case let ascii? where (0x01...0x1A).contains(ascii):
      guard let letter = Self.tables[self]?[Character(UnicodeScalar(ascii + 0x60))]?.first else {
        return nil
      }
      return [KeyStroke(letter.key, control: true)]
    default: return Self.tables[self]?[character]
    }
  }

  /// What a key means at a level (0 alone, 1 with Shift, 2 with AltGr); nil for nothing that is typed.
  func character(of key: Key, level: Int) -> Character? {
    guard level < levels.count else { return nil }
    for (keys, characters) in zip(Self.rows, levels[level]) {
      if let index = keys.firstIndex(of: key) {
        let character = Array(characters)[index]
        return character == " " ? nil : character
      }
    }
    return nil
  }

  /// The keys that layouts differ in.
  static var keys: [Key] { rows.flatMap { $0 } }
}
