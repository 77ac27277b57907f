import Bus

/// The commands of a CD/DVD-ROM drive with a data disc of one track (MMC-5; SPC-3 for INQUIRY and the sense
/// data).
final class OpticalDrive {
  /// Why a command failed.
  struct Sense: Equatable {
    var key: UInt8
    var code: UInt8
    var qualifier: UInt8 = 0

    static let none = Sense(key: 0, code: 0)
    static let noDisc = Sense(key: 2, code: 0x3A, qualifier: 0x01)
    static let trayOpen = Sense(key: 2, code: 0x3A, qualifier: 0x02)
    static let unrecoveredRead = Sense(key: 3, code: 0x11)
    static let invalidCommand = Sense(key: 5, code: 0x20)
    static let outOfRange = Sense(key: 5, code: 0x21)
    static let invalidField = Sense(key: 5, code: 0x24)
    static let removalPrevented = Sense(key: 5, code: 0x53, qualifier: 0x02)
    static let illegalMode = Sense(key: 5, code: 0x64)
    static let mediumChanged = Sense(key: 6, code: 0x28)
    static let wasReset = Sense(key: 6, code: 0x29)
  }

  /// What READ CD leaves of a sector.
  struct SectorLayout: Equatable {
    var hasHeader = false
    static let data = SectorLayout()

    /// Puts the header (address and mode) before each sector's data if it is wanted.
    func apply(to data: [UInt8], first: UInt64) -> [UInt8] {
      guard hasHeader else { return data }
      var result: [UInt8] = []
      for index in 0..<data.count / OpticalDrive.sectorSize {
        let address = OpticalDrive.minutes(first + UInt64(index))
        result += address.map { ($0 / 10) << 4 | $0 % 10 } + [1]
        result +=
          data[
            index * OpticalDrive.sectorSize..<(index + 1) * OpticalDrive.sectorSize]
      }
      return result
    }
  }

  /// How a command goes on.
  enum Reply: Equatable {
    case done
    case failed(Sense)
    case bytes([UInt8])
    /// Sectors to be read from the disc.
    case sectors(first: UInt64, count: UInt64, SectorLayout)
  }

  static let sectorSize = 2048

  let medium: any BlockMedium
  var sense = Sense.none
  /// A condition that is reported before anything else is done.
  private var attention: Sense?
  private var isOpen = false
  private var isLocked = false
  /// What GET EVENT STATUS NOTIFICATION will tell: 0 nothing, 2 new medium, 3 medium removed.
  private var event: UInt8 = 0

  init(medium: any BlockMedium) { self.medium = medium }

  func reset(isHard: Bool) {
    sense = .none
    attention = .wasReset
    isLocked = false
    guard isHard else { return }
    isOpen = false
    event = 2
  }

  /// Sectors of the disc.
  var capacity: UInt64 { medium.size / UInt64(Self.sectorSize) }

  /// More than a CD of 80 minutes holds.
  private var isDVD: Bool { capacity > 80 * 60 * 75 }

  /// A sector's address as minute, second, frame, counted with the two seconds before the first.
  fileprivate static func minutes(_ sector: UInt64) -> [UInt8] {
    let frame = sector + 150
    return [frame / (60 * 75), frame / 75 % 60, frame % 75].map { UInt8(truncatingIfNeeded: $0) }
  }

  // MARK: Commands

