import Bus

/// The 8042 keyboard controller with a PS/2 keyboard and a PS/2 mouse (IBM PS/2 Hardware Interface Technical
/// Reference, "Keyboard and Auxiliary Device Controller").
///
/// Ports: offset 0 = data (60h), offset 4 = status and command (64h). Bytes from the devices reach the output
/// buffer one at a time, each a transmission time after the last one was read; answers of the controller
/// itself are there at once.
public final class KeyboardController8042: PortDevice, Resettable {
  /// Told when the guest pulses the processor's reset line.
  public var resetRequested: () -> Void = {}

  private enum Status {
    static let outputFull: UInt8 = 0x01
    static let system: UInt8 = 0x04
    static let wasCommand: UInt8 = 0x08
    static let unlocked: UInt8 = 0x10
    static let auxiliary: UInt8 = 0x20
  }

  private enum Mode {
    static let keyboardInterrupt: UInt8 = 0x01
    static let mouseInterrupt: UInt8 = 0x02
    static let system: UInt8 = 0x04
    static let keyboardDisabled: UInt8 = 0x10
    static let mouseDisabled: UInt8 = 0x20
    static let translates: UInt8 = 0x40
  }

  private let queue: EventQueue
  private let keyboardInterrupt: InterruptLine
  private let mouseInterrupt: InterruptLine
  private let gate: A20Gate
  private let keyboard: PS2Keyboard
  private let mouse: PS2Mouse

  private var memory = [UInt8](repeating: 0, count: 32)
  private var status: UInt8 = Status.unlocked | Status.system
  private var data: UInt8 = 0
  private var pendingCommand: UInt8?
  private var translator = ScanCodeTranslator()
  private var transferEvent: EventID?

  /// - Parameters:
  ///   - queue: the virtual clock.
  ///   - keyboardInterrupt: IRQ 1.
  ///   - mouseInterrupt: IRQ 12.
  ///   - gate: address line 20, bit 1 of the output port.
  public init(
    queue: EventQueue, keyboardInterrupt: InterruptLine, mouseInterrupt: InterruptLine,
    gate: A20Gate
  ) {
    self.queue = queue
    self.keyboardInterrupt = keyboardInterrupt
    self.mouseInterrupt = mouseInterrupt
    self.gate = gate
    keyboard = PS2Keyboard(queue: queue)
    mouse = PS2Mouse(queue: queue)
    memory[0] = Self.initialMode
    keyboard.outputReady = { [unowned self] in scheduleTransfer() }
    mouse.outputReady = { [unowned self] in scheduleTransfer() }
  }

  /// As a BIOS leaves it: keyboard with translation and interrupts, mouse off.
  private static let initialMode: UInt8 =
    Mode.keyboardInterrupt | Mode.system | Mode.mouseDisabled | Mode.translates

  public func reset() {
    if let transferEvent { queue.cancel(transferEvent) }
    transferEvent = nil
    memory = [UInt8](repeating: 0, count: 32)
    memory[0] = Self.initialMode
    status = Status.unlocked | Status.system
    data = 0
    pendingCommand = nil
    translator = ScanCodeTranslator()
    keyboard.reset()
    mouse.reset()
    updateInterrupts()
  }

  // MARK: The host's side

  /// Presses a key. Nothing happens while the guest has disabled scanning.
  public func pressKey(_ key: Key) { keyboard.press(key) }

  /// Releases a key.
  public func releaseKey(_ key: Key) { keyboard.release(key) }

  /// Whether scan codes wait for the guest.
  public var isKeyboardBusy: Bool { keyboard.hasKeys }

  /// The keyboard's lights: bit 0 Scroll Lock, 1 Num Lock, 2 Caps Lock.
  public var keyboardLEDs: UInt8 { keyboard.leds }

  /// Moves the mouse by counts, right and down positive; `wheel` is positive towards the user; `buttons`:
  /// bit 0 left, 1 right, 2 middle, 3 and 4 the side buttons.
  public func moveMouse(dx: Int, dy: Int, wheel: Int = 0, buttons: UInt8) {
    mouse.move(dx: dx, dy: dy, wheel: wheel, buttons: buttons)
  }

  /// Sends a packet without movement, for a driver that takes its data elsewhere but waits for the interrupt.
  public func announceMouseData() { mouse.announce() }

  // MARK: Output buffer

  private var mode: UInt8 { memory[0] }

  private func updateInterrupts() {
    let isFull = status & Status.outputFull != 0
    let isMouse = status & Status.auxiliary != 0
    keyboardInterrupt.set(isFull && !isMouse && mode & Mode.keyboardInterrupt != 0)
    mouseInterrupt.set(isFull && isMouse && mode & Mode.mouseInterrupt != 0)
  }

