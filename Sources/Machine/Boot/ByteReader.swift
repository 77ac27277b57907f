/// Bounds-checked little-endian reads from a file's bytes. Every offset comes from the file itself, so any
/// may be wrong.
struct ByteReader {
  let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var count: Int { bytes.count }

  /// The integer at `offset`, or nil if it does not lie inside.
  func integer<T: FixedWidthInteger & UnsignedInteger>(_: T.Type, at offset: Int) -> T? {
    let size = T.bitWidth / 8
    guard offset >= 0, size <= bytes.count, offset <= bytes.count - size else { return nil }
    var value: T = 0
    for i in (0..<size).reversed() { value = value << 8 | T(bytes[offset + i]) }
    return value
  }

  func u8(_ offset: Int) -> UInt8? { integer(UInt8.self, at: offset) }
  func u16(_ offset: Int) -> UInt16? { integer(UInt16.self, at: offset) }
  func u32(_ offset: Int) -> UInt32? { integer(UInt32.self, at: offset) }
  func u64(_ offset: Int) -> UInt64? { integer(UInt64.self, at: offset) }

  /// `count` bytes at `offset`, or nil if they do not all lie inside.
  func slice(at offset: Int, count: Int) -> ArraySlice<UInt8>? {
    guard offset >= 0, count >= 0, count <= bytes.count, offset <= bytes.count - count else {
      return nil
    }
    return bytes[offset..<(offset + count)]
  }

  /// The bytes from `offset` up to the next zero, or nil if there is none.
  func string(at offset: Int) -> String? {
    guard offset >= 0, offset < bytes.count, let end = bytes[offset...].firstIndex(of: 0) else {
      return nil
    }
    return String(decoding: bytes[offset..<end], as: UTF8.self)
  }
}

/// A block of memory that is filled in field by field, little-endian.
struct ByteWriter {
  private(set) var bytes: [UInt8]

  /// `count` zero bytes.
  init(count: Int) { bytes = [UInt8](repeating: 0, count: count) }

  /// Stores `value` at `offset`; the block must be large enough.
  mutating func put<T: FixedWidthInteger & UnsignedInteger>(_ value: T, at offset: Int) {
    for i in 0..<(T.bitWidth / 8) {
      bytes[offset + i] = UInt8(truncatingIfNeeded: value >> T(i * 8))
    }
  }

  /// Copies `part` to `offset`; the block must be large enough.
  mutating func put(_ part: some Collection<UInt8>, at offset: Int) {
    bytes.replaceSubrange(offset..<(offset + part.count), with: part)
  }

  /// Appends `value`.
  mutating func append<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
    for i in 0..<(T.bitWidth / 8) { bytes.append(UInt8(truncatingIfNeeded: value >> T(i * 8))) }
  }
}