  func execute(_ packet: [UInt8]) -> Reply {
    func word(_ index: Int) -> Int { Int(packet[index]) << 8 | Int(packet[index + 1]) }
    func dword(_ index: Int) -> UInt64 { UInt64(word(index)) << 16 | UInt64(word(index + 2)) }
    let code = packet[0]
    // INQUIRY, REQUEST SENSE, GET CONFIGURATION and GET EVENT STATUS NOTIFICATION work at any time.
    switch code {
    case 0x12: return inquiry(packet)
    case 0x03:
      let reported = attention ?? sense
      attention = nil
      sense = .none
      return reply(senseData(reported), limit: Int(packet[4]))
    case 0x46: return reply(configuration(packet, from: word(2)), limit: word(7))
    case 0x4A: return eventStatus(packet, limit: word(7))
    default: break
    }
    if let condition = attention {
      attention = nil
      return .failed(condition)
    }
    switch code {
    case 0x1B: return startStop(packet[4])
    case 0x1E:
      isLocked = packet[4] & 1 != 0
      return .done
    case 0x1A: return modeSense(packet, limit: Int(packet[4]), isShort: true)
    case 0x5A: return modeSense(packet, limit: word(7), isShort: false)
    case 0xBB, 0x35: return .done  // SET CD SPEED, SYNCHRONIZE CACHE
    case 0xBD: return reply([0, isOpen ? 0x10 : 0, 0, 0, 0, 1, 0, 0], limit: word(8))
    default: break
    }
    let needsDisc: Set<UInt8> = [
      0x00, 0x25, 0x28, 0xA8, 0x2B, 0x42, 0x43, 0x51, 0x52, 0xAD, 0xB9, 0xBE, 0x4E, 0x2F,
    ]
    guard needsDisc.contains(code) else { return .failed(.invalidCommand) }
    guard !isOpen else { return .failed(.trayOpen) }
    switch code {
    case 0x25:  // READ CAPACITY
      return .bytes(big(capacity - 1, 4) + big(UInt64(Self.sectorSize), 4))
    case 0x28: return read(dword(2), UInt64(word(7)), .data)
    case 0xA8: return read(dword(2), dword(6), .data)
    case 0x2F: return dword(2) + UInt64(word(7)) <= capacity ? .done : .failed(.outOfRange)
    case 0x2B: return dword(2) < capacity ? .done : .failed(.outOfRange)
    case 0x42: return subchannel(packet, limit: word(7))
    case 0x43: return tableOfContents(packet, limit: word(7))
    case 0x51: return reply(discInformation, limit: word(7))
    case 0x52: return trackInformation(packet, limit: word(7))
    case 0xAD: return discStructure(packet, limit: word(8))
    case 0xBE: return readCD(dword(2), dword(5) & 0xFF_FFFF, packet)
    case 0xB9: return readCDByTime(packet)
    default: return .done  // TEST UNIT READY, STOP PLAY
    }
  }

  private func reply(_ bytes: [UInt8], limit: Int) -> Reply {
    limit == 0 || bytes.isEmpty ? .done : .bytes(Array(bytes.prefix(limit)))
  }

  private func senseData(_ sense: Sense) -> [UInt8] {
    [0x70, 0, sense.key, 0, 0, 0, 0, 10, 0, 0, 0, 0, sense.code, sense.qualifier, 0, 0, 0, 0]
  }

  private func inquiry(_ packet: [UInt8]) -> Reply {
    // No vital product data pages.
    guard packet[1] & 1 == 0, packet[2] == 0 else { return .failed(.invalidField) }
    func text(_ text: String, _ count: Int) -> [UInt8] {
      Array(text.utf8.prefix(count)) + [UInt8](repeating: 0x20, count: count - text.utf8.count)
    }
    let head: [UInt8] = [0x05, 0x80, 0x05, 0x32, 31, 0, 0, 0]
    let data = head + text("SWITCHBK", 8) + text("CD-ROM", 16) + text("1.0", 4)
    return reply(data, limit: Int(packet[3]) << 8 | Int(packet[4]))
  }

  private func startStop(_ flags: UInt8) -> Reply {
    guard flags & 0xF0 == 0, flags & 2 != 0 else { return .done }
    if flags & 1 == 0 {
      guard !isLocked else { return .failed(.removalPrevented) }
      if !isOpen { event = 3 }
      isOpen = true
    } else if isOpen {
      isOpen = false
      event = 2
      attention = .mediumChanged
    }
    return .done
  }

  private func eventStatus(_ packet: [UInt8], limit: Int) -> Reply {
    // Only polled, and only media events.
    guard packet[1] & 1 != 0 else { return .failed(.invalidField) }
    guard packet[4] & 0x10 != 0 else { return reply([0, 2, 0x80, 0x10], limit: limit) }
    defer { event = 0 }
    return reply([0, 6, 0x04, 0x10, event, isOpen ? 0x01 : 0x02, 0, 0], limit: limit)
  }

  private func read(_ first: UInt64, _ count: UInt64, _ layout: SectorLayout) -> Reply {
    guard first < capacity || count == 0 && first == capacity, count <= capacity - first else {
      return .failed(.outOfRange)
    }
    return count == 0 ? .done : .sectors(first: first, count: count, layout)
  }

