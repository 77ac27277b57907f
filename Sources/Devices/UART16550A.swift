import Bus

/// A National Semiconductor 16550A serial port with its 16-byte FIFOs (PC16550D data sheet).
///
/// What the guest sends goes to `output` at once; only the transmitter-empty condition waits for the time
/// that the characters need on the wire, in virtual time. What the host sends (`receive`) waits in a queue of
/// its own and enters the receiver one character time apart, when there is room: nothing is ever overrun.
public final class UART16550A: PortDevice, Resettable {
  /// Receives every transmitted byte.
  public var output: (UInt8) -> Void = { _ in }

  /// Holds the host's input back while the guest does not want any, so that input given before the guest's
  /// driver has set up the port is not lost when the driver clears the FIFOs. The guest wants input when it
  /// has raised RTS or enabled the receiver's interrupt, or polls the line status of an idle port.
  public var holdsInputUntilWanted = false

  /// Sends characters in no time: the transmitter is always empty.
  public var transmitsInstantly = false

  private enum LineStatus {
    static let dataReady: UInt8 = 0x01
    static let overrun: UInt8 = 0x02
    static let breakReceived: UInt8 = 0x10
    static let holdingEmpty: UInt8 = 0x20
    static let empty: UInt8 = 0x40
    static let errors: UInt8 = 0x1E
  }

  private static let fifoSize = 16
  private static let inputClock: UInt64 = 1_843_200
  /// A driver that waits for the transmitter stops polling at the first success, one that waits for input
  /// does not.
  private static let pollsForInput = 16

  private let queue: EventQueue
  private let interrupt: InterruptLine

  private var interruptEnable: UInt8 = 0
  private var fifoControl: UInt8 = 0
  private var lineControl: UInt8 = 0
  private var modemControl: UInt8 = 0
  private var modemStatus: UInt8 = 0
  private var errors: UInt8 = 0
  private var scratch: UInt8 = 0
  private var divisor: UInt16 = 12

  private var received: [UInt8] = []
  private var pending: [UInt8] = []
  private var pendingStart = 0
  private var lastRead: UInt8 = 0
  private var timedOut = false
  /// Consecutive reads of the line status that found the transmitter empty; stays at its limit.
  private var idlePolls = 0
  private var holdingEmptyPending = false
  /// When the last character written has left the shift register.
  private var transmitterIdleAt: UInt64 = 0

  private var arrivalEvent: EventID?
  private var timeoutEvent: EventID?
  private var emptyEvent: EventID?

  /// - Parameters:
  ///   - queue: the virtual clock.
  ///   - interrupt: the line of the port (IRQ 4 for COM1).
  public init(queue: EventQueue, interrupt: InterruptLine) {
    self.queue = queue
    self.interrupt = interrupt
    modemStatus = externalModemInputs
  }

  public func reset() {
    interruptEnable = 0
    fifoControl = 0
    lineControl = 0
    modemControl = 0
    modemStatus = externalModemInputs
    errors = 0
    scratch = 0
    divisor = 12
    received = []
    timedOut = false
    idlePolls = 0
    holdingEmptyPending = false
    transmitterIdleAt = 0
    for event in [arrivalEvent, timeoutEvent, emptyEvent] { event.map(queue.cancel) }
    arrivalEvent = nil
    timeoutEvent = nil
    emptyEvent = nil
    scheduleArrival()
    updateInterrupt()
  }

  // MARK: The host's side

  /// Queues bytes from the host.
  public func receive(_ bytes: some Sequence<UInt8>) {
    pending.append(contentsOf: bytes)
    scheduleArrival()
  }

  /// Bytes from the host that have not reached the guest's receiver yet.
  public var pendingInput: Int { pending.count - pendingStart }

  // MARK: Time

  /// Guest cycles that one character with start, parity and stop bits takes.
  private var characterTime: UInt64 {
    let dataBits = UInt64(lineControl & 3) + 5
    let bits = 1 + dataBits + (lineControl & 8 != 0 ? 1 : 0) + (lineControl & 4 != 0 ? 2 : 1)
    let clocks = bits * 16 * UInt64(max(divisor, 1))
    return max(queue.cycle(ofTick: clocks, hertz: Self.inputClock), 1)
  }

