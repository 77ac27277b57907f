import Bus

/// The registers of the command block that a host writes and a device answers in. The upper halves are what
/// was written before, for 48-bit commands. ATA/ATAPI-6, 7.
struct TaskFile {
  /// A register that remembers the value before.
  struct Register: Equatable {
    var current: UInt8 = 0
    var previous: UInt8 = 0

    mutating func write(_ value: UInt8) {
      previous = current
      current = value
    }
  }

  var feature = Register()
  var count = Register()
  var low = Register()
  var mid = Register()
  var high = Register()
  var device: UInt8 = 0

  /// The byte count that a packet command uses.
  var byteCount: Int {
    get { Int(mid.current) | Int(high.current) << 8 }
    set {
      mid.current = UInt8(truncatingIfNeeded: newValue)
      high.current = UInt8(truncatingIfNeeded: newValue >> 8)
    }
  }
}

/// What a device does with commands.
protocol IDECommandSet: AnyObject {
  func execute(_ command: UInt8, on device: IDEDevice)
  /// Writes the registers by which the device is told apart after a reset.
  func sign(_ device: IDEDevice)
  /// - Parameter isHard: whether it is the machine's reset, not the channel's.
  func reset(isHard: Bool)
}

/// One device on an IDE cable: its registers and the protocols by which data moves (PIO in and out, DMA in and
/// out). What the commands mean is up to an `IDECommandSet`. ATA/ATAPI-6, 9.
final class IDEDevice {
  enum Status {
    static let busy: UInt8 = 0x80
    static let ready: UInt8 = 0x40
    static let fault: UInt8 = 0x20
    static let seekComplete: UInt8 = 0x10
    static let request: UInt8 = 0x08
    static let error: UInt8 = 0x01
  }
  enum Failure {
    static let aborted: UInt8 = 0x04
    static let notFound: UInt8 = 0x10
    static let uncorrectable: UInt8 = 0x40
  }

  private enum Phase {
    case idle
    case pioIn
    case pioOut
    case dmaIn
    case dmaOut
  }

  let commands: any IDECommandSet
  let scheduler: BlockScheduler
  var registers = TaskFile()
  private(set) var status: UInt8 = 0
  var error: UInt8 = 0
  /// INTRQ, before the channel's nIEN.
  private(set) var interrupts = false

  /// Told when INTRQ may have changed.
  var interruptChanged: () -> Void = {}
  /// Told when the device has become ready to move data by DMA.
  var dmaRequested: () -> Void = {}

  private var phase = Phase.idle
  private var buffer: [UInt8] = []
  private var position = 0
  /// Where the running DRQ block ends.
  private var blockEnd = 0
  private var blockSize = 0
  /// Bytes that a phase in the host's direction wants.
  private var wanted = 0
  private var whenMoved: ([UInt8]) -> Void = { _ in }
  /// What was started before the last command or reset is nobody's business any more.
  private var generation = 0

  init(_ commands: any IDECommandSet, scheduler: BlockScheduler) {
    self.commands = commands
    self.scheduler = scheduler
  }

  // MARK: The host's side

  /// After power-on, a software reset, or DEVICE RESET.
  func reset(isHard: Bool) {
    abandon()
    commands.reset(isHard: isHard)
    setInterrupt(false)
    error = 1
    commands.sign(self)
  }

  /// While SRST is held.
  func holdInReset() {
    abandon()
    setInterrupt(false)
    status = Status.busy
  }

  private func abandon() {
    generation += 1
    phase = .idle
    buffer = []
    whenMoved = { _ in }
    blockPrepared = { _ in }
  }

  func write(command: UInt8) {
    setInterrupt(false)
    // A busy device does not listen, except for DEVICE RESET.
    guard status & Status.busy == 0 || command == 0x08 else { return }
    abandon()
    status = idleStatus
    error = 0
    commands.execute(command, on: self)
  }

  /// The status register; a read of the primary one takes back the interrupt.
  func readStatus(acknowledges: Bool) -> UInt8 {
    defer { if acknowledges { setInterrupt(false) } }
    return status
  }

  private func setInterrupt(_ level: Bool) {
    guard interrupts != level else { return }
    interrupts = level
    interruptChanged()
  }

  /// The data register. Reads beyond a block give ones.
  func readData(width: Int) -> UInt32 {
    guard phase == .pioIn else { return ~0 }
    var value: UInt32 = 0
    for i in 0..<width {
      let byte = position < blockEnd ? buffer[position] : 0xFF
      value |= UInt32(byte) << UInt32(i * 8)
      position += 1
    }
    if position >= blockEnd { endOfBlock() }
    return value
  }

  /// Elements of the data register up to `limit` of them, without the one that ends the block.
  func readDataAhead(width: Int, limit: Int) -> ArraySlice<UInt8> {
    guard phase == .pioIn else { return [] }
    let count = min(limit, (blockEnd - position - 1) / width) * width
    guard count > 0 else { return [] }
    defer { position += count }
    return buffer[position..<position + count]
  }