  /// READ CD: user data, with or without the header; not what only a raw disc has (EDC, ECC, subchannels).
  private func readCD(_ first: UInt64, _ count: UInt64, _ packet: [UInt8]) -> Reply {
    let type = packet[1] >> 2 & 7
    // Any type, or mode 1: the disc has no other sectors.
    guard type == 0 || type == 2 else { return .failed(.illegalMode) }
    guard packet[10] & 7 == 0 else { return .failed(.invalidField) }
    switch packet[9] & 0xF8 {
    case 0x00: return first + count <= capacity ? .done : .failed(.outOfRange)
    case 0x10: return read(first, count, .data)
    case 0x30: return read(first, count, SectorLayout(hasHeader: true))
    default: return .failed(.invalidField)
    }
  }

  private func readCDByTime(_ packet: [UInt8]) -> Reply {
    func sector(_ index: Int) -> UInt64? {
      let frames =
        (UInt64(packet[index]) * 60 + UInt64(packet[index + 1])) * 75 + UInt64(packet[index + 2])
      return frames >= 150 ? frames - 150 : nil
    }
    guard let first = sector(3), let end = sector(6), end >= first else {
      return .failed(.invalidField)
    }
    return readCD(first, end - first, packet)
  }

  // MARK: What the disc is like

  private func address(_ sector: UInt64, asTime: Bool) -> [UInt8] {
    asTime ? [0] + Self.minutes(sector) : big(sector, 4)
  }

  private func tableOfContents(_ packet: [UInt8], limit: Int) -> Reply {
    let asTime = packet[1] & 2 != 0
    var format = packet[2] & 15
    // Older drivers have the format in the last byte.
    if format == 0 { format = packet[9] >> 6 }
    let start = packet[6]
    var body: [UInt8] = [1, 1]
    switch format {
    case 0:
      guard start <= 1 || start == 0xAA else { return .failed(.invalidField) }
      if start <= 1 { body += [0, 0x14, 1, 0] + address(0, asTime: asTime) }
      body += [0, 0x16, 0xAA, 0] + address(capacity, asTime: asTime)
    case 1:
      body += [0, 0x14, 1, 0] + address(0, asTime: asTime)
    case 2:
      // Session 1: first track, last track, lead-out, track 1.
      for (point, time) in [
        (0xA0, [1, 0, 0]), (0xA1, [1, 0, 0]), (0xA2, Self.minutes(capacity)), (1, Self.minutes(0)),
      ] as [(UInt8, [UInt8])] {
        body += [1, 0x14, 0, point, 0, 0, 0, 0] + time
      }
    default: return .failed(.invalidField)
    }
    return reply(big(UInt64(body.count), 2) + body, limit: limit)
  }

  private func subchannel(_ packet: [UInt8], limit: Int) -> Reply {
    // Nothing plays.
    guard packet[2] & 0x40 != 0 else { return reply([0, 0x15, 0, 0], limit: limit) }
    switch packet[3] {
    case 1:
      let start = address(0, asTime: packet[1] & 2 != 0)
      return reply([0, 0x15, 0, 12, 1, 0x14, 1, 1] + start + start, limit: limit)
    case 2, 3:
      return reply(
        [0, 0x15, 0, 20, packet[3], 0x14, 1, 0] + [UInt8](repeating: 0, count: 16), limit: limit)
    default: return .failed(.invalidField)
    }
  }

  /// READ DISC INFORMATION: one complete session, one track, finalised.
  private var discInformation: [UInt8] {
    var data = [UInt8](repeating: 0, count: 34)
    data[1] = 32
    data[2] = 0x0E
    data[3] = 1
    data[4] = 1
    data[5] = 1
    data[6] = 1
    data[7] = 0x20
    for index in 16..<24 { data[index] = 0xFF }
    return data
  }

  private func trackInformation(_ packet: [UInt8], limit: Int) -> Reply {
    let number = packet[2..<6].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    switch packet[1] & 3 {
    case 0 where number < capacity: break
    case 1 where number == 1: break
    case 2 where number == 1: break
    default: return .failed(.invalidField)
    }
    var data = [UInt8](repeating: 0, count: 36)
    data[1] = 34
    data[2] = 1
    data[3] = 1
    data[5] = 0x04
    data[6] = 0x01
    data.replaceSubrange(24..<28, with: big(capacity, 4))
    return reply(data, limit: limit)
  }

