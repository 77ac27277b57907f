import Bus

/// The 82077AA floppy disk controller (Intel 82077AA data sheet) with up to two drives, in the PC/AT mode.
///
/// Ports: offset 0 = status A, 1 = status B, 2 = digital output, 3 = tape drive, 4 = main status/data rate,
/// 5 = data, 7 = digital input/configuration control (6 is the disk controller's).
///
/// Sectors pass at once rather than at the speed of a turning disk, each with the scheduler's latency.
public final class FloppyController82077AA: PortDevice, Resettable {
  enum Output {
    static let isOutOfReset: UInt8 = 0x04
    static let allowsInterrupts: UInt8 = 0x08
  }
  enum MainStatus {
    static let busy: UInt8 = 0x10
    static let nonDMA: UInt8 = 0x20
    static let toHost: UInt8 = 0x40
    static let request: UInt8 = 0x80
  }

  enum Phase: Equatable {
    case command
    /// A command works on its own.
    case execution
    /// The host gets bytes from the data register (non-DMA mode).
    case sending
    /// The host gives bytes to it.
    case receiving
    case result
  }

  static let channel = 2

  let dma: DMA8237
  let queue: EventQueue
  let scheduler: BlockScheduler
  private let interrupt: InterruptLine
  let drives: [FloppyDrive]

  var phase = Phase.command
  private var command: [UInt8] = []
  private var results: [UInt8] = []
  /// Bytes of the execution phase in non-DMA mode.
  var buffer: [UInt8] = []
  var position = 0
  var wanted = 0
  var whenMoved: ([UInt8]) -> Void = { _ in }
  /// What was started before a reset is nobody's business any more.
  private(set) var generation = 0

  private var output: UInt8 = 0
  private var tape: UInt8 = 0
  private var rate: UInt8 = 2
  private(set) var line = false
  private var isPoweredDown = false

  // Status of finished seeks and resets, for SENSE INTERRUPT STATUS: by drive.
  private var pendingStatus: [UInt8?] = [nil, nil, nil, nil]
  private var seeking: UInt8 = 0

  // SPECIFY, CONFIGURE, LOCK, PERPENDICULAR MODE.
  private var stepRate: UInt8 = 0
  private var headLoad: UInt8 = 0
  private(set) var usesDMA = true
  private var configuration: UInt8 = 0
  private var precompensationTrack: UInt8 = 0
  private var isLocked = false
  private var perpendicular: UInt8 = 0
  var lastSector: UInt8 = 0

  /// Nanoseconds of a step or recalibration.
  private static let seekTime: UInt64 = 100_000

  /// - Parameters:
  ///   - interrupt: IRQ 6.
  ///   - dma: channel 2 moves the data.
  ///   - disks: what is in drive A: and B:; nil for no drive.
  public init(
    queue: EventQueue, scheduler: BlockScheduler, interrupt: InterruptLine, dma: DMA8237,
    disks: [(any BlockMedium)?]
  ) {
    self.queue = queue
    self.scheduler = scheduler
    self.interrupt = interrupt
    self.dma = dma
    drives = (0..<2).map { FloppyDrive(medium: $0 < disks.count ? disks[$0] : nil) }
  }

  /// The types of the drives for the CMOS memory, A: in the upper half.
  public var driveTypes: UInt8 {
    (drives[0].geometry?.driveType ?? 0) << 4 | (drives[1].geometry?.driveType ?? 0)
  }

  public func reset() {
    for drive in drives {
      drive.cylinder = 0
      drive.hasChanged = true
    }
    isLocked = false
    output = 0
    tape = 0
    rate = 2
    stepRate = 0
    headLoad = 0
    usesDMA = true
    perpendicular = 0
    lastSector = 0
    softwareReset()
    pendingStatus = [nil, nil, nil, nil]
    setInterrupt(false)
  }

  private func softwareReset() {
    generation += 1
    phase = .command
    command = []
    results = []
    buffer = []
    seeking = 0
    whenMoved = { _ in }
    isPoweredDown = false
    if !isLocked {
      configuration = 0
      precompensationTrack = 0
    }
    setInterrupt(false)
  }

  /// After a reset all four drives are reported, as they are polled.
  private func endReset() {
    pendingStatus = (0..<4).map { 0xC0 | UInt8($0) }
    setInterrupt(true)
  }

