/// The 8x16 font for a machine without a VGA BIOS, drawn on a grid of 5 by 9 (two rows are descenders) for
/// ASCII; lines and blocks of code page 437 are constructed.
public enum VGAFont {
  /// The sixteen rows of a character of code page 437, bit 7 leftmost.
  public static func glyph(_ character: UInt8) -> [UInt8] {
    switch character {
    case 0x00, 0x20, 0xFF: [UInt8](repeating: 0, count: 16)
    case 0x21...0x7E: stretched(ascii[Int(character) - 0x20])
    case 0xB0: (0..<16).map { $0 & 1 == 0 ? 0x22 : 0x88 }
    case 0xB1: (0..<16).map { $0 & 1 == 0 ? 0x55 : 0xAA }
    case 0xB2: (0..<16).map { $0 & 1 == 0 ? 0xDD : 0x77 }
    case 0xB3...0xDA: boxDrawing(arms[Int(character) - 0xB3])
    case 0xDB: [UInt8](repeating: 0xFF, count: 16)
    case 0xDC: (0..<16).map { $0 < 8 ? 0x00 : 0xFF }
    case 0xDD: [UInt8](repeating: 0xF0, count: 16)
    case 0xDE: [UInt8](repeating: 0x0F, count: 16)
    case 0xDF: (0..<16).map { $0 < 8 ? 0xFF : 0x00 }
    case 0x07, 0xF9, 0xFA: (0..<16).map { 7...8 ~= $0 ? 0x18 : 0x00 }
    case 0xFE: (0..<16).map { 4...11 ~= $0 ? 0x7E : 0x00 }
    default: (0..<16).map { $0 == 3 || $0 == 12 ? 0x7C : 4...11 ~= $0 ? 0x44 : 0x00 }
    }
  }

  /// Stretches nine rows of five bits to sixteen rows: the grid's rows are one or two scan lines high.
  private static func stretched(_ rows: UInt64) -> [UInt8] {
    let heights = [2, 1, 2, 1, 2, 1, 2, 1, 1]
    var result: [UInt8] = [0, 0]
    for (row, height) in heights.enumerated() {
      let bits = UInt8(truncatingIfNeeded: rows >> UInt64((8 - row) * 5)) & 0x1F
      result += [UInt8](repeating: bits << 2, count: height)
    }
    return result + [0]
  }

  /// Lines from the centre: up, down, left, right, each none, single or double.
  private static func boxDrawing(_ arms: (Int, Int, Int, Int)) -> [UInt8] {
    let (up, down, left, right) = arms
    var rows = [UInt8](repeating: 0, count: 16)
    func vertical(_ kind: Int) -> UInt8 { [0x00, 0x08, 0x14][kind] }
    func horizontal(_ kind: Int) -> [Int] { [[], [7], [6, 8]][kind] }
    // Each arm reaches as far as the lines that it meets.
    for row in 0..<16 {
      if row <= 8 { rows[row] |= vertical(up) }
      if row >= 6 { rows[row] |= vertical(down) }
    }
    for row in horizontal(left) { rows[row] |= 0xF8 }
    for row in horizontal(right) { rows[row] |= 0x1F }
    if up == 0 && down == 0 { return rows }
    // Trim what sticks out of a corner and open the inside of double crossings.
    if up == 0 { for row in 0..<(horizontal(max(left, right)).first ?? 0) { rows[row] = 0 } }
    if down == 0 {
      for row in ((horizontal(max(left, right)).last ?? 15) + 1)..<16 { rows[row] = 0 }
    }
    if max(up, down) == 2 && max(left, right) == 2 {
      rows[7] = up > 0 && down > 0 || left > 0 && right > 0 ? rows[7] & 0x14 : rows[7]
    }
    return rows
  }

