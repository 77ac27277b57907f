import Bus

/// A virtio block device with the legacy PCI interface (Virtual I/O Device 1.1, 4.1.4.8 and 5.2), which Linux
/// and SeaBIOS drive.
///
/// Ports: offset 0 = the device's features, 4 = the driver's, 8 = the queue's page, 12 = its size, 14 = queue
/// select, 16 = notify, 18 = status, 19 = interrupt status, from 20 = capacity and the like.
public final class VirtioBlock: PortDevice, Resettable {
  private enum Feature {
    static let segmentMaximum: UInt32 = 1 << 2
    static let geometry: UInt32 = 1 << 4
    static let readOnly: UInt32 = 1 << 5
    static let blockSize: UInt32 = 1 << 6
    static let flush: UInt32 = 1 << 9
    static let anyLayout: UInt32 = 1 << 27
    static let indirectDescriptors: UInt32 = 1 << 28
  }
  private enum Kind {
    static let read: UInt32 = 0
    static let write: UInt32 = 1
    static let flush: UInt32 = 4
    static let identify: UInt32 = 8
  }
  private enum Outcome {
    static let ok: UInt8 = 0
    static let failed: UInt8 = 1
    static let unsupported: UInt8 = 2
  }

  private static let queueSize: UInt16 = 128
  private static let sectorSize: UInt64 = 512
  private static let headerSize = 16
  /// The largest request, in bytes.
  private static let largestRequest = 16 << 20
  /// No further request is taken while those under way have more bytes.
  private static let mostUnderWay = 32 << 20

  /// The function's configuration space (1AF4:1001).
  public let function: PCIFunction

  private let medium: any BlockMedium
  private let memory: any BusMasterMemory
  private let scheduler: BlockScheduler
  private let interrupt: InterruptLine
  private let serial: String

  private var driverFeatures: UInt32 = 0
  private var queue = VirtioQueue(size: queueSize)
  private var selectedQueue: UInt16 = 0
  private var status: UInt8 = 0
  private var interruptStatus: UInt8 = 0
  /// A request made no sense; the driver has to reset the device.
  private var isBroken = false
  private var underWay = 0
  private var generation = 0

  /// - Parameters:
  ///   - interrupt: INTA.
  ///   - serial: at most 20 characters.
  ///   - remapped: told the first of the 64 ports, or nil while they are not decoded.
  public init(
    medium: any BlockMedium, memory: any BusMasterMemory, scheduler: BlockScheduler,
    interrupt: InterruptLine, serial: String, remapped: @escaping (UInt32?) -> Void
  ) {
    self.medium = medium
    self.memory = memory
    self.scheduler = scheduler
    self.interrupt = interrupt
    self.serial = serial
    function = PCIFunction(
      vendor: 0x1AF4, device: 0x1001, classCode: 0x010000, interruptPin: 1)
    function.define(0x04, word: 0x0000, writable: 0x0405)
    function.define(0x2C, word: 0x1AF4)
    function.define(0x2E, word: 0x0002)
    function.addBaseAddress(0, .io(size: 64), remapped: remapped)
  }

  public func reset() {
    function.reset()
    resetDevice()
  }

  private func resetDevice() {
    generation += 1
    driverFeatures = 0
    queue.reset()
    selectedQueue = 0
    status = 0
    isBroken = false
    underWay = 0
    setInterrupt(0)
  }

  private func setInterrupt(_ value: UInt8) {
    interruptStatus = value
    interrupt.set(value != 0)
  }

  private var features: UInt32 {
    Feature.segmentMaximum | Feature.geometry | Feature.blockSize | Feature.flush
      | Feature.anyLayout | Feature.indirectDescriptors
      | (medium.isReadOnly ? Feature.readOnly : 0)
  }

  /// Capacity, largest segment (not limited), segments, geometry, block size.
  private var configuration: [UInt8] {
    func little(_ value: UInt64, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
    }
    let geometry = DiskGeometry(sectors: medium.size / Self.sectorSize)
    return little(medium.size / Self.sectorSize, 8) + little(0, 4)
      + little(UInt64(Self.queueSize) - 2, 4) + little(geometry.cylinders, 2)
      + little(geometry.heads, 1) + little(geometry.sectors, 1) + little(Self.sectorSize, 4)
  }

