import Bus
import CPU
import Devices
import Memory

/// The drives and their controllers.
extension PC {
  /// Where the drives go and what the rest of the board hears of them.
  struct DriveWiring {
    var ports: PortBus
    var memory: PhysicalMemory
    var queue: EventQueue
    var scheduler: BlockScheduler
    var host: PCIHostBridge
    var bridge: PIIX3ISABridge
    var clock: RealTimeClock146818
    var line: (Int) -> InterruptLine
  }

  /// Places on the two IDE channels in the order in which disks take them; a CD drive is the secondary master.
  private static let places = [(0, 0), (0, 1), (1, 0), (1, 1)]
  private static let opticalPlace = (1, 0)

  private static func freePlaces(_ drives: DriveSet) -> [(Int, Int)] {
    drives.opticalDisc == nil ? places : places.filter { $0 != opticalPlace }
  }

  /// Wires the IDE controller with its drives.
  static func attachIDE(_ drives: DriveSet, _ wiring: DriveWiring) throws -> PIIX3IDE {
    let ports = wiring.ports
    var current: UInt16?
    weak var controller: PIIX3IDE?
    let ide = PIIX3IDE(
      interrupts: (wiring.line(14), wiring.line(15)), memory: wiring.memory,
      scheduler: wiring.scheduler
    ) { [unowned ports] base in
      if let current { ports.detach(first: current) }
      // On top of other ports it is out of reach.
      current = base.flatMap { base in
        guard let controller else { return nil }
        let first = UInt16(truncatingIfNeeded: base)
        let isFree =
          first <= 0xFFF0
          && (try? ports.attach(
            controller.busMasterPorts, ports: first...first + 15, name: "ide")) != nil
        return isFree ? first : nil
      }
    }
    controller = ide
    for (channel, base) in [(0, 0x1F0 as UInt16), (1, 0x170)] {
      try ports.attach(ide.commandBlock(channel), ports: base...base + 7, name: "ide")
      try ports.attach(
        ide.controlBlock(channel), ports: base + 0x206...base + 0x206, name: "ide")
    }
    wiring.host.attach(ide.function, device: 1, function: 1)

    var free = freePlaces(drives)
    if let disc = drives.opticalDisc {
      ide.attach(.opticalDisc(disc), channel: opticalPlace.0, place: opticalPlace.1)
    }
    var translations: UInt8 = 0
    for disk in drives.disks where disk.interface == .ide && !free.isEmpty {
      let (channel, place) = free.removeFirst()
      ide.attach(.disk(disk.medium), channel: channel, place: place)
      let geometry = DiskGeometry(sectors: disk.medium.size / 512)
      if geometry.cylinders > 1024 { translations |= 1 << UInt8(4 * channel + 2 * place) }
      if channel == 0 { describe(geometry, number: place, to: wiring.clock) }
    }
    // How SeaBIOS presents cylinders that its interface has no bits for: 1 = by sector number.
    wiring.clock[0x39] = translations
    wiring.clock.updateChecksum()
    return ide
  }

  /// Writes a disk of type 47 to the CMOS memory, as set-up programs do.
  private static func describe(
    _ geometry: DiskGeometry, number: Int, to clock: RealTimeClock146818
  ) {
    clock[0x12] |= number == 0 ? 0xF0 : 0x0F
    clock[0x19 + number] = 47
    let first = number == 0 ? 0x1B : 0x24
    let cylinders = geometry.cylinders
    let bytes: [UInt8] = [
      UInt8(truncatingIfNeeded: cylinders), UInt8(truncatingIfNeeded: cylinders >> 8),
      UInt8(truncatingIfNeeded: geometry.heads), 0xFF, 0xFF, 0xC0 | (geometry.heads > 8 ? 8 : 0),
      UInt8(truncatingIfNeeded: cylinders), UInt8(truncatingIfNeeded: cylinders >> 8),
      UInt8(truncatingIfNeeded: geometry.sectors),
    ]
    for (offset, byte) in bytes.enumerated() { clock[first + offset] = byte }
  }
}

extension PC {
  /// Wires the floppy controller; drive A: is there if a disk is in it.
  static func attachFloppy(_ drives: DriveSet, dma: DMA8237, _ wiring: DriveWiring) throws
    -> FloppyController82077AA
  {
    let floppy = FloppyController82077AA(
      queue: wiring.queue, scheduler: wiring.scheduler, interrupt: wiring.line(6), dma: dma,
      disks: [drives.floppy])
    // 3F6h is the primary IDE channel's.
    try wiring.ports.attach(floppy, ports: 0x3F0...0x3F5, name: "floppy")
    try wiring.ports.attach(PortWindow(floppy, base: 7), ports: 0x3F7...0x3F7, name: "floppy")
    wiring.clock[0x10] = floppy.driveTypes
    if drives.floppy != nil { wiring.clock[0x14] |= 0x01 }
    wiring.clock.updateChecksum()
    return floppy
  }
}

extension PC {
  /// The PCI device number of the first virtio disk.
  static let firstVirtioDevice = 4

  /// Wires the virtio disks, each a PCI device of its own.
  static func attachVirtioDisks(_ drives: DriveSet, _ wiring: DriveWiring) -> [VirtioBlock] {
    let disks = drives.disks.filter { $0.interface == .virtio }
    return disks.enumerated().map { index, disk in
      let ports = wiring.ports
      let device = firstVirtioDevice + index
      var current: UInt16?
      weak var block: VirtioBlock?
      let new = VirtioBlock(
        medium: disk.medium, memory: wiring.memory, scheduler: wiring.scheduler,
        interrupt: wiring.bridge.interruptLine(device: device, pin: 0), serial: "SB-VIRTIO\(index)"
      ) { [unowned ports] base in
        if let current { ports.detach(first: current) }
        // On top of other ports it is out of reach.
        current = base.flatMap { base in
          guard let block else { return nil }
          let first = UInt16(truncatingIfNeeded: base)
          let isFree =
            first <= 0xFFC0
            && (try? ports.attach(block, ports: first...first + 63, name: "virtio")) != nil
          return isFree ? first : nil
        }
      }
      block = new
      wiring.host.attach(new.function, device: device, function: 0)
      return new
    }
  }

  /// The drives in the order in which the firmware is to try them, as Open Firmware device paths.
  static func bootOrder(_ drives: DriveSet, _ order: [MachineConfiguration.BootDevice]) -> [UInt8] {
    var paths: [String] = []
    for kind in order {
      switch kind {
      case .floppy where drives.floppy != nil: paths.append("/pci@i0cf8/isa@1/fdc@03f0/floppy@0")
      case .opticalDisc where drives.opticalDisc != nil:
        paths.append("/pci@i0cf8/ide@1,1/drive@1/disk@0")
      case .disk: paths += diskPaths(drives)
      case .floppy, .opticalDisc: break
      }
    }
    return paths.isEmpty ? [] : Array(paths.joined(separator: "\n").utf8) + [0]
  }

  private static func diskPaths(_ drives: DriveSet) -> [String] {
    var free = freePlaces(drives)
    var virtio = firstVirtioDevice
    return drives.disks.compactMap { disk in
      switch disk.interface {
      case .ide:
        guard !free.isEmpty else { return nil }
        let (channel, place) = free.removeFirst()
        return "/pci@i0cf8/ide@1,1/drive@\(channel)/disk@\(place)"
      case .virtio:
        defer { virtio += 1 }
        return "/pci@i0cf8/scsi@\(virtio)/disk@0,0"
      }
    }
  }
}
