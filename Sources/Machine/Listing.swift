import ISA

/// A listing of guest code: address, bytes and text of each instruction.
public struct Listing: Sendable {
  /// One instruction, or a byte that starts none.
  public struct Line: Sendable, Equatable {
    public var address: UInt32
    public var bytes: [UInt8]
    public var text: String

    public init(address: UInt32, bytes: [UInt8], text: String) {
      self.address = address
      self.bytes = bytes
      self.text = text
    }

    /// Address, bytes and text in columns.
    public var formatted: String {
      let hex = bytes.map { hexadecimal($0) }.joined(separator: " ")
      let padding = String(repeating: " ", count: max(1, 32 - hex.count))
      return "\(hexadecimal(address))  \(hex)\(padding)\(text)"
    }
  }

  public let lines: [Line]

  /// - Parameters:
  ///   - bytes: the code.
  ///   - address: of its first byte.
  ///   - codeSize: default operand and address size in bytes, 2 or 4.
  ///   - count: the most instructions to list.
  public init(_ bytes: [UInt8], address: UInt32, codeSize: UInt8, count: Int = .max) {
    var lines: [Line] = []
    var offset = 0
    while offset < bytes.count, lines.count < count {
      let rest = Array(bytes[offset..<min(offset + Decoder.maximumLength, bytes.count)])
      let place = address &+ UInt32(truncatingIfNeeded: offset)
      var length = 1
      var text = "(bad)"
      switch Decoder.decode(rest, codeSize: codeSize) {
      case .instruction(let instruction):
        length = max(1, Int(instruction.length))
        text = instruction.text(at: place)
      case .truncated:
        length = rest.count
        text = "(truncated)"
      case .invalid, .tooLong: break
      }
      lines.append(
        Line(address: place, bytes: Array(rest.prefix(length)), text: text))
      offset += length
    }
    self.lines = lines
  }
}