  private var hasFIFO: Bool { fifoControl & 1 != 0 }
  private var capacity: Int { hasFIFO ? Self.fifoSize : 1 }
  private var isLooped: Bool { modemControl & 0x10 != 0 }

  private var triggerLevel: Int {
    guard hasFIFO else { return 1 }
    return [1, 4, 8, 14][Int(fifoControl >> 6)]
  }

  // MARK: Receiver

  private var wantsInput: Bool {
    !holdsInputUntilWanted || modemControl & 2 != 0 || interruptEnable & 1 != 0
      || idlePolls >= Self.pollsForInput
  }

  private func scheduleArrival() {
    guard arrivalEvent == nil, pendingInput > 0, received.count < capacity, !isLooped else {
      return
    }
    guard wantsInput else { return }
    arrivalEvent = queue.schedule(after: characterTime) { [unowned self] in
      arrivalEvent = nil
      guard pendingInput > 0, received.count < capacity, !isLooped, wantsInput else { return }
      let byte = pending[pendingStart]
      pendingStart += 1
      if pendingStart == pending.count || pendingStart >= 4096 {
        pending.removeFirst(pendingStart)
        pendingStart = 0
      }
      accept(byte)
      scheduleArrival()
    }
  }

  private func accept(_ byte: UInt8) {
    if received.count >= capacity {
      errors |= LineStatus.overrun
      if !hasFIFO { received = [byte] }
    } else {
      received.append(byte)
    }
    restartTimeout()
    updateInterrupt()
  }

  /// Four character times without traffic raise the time-out interrupt of a filled FIFO.
  private func restartTimeout() {
    timedOut = false
    if let timeoutEvent { queue.cancel(timeoutEvent) }
    timeoutEvent = nil
    guard hasFIFO, !received.isEmpty else { return }
    timeoutEvent = queue.schedule(after: characterTime &* 4) { [unowned self] in
      timeoutEvent = nil
      timedOut = true
      updateInterrupt()
    }
  }

  private func readReceiver() -> UInt8 {
    if !received.isEmpty { lastRead = received.removeFirst() }
    restartTimeout()
    scheduleArrival()
    updateInterrupt()
    return lastRead
  }

  // MARK: Transmitter

  private func transmit(_ byte: UInt8) {
    if isLooped {
      accept(byte)
    } else {
      output(byte)
    }
    holdingEmptyPending = false
    if !transmitsInstantly {
      let now = queue.now
      let time = characterTime
      // A write into a full FIFO is sent all the same and takes no further time.
      let limit = now &+ time &* UInt64(capacity + 1)
      transmitterIdleAt = min(max(transmitterIdleAt, now) &+ time, limit)
    }
    scheduleHoldingEmpty()
    updateInterrupt()
  }

  /// When the holding register or FIFO has given its last character to the shift register.
  private var holdingEmptyAt: UInt64 {
    transmitterIdleAt < characterTime ? 0 : transmitterIdleAt - characterTime
  }

  private func scheduleHoldingEmpty() {
    if let emptyEvent { queue.cancel(emptyEvent) }
    let time = transmitsInstantly ? queue.now : max(holdingEmptyAt, queue.now)
    emptyEvent = queue.schedule(at: time) { [unowned self] in
      emptyEvent = nil
      holdingEmptyPending = true
      updateInterrupt()
    }
  }

  private var lineStatus: UInt8 {
    var status = errors
    if !received.isEmpty { status |= LineStatus.dataReady }
    if emptyEvent == nil { status |= LineStatus.holdingEmpty }
    if emptyEvent == nil && transmitterIdleAt <= queue.now { status |= LineStatus.empty }
    return status
  }

  // MARK: Modem lines

  /// A terminal is connected and ready: CTS, DSR and carrier.
  private var externalModemInputs: UInt8 { 0xB0 }

