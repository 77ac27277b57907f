import Bus

/// The ACPI fixed hardware of the PIIX4 (82371AB data sheet, "Power Management I/O Space"; ACPI 4.8).
///
/// Ports, from the base: 0 = PM1 status, 2 = PM1 enable, 4 = PM1 control, 8 = PM timer, 0Ch = GPE0 status,
/// 0Eh = GPE0 enable. `commandPort` is the SMI command port (B2h-B3h) that switches ACPI on and off.
public final class ACPIPowerManagement: PortDevice, Resettable {
  /// The PM timer's clock in hertz.
  public static let timerHertz: UInt64 = 3_579_545
  /// Values for the SMI command port.
  public static let enableCommand: UInt8 = 0xF1
  public static let disableCommand: UInt8 = 0xF0
  /// SLP_TYP of soft-off (S5) and of suspend to RAM (S3).
  public static let softOffType: UInt8 = 0
  public static let suspendType: UInt8 = 1

  private enum Status {
    static let timer: UInt16 = 0x0001
    static let powerButton: UInt16 = 0x0100
    static let rtc: UInt16 = 0x0400
    static let wake: UInt16 = 0x8000
    static let writable: UInt16 = 0x8D31
  }
  private static let enableMask: UInt16 = 0x0521

  /// Told when the guest enters S5.
  public var powerOffRequested: () -> Void = {}
  /// Told of SLP_TYP when the guest enters another sleeping state.
  public var sleepRequested: (UInt8) -> Void = { _ in }
  /// The ports B2h (command) and B3h (status), as offsets 0 and 1.
  public private(set) var commandPort: any PortDevice

  /// 24 or 32 bits.
  public let timerBits: UInt64

  private let queue: EventQueue
  private let interrupt: InterruptLine
  private var status: UInt16 = 0
  private var enabled: UInt16 = 0
  private var control: UInt16 = 0
  private var eventStatus: UInt16 = 0
  private var eventEnabled: UInt16 = 0
  /// The number of changes of the timer's top bit that the status bit has shown.
  private var seenOverflows: UInt64 = 0
  private var overflowEvent: EventID?
  private var scratch = [UInt8](repeating: 0, count: 64)

  /// - Parameters:
  ///   - queue: the virtual clock.
  ///   - interrupt: the SCI (IRQ 9), level triggered.
  ///   - timerBits: the width of the PM timer, 24 or 32.
  public init(queue: EventQueue, interrupt: InterruptLine, timerBits: UInt64 = 32) {
    self.queue = queue
    self.interrupt = interrupt
    self.timerBits = timerBits == 24 ? 24 : 32
    let port = SMICommandPort()
    commandPort = port
    port.written = { [unowned self] in
      switch $0 {
      case Self.enableCommand: control |= 1
      case Self.disableCommand: control &= ~1
      default: break
      }
      updateInterrupt()
    }
  }

  public func reset() {
    status = 0
    enabled = 0
    control = 0
    eventStatus = 0
    eventEnabled = 0
    scratch = [UInt8](repeating: 0, count: 64)
    seenOverflows = overflows
    (commandPort as? any Resettable)?.reset()
    rearmOverflow()
    updateInterrupt()
  }

  /// Whether the guest has switched ACPI on (SCI_EN).
  public var isACPIEnabled: Bool { control & 1 != 0 }

  /// The user presses the power button. While ACPI is off, the firmware would switch the machine off at once.
  public func pressPowerButton() {
    guard isACPIEnabled else { return powerOffRequested() }
    status |= Status.powerButton
    updateInterrupt()
  }

  // MARK: Timer

  private var ticks: UInt64 { queue.ticks(hertz: Self.timerHertz) }
  private var overflows: UInt64 { ticks >> (timerBits - 1) }

  private func noteOverflow() {
    let count = overflows
    guard count != seenOverflows else { return }
    seenOverflows = count
    status |= Status.timer
  }

  private func rearmOverflow() {
    if let overflowEvent { queue.cancel(overflowEvent) }
    overflowEvent = nil
    guard enabled & Status.timer != 0, status & Status.timer == 0 else { return }
    let tick = (overflows &+ 1) << (timerBits - 1)
    overflowEvent = queue.schedule(at: queue.cycle(ofTick: tick, hertz: Self.timerHertz)) {
      [unowned self] in
      overflowEvent = nil
      noteOverflow()
      updateInterrupt()
    }
  }

  private func updateInterrupt() {
    let pending = status & enabled & Self.enableMask != 0 || eventStatus & eventEnabled != 0
    interrupt.set(pending && control & 1 != 0)
  }

  // MARK: Ports

  private var timerValue: UInt32 {
    UInt32(truncatingIfNeeded: timerBits == 24 ? ticks & 0xFF_FFFF : ticks)
  }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    noteOverflow()
    let high = offset & 1 != 0
    func byte(_ value: UInt16) -> UInt32 { UInt32(high ? value >> 8 : value & 0xFF) }
    switch offset {
    case 0, 1: return byte(status)
    case 2, 3: return byte(enabled)
    case 4, 5: return byte(control)
    case 8...11: return timerValue >> (UInt32(offset & 3) * 8) & 0xFF
    case 12, 13: return byte(eventStatus)
    case 14, 15: return byte(eventEnabled)
    case 16..<64: return UInt32(scratch[Int(offset)])
    default: return offset < 64 ? 0 : 0xFF
    }
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    noteOverflow()
    let shift = UInt16(offset & 1) * 8
    let bits = UInt16(truncatingIfNeeded: value & 0xFF) << shift
    let mask = UInt16(0xFF) << shift
    switch offset {
    case 0, 1: status &= ~(bits & Status.writable)
    case 2, 3: enabled = enabled & ~mask | bits & Self.enableMask
    case 4, 5: writeControl(control & ~mask | bits)
    case 12, 13: eventStatus &= ~bits
    case 14, 15: eventEnabled = eventEnabled & ~mask | bits
    case 16..<64: scratch[Int(offset)] = UInt8(truncatingIfNeeded: value)
    default: break
    }
    rearmOverflow()
    updateInterrupt()
  }

  private func writeControl(_ value: UInt16) {
    // SCI_EN belongs to the firmware (the command port) but is writable on the PIIX4; GBL_RLS and SLP_EN
    // read as zero.
    control = value & 0x1C03
    guard value & 0x2000 != 0 else { return }
    let type = UInt8(value >> 10 & 7)
    if type == Self.softOffType { powerOffRequested() } else { sleepRequested(type) }
  }
}

/// Ports B2h and B3h: the command goes to the firmware's SMI handler, the other byte only keeps its value.
private final class SMICommandPort: PortDevice, Resettable {
  var written: (UInt8) -> Void = { _ in }
  private var bytes: [UInt8] = [0, 0]

  func reset() { bytes = [0, 0] }

  func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    return offset < 2 ? UInt32(bytes[Int(offset)]) : 0xFF
  }

  func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    guard offset < 2 else { return }
    bytes[Int(offset)] = UInt8(truncatingIfNeeded: value)
    if offset == 0 { written(bytes[0]) }
  }
}
