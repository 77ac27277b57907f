/// Framing of GDB's remote serial protocol (GDB manual, appendix E): `$body#checksum`, acknowledged by `+`.
struct RemotePacketReader {
  enum Event: Equatable {
    case packet([UInt8])
    /// A packet whose checksum is wrong.
    case damaged
    /// Ctrl-C: the user wants the target to stop.
    case interrupt
  }

  private enum State {
    case idle, body
    case checksum(first: UInt8?)
  }

  /// More than any client sends after it was told the packet size.
  private static let largest = 1 << 16

  private var state = State.idle
  private var body: [UInt8] = []

  mutating func feed(_ byte: UInt8) -> Event? {
    switch state {
    case .idle:
      if byte == 3 { return .interrupt }
      if byte == UInt8(ascii: "$") {
        body = []
        state = .body
      }
    case .body:
      if byte == UInt8(ascii: "#") {
        state = .checksum(first: nil)
      } else if body.count < Self.largest {
        body.append(byte)
      }
    case .checksum(first: nil): state = .checksum(first: byte)
    case .checksum(let first?):
      state = .idle
      let digits = String(decoding: [first, byte], as: UTF8.self)
      guard UInt8(digits, radix: 16) == body.reduce(0, &+) else { return .damaged }
      return .packet(Self.unescaped(body))
    }
    return nil
  }

  /// `}` escapes the byte after it, which is XORed with 20h.
  private static func unescaped(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var escapes = false
    for byte in bytes {
      if escapes {
        result.append(byte ^ 0x20)
        escapes = false
      } else if byte == 0x7D {
        escapes = true
      } else {
        result.append(byte)
      }
    }
    return result
  }

  /// A packet with its frame.
  static func frame(_ body: String) -> [UInt8] {
    let bytes = Array(body.utf8)
    return [UInt8(ascii: "$")] + bytes
      + Array(("#" + hexadecimal(bytes.reduce(0, &+) as UInt8)).utf8)
  }
}

/// Hexadecimal fields of packets.
enum RemoteText {
  static func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.reduce(into: "") { $0 += hexadecimal($1) }
  }

  /// - Returns: nil unless the text is pairs of digits.
  static func bytes(_ text: some StringProtocol) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var result: [UInt8] = []
    for i in stride(from: 0, to: digits.count, by: 2) {
      guard let high = Character(UnicodeScalar(digits[i])).hexDigitValue,
        let low = Character(UnicodeScalar(digits[i + 1])).hexDigitValue
      else { return nil }
      result.append(UInt8(high << 4 | low))
    }
    return result
  }

  /// A number of at most 32 bits, as `m` and `Z` have them; addresses of 64 bits are cut.
  static func number(_ text: some StringProtocol) -> UInt32? {
    guard !text.hasPrefix("+"), !text.hasPrefix("-") else { return nil }
    return UInt64(text, radix: 16).map { UInt32(truncatingIfNeeded: $0) }
  }
}