  private func updateModemStatus() {
    var inputs = externalModemInputs
    if isLooped {
      // RTS -> CTS, DTR -> DSR, OUT1 -> RI, OUT2 -> DCD.
      inputs = (modemControl & 2) << 3 | (modemControl & 1) << 5 | (modemControl & 0xC) << 4
    }
    let old = modemStatus & 0xF0
    let changed = (old ^ inputs) >> 4
    // The ring indicator counts at its trailing edge only.
    let deltas = (changed & 0x0B) | ((old & ~inputs) >> 4 & 0x04)
    modemStatus = inputs | (modemStatus & 0x0F) | deltas
    updateInterrupt()
  }

  // MARK: Interrupts

  /// Bits 3-0 of the interrupt identification, by priority.
  private var identification: UInt8 {
    if interruptEnable & 4 != 0 && errors & LineStatus.errors != 0 { return 0x06 }
    if interruptEnable & 1 != 0 {
      if received.count >= triggerLevel { return 0x04 }
      if timedOut && !received.isEmpty { return 0x0C }
    }
    if interruptEnable & 2 != 0 && holdingEmptyPending { return 0x02 }
    if interruptEnable & 8 != 0 && modemStatus & 0x0F != 0 { return 0x00 }
    return 0x01
  }

  /// The PC gates the line with OUT2; as other emulators do, this port does not, for guests that forget it.
  private func updateInterrupt() {
    interrupt.set(identification & 1 == 0)
  }

  // MARK: Registers

  private var divisorAccess: Bool { lineControl & 0x80 != 0 }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    return UInt32(readRegister(offset))
  }

  private func readRegister(_ offset: UInt16) -> UInt8 {
    switch offset {
    case 0: return divisorAccess ? UInt8(truncatingIfNeeded: divisor) : readReceiver()
    case 1: return divisorAccess ? UInt8(divisor >> 8) : interruptEnable
    case 2:
      let value = identification
      if value == 0x02 {
        holdingEmptyPending = false
        updateInterrupt()
      }
      return value | (hasFIFO ? 0xC0 : 0)
    case 3: return lineControl
    case 4: return modemControl
    case 5:
      let value = lineStatus
      errors = 0
      if value & LineStatus.empty != 0 && idlePolls < Self.pollsForInput {
        idlePolls += 1
        if idlePolls == Self.pollsForInput { scheduleArrival() }
      }
      updateInterrupt()
      return value
    case 6:
      let value = modemStatus
      modemStatus &= 0xF0
      updateInterrupt()
      return value
    case 7: return scratch
    default: return 0xFF
    }
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    let value = UInt8(truncatingIfNeeded: value)
    if idlePolls < Self.pollsForInput { idlePolls = 0 }
    switch offset {
    case 0 where divisorAccess: divisor = divisor & 0xFF00 | UInt16(value)
    case 0: transmit(value)
    case 1 where divisorAccess: divisor = divisor & 0x00FF | UInt16(value) << 8
    case 1: writeInterruptEnable(value & 0x0F)
    case 2: writeFIFOControl(value)
    case 3: writeLineControl(value)
    case 4:
      modemControl = value & 0x1F
      updateModemStatus()
      scheduleArrival()
    case 7: scratch = value
    default: break
    }
  }

  private func writeInterruptEnable(_ value: UInt8) {
    // Enabling the transmitter interrupt while the register is empty raises it.
    if value & ~interruptEnable & 2 != 0 && emptyEvent == nil { holdingEmptyPending = true }
    interruptEnable = value
    updateInterrupt()
    scheduleArrival()
  }

  private func writeFIFOControl(_ value: UInt8) {
    let toggled = (value ^ fifoControl) & 1 != 0
    fifoControl = value & 0xC9
    if toggled || value & 0x02 != 0 {
      received = []
      restartTimeout()
      scheduleArrival()
    }
    if (toggled || value & 0x04 != 0) && emptyEvent != nil {
      // The FIFO is cleared, the character in the shift register goes out.
      transmitterIdleAt = min(transmitterIdleAt, queue.now &+ characterTime)
      scheduleHoldingEmpty()
    }
    updateInterrupt()
  }

  private func writeLineControl(_ value: UInt8) {
    let startsBreak = value & ~lineControl & 0x40 != 0
    lineControl = value
    if startsBreak && isLooped {
      accept(0)
      errors |= LineStatus.breakReceived
      updateInterrupt()
    }
  }
}
