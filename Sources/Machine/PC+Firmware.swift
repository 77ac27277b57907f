import Bus
import Devices
import Memory

/// What a system firmware needs of the board.
extension PC {
  /// Wires the firmware configuration device and the firmware's log port.
  static func attachFirmwarePorts(
    _ ports: PortBus, memory: PhysicalMemory, configuration: MachineConfiguration,
    bootOrder: [UInt8], optionROMs: [[UInt8]], log: @escaping (UInt8) -> Void
  ) throws -> FirmwareConfiguration {
    let device = FirmwareConfiguration()
    device.readMemory = { [unowned memory] address, count in
      guard let start = UInt32(exactly: address) else { return [] }
      return memory.readBytes(at: start, count: count)
    }
    device.writeMemory = { [unowned memory] address, bytes in
      if let start = UInt32(exactly: address) { memory.writeBytes(bytes, at: start) }
    }
    var files: [FirmwareConfiguration.File] = []
    if configuration.hasACPI { files += ACPITableLoader(acpiConfiguration(configuration)).files }
    if !bootOrder.isEmpty { files.append(.init(name: "bootorder", contents: bootOrder)) }
    for (number, rom) in optionROMs.enumerated() {
      files.append(.init(name: "genroms/\(number).bin", contents: rom))
    }
    device.configure(memory: configuration.memory, showsBootMenu: false, files: files)
    try ports.attach(device, ports: 0x510...0x51B, name: "fw_cfg")
    let logPort = DebugConsole()
    logPort.output = log
    try ports.attach(logPort, ports: 0x402...0x402, name: "debug")
    return device
  }

  /// Gives the video card its expansion ROM.
  static func attachVideoROM(
    _ contents: [UInt8], to function: PCIFunction, memory: PhysicalMemory
  ) {
    let rom = ExpansionROM(contents)
    var current: UInt32?
    function.addExpansionROM(size: rom.size) { [unowned memory] base in
      if let old = current { memory.detach(at: old) }
      current = base.flatMap { base in
        let range = base...base + (rom.size - 1)
        let isFree = (try? memory.attach(rom, range: range, name: "video ROM")) != nil
        return isFree ? base : nil
      }
    }
  }
}