  private func fillOutput(_ byte: UInt8, auxiliary: Bool = false) {
    data = byte
    status &= ~(Status.outputFull | Status.auxiliary)
    updateInterrupts()  // an overwritten byte makes a new edge
    status |= Status.outputFull | (auxiliary ? Status.auxiliary : 0)
    updateInterrupts()
  }

  private var canTransferKeyboard: Bool {
    mode & Mode.keyboardDisabled == 0 && keyboard.hasOutput
  }
  private var canTransferMouse: Bool { mode & Mode.mouseDisabled == 0 && mouse.hasOutput }

  /// Starts the transmission of a byte if the output buffer is free: eleven bits at about 15 kHz.
  private func scheduleTransfer() {
    guard transferEvent == nil, status & Status.outputFull == 0,
      canTransferKeyboard || canTransferMouse
    else { return }
    transferEvent = queue.schedule(after: max(queue.frequency / 1400, 1)) { [unowned self] in
      transferEvent = nil
      transfer()
    }
  }

  private func transfer() {
    guard status & Status.outputFull == 0 else { return }
    if canTransferKeyboard, let byte = keyboard.nextByte() {
      if mode & Mode.translates == 0 {
        fillOutput(byte)
      } else if let translated = translator.translate(byte) {
        fillOutput(translated)
      } else {
        scheduleTransfer()
      }
    } else if canTransferMouse, let byte = mouse.nextByte() {
      fillOutput(byte, auxiliary: true)
    }
  }

  // MARK: Ports

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    switch offset {
    case 0:
      status &= ~(Status.outputFull | Status.auxiliary)
      updateInterrupts()
      scheduleTransfer()
      return UInt32(data)
    case 4: return UInt32(status)
    default: return 0xFF
    }
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    let value = UInt8(truncatingIfNeeded: value)
    switch offset {
    case 0:
      status &= ~Status.wasCommand
      writeData(value)
    case 4:
      status |= Status.wasCommand
      pendingCommand = nil
      writeCommand(value)
    default: break
    }
  }

  private func writeCommand(_ command: UInt8) {
    switch command {
    case 0x20...0x3F: fillOutput(memory[Int(command & 0x1F)])
    case 0x60...0x7F, 0xD1...0xD4: pendingCommand = command
    case 0xA4: fillOutput(0xF1)  // no password
    case 0xA7: setMode(mode | Mode.mouseDisabled)
    case 0xA8: setMode(mode & ~Mode.mouseDisabled)
    case 0xA9, 0xAB: fillOutput(0x00)  // the interface is fine
    case 0xAA:
      status |= Status.system
      fillOutput(0x55)
    case 0xAD: setMode(mode | Mode.keyboardDisabled)
    case 0xAE: setMode(mode & ~Mode.keyboardDisabled)
    case 0xC0: fillOutput(0xA0)  // input port: not locked, colour display
    case 0xD0: fillOutput(outputPort)
    case 0xDD: gate.set(false)
    case 0xDF: gate.set(true)
    case 0xE0: fillOutput(mode & Mode.keyboardDisabled == 0 ? 1 : 0)
    case 0xF0...0xFF: if command & 1 == 0 { resetRequested() }
    default: break
    }
  }

  private func writeData(_ value: UInt8) {
    guard let command = pendingCommand else {
      // Sending to the keyboard opens its interface.
      setMode(mode & ~Mode.keyboardDisabled)
      keyboard.receive(value)
      return
    }
    pendingCommand = nil
    switch command {
    case 0x60: setMode(value)
    case 0x61...0x7F: memory[Int(command & 0x1F)] = value
    case 0xD1:
      gate.set(value & 2 != 0)
      if value & 1 == 0 { resetRequested() }
    case 0xD2: fillOutput(value)
    case 0xD3: fillOutput(value, auxiliary: true)
    case 0xD4: mouse.receive(value)
    default: break
    }
  }

  private func setMode(_ value: UInt8) {
    memory[0] = value
    status = status & ~Status.system | value & Mode.system
    updateInterrupts()
    scheduleTransfer()
  }

  /// Bit 0 reset, 1 address line 20, 4 and 5 the interrupts, 6 and 7 the idle keyboard lines.
  private var outputPort: UInt8 {
    let isFull = status & Status.outputFull != 0
    let isMouse = status & Status.auxiliary != 0
    return 0xC1 | (gate.isOpen ? 2 : 0) | (isFull && !isMouse ? 0x10 : 0)
      | (isFull && isMouse ? 0x20 : 0)
  }
}
