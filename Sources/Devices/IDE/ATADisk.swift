import Bus

/// A hard disk with 48-bit addresses. ATA/ATAPI-6, 8.
final class ATADisk: IDECommandSet {
  private typealias Failure = IDEDevice.Failure

  static let sectorSize = 512
  /// The most sectors a DRQ block of READ MULTIPLE may have.
  private static let largestMultiple = 16
  /// Sectors moved at a time.
  private static let pioChunk = 128
  private static let dmaChunk = 1024

  let medium: any BlockMedium
  let geometry: DiskGeometry
  private let serial: String

  /// What INITIALIZE DEVICE PARAMETERS has chosen.
  private var logical: DiskGeometry
  private var multiple = 0
  private var transferMode: UInt8 = 0x22
  private var hasWriteCache = true
  private var looksAhead = true
  private var isSMARTEnabled = true

  init(medium: any BlockMedium, serial: String) {
    self.medium = medium
    self.serial = serial
    geometry = DiskGeometry(sectors: medium.size / UInt64(Self.sectorSize))
    logical = geometry
  }

  private var capacity: UInt64 { medium.size / UInt64(Self.sectorSize) }

  func reset(isHard: Bool) {
    guard isHard else { return }
    logical = geometry
    multiple = 0
    transferMode = 0x22
    hasWriteCache = true
    looksAhead = true
    isSMARTEnabled = true
  }

  func sign(_ device: IDEDevice) {
    device.registers.count.current = 1
    device.registers.low.current = 1
    device.registers.byteCount = 0
    device.registers.device = 0
    device.setStatus(device.idleStatus)
  }

  // MARK: Addresses

  /// A part of a command's sectors.
  private struct Extent {
    var first: UInt64
    var count: UInt64
    var isExtended: Bool
  }

  /// The sectors that the registers name; nil if there are no such.
  private func extent(_ device: IDEDevice, isExtended: Bool) -> Extent? {
    let r = device.registers
    var count = UInt64(r.count.current)
    let first: UInt64
    if isExtended {
      count |= UInt64(r.count.previous) << 8
      if count == 0 { count = 0x1_0000 }
      first =
        UInt64(r.low.current) | UInt64(r.mid.current) << 8 | UInt64(r.high.current) << 16
        | UInt64(r.low.previous) << 24 | UInt64(r.mid.previous) << 32
        | UInt64(r.high.previous) << 40
    } else {
      if count == 0 { count = 256 }
      if r.device & 0x40 != 0 {
        first =
          UInt64(r.low.current) | UInt64(r.mid.current) << 8 | UInt64(r.high.current) << 16
          | UInt64(r.device & 15) << 24
      } else {
        let sector = UInt64(r.low.current)
        let head = UInt64(r.device & 15)
        let cylinder = UInt64(r.byteCount)
        guard sector >= 1, sector <= logical.sectors, head < logical.heads,
          cylinder < logical.cylinders
        else { return nil }
        first = (cylinder * logical.heads + head) * logical.sectors + sector - 1
      }
    }
    guard first < capacity, count <= capacity - first else { return nil }
    return Extent(first: first, count: count, isExtended: isExtended)
  }