  /// READ DISC STRUCTURE: the physical format of a DVD-ROM of one layer.
  private func discStructure(_ packet: [UInt8], limit: Int) -> Reply {
    guard isDVD else { return .failed(.illegalMode) }
    guard packet[7] == 0, packet[6] == 0 else { return .failed(.invalidField) }
    var data = [UInt8](repeating: 0, count: 2052)
    data[0] = 0x08
    data[1] = 0x02
    data[4] = 0x01
    data[5] = 0x0F
    data[6] = 0x01
    data.replaceSubrange(8..<12, with: big(0x03_0000, 4))
    data.replaceSubrange(12..<16, with: big(0x03_0000 + capacity - 1, 4))
    return reply(data, limit: limit)
  }

  private func modeSense(_ packet: [UInt8], limit: Int, isShort: Bool) -> Reply {
    // Saved values do not exist; changeable ones are none.
    guard packet[2] >> 6 != 3 else { return .failed(Sense(key: 5, code: 0x39)) }
    let pages: [(UInt8, [UInt8])] = [
      (0x01, [0, 5, 0, 0, 0, 0]),
      (
        0x2A,
        [
          0x3B, 0x00, 0x70, 0x60, isLocked ? 0x2B : 0x29, 0x00, 0x02, 0xC2, 0x00, 0x02, 0x02, 0x00,
          0x02, 0xC2, 0x00, 0x00, 0x00, 0x00,
        ]
      ),
    ]
    let wanted = packet[2] & 0x3F
    let chosen = pages.filter { wanted == 0x3F || wanted == $0.0 }
    guard !chosen.isEmpty else { return .failed(.invalidField) }
    let isMask = packet[2] >> 6 == 1
    let body = chosen.flatMap { code, values in
      [code, UInt8(values.count)] + (isMask ? values.map { _ in 0 } : values)
    }
    // Medium type: a 120 mm data disc, or an open door.
    let type: UInt8 = isOpen ? 0x71 : 0x01
    let data =
      isShort
      ? [UInt8(3 + body.count), type, 0, 0] + body
      : big(UInt64(6 + body.count), 2) + [type, 0, 0, 0, 0, 0] + body
    return reply(data, limit: limit)
  }

  // MARK: Features (MMC-5, 5)

  private func configuration(_ packet: [UInt8], from first: Int) -> [UInt8] {
    let profile: UInt16 = isOpen ? 0 : isDVD ? 0x0010 : 0x0008
    func profileEntry(_ number: UInt16) -> [UInt8] {
      big(UInt64(number), 2) + [number == profile ? 1 : 0, 0]
    }
    let isCD: UInt8 = profile == 0x0008 ? 1 : 0
    let hasDisc: UInt8 = isOpen ? 0 : 1
    let features: [(Int, UInt8, [UInt8])] = [
      (0x0000, 0x03, profileEntry(0x0010) + profileEntry(0x0008)),
      (0x0001, 0x0B, [0, 0, 0, 2, 1, 0, 0, 0]),  // core: ATAPI, DBE
      (0x0002, 0x07, [0x02, 0, 0, 0]),  // morphing
      (0x0003, 0x03, [0x29, 0, 0, 0]),  // removable: tray, eject, lock
      (0x0010, 0x00 | hasDisc, [0, 0, 8, 0, 0, 1, 0, 0]),  // random readable
      (0x001E, 0x08 | isCD, [0, 0, 0, 0]),  // CD read
      (0x001F, 0x00 | (hasDisc & ~isCD), [0, 0, 0, 0]),  // DVD read
      (0x0100, 0x03, []),  // power management
      (0x0105, 0x07, [0, 0, 0, 0]),  // time-out
    ]
    let kind = packet[1] & 3
    let chosen = features.filter { number, flags, _ in
      switch kind {
      case 2: number == first
      case 1: number >= first && flags & 1 != 0
      default: number >= first
      }
    }
    let body = chosen.flatMap { number, flags, data in
      big(UInt64(number), 2) + [flags, UInt8(data.count)] + data
    }
    return big(UInt64(body.count + 4), 4) + [0, 0] + big(UInt64(profile), 2) + body
  }

  private func big(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64((count - 1 - $0) * 8)) }
  }
}