  func setInterrupt(_ level: Bool) {
    line = level
    interrupt.set(level && output & Output.allowsInterrupts != 0)
  }

  func drive(_ number: Int) -> FloppyDrive? {
    number < drives.count && drives[number].isPresent ? drives[number] : nil
  }
  private var selectedDrive: FloppyDrive? { drive(Int(output & 3)) }
  private func motorRuns(_ number: Int) -> Bool { output & (0x10 << UInt8(number & 3)) != 0 }

  // MARK: Ports

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    switch offset {
    case 0:
      // INT, no second drive, track 0, no index pulse, write protection, direction: active low in part.
      let drive = selectedDrive
      return UInt32(
        (line ? 0x80 : 0) | 0x40 | (drive?.cylinder == 0 ? 0 : 0x10)
          | (drive?.isWriteProtected == true ? 0 : 0x02))
    case 1:
      return UInt32(0xC0 | (output & 1) << 5 | (motorRuns(1) ? 2 : 0) | (motorRuns(0) ? 1 : 0))
    case 2: return UInt32(output)
    case 3: return UInt32(tape)
    case 4: return UInt32(mainStatus)
    case 5: return UInt32(readData())
    case 7:
      // Only the disk change line; the rest is left to the disk controller.
      let number = Int(output & 3)
      let shows = motorRuns(number) && (drive(number)?.hasChanged ?? true)
      return shows ? 0x80 : 0x00
    default: return 0xFF
    }
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    let value = UInt8(truncatingIfNeeded: value)
    switch offset {
    case 2: writeOutput(value)
    case 3: tape = value & 3
    case 4:
      rate = value & 3
      isPoweredDown = value & 0x40 != 0
      if value & 0x80 != 0 {
        softwareReset()
        endReset()
      }
    case 5: writeData(value)
    case 7: rate = value & 3
    default: break
    }
  }

  private func writeOutput(_ value: UInt8) {
    let wasOut = output & Output.isOutOfReset != 0
    output = value
    let isOut = value & Output.isOutOfReset != 0
    if wasOut && !isOut { softwareReset() }
    if isOut && !wasOut { endReset() }
    interrupt.set(line && value & Output.allowsInterrupts != 0)
  }

  private var mainStatus: UInt8 {
    guard output & Output.isOutOfReset != 0, !isPoweredDown else { return 0 }
    switch phase {
    case .command: return MainStatus.request | (command.isEmpty ? seeking : MainStatus.busy)
    case .execution: return MainStatus.busy
    case .sending:
      return MainStatus.request | MainStatus.toHost | MainStatus.nonDMA | MainStatus.busy
    case .receiving: return MainStatus.request | MainStatus.nonDMA | MainStatus.busy
    case .result: return MainStatus.request | MainStatus.toHost | MainStatus.busy
    }
  }

  private func readData() -> UInt8 {
    switch phase {
    case .result:
      setInterrupt(false)
      let value = results.isEmpty ? 0 : results.removeFirst()
      if results.isEmpty { phase = .command }
      return value
    case .sending:
      let value = position < buffer.count ? buffer[position] : 0
      position += 1
      if position >= buffer.count { endOfData() }
      return value
    default: return 0
    }
  }

  private func writeData(_ value: UInt8) {
    guard output & Output.isOutOfReset != 0 else { return }
    switch phase {
    case .command:
      command.append(value)
      guard command.count >= Self.length(of: command[0]) else { return }
      let bytes = command
      command = []
      execute(bytes)
    case .receiving:
      buffer.append(value)
      if buffer.count >= wanted { endOfData() }
    default: break
    }
  }

  private func endOfData() {
    setInterrupt(false)
    let bytes = phase == .receiving ? buffer : []
    let next = whenMoved
    phase = .execution
    buffer = []
    whenMoved = { _ in }
    next(bytes)
  }

  // MARK: Commands

  /// Bytes of a command, its code included.
  private static func length(of code: UInt8) -> Int {
    switch code & 0x1F {
    case 0x02, 0x05, 0x06, 0x09, 0x0C, 0x16: 9
    case 0x0D: 6
    case 0x03, 0x0F: 3
    case 0x04, 0x07, 0x0A, 0x12: 2
    case 0x13: 4
    default: 1
    }
  }

  func finish(_ bytes: [UInt8], interrupts: Bool) {
    results = bytes
    phase = bytes.isEmpty ? .command : .result
    if interrupts { setInterrupt(true) }
  }

  private func execute(_ bytes: [UInt8]) {
    phase = .execution
    switch bytes[0] {
    case 0x03:  // SPECIFY
      stepRate = bytes[1]
      headLoad = bytes[2]
      usesDMA = bytes[2] & 1 == 0
      finish([], interrupts: false)
    case 0x04: senseDrive(bytes[1])
    case 0x07: seek(Int(bytes[1] & 3), to: 0, recalibrates: true)
    case 0x08: senseInterrupt()
    case 0x0E: dumpRegisters()
    case 0x0F: seek(Int(bytes[1] & 3), to: Int(bytes[2]), recalibrates: false)
    case 0x8F, 0xCF:
      // RELATIVE SEEK has three bytes like SEEK.
      let number = Int(bytes[1] & 3)
      let distance = bytes[0] & 0x40 != 0 ? Int(bytes[2]) : -Int(bytes[2])
      seek(number, to: (drive(number)?.cylinder ?? 0) + distance, recalibrates: false)
    case 0x10: finish([0x90], interrupts: false)  // VERSION: enhanced controller
    case 0x12:
      perpendicular = bytes[1]
      finish([], interrupts: false)
    case 0x13:
      configuration = bytes[2]
      precompensationTrack = bytes[3]
      finish([], interrupts: false)
    case 0x14, 0x94:
      isLocked = bytes[0] & 0x80 != 0
      finish([isLocked ? 0x10 : 0], interrupts: false)
    default:
      guard executeTransfer(bytes) else { return finish([0x80], interrupts: false) }
    }
  }

  private func senseDrive(_ select: UInt8) {
    let drive = drive(Int(select & 3))
    finish(
      [
        select & 7 | 0x28 | (drive?.cylinder == 0 ? 0x10 : 0)
          | (drive?.isWriteProtected == true ? 0x40 : 0)
      ], interrupts: false)
  }

  private func seek(_ number: Int, to cylinder: Int, recalibrates: Bool) {
    phase = .command
    seeking |= 1 << UInt8(number)
    let started = generation
    let time = Self.seekTime * (queue.frequency / 1_000_000) / 1000
    queue.schedule(after: max(time, 1)) { [weak self] in
      guard let self, generation == started else { return }
      // The drive's bit stays until SENSE INTERRUPT STATUS.
      let drive = drive(number)
      // At most 79 steps are made to find track 0.
      drive?.step(to: recalibrates ? max(0, (drive?.cylinder ?? 0) - 79) : cylinder)
      let isFound = drive != nil && (!recalibrates || drive?.cylinder == 0)
      pendingStatus[number] = (isFound || !recalibrates ? 0x20 : 0x70) | UInt8(number)
      setInterrupt(true)
    }
  }

  private func senseInterrupt() {
    guard let number = pendingStatus.firstIndex(where: { $0 != nil }),
      let status = pendingStatus[number]
    else { return finish([0x80], interrupts: false) }
    pendingStatus[number] = nil
    seeking &= ~(1 << UInt8(number))
    setInterrupt(false)
    let cylinder = number < drives.count ? drives[number].cylinder : 0
    finish([status, UInt8(truncatingIfNeeded: cylinder)], interrupts: false)
    if pendingStatus.contains(where: { $0 != nil && $0! & 0xC0 != 0xC0 }) { setInterrupt(true) }
  }

  private func dumpRegisters() {
    let cylinders = (0..<4).map { $0 < drives.count ? UInt8(drives[$0].cylinder) : 0 }
    finish(
      cylinders + [
        stepRate, headLoad, lastSector, (isLocked ? 0x80 : 0) | perpendicular & 0x7F,
        configuration, precompensationTrack,
      ], interrupts: false)
  }

  /// Whether reads and writes seek on their own (CONFIGURE, EIS).
  var seeksImplicitly: Bool { configuration & 0x40 != 0 }
  /// The data rate that the host has chosen.
  var dataRate: UInt8 { rate }
}
