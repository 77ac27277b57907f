/// Reads the frames that the guest's init program (roms/linux/init) sends over port E9h: a type byte, the
/// payload's length as 32 bits little-endian, the payload.
struct GuestChannel {
  enum Message: Equatable {
    /// The init program runs.
    case ready
    /// The program is about to be started.
    case started
    /// It has ended with this status, as `wait4` gives it.
    case ended(UInt32)
    case standardOutput([UInt8])
    case standardError([UInt8])
    /// Something in the guest went wrong.
    case failed(String)
    /// All runs are over.
    case done
  }

  /// A frame of another kind or of absurd length: the stream is not the init program's.
  struct Garbled: Error {}

  private static let largestPayload = 1 << 30
  private var header: [UInt8] = []
  private var payload: [UInt8] = []
  private var remaining = 0

  mutating func feed(_ byte: UInt8) throws(Garbled) -> Message? {
    if header.count < 5 {
      header.append(byte)
      guard header.count == 5 else { return nil }
      remaining = (1...4).reduce(0) { $0 | Int(header[$1]) << (($1 - 1) * 8) }
      guard remaining <= Self.largestPayload else { throw Garbled() }
      payload = []
    } else {
      payload.append(byte)
      remaining -= 1
    }
    guard remaining == 0 else { return nil }
    let type = header[0]
    header = []
    switch type {
    case UInt8(ascii: "R"): return .ready
    case UInt8(ascii: "S"): return .started
    case UInt8(ascii: "E"):
      guard let status = ByteReader(payload).u32(0) else { throw Garbled() }
      return .ended(status)
    case UInt8(ascii: "1"): return .standardOutput(payload)
    case UInt8(ascii: "2"): return .standardError(payload)
    case UInt8(ascii: "X"): return .failed(String(decoding: payload, as: UTF8.self))
    case UInt8(ascii: "Q"): return .done
    default: throw Garbled()
    }
  }
}
