/// Finds a text in a stream of bytes that arrive one at a time. Morris and Pratt's algorithm: no byte is looked
/// at twice, however long the stream.
struct TextMatcher {
  private let pattern: [UInt8]
  private let fallback: [Int]
  private var matched = 0

  /// Whether the text has appeared. An empty text has from the start.
  private(set) var found: Bool

  init(_ text: String) {
    let pattern = Array(text.utf8)
    var fallback = [Int](repeating: 0, count: pattern.count)
    var k = 0
    for i in pattern.indices.dropFirst() {
      while k > 0 && pattern[i] != pattern[k] { k = fallback[k - 1] }
      if pattern[i] == pattern[k] { k += 1 }
      fallback[i] = k
    }
    self.pattern = pattern
    self.fallback = fallback
    found = pattern.isEmpty
  }

  mutating func feed(_ byte: UInt8) {
    guard !found else { return }
    while matched > 0 && byte != pattern[matched] { matched = fallback[matched - 1] }
    if byte == pattern[matched] { matched += 1 }
    if matched == pattern.count { found = true }
  }

  /// Begins again, as if nothing had been fed.
  mutating func restart() {
    matched = 0
    found = pattern.isEmpty
  }

  /// Whether the text occurs in `bytes`.
  static func contains(_ text: String, in bytes: some Sequence<UInt8>) -> Bool {
    var matcher = TextMatcher(text)
    for byte in bytes {
      matcher.feed(byte)
      if matcher.found { break }
    }
    return matcher.found
  }
}