  /// Up, down, left, right of the characters B3h-DAh.
  private static let arms: [(Int, Int, Int, Int)] = [
    (1, 1, 0, 0), (1, 1, 1, 0), (1, 1, 2, 0), (2, 2, 1, 0), (0, 2, 1, 0), (0, 1, 2, 0),
    (2, 2, 2, 0), (2, 2, 0, 0), (0, 2, 2, 0), (2, 0, 2, 0), (2, 0, 1, 0), (1, 0, 2, 0),
    (0, 1, 1, 0), (1, 0, 0, 1), (1, 0, 1, 1), (0, 1, 1, 1), (1, 1, 0, 1), (0, 0, 1, 1),
    (1, 1, 1, 1), (1, 1, 0, 2), (2, 2, 0, 1), (2, 0, 0, 2), (0, 2, 0, 2), (2, 0, 2, 2),
    (0, 2, 2, 2), (2, 2, 0, 2), (0, 0, 2, 2), (2, 2, 2, 2), (1, 0, 2, 2), (2, 0, 1, 1),
    (0, 1, 2, 2), (0, 2, 1, 1), (2, 0, 0, 1), (1, 0, 0, 2), (0, 1, 0, 2), (0, 2, 0, 1),
    (2, 2, 1, 1), (1, 1, 2, 2), (1, 0, 1, 0), (0, 1, 0, 1),
  ]

  /// Space to tilde, nine rows of five bits each, the top row in the highest bits.
  private static let ascii: [UInt64] = [
    0x000000000000, 0x042108401000, 0x0A5280000000, 0x0A57D5F52800, 0x047D1C5F1000,
    0x18C888898C00, 0x0C9511593400, 0x042200000000, 0x022210820800, 0x082084222000,
    0x00255D520000, 0x00213E420000, 0x000000063088, 0x00003E000000, 0x000000063000,
    0x010888884000, 0x0E8CEB98B800, 0x046108423800, 0x0E8844447C00, 0x1F110418B800,
    0x0232A5F10800, 0x1F878218B800, 0x06443D18B800, 0x1F0888842000, 0x0E8C5D18B800,
    0x0E8C5E113000, 0x006300C60000, 0x006300063088, 0x022220820800, 0x0007C1F00000,
    0x082082222000, 0x0E8844401000, 0x0E8DEB783800, 0x045463F8C400, 0x1E8C7D18F800,
    0x0E8C2108B800, 0x1C9463197000, 0x1F843D087C00, 0x1F843D084000, 0x0E8C2F18BC00,
    0x118C7F18C400, 0x0E2108423800, 0x071084293000, 0x119531494400, 0x108421087C00,
    0x11DD6B18C400, 0x11CE6B39C400, 0x0E8C6318B800, 0x1E8C7D084000, 0x0E8C63593400,
    0x1E8C7D494400, 0x0F841C10F800, 0x1F2108421000, 0x118C6318B800, 0x118C63151000,
    0x118C6B5DC400, 0x118A88A8C400, 0x118A88421000, 0x1F0888887C00, 0x0E4210843800,
    0x108208208400, 0x0E1084213800, 0x045440000000, 0x0000000003E0, 0x082080000000,
    0x000382F8BC00, 0x1085B318F800, 0x0003A308B800, 0x010B6718BC00, 0x0003A3F83800,
    0x064A38842000, 0x0003E319B42E, 0x1085B318C400, 0x040308423800, 0x020184210A4C,
    0x1084A98A4800, 0x0C2108423800, 0x0006AB5AD400, 0x0005B318C400, 0x0003A318B800,
    0x0005B318FA10, 0x00036718BC21, 0x0005B3084000, 0x0003E0E0F800, 0x084710849800,
    0x00046319B400, 0x000463151000, 0x0004635AA800, 0x000454454400, 0x00046319B42E,
    0x0007C4447C00, 0x022110420800, 0x042108421000, 0x082104422000, 0x00022A200000,
  ]
}

/// The PC's character set.
enum CodePage437 {
  private static let characters: [Character] = Array(
    " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
      + String((0x20...0x7E as ClosedRange<UInt8>).map { Character(UnicodeScalar($0)) }) + "⌂"
      + "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀"
      + "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ")

  /// The Unicode character of a byte; the NUL and FFh blanks are spaces.
  static func character(_ byte: UInt8) -> Character { characters[Int(byte)] }
}