  /// Shows a sector's address in the registers, in the form of the command.
  private func show(_ sector: UInt64, _ device: IDEDevice, isExtended: Bool) {
    func byte(_ index: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: sector >> (index * 8)) }
    if isExtended {
      device.registers.low = .init(current: byte(0), previous: byte(3))
      device.registers.mid = .init(current: byte(1), previous: byte(4))
      device.registers.high = .init(current: byte(2), previous: byte(5))
    } else if device.registers.device & 0x40 != 0 {
      device.registers.low.current = byte(0)
      device.registers.mid.current = byte(1)
      device.registers.high.current = byte(2)
      device.registers.device = device.registers.device & 0xF0 | byte(3) & 15
    } else {
      let track = sector / logical.sectors
      device.registers.low.current = UInt8(truncatingIfNeeded: sector % logical.sectors + 1)
      device.registers.byteCount = Int(track / logical.heads)
      device.registers.device =
        device.registers.device & 0xF0 | UInt8(truncatingIfNeeded: track % logical.heads) & 15
    }
  }

  // MARK: Data

  private func fail(_ device: IDEDevice, at extent: Extent, _ code: UInt8) {
    show(extent.first, device, isExtended: extent.isExtended)
    device.finish(error: code)
  }

  private func succeed(
    _ device: IDEDevice, _ last: UInt64, isExtended: Bool, interrupts: Bool = true
  ) {
    show(last, device, isExtended: isExtended)
    device.registers.count = .init()
    device.finish(interrupts: interrupts)
  }

  /// Takes the next part off an extent.
  private func split(_ extent: Extent, _ limit: Int) -> (part: Extent, rest: Extent) {
    var part = extent
    var rest = extent
    part.count = min(extent.count, UInt64(limit))
    rest.first += part.count
    rest.count -= part.count
    return (part, rest)
  }

  private func read(
    _ device: IDEDevice, _ extent: Extent, chunk: Int, _ next: @escaping ([UInt8], Extent) -> Void
  ) {
    let (part, rest) = split(extent, chunk)
    let bytes = Int(part.count) * Self.sectorSize
    let transfer = medium.read(at: part.first * UInt64(Self.sectorSize), count: bytes)
    device.await(transfer, count: bytes) { [unowned self] result in
      switch result {
      case .done(let data): next(data, rest)
      case .failed where part.count > 1:
        // Go on sector by sector, to what is good and to name what is not.
        read(device, extent, chunk: 1, next)
      case .failed: fail(device, at: part, Failure.uncorrectable)
      }
    }
  }

  private func readPIO(_ device: IDEDevice, _ extent: Extent, block: Int, chunk: Int = pioChunk) {
    read(device, extent, chunk: chunk) { [unowned self] data, rest in
      let chunk = data.count == Self.sectorSize && rest.count > 0 ? 1 : chunk
      device.sendPIO(data, blockSize: block * Self.sectorSize) { [unowned self] in
        guard rest.count == 0 else { return readPIO(device, rest, block: block, chunk: chunk) }
        succeed(device, rest.first - 1, isExtended: rest.isExtended, interrupts: false)
      }
    }
  }

  private func readDMA(_ device: IDEDevice, _ extent: Extent, chunk: Int = dmaChunk) {
    read(device, extent, chunk: chunk) { [unowned self] data, rest in
      let chunk = data.count == Self.sectorSize && rest.count > 0 ? 1 : chunk
      device.sendDMA(data) { [unowned self] in
        guard rest.count == 0 else { return readDMA(device, rest, chunk: chunk) }
        succeed(device, rest.first - 1, isExtended: rest.isExtended)
      }
    }
  }

  private func write(
    _ device: IDEDevice, _ data: [UInt8], _ part: Extent, _ next: @escaping () -> Void
  ) {
    let transfer = medium.write(data, at: part.first * UInt64(Self.sectorSize))
    device.await(transfer, count: data.count) { [unowned self] result in
      guard case .done = result else { return fail(device, at: part, Failure.aborted) }
      next()
    }
  }

  private func writePIO(_ device: IDEDevice, _ extent: Extent, block: Int, isFirst: Bool = true) {
    let (part, rest) = split(extent, Self.pioChunk)
    device.receivePIO(
      Int(part.count) * Self.sectorSize, blockSize: block * Self.sectorSize, interrupts: !isFirst
    ) { [unowned self] data in
      write(device, data, part) { [unowned self] in
        guard rest.count == 0 else {
          return writePIO(device, rest, block: block, isFirst: false)
        }
        succeed(device, rest.first - 1, isExtended: rest.isExtended)
      }
    }
  }

  private func writeDMA(_ device: IDEDevice, _ extent: Extent) {
    let (part, rest) = split(extent, Self.dmaChunk)
    device.receiveDMA(Int(part.count) * Self.sectorSize) { [unowned self] data in
      write(device, data, part) { [unowned self] in
        guard rest.count == 0 else { return writeDMA(device, rest) }
        succeed(device, rest.first - 1, isExtended: rest.isExtended)
      }
    }
  }

  private func flush(_ device: IDEDevice) {
    device.await(medium.flush(), count: 0) { result in
      guard case .done = result else { return device.finish(error: Failure.aborted) }
      device.finish()
    }
  }

  // MARK: Commands

  private enum Transfer {
    case readPIO
    case writePIO
    case readDMA
    case writeDMA
    case verify
  }

  /// Commands that name sectors: kind, whether addresses have 48 bits, whether blocks have several sectors.
  private static func transfer(_ command: UInt8) -> (Transfer, isExtended: Bool, isMultiple: Bool)?
  {
    switch command {
    case 0x20, 0x21: (.readPIO, false, false)
    case 0x24: (.readPIO, true, false)
    case 0x25: (.readDMA, true, false)
    case 0x29: (.readPIO, true, true)
    case 0x30, 0x31: (.writePIO, false, false)
    case 0x34: (.writePIO, true, false)
    case 0x35: (.writeDMA, true, false)
    case 0x39: (.writePIO, true, true)
    case 0x40, 0x41: (.verify, false, false)
    case 0x42: (.verify, true, false)
    case 0xC4: (.readPIO, false, true)
    case 0xC5: (.writePIO, false, true)
    case 0xC8, 0xC9: (.readDMA, false, false)
    case 0xCA, 0xCB: (.writeDMA, false, false)
    default: nil
    }
  }

  func execute(_ command: UInt8, on device: IDEDevice) {
    if let (kind, isExtended, isMultiple) = Self.transfer(command) {
      guard !isMultiple || multiple > 0 else { return device.finish(error: Failure.aborted) }
      guard let extent = extent(device, isExtended: isExtended) else {
        return device.finish(error: Failure.notFound)
      }
      let block = isMultiple ? multiple : 1
      switch kind {
      case .readPIO: readPIO(device, extent, block: block)
      case .readDMA: readDMA(device, extent)
      case .writePIO: writePIO(device, extent, block: block)
      case .writeDMA: writeDMA(device, extent)
      case .verify: verify(device, extent)
      }
      return
    }
    switch command {
    case 0x10...0x1F, 0xE0...0xE3, 0x94...0x97: device.finish()
    case 0x27: succeed(device, capacity - 1, isExtended: true)
    case 0x70...0x7F: seek(device)
    case 0x91: initializeParameters(device)
    case 0xB0: smart(device)
    case 0xC6: setMultiple(device)
    case 0xE5, 0x98:
      device.registers.count.current = 0xFF  // active
      device.finish()
    case 0xE6, 0x99: device.finish()
    case 0xE7, 0xEA: flush(device)
    case 0xEC:
      device.sendPIO(identification.bytes, blockSize: 512) { device.finish(interrupts: false) }
    case 0xEF: setFeatures(device)
    case 0xF8:
      device.registers.device |= 0x40
      succeed(device, min(capacity, 1 << 28) - 1, isExtended: false)
    default: device.finish(error: Failure.aborted)
    }
  }

  private func verify(_ device: IDEDevice, _ extent: Extent) {
    read(device, extent, chunk: Self.dmaChunk) { [unowned self] _, rest in
      guard rest.count == 0 else { return verify(device, rest) }
      succeed(device, rest.first - 1, isExtended: rest.isExtended)
    }
  }

  private func seek(_ device: IDEDevice) {
    device.registers.count.current = 1
    device.finish(error: extent(device, isExtended: false) == nil ? Failure.notFound : 0)
  }

  private func initializeParameters(_ device: IDEDevice) {
    let sectors = UInt64(device.registers.count.current)
    let heads = UInt64(device.registers.device & 15) + 1
    guard sectors > 0 else { return device.finish(error: Failure.aborted) }
    let total = min(capacity, DiskGeometry.largest)
    logical = DiskGeometry(
      cylinders: min(total / (sectors * heads), 65_535), heads: heads, sectors: sectors)
    device.finish()
  }

  private func setMultiple(_ device: IDEDevice) {
    let count = Int(device.registers.count.current)
    guard count <= Self.largestMultiple, count & (count - 1) == 0 else {
      return device.finish(error: Failure.aborted)
    }
    multiple = count
    device.finish()
  }

  private func setFeatures(_ device: IDEDevice) {
    switch device.registers.feature.current {
    case 0x02: hasWriteCache = true
    case 0x82:
      // What was cached is written before the cache is off.
      hasWriteCache = false
      return flush(device)
    case 0xAA: looksAhead = true
    case 0x55: looksAhead = false
    case 0x03:
      let mode = device.registers.count.current
      switch mode {
      case 0x00, 0x01, 0x08...0x0C: break  // PIO
      case 0x20...0x22, 0x40...0x45: transferMode = mode
      default: return device.finish(error: Failure.aborted)
      }
    case 0x66, 0xCC: break
    default: return device.finish(error: Failure.aborted)
    }
    device.finish()
  }

  /// SMART: a disk that never ages. ATA/ATAPI-6, 8.54.
  private func smart(_ device: IDEDevice) {
    let feature = device.registers.feature.current
    guard device.registers.byteCount == 0xC24F, isSMARTEnabled || feature == 0xD8 else {
      return device.finish(error: Failure.aborted)
    }
    switch feature {
    case 0xD0, 0xD1:
      // Attributes or thresholds: a structure of revision 16 without entries; its bytes sum to zero.
      var data = [UInt8](repeating: 0, count: 512)
      data[0] = 0x10
      data[511] = 0xF0
      device.sendPIO(data, blockSize: 512) { device.finish(interrupts: false) }
    case 0xD2, 0xD4: device.finish()
    case 0xD8, 0xD9:
      isSMARTEnabled = feature == 0xD8
      device.finish()
    case 0xDA: device.finish()  // the registers keep the pattern of a healthy disk
    default: device.finish(error: Failure.aborted)
    }
  }

  private var identification: IdentifyData {
    var data = IdentifyData()
    data[0] = 0x0040
    data[1] = UInt16(truncatingIfNeeded: geometry.cylinders)
    data[3] = UInt16(truncatingIfNeeded: geometry.heads)
    data[6] = UInt16(truncatingIfNeeded: geometry.sectors)
    data.put(serial, at: 10, words: 10)
    data.put("1.0", at: 23, words: 4)
    data.put("SWITCHBACK HARDDISK", at: 27, words: 20)
    data[47] = 0x8000 | UInt16(Self.largestMultiple)
    data[48] = 1  // 32-bit accesses to the data register
    data[49] = 0x0F00
    data[50] = 0x4000
    data[51] = 0x0200
    data[52] = 0x0200
    data[53] = 0x0007
    data[54] = UInt16(truncatingIfNeeded: logical.cylinders)
    data[55] = UInt16(truncatingIfNeeded: logical.heads)
    data[56] = UInt16(truncatingIfNeeded: logical.sectors)
    data.put(logical.total, at: 57, words: 2)
    data[59] = multiple > 0 ? 0x0100 | UInt16(multiple) : 0
    data.put(min(capacity, 0x0FFF_FFFF), at: 60, words: 2)
    func modes(_ supported: UInt16, _ first: UInt8) -> UInt16 {
      transferMode & 0xF8 == first ? supported | 0x0100 << UInt16(transferMode & 7) : supported
    }
    data[63] = modes(0x0007, 0x20)
    data[64] = 0x0003
    for word in 65...68 { data[word] = 120 }
    data[80] = 0x0070  // ATA/ATAPI-4 to 6
    data[82] = 0x4061
    data[83] = 0x7400
    data[84] = 0x4000
    data[85] =
      0x4000 | (looksAhead ? 0x40 : 0) | (hasWriteCache ? 0x20 : 0) | (isSMARTEnabled ? 1 : 0)
    data[86] = 0x3400
    data[87] = 0x4000
    data[88] = modes(0x003F, 0x40)
    data[93] = 0x600B
    data.put(capacity, at: 100, words: 4)
    return data
  }
}

/// Cylinders, heads and sectors of a disk.
public struct DiskGeometry: Equatable, Sendable {
  public var cylinders: UInt64
  public var heads: UInt64
  public var sectors: UInt64

  /// The most sectors that CHS addresses reach. ATA/ATAPI-5, annex C.
  static let largest: UInt64 = 16_383 * 16 * 63

  init(cylinders: UInt64, heads: UInt64, sectors: UInt64) {
    self.cylinders = cylinders
    self.heads = heads
    self.sectors = sectors
  }

  /// The default for a disk of a size: 16 heads, 63 sectors, at most 16383 cylinders.
  public init(sectors total: UInt64) {
    self.init(cylinders: min(max(total / (16 * 63), 1), 16_383), heads: 16, sectors: 63)
  }

  var total: UInt64 { cylinders * heads * sectors }
}
