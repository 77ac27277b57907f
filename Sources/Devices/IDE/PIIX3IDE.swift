import Bus

/// The IDE function of the 82371SB (PIIX3): two channels at the ports of the PC/AT, with bus mastering. Intel
/// 82371SB data sheet, 2.3 and 3.5.
public final class PIIX3IDE: Resettable {
  /// What hangs on a channel.
  public enum Drive {
    case disk(any BlockMedium)
    case opticalDisc(any BlockMedium)
  }

  /// The function's configuration space (8086:7010, device 1 function 1).
  public let function: PCIFunction
  /// The sixteen bus-master ports of base address 4: the primary channel's eight, then the secondary's.
  public let busMasterPorts: any PortDevice

  private static let timing = 0x40

  private let channels: [IDEChannel]
  private let scheduler: BlockScheduler

  /// - Parameters:
  ///   - interrupts: IRQ 14 and IRQ 15.
  ///   - memory: where bus mastering goes.
  ///   - remapped: told the first of the bus-master ports, or nil while they are not decoded.
  public init(
    interrupts: (InterruptLine, InterruptLine), memory: any BusMasterMemory,
    scheduler: BlockScheduler, remapped: @escaping (UInt32?) -> Void
  ) {
    self.scheduler = scheduler
    channels = [
      IDEChannel(interrupt: interrupts.0, memory: memory),
      IDEChannel(interrupt: interrupts.1, memory: memory),
    ]
    busMasterPorts = BusMasterPorts(channels.map(\.busMaster))
    function = PCIFunction(vendor: 0x8086, device: 0x7010, classCode: 0x010180)
    function.define(0x04, word: 0x0000, writable: 0x0005)
    function.define(0x06, word: 0x0280)
    for offset in 0..<4 { function.define(Self.timing + offset, 0, writable: 0xFF) }
    function.addBaseAddress(4, .io(size: 16), remapped: remapped)
    function.registerWritten = { [unowned self] offset in
      if Self.timing..<Self.timing + 4 ~= offset { updateDecoding() }
    }
    for channel in channels {
      channel.busMaster.isAllowed = { [unowned self] in function.read(0x04) & 4 != 0 }
    }
    updateDecoding()
  }

  /// - Parameters:
  ///   - channel: 0 = primary, 1 = secondary.
  ///   - place: 0 = master, 1 = slave.
  public func attach(_ drive: Drive, channel: Int, place: Int) {
    let serial = "SB-IDE\(channel)\(place)"
    let commands: any IDECommandSet
    switch drive {
    case .disk(let medium): commands = ATADisk(medium: medium, serial: serial)
    case .opticalDisc(let medium): commands = ATAPICDROM(medium: medium, serial: serial)
    }
    let device = IDEDevice(commands, scheduler: scheduler)
    if case .opticalDisc = drive { device.idleStatus = IDEDevice.Status.ready }
    channels[channel & 1].attach(device, at: place)
  }

  public func commandBlock(_ channel: Int) -> any PortDevice { channels[channel & 1].commandBlock }
  public func controlBlock(_ channel: Int) -> any PortDevice { channels[channel & 1].controlBlock }

  public func reset() {
    function.reset()
    for channel in channels { channel.reset() }
  }

  /// Decodes the ports of both channels, as a firmware does.
  public func enable() {
    function.write(Self.timing + 1, 0x80)
    function.write(Self.timing + 3, 0x80)
    function.write(0x04, 0x01)
  }

  private func updateDecoding() {
    for (number, channel) in channels.enumerated() {
      channel.isDecoded = function.read(Self.timing + 2 * number + 1) & 0x80 != 0
    }
  }
}

private final class BusMasterPorts: PortDevice {
  private let engines: [IDEBusMaster]
  init(_ engines: [IDEBusMaster]) { self.engines = engines }

  func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    guard offset < 16 else { return 0xFF }
    return UInt32(engines[Int(offset >> 3)].read(offset & 7))
  }

  func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    guard offset < 16 else { return }
    engines[Int(offset >> 3)].write(offset & 7, UInt8(truncatingIfNeeded: value))
  }
}
