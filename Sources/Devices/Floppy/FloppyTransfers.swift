import Bus

/// The commands that read, write and format sectors. 82077AA data sheet, 5.1.
extension FloppyController82077AA {
  private enum Status0 {
    static let abnormal: UInt8 = 0x40
  }
  private enum Status1 {
    static let missingAddress: UInt8 = 0x01
    static let notWritable: UInt8 = 0x02
    static let noData: UInt8 = 0x04
    static let overrun: UInt8 = 0x10
    static let dataError: UInt8 = 0x20
    static let endOfCylinder: UInt8 = 0x80
  }
  private enum Status2 {
    static let wrongCylinder: UInt8 = 0x10
    static let dataError: UInt8 = 0x20
    static let controlMark: UInt8 = 0x40
  }

  private enum Kind {
    case read
    case readDeleted
    case write
    case verify
    case readTrack
  }

  /// A command on its way over the sectors.
  private struct Run {
    var kind: Kind
    var number: Int
    var head: Int
    /// The address that the host gave: cylinder, head, sector, size code.
    var address: (c: UInt8, h: UInt8, r: UInt8, n: UInt8)
    var lastSector: UInt8
    var isMultitrack: Bool
    /// Sectors left where the host has said how many; nil where the terminal count or the track ends it.
    var left: Int?

    /// Goes to the next sector; false if the last one of the cylinder was done.
    mutating func advance() -> Bool {
      guard address.r >= lastSector else {
        address.r += 1
        return true
      }
      address.r = 1
      if isMultitrack {
        address.h ^= 1
        head ^= 1
        if head == 1 { return true }
      }
      address.c &+= 1
      return false
    }
  }

  /// Starts a command that needs a disk.
  /// - Returns: false if there is no such command.
  func executeTransfer(_ bytes: [UInt8]) -> Bool {
    let kind: Kind
    switch bytes[0] & 0x1F {
    case 0x06: kind = .read
    case 0x0C: kind = .readDeleted
    case 0x05, 0x09: kind = .write
    case 0x16: kind = .verify
    case 0x02: kind = .readTrack
    case 0x0A:
      readID(bytes)
      return true
    case 0x0D:
      format(bytes)
      return true
    default: return false
    }
    var run = Run(
      kind: kind, number: Int(bytes[1] & 3), head: Int(bytes[1] >> 2 & 1),
      address: (bytes[2], bytes[3], bytes[4], bytes[5]), lastSector: bytes[6],
      isMultitrack: bytes[0] & 0x80 != 0 && kind != .readTrack, left: nil)
    lastSector = bytes[6]
    if kind == .verify && bytes[1] & 0x80 != 0 { run.left = Int(bytes[8]) }
    if kind == .readTrack { run.address.r = 1 }
    if seeksImplicitly { drive(run.number)?.step(to: Int(run.address.c)) }
    transferSector(run)
    return true
  }

  /// Whether the head finds what the host's data rate can read.
  private func isReadable(_ drive: FloppyDrive, head: Int) -> Bool {
    guard let geometry = drive.geometry, drive.cylinder < geometry.cylinders,
      head < geometry.heads
    else { return false }
    // A disk of 360 KB turns faster in a drive of 1.2 MB.
    return dataRate == geometry.rate || geometry.driveType == 1 && dataRate == 1
  }

  private func end(_ run: Run, _ status1: UInt8 = 0, _ status2: UInt8 = 0) {
    let failed = status1 != 0
    let status0 = (failed ? Status0.abnormal : 0) | UInt8(run.head << 2 | run.number)
    finish(
      [
        status0, status1, status2, run.address.c, run.address.h, run.address.r, run.address.n,
      ], interrupts: true)
  }

  private func after(_ transfer: any BlockTransfer, _ next: @escaping (BlockResult) -> Void) {
    let started = generation
    scheduler.complete(transfer, count: FloppyGeometry.sectorSize) { [weak self] result in
      guard let self, generation == started else { return }
      next(result)
    }
  }

  /// Lets the drive turn for a moment before `action`.
  private func later(_ action: @escaping () -> Void) {
    let started = generation
    queue.schedule(after: max(1, queue.frequency / 10_000)) { [weak self] in
      if let self, generation == started { action() }
    }
  }

  private func transferSector(_ run: Run) {
    guard let drive = drive(run.number), let geometry = drive.geometry, let medium = drive.medium,
      isReadable(drive, head: run.head)
    else { return later { [unowned self] in end(run, Status1.missingAddress) } }
    if run.kind == .write && drive.isWriteProtected {
      return later { [unowned self] in end(run, Status1.notWritable) }
    }
    guard Int(run.address.c) == drive.cylinder || run.kind == .readTrack else {
      return later { [unowned self] in end(run, Status1.noData, Status2.wrongCylinder) }
    }
    guard run.address.n == 2, Int(run.address.h) == run.head || run.kind == .readTrack,
      let offset = geometry.offset(
        cylinder: drive.cylinder, head: run.head, sector: Int(run.address.r))
    else { return later { [unowned self] in end(run, Status1.noData) } }
    guard run.kind != .write else { return takeSector(run, medium, offset) }
    after(medium.read(at: offset, count: FloppyGeometry.sectorSize)) { [unowned self] result in
      guard case .done(let data) = result else {
        return end(run, Status1.dataError, Status2.dataError)
      }
      give(data, run)
    }
  }