  func writeData(width: Int, value: UInt32) {
    guard phase == .pioOut else { return }
    for i in 0..<width where buffer.count < blockEnd {
      buffer.append(UInt8(truncatingIfNeeded: value >> UInt32(i * 8)))
    }
    position = buffer.count
    if position >= blockEnd { endOfBlock() }
  }

  private func endOfBlock() {
    position = min(position, blockEnd)
    let end = phase == .pioIn ? buffer.count : wanted
    guard blockEnd >= end else {
      blockEnd = min(blockEnd + blockSize, end)
      blockStarts()
      setInterrupt(true)
      return
    }
    let moved = phase == .pioOut ? buffer : []
    let next = whenMoved
    abandon()
    status = Status.busy
    next(moved)
  }

  /// What a DRQ block's start changes besides the status.
  var blockPrepared: (Int) -> Void = { _ in }

  private func blockStarts() {
    blockPrepared(blockEnd - position)
    status = idleStatus | Status.request
  }

  /// Moves what the bus master can take or give.
  /// - Returns: whether everything has moved.
  func moveData(_ master: IDEBusMaster) -> Bool {
    switch phase {
    case .dmaIn:
      position += master.writeMemory(buffer, from: position)
      guard position >= buffer.count else { return false }
    case .dmaOut:
      master.readMemory(wanted - buffer.count, into: &buffer)
      guard buffer.count >= wanted else { return false }
    default: return false
    }
    let moved = phase == .dmaOut ? buffer : []
    let next = whenMoved
    abandon()
    status = Status.busy
    next(moved)
    return true
  }

  /// Whether data waits for the bus master, and whether it goes to memory.
  var dmaDirection: (waits: Bool, toMemory: Bool) {
    (phase == .dmaIn || phase == .dmaOut, phase == .dmaIn)
  }

  /// Ends EXECUTE DEVICE DIAGNOSTIC, after which every device shows what a reset leaves.
  func finishDiagnostic() { setInterrupt(true) }

  // MARK: The commands' side

  /// DRDY and DSC; a packet device shows neither until a packet command is done.
  var idleStatus: UInt8 = Status.ready | Status.seekComplete

  /// Sets the status as a reset leaves it.
  func setStatus(_ value: UInt8) { status = value }

  /// Lets the host read `bytes`, interrupting at each block.
  func sendPIO(_ bytes: [UInt8], blockSize size: Int, _ next: @escaping () -> Void) {
    guard !bytes.isEmpty else { return next() }
    phase = .pioIn
    buffer = bytes
    position = 0
    blockSize = max(size, 1)
    blockEnd = min(blockSize, bytes.count)
    whenMoved = { _ in next() }
    blockStarts()
    setInterrupt(true)
  }

  /// Takes `count` bytes from the host.
  /// - Parameter interrupts: whether the first block is announced by an interrupt, as later ones are.
  func receivePIO(
    _ count: Int, blockSize size: Int, interrupts: Bool, _ next: @escaping ([UInt8]) -> Void
  ) {
    guard count > 0 else { return next([]) }
    phase = .pioOut
    buffer = []
    buffer.reserveCapacity(count)
    position = 0
    wanted = count
    blockSize = max(size, 1)
    blockEnd = min(blockSize, count)
    whenMoved = next
    blockStarts()
    if interrupts { setInterrupt(true) }
  }

  /// Moves `bytes` to memory once the bus master is ready.
  func sendDMA(_ bytes: [UInt8], _ next: @escaping () -> Void) {
    guard !bytes.isEmpty else { return next() }
    phase = .dmaIn
    buffer = bytes
    position = 0
    whenMoved = { _ in next() }
    dmaRequested()
  }

  /// Takes `count` bytes from memory once the bus master is ready.
  func receiveDMA(_ count: Int, _ next: @escaping ([UInt8]) -> Void) {
    guard count > 0 else { return next([]) }
    phase = .dmaOut
    buffer = []
    buffer.reserveCapacity(count)
    wanted = count
    whenMoved = next
    dmaRequested()
  }

  /// The device is busy until a transfer of the medium has ended.
  func await(
    _ transfer: any BlockTransfer, count: Int, _ next: @escaping (BlockResult) -> Void
  ) {
    status = Status.busy
    let started = generation
    scheduler.complete(transfer, count: count) { [weak self] result in
      guard let self, generation == started else { return }
      next(result)
    }
  }

  /// Ends a command.
  /// - Parameter interrupts: false after the last block of a PIO read.
  func finish(error code: UInt8 = 0, interrupts: Bool = true) {
    error = code
    status = idleStatus | (code == 0 ? 0 : Status.error)
    if interrupts { setInterrupt(true) }
  }
}
