import Bus

/// A CD/DVD-ROM drive with a disc image of 2048-byte sectors: the PACKET protocol of ATA/ATAPI-6 (9.8) around
/// the commands of `OpticalDrive`.
final class ATAPICDROM: IDECommandSet {
  private typealias Failure = IDEDevice.Failure

  static let packetSize = 12
  /// Bytes read at a time.
  private static let dmaChunk = 128 << 10

  let drive: OpticalDrive
  private let serial: String
  private var transferMode: UInt8 = 0x22

  init(medium: any BlockMedium, serial: String) {
    drive = OpticalDrive(medium: medium)
    self.serial = serial
  }

  func reset(isHard: Bool) {
    if isHard { transferMode = 0x22 }
    drive.reset(isHard: isHard)
  }

  func sign(_ device: IDEDevice) {
    device.registers.count.current = 1
    device.registers.low.current = 1
    device.registers.byteCount = 0xEB14
    device.registers.device &= 0x10
    device.setStatus(0)
  }

  func execute(_ command: UInt8, on device: IDEDevice) {
    switch command {
    case 0x00: device.finish(error: Failure.aborted)
    case 0x08: device.reset(isHard: false)
    case 0xA0: receivePacket(device)
    case 0xA1:
      device.sendPIO(identification.bytes, blockSize: 512) { device.finish(interrupts: false) }
    case 0xE0...0xE3, 0xE6, 0xE7: device.finish()
    case 0xE5:
      device.registers.count.current = 0xFF
      device.finish()
    case 0xEF where device.registers.feature.current == 0x03:
      let mode = device.registers.count.current
      guard
        [0x00, 0x01].contains(mode) || 0x08...0x0C ~= mode || 0x20...0x22 ~= mode
          || 0x40...0x45 ~= mode
      else { return device.finish(error: Failure.aborted) }
      if mode >= 0x20 { transferMode = mode }
      device.finish()
    case 0xEC, 0x20, 0x21:
      // A packet device says so by its signature.
      sign(device)
      device.finish(error: Failure.aborted)
    default: device.finish(error: Failure.aborted)
    }
  }

  // MARK: The PACKET protocol

  private func receivePacket(_ device: IDEDevice) {
    let usesDMA = device.registers.feature.current & 1 != 0
    var limit = device.registers.byteCount
    if limit == 0 || limit == 0xFFFF { limit = 0xFFFE }
    limit &= ~1
    device.registers.count.current = 1  // command, to the device
    device.receivePIO(Self.packetSize, blockSize: Self.packetSize, interrupts: false) {
      [unowned self] packet in
      run(drive.execute(packet), on: device, usesDMA: usesDMA, limit: max(limit, 2))
    }
  }

  private func run(
    _ reply: OpticalDrive.Reply, on device: IDEDevice, usesDMA: Bool, limit: Int
  ) {
    switch reply {
    case .done: end(device, sense: nil)
    case .failed(let sense): end(device, sense: sense)
    case .bytes(let bytes):
      send(bytes, on: device, usesDMA: usesDMA, limit: limit) { [unowned self] in
        end(device, sense: nil)
      }
    case .sectors(let first, let count, let header):
      read(first, count, header, on: device, usesDMA: usesDMA, limit: limit)
    }
  }

  private func send(
    _ bytes: [UInt8], on device: IDEDevice, usesDMA: Bool, limit: Int,
    _ next: @escaping () -> Void
  ) {
    guard !usesDMA else { return device.sendDMA(bytes, next) }
    device.blockPrepared = { [unowned device] count in
      device.registers.count.current = 2  // data, to the host
      device.registers.byteCount = count
    }
    device.sendPIO(bytes, blockSize: limit, next)
  }

  private func read(
    _ first: UInt64, _ count: UInt64, _ layout: OpticalDrive.SectorLayout, on device: IDEDevice,
    usesDMA: Bool, limit: Int
  ) {
    let sector = OpticalDrive.sectorSize
    // In PIO, blocks end where the byte count limit says, so whole blocks are read at a time.
    let most = UInt64(max(1, (usesDMA ? Self.dmaChunk : min(Self.dmaChunk, limit)) / sector))
    let part = min(count, most)
    let bytes = Int(part) * sector
    let transfer = drive.medium.read(at: first * UInt64(sector), count: bytes)
    device.await(transfer, count: bytes) { [unowned self] result in
      guard case .done(let data) = result else {
        return end(device, sense: .unrecoveredRead)
      }
      send(
        layout.apply(to: data, first: first), on: device, usesDMA: usesDMA, limit: limit
      ) { [unowned self] in
        guard count > part else { return end(device, sense: nil) }
        read(first + part, count - part, layout, on: device, usesDMA: usesDMA, limit: limit)
      }
    }
  }

  /// The status phase.
  private func end(_ device: IDEDevice, sense: OpticalDrive.Sense?) {
    device.registers.count.current = 3  // status, to the host
    drive.sense = sense ?? .none
    device.finish(error: sense.map { $0.key << 4 | ($0.key == 5 ? Failure.aborted : 0) } ?? 0)
  }

  private var identification: IdentifyData {
    var data = IdentifyData()
    data[0] = 0x85C0  // packet device, CD-ROM, removable, 12-byte packets, DRQ within 50 us
    data.put(serial, at: 10, words: 10)
    data.put("1.0", at: 23, words: 4)
    data.put("SWITCHBACK CD-ROM", at: 27, words: 20)
    data[49] = 0x0F00
    data[50] = 0x4000
    data[53] = 0x0006
    func modes(_ supported: UInt16, _ first: UInt8) -> UInt16 {
      transferMode & 0xF8 == first ? supported | 0x0100 << UInt16(transferMode & 7) : supported
    }
    data[63] = modes(0x0007, 0x20)
    data[64] = 0x0003
    for word in 65...68 { data[word] = 120 }
    data[71] = 30
    data[72] = 30
    data[80] = 0x0070
    data[82] = 0x4210  // NOP, DEVICE RESET, PACKET
    data[83] = 0x4000
    data[84] = 0x4000
    data[85] = 0x4210
    data[87] = 0x4000
    data[88] = modes(0x003F, 0x40)
    data[93] = 0x600B
    return data
  }
}