  /// Passes a sector to the host.
  private func give(_ data: [UInt8], _ run: Run) {
    if run.kind == .verify { return next(run, isTerminal: run.left == 1) }
    guard usesDMA else {
      buffer = data
      position = 0
      whenMoved = { [unowned self] _ in next(run, isTerminal: false) }
      phase = .sending
      return setInterrupt(true)
    }
    let transfer = dma.deviceToMemory(channel: Self.channel, data)
    guard transfer.count == data.count || transfer.isTerminal else {
      return end(run, Status1.overrun)
    }
    next(run, isTerminal: transfer.isTerminal)
  }

  /// Takes a sector from the host and writes it.
  private func takeSector(_ run: Run, _ medium: any BlockMedium, _ offset: UInt64) {
    func write(_ data: [UInt8], isTerminal: Bool) {
      after(medium.write(data, at: offset)) { [unowned self] result in
        guard case .done = result else { return end(run, Status1.dataError, Status2.dataError) }
        next(run, isTerminal: isTerminal)
      }
    }
    let size = FloppyGeometry.sectorSize
    guard usesDMA else {
      buffer = []
      wanted = size
      whenMoved = { write($0, isTerminal: false) }
      phase = .receiving
      return setInterrupt(true)
    }
    let transfer = dma.memoryToDevice(channel: Self.channel, length: size)
    guard transfer.count == size || transfer.isTerminal, transfer.count > 0 else {
      return end(run, Status1.overrun)
    }
    // What the host does not give is written as zeros.
    let rest = [UInt8](repeating: 0, count: size - transfer.data.count)
    write(transfer.data + rest, isTerminal: transfer.isTerminal)
  }

  private func next(_ run: Run, isTerminal: Bool) {
    var run = run
    let isMore = run.advance()
    if run.kind == .readDeleted {
      // Every sector has the mark of plain data, which ends this command.
      return end(run, 0, Status2.controlMark)
    }
    if isTerminal { return end(run) }
    guard isMore else {
      return end(run, run.kind == .verify ? 0 : Status1.endOfCylinder)
    }
    if let left = run.left { run.left = left - 1 }
    phase = .execution
    transferSector(run)
  }

  private func readID(_ bytes: [UInt8]) {
    let number = Int(bytes[1] & 3)
    let head = Int(bytes[1] >> 2 & 1)
    later { [unowned self] in
      let drive = drive(number)
      let cylinder = UInt8(truncatingIfNeeded: drive?.cylinder ?? 0)
      let run = Run(
        kind: .read, number: number, head: head, address: (cylinder, UInt8(head), 1, 2),
        lastSector: 1, isMultitrack: false, left: nil)
      let isFound = drive.map { isReadable($0, head: head) } ?? false
      end(run, isFound ? 0 : Status1.missingAddress)
    }
  }

  // MARK: FORMAT TRACK

  private func format(_ bytes: [UInt8]) {
    let number = Int(bytes[1] & 3)
    let head = Int(bytes[1] >> 2 & 1)
    let run = Run(
      kind: .write, number: number, head: head,
      address: (UInt8(truncatingIfNeeded: drive(number)?.cylinder ?? 0), UInt8(head), 1, bytes[2]),
      lastSector: bytes[3], isMultitrack: false, left: nil)
    guard let drive = drive(number), isReadable(drive, head: head) else {
      return later { [unowned self] in end(run, Status1.missingAddress) }
    }
    guard !drive.isWriteProtected else {
      return later { [unowned self] in end(run, Status1.notWritable) }
    }
    let count = Int(bytes[3]) * 4
    let filler = bytes[5]
    guard usesDMA else {
      buffer = []
      wanted = max(count, 1)
      whenMoved = { [unowned self] in formatSectors($0[...], filler, run) }
      phase = .receiving
      return setInterrupt(true)
    }
    let transfer = dma.memoryToDevice(channel: Self.channel, length: count)
    guard transfer.count == count else {
      return later { [unowned self] in end(run, Status1.overrun) }
    }
    formatSectors(transfer.data[...], filler, run)
  }

  /// Fills the sectors whose addresses are given, four bytes each.
  private func formatSectors(_ addresses: ArraySlice<UInt8>, _ filler: UInt8, _ run: Run) {
    guard let drive = drive(run.number), let medium = drive.medium, addresses.count >= 4 else {
      return later { [unowned self] in end(run) }
    }
    let rest = addresses.dropFirst(4)
    let sector = Int(addresses[addresses.startIndex + 2])
    // More sectors than the disk's format has do not fit on the image.
    guard
      let offset = drive.geometry?.offset(
        cylinder: drive.cylinder, head: run.head, sector: sector)
    else { return formatSectors(rest, filler, run) }
    let data = [UInt8](repeating: filler, count: FloppyGeometry.sectorSize)
    after(medium.write(data, at: offset)) { [unowned self] result in
      guard case .done = result else { return end(run, Status1.dataError) }
      formatSectors(rest, filler, run)
    }
  }
}