  // MARK: Ports

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    switch (offset, width) {
    case (0, .dword): return features
    case (4, .dword): return driverFeatures
    case (8, .dword): return selectedQueue == 0 ? queue.page : 0
    case (12, .word): return selectedQueue == 0 ? UInt32(queue.size) : 0
    case (14, .word): return UInt32(selectedQueue)
    case (16, .word): return 0
    default: break
    }
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    switch offset {
    case 0..<16:
      let aligned = offset & ~3
      let value =
        aligned == 12
        ? readPort(offset: 12, width: .word) | readPort(offset: 14, width: .word) << 16
        : readPort(offset: aligned, width: .dword)
      return value >> UInt32((offset & 3) * 8) & 0xFF
    case 18: return UInt32(status)
    case 19:
      defer { setInterrupt(0) }
      return UInt32(interruptStatus)
    case 20...:
      let bytes = configuration
      return Int(offset) - 20 < bytes.count ? UInt32(bytes[Int(offset) - 20]) : 0
    default: return 0
    }
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    switch (offset, width) {
    case (4, .dword): driverFeatures = value & features
    case (8, .dword):
      guard selectedQueue == 0 else { break }
      generation += 1
      queue.reset()
      queue.page = value & 0xF_FFFF
    case (14, .word): selectedQueue = UInt16(truncatingIfNeeded: value)
    case (16, .word): if value == 0 { takeRequests() }
    case (18, _):
      status = UInt8(truncatingIfNeeded: value)
      if status == 0 { resetDevice() }
    default: break
    }
  }

  // MARK: Requests

  /// A request whose parts were told apart.
  private struct Job {
    var request: VirtioQueue.Request
    var header: [UInt8]
    /// Data for the medium.
    var data: [UInt8]
    /// Bytes wanted from it.
    var wanted: Int

    var kind: UInt32 { header[0..<4].reversed().reduce(0) { $0 << 8 | UInt32($1) } }
    var sector: UInt64 { header[8..<16].reversed().reduce(0) { $0 << 8 | UInt64($1) } }
  }

  private func takeRequests() {
    guard !isBroken, function.read(0x04) & 4 != 0 else { return }
    do throws(VirtioQueue.Malformed) {
      while underWay < Self.mostUnderWay, let request = try queue.next(memory) {
        start(try job(request))
      }
    } catch { isBroken = true }
  }

  private func job(_ request: VirtioQueue.Request) throws(VirtioQueue.Malformed) -> Job {
    let given = request.readable.reduce(0) { $0 + $1.count }
    let wanted = request.writable.reduce(0) { $0 + $1.count }
    guard given >= Self.headerSize, wanted >= 1,
      given <= Self.largestRequest + Self.headerSize, wanted <= Self.largestRequest + 1
    else { throw VirtioQueue.Malformed() }
    // Drivers may cut the header and the data where they like.
    var bytes: [UInt8] = []
    bytes.reserveCapacity(given)
    for segment in request.readable {
      memory.readBytes(at: segment.address, count: segment.count, into: &bytes)
    }
    let header = Array(bytes[..<Self.headerSize])
    bytes.removeFirst(Self.headerSize)
    return Job(request: request, header: header, data: bytes, wanted: wanted - 1)
  }

  private func start(_ job: Job) {
    let count = job.kind == Kind.read ? job.wanted : job.kind == Kind.write ? job.data.count : 0
    let (offset, overflow) = job.sector.multipliedReportingOverflow(by: Self.sectorSize)
    let fits =
      !overflow && UInt64(count) % Self.sectorSize == 0 && offset <= medium.size
      && UInt64(count) <= medium.size - offset
    let transfer: any BlockTransfer
    switch job.kind {
    case Kind.read where fits && count > 0: transfer = medium.read(at: offset, count: count)
    case Kind.write where fits && count > 0: transfer = medium.write(job.data, at: offset)
    case Kind.flush: transfer = medium.flush()
    case Kind.identify:
      let name = Array(serial.utf8.prefix(20))
      let bytes = name + [UInt8](repeating: 0, count: 20 - name.count)
      return finish(job, Array(bytes.prefix(job.wanted)), Outcome.ok)
    case Kind.read, Kind.write: return finish(job, [], fits ? Outcome.ok : Outcome.failed)
    default: return finish(job, [], Outcome.unsupported)
    }
    underWay += count
    let started = generation
    scheduler.complete(transfer, count: count) { [weak self] result in
      guard let self, generation == started else { return }
      underWay -= count
      switch result {
      case .done(let data): finish(job, data, Outcome.ok)
      case .failed: finish(job, [], Outcome.failed)
      }
      takeRequests()
    }
  }

  /// Writes what was read and, into the last byte, the outcome.
  private func finish(_ job: Job, _ data: [UInt8], _ outcome: UInt8) {
    var position = 0
    var left = job.wanted
    for segment in job.request.writable {
      let count = min(segment.count, left)
      let end = min(position + count, data.count)
      if position < end {
        memory.writeBytes(data, range: position..<end, at: segment.address)
        position = end
      }
      left -= count
      if count < segment.count {
        memory.writeBytes([outcome], range: 0..<1, at: segment.address &+ UInt32(count))
        break
      }
    }
    if queue.finish(memory, job.request, written: position + 1) { setInterrupt(1) }
  }
}
