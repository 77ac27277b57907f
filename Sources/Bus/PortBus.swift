/// What went wrong while a machine was wired.
public enum BusError: Error, Equatable, CustomStringConvertible {
  case overlap(name: String, other: String, first: UInt32)

  public var description: String {
    switch self {
    case .overlap(let name, let other, let first):
      "\(name) overlaps \(other) at 0x\(String(first, radix: 16))"
    }
  }
}

/// Reads and writes of one attached device, for the statistics.
public struct AccessCounts: Sendable, Equatable {
  public var reads: UInt64 = 0
  public var writes: UInt64 = 0
  public init() {}

  public mutating func add(_ other: AccessCounts) {
    reads &+= other.reads
    writes &+= other.writes
  }
}

/// Adds up the host time that devices take, if there is a clock.
public struct AccessTime {
  /// The host's nanoseconds; nil: nothing is measured.
  public var clock: (() -> UInt64)?
  public private(set) var nanoseconds: UInt64 = 0
  public init() {}

  @inline(__always) public func begin() -> UInt64 { clock?() ?? 0 }
  @inline(__always) public mutating func end(_ begin: UInt64) {
    if let clock { nanoseconds &+= clock() &- begin }
  }
}

/// The 64 Ki I/O ports. Unclaimed ports read all ones and ignore writes.
public final class PortBus {
  private struct Attachment {
    var name: String
    var ports: ClosedRange<UInt16>
    var device: any PortDevice
    var counts = AccessCounts()
    var isDetached = false
  }

  private var attachments: [Attachment] = []
  private var owner = [UInt8](repeating: 0xFF, count: 0x10000)

  /// How long the devices took.
  public var time = AccessTime()

  /// Called for every access when not nil: (isWrite, port, width, value, device name).
  public var trace: ((Bool, UInt16, AccessWidth, UInt32, String) -> Void)?

  public init() {}

  /// Gives `device` the ports of `ports`.
  /// - Throws: `BusError.overlap` if one of them has an owner already.
  public func attach(_ device: any PortDevice, ports: ClosedRange<UInt16>, name: String) throws {
    for port in ports where owner[Int(port)] != 0xFF {
      let other = attachments[Int(owner[Int(port)])].name
      throw BusError.overlap(name: name, other: other, first: UInt32(port))
    }
    // A range that was taken away comes back to its own place: a guest may move one without end.
    let index =
      attachments.firstIndex { $0.isDetached && $0.device === device } ?? attachments.count
    precondition(index < 0xFF, "more than 255 port ranges")
    if index == attachments.count {
      attachments.append(Attachment(name: name, ports: ports, device: device))
    }
    attachments[index].ports = ports
    attachments[index].isDetached = false
    for port in ports { owner[Int(port)] = UInt8(index) }
  }

  /// Takes the ports of the range that starts at `first` away again (PCI BARs move).
  public func detach(first: UInt16) {
    let index = Int(owner[Int(first)])
    guard index != 0xFF, attachments[index].ports.lowerBound == first else { return }
    for port in attachments[index].ports { owner[Int(port)] = 0xFF }
    attachments[index].isDetached = true
  }

  /// Reads `width` bytes at `port`, little-endian. An access that straddles devices is split into bytes.
  public func read(_ port: UInt16, width: AccessWidth) -> UInt32 {
    var value: UInt32
    var name = "-"
    if let index = soleOwner(port, width) {
      if index == 0xFF {
        value = width.mask
      } else {
        attachments[index].counts.reads += 1
        let a = attachments[index]
        name = a.name
        let begin = time.begin()
        value = a.device.readPort(offset: port - a.ports.lowerBound, width: width) & width.mask
        time.end(begin)
      }
    } else {
      value = 0
      for i in 0..<UInt16(width.rawValue) {
        value |= read(port &+ i, width: .byte) << (UInt32(i) * 8)
      }
    }
    trace?(false, port, width, value, name)
    return value
  }

  /// Reads `width` bytes at `port` up to `limit` times, as often as that has no effect but to take what is read.
  /// - Returns: the bytes read; none if `read` has to be asked.
  public func readAhead(_ port: UInt16, width: AccessWidth, limit: Int) -> ArraySlice<UInt8> {
    guard trace == nil, let index = soleOwner(port, width), index != 0xFF else { return [] }
    let a = attachments[index]
    let begin = time.begin()
    let bytes = a.device.readAhead(
      offset: port - a.ports.lowerBound, width: width, limit: limit)
    time.end(begin)
    attachments[index].counts.reads += UInt64(bytes.count / width.rawValue)
    return bytes
  }

  /// Writes the low `width` bytes of `value` at `port`.
  public func write(_ port: UInt16, width: AccessWidth, value: UInt32) {
    let value = value & width.mask
    if let index = soleOwner(port, width) {
      guard index != 0xFF else {
        trace?(true, port, width, value, "-")
        return
      }
      attachments[index].counts.writes += 1
      let a = attachments[index]
      trace?(true, port, width, value, a.name)
      let begin = time.begin()
      a.device.writePort(offset: port - a.ports.lowerBound, width: width, value: value)
      time.end(begin)
    } else {
      for i in 0..<UInt16(width.rawValue) {
        write(port &+ i, width: .byte, value: (value >> (UInt32(i) * 8)) & 0xFF)
      }
    }
  }

  /// Reads and writes per device name.
  public var counts: [String: AccessCounts] {
    attachments.reduce(into: [:]) {
      $0[$1.name, default: AccessCounts()].add($1.counts)
    }
  }

  /// The one owner of all the bytes (0xFF: nobody), or nil if they differ.
  private func soleOwner(_ port: UInt16, _ width: AccessWidth) -> Int? {
    let first = owner[Int(port)]
    for i in 1..<UInt16(max(width.rawValue, 2)) where i < width.rawValue {
      if owner[Int(port &+ i)] != first { return nil }
    }
    return Int(first)
  }
}
