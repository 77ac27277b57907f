/// The 256 words that a device tells about itself. ATA/ATAPI-6, 8.15 and 8.16.
struct IdentifyData {
  private(set) var words = [UInt16](repeating: 0, count: 256)

  subscript(_ index: Int) -> UInt16 {
    get { words[index] }
    set { words[index] = newValue }
  }

  /// A text, two characters a word with the first in the upper half, padded with spaces.
  mutating func put(_ text: String, at first: Int, words count: Int) {
    let bytes = Array(text.utf8.prefix(count * 2))
    func character(_ index: Int) -> UInt16 { index < bytes.count ? UInt16(bytes[index]) : 0x20 }
    for i in 0..<count { words[first + i] = character(2 * i) << 8 | character(2 * i + 1) }
  }

  /// A number of `count` words, the lowest first.
  mutating func put(_ value: UInt64, at first: Int, words count: Int) {
    for i in 0..<count { words[first + i] = UInt16(truncatingIfNeeded: value >> UInt64(i * 16)) }
  }

  /// Little-endian bytes with the signature and checksum of word 255.
  var bytes: [UInt8] {
    var result = words.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    result[510] = 0xA5
    result[511] = 0 &- result[0..<511].reduce(0, &+)
    return result
  }
}
