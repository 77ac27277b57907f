import Bus

/// One split virtqueue in guest memory, in the legacy layout (Virtual I/O Device 1.1, 2.6): descriptors, the ring
/// of what the driver offers, and at the next page the ring of what the device has used.
struct VirtioQueue {
  /// A part of a request's memory.
  struct Segment: Equatable {
    var address: UInt32
    var count: Int
  }

  /// What the driver offers: memory that the device reads, then memory that it writes.
  struct Request {
    var head: UInt16
    var readable: [Segment] = []
    var writable: [Segment] = []
  }

  /// The ring or a descriptor makes no sense.
  struct Malformed: Error {}

  private enum Flag {
    static let next: UInt16 = 1
    static let write: UInt16 = 2
    static let indirect: UInt16 = 4
  }

  /// Entries, a power of two.
  let size: UInt16
  /// The page of the descriptors; 0 while there is no queue.
  var page: UInt32 = 0
  private var taken: UInt16 = 0
  private var used: UInt16 = 0

  init(size: UInt16) { self.size = size }

  mutating func reset() { self = VirtioQueue(size: size) }

  private var descriptors: UInt32 { page &* 4096 }
  private var available: UInt32 { descriptors &+ 16 * UInt32(size) }
  private var usedRing: UInt32 { (available &+ 6 + 2 * UInt32(size) &+ 4095) & ~4095 }

  private func word(_ memory: any BusMasterMemory, _ address: UInt32) -> UInt16 {
    var bytes: [UInt8] = []
    memory.readBytes(at: address, count: 2, into: &bytes)
    return UInt16(bytes[0]) | UInt16(bytes[1]) << 8
  }

  /// Takes the next request.
  /// - Returns: nil if there is none.
  mutating func next(_ memory: any BusMasterMemory) throws(Malformed) -> Request? {
    guard page != 0 else { return nil }
    let waiting = word(memory, available &+ 2) &- taken
    guard waiting != 0 else { return nil }
    guard waiting <= size else { throw Malformed() }
    let head = word(memory, available &+ 4 &+ 2 * UInt32(taken % size))
    var request = Request(head: head)
    try collect(memory, head, table: descriptors, count: UInt32(size), isIndirect: false, &request)
    taken &+= 1
    return request
  }

  /// Follows a chain of descriptors.
  private func collect(
    _ memory: any BusMasterMemory, _ first: UInt16, table: UInt32, count: UInt32,
    isIndirect: Bool, _ request: inout Request
  ) throws(Malformed) {
    var index = UInt32(first)
    for _ in 0..<count {
      guard index < count else { throw Malformed() }
      var bytes: [UInt8] = []
      memory.readBytes(at: table &+ index * 16, count: 16, into: &bytes)
      func field(_ range: Range<Int>) -> UInt64 {
        bytes[range].reversed().reduce(0) { $0 << 8 | UInt64($1) }
      }
      let flags = UInt16(field(12..<14))
      guard let address = UInt32(exactly: field(0..<8)) else { throw Malformed() }
      let length = Int(field(8..<12))
      if flags & Flag.indirect != 0 {
        // A table of its own, which ends the chain.
        guard !isIndirect, length >= 16, length % 16 == 0, length / 16 <= 4096 else {
          throw Malformed()
        }
        return try collect(
          memory, 0, table: address, count: UInt32(length / 16), isIndirect: true, &request)
      }
      let segment = Segment(address: address, count: length)
      if flags & Flag.write != 0 {
        request.writable.append(segment)
      } else {
        guard request.writable.isEmpty else { throw Malformed() }
        request.readable.append(segment)
      }
      guard flags & Flag.next != 0 else { return }
      index = UInt32(field(14..<16))
    }
    // More links than descriptors: a loop.
    throw Malformed()
  }

  /// Gives a request back.
  /// - Returns: whether the driver wants an interrupt.
  mutating func finish(_ memory: any BusMasterMemory, _ request: Request, written: Int) -> Bool {
    guard page != 0 else { return false }
    let entry = usedRing &+ 4 &+ 8 * UInt32(used % size)
    let fields = [UInt32(request.head), UInt32(truncatingIfNeeded: written)]
    let bytes = fields.flatMap { field in
      (0..<4).map { UInt8(truncatingIfNeeded: field >> UInt32($0 * 8)) }
    }
    memory.writeBytes(bytes, range: 0..<8, at: entry)
    used &+= 1
    memory.writeBytes(
      [UInt8(truncatingIfNeeded: used), UInt8(used >> 8)], range: 0..<2, at: usedRing &+ 2)
    return word(memory, available) & 1 == 0
  }
}
