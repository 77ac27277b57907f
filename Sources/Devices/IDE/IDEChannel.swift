import Bus

/// One IDE channel: two devices on a cable, selected by bit 4 of the device register.
///
/// Ports: the command block's offsets are 0 = data, 1 = error/features, 2 = count, 3-5 = address,
/// 6 = device, 7 = status/command; the control block's one port is alternate status/device control.
final class IDEChannel: Resettable {
  private enum Control {
    static let interruptsOff: UInt8 = 0x02
    static let softwareReset: UInt8 = 0x04
    static let showsPrevious: UInt8 = 0x80
  }

  let commandBlock: any PortDevice
  let controlBlock: any PortDevice
  let busMaster: IDEBusMaster
  private(set) var devices: [IDEDevice?] = [nil, nil]
  private let interrupt: InterruptLine
  private var control: UInt8 = 0
  private var device: UInt8 = 0
  private var line = false
  /// Whether the controller decodes the channel's ports.
  var isDecoded = true

  init(interrupt: InterruptLine, memory: any BusMasterMemory) {
    self.interrupt = interrupt
    busMaster = IDEBusMaster(memory: memory)
    let ports = ChannelPorts()
    commandBlock = ports
    let control = ChannelControl()
    controlBlock = control
    ports.channel = self
    control.channel = self
    busMaster.started = { [unowned self] in moveData() }
  }

  func attach(_ new: IDEDevice, at place: Int) {
    devices[place & 1] = new
    new.interruptChanged = { [unowned self] in updateInterrupt() }
    new.dmaRequested = { [unowned self] in moveData() }
  }

  func reset() {
    control = 0
    busMaster.reset()
    device = 0
    for device in devices {
      device?.registers = TaskFile()
      device?.reset(isHard: true)
    }
    updateInterrupt()
  }

  private var selected: IDEDevice? { devices[Int(device >> 4 & 1)] }
  /// Who answers reads: device 0 does for a device 1 that is not there.
  private var answering: IDEDevice? { selected ?? devices[0] }

  private func updateInterrupt() {
    let level = selected?.interrupts == true && control & Control.interruptsOff == 0
    guard level != line else { return }
    line = level
    if level { busMaster.noteInterrupt() }
    interrupt.set(level)
  }

  private func moveData() {
    // A move may end a command whose follower wants data at once.
    while let device = selected {
      let (waits, toMemory) = device.dmaDirection
      guard waits, busMaster.isReady(toMemory: toMemory) else { return }
      let isMore = device.moveData(busMaster)
      guard isMore else { return }
    }
  }

  // MARK: Ports

  func readData(_ width: AccessWidth) -> UInt32 {
    guard isDecoded, let selected else { return width.mask }
    return selected.readData(width: width.rawValue)
  }

  func readDataAhead(_ width: AccessWidth, limit: Int) -> ArraySlice<UInt8> {
    guard isDecoded, let selected else { return [] }
    return selected.readDataAhead(width: width.rawValue, limit: limit)
  }

  func writeData(_ width: AccessWidth, _ value: UInt32) {
    guard isDecoded else { return }
    selected?.writeData(width: width.rawValue, value: value)
  }

  func read(_ offset: UInt16) -> UInt8 {
    guard isDecoded else { return 0xFF }
    // Nobody on the cable: the host sees the pull-down resistors.
    guard let answering else { return 0 }
    let registers = answering.registers
    func shown(_ register: TaskFile.Register) -> UInt8 {
      control & Control.showsPrevious != 0 ? register.previous : register.current
    }
    switch offset {
    case 1: return answering.error
    case 2: return shown(registers.count)
    case 3: return shown(registers.low)
    case 4: return shown(registers.mid)
    case 5: return shown(registers.high)
    case 6: return registers.device | 0xA0
    case 7: return selected?.readStatus(acknowledges: true) ?? 0
    default: return 0xFF
    }
  }

  func write(_ offset: UInt16, _ value: UInt8) {
    guard isDecoded else { return }
    guard offset < 7 else {
      if offset == 7 { write(command: value) }
      return
    }
    control &= ~Control.showsPrevious
    // Both devices listen.
    for device in devices {
      switch offset {
      case 1: device?.registers.feature.write(value)
      case 2: device?.registers.count.write(value)
      case 3: device?.registers.low.write(value)
      case 4: device?.registers.mid.write(value)
      case 5: device?.registers.high.write(value)
      case 6: device?.registers.device = value
      default: break
      }
    }
    if offset == 6 {
      device = value
      updateInterrupt()
    }
  }

  private func write(command: UInt8) {
    guard control & Control.softwareReset == 0 else { return }
    control &= ~Control.showsPrevious
    guard command == 0x90 else {
      selected?.write(command: command)
      return
    }
    // EXECUTE DEVICE DIAGNOSTIC is for both; device 0 reports.
    device &= ~0x10
    for device in devices { device?.reset(isHard: false) }
    devices[0]?.finishDiagnostic()
    updateInterrupt()
  }

  func readAlternateStatus() -> UInt8 {
    guard isDecoded else { return 0xFF }
    return selected?.readStatus(acknowledges: false) ?? 0
  }

  func write(control value: UInt8) {
    guard isDecoded else { return }
    let was = control & Control.softwareReset != 0
    control = value & (Control.interruptsOff | Control.softwareReset | Control.showsPrevious)
    let isHeld = control & Control.softwareReset != 0
    if isHeld && !was {
      for device in devices { device?.holdInReset() }
    } else if was && !isHeld {
      device = 0
      for device in devices { device?.reset(isHard: false) }
    }
    updateInterrupt()
  }
}

private final class ChannelPorts: PortDevice {
  unowned var channel: IDEChannel!

  func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    if offset == 0 { return channel.readData(width) }
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    return UInt32(channel.read(offset))
  }

  func readAhead(offset: UInt16, width: AccessWidth, limit: Int) -> ArraySlice<UInt8> {
    offset == 0 ? channel.readDataAhead(width, limit: limit) : []
  }

  func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    if offset == 0 { return channel.writeData(width, value) }
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    channel.write(offset, UInt8(truncatingIfNeeded: value))
  }
}

private final class ChannelControl: PortDevice {
  unowned var channel: IDEChannel!

  func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    return offset == 0 ? UInt32(channel.readAlternateStatus()) : 0xFF
  }

  func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    if offset == 0 { channel.write(control: UInt8(truncatingIfNeeded: value)) }
  }
}
