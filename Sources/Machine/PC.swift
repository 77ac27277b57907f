import Bus
import CPU
import Devices
import Memory

/// The PC's wiring: every port, interrupt line and address in this one file. The devices know offsets only.
final class PC {
  /// What the board asks of the machine around it.
  struct Signals {
    var serialOutput: (UInt8) -> Void = { _ in }
    var debugOutput: (UInt8) -> Void = { _ in }
    var firmwareOutput: (UInt8) -> Void = { _ in }
    var powerOff: () -> Void = {}
    var reset: () -> Void = {}
    /// Told the exit status; nil leaves the port out.
    var debugExit: ((UInt8) -> Void)?
  }

  /// ISA interrupt lines.
  private enum IRQ {
    static let timer = 0
    static let keyboard = 1
    static let serial1 = 4
    static let floppy = 6
    static let clock = 8
    static let systemControl: UInt8 = 9
    static let mouse = 12
    static let coprocessor = 13
    static let disks = [14, 15]

    /// Whose interrupts the report counts under which name.
    static let names = [
      timer: "pit", keyboard: "keyboard", serial1: "serial", clock: "rtc",
      Int(systemControl): "acpi", mouse: "keyboard",
      coprocessor: "coprocessor", floppy: "floppy", disks[0]: "ide", disks[1]: "ide",
      Int(pci[0]): "pci", Int(pci[2]): "pci",
    ]
    /// Where a firmware routes PIRQA...PIRQD.
    static let pci: [UInt8] = [10, 10, 11, 11]
    /// Lines that a firmware makes level triggered: the SCI's and those of PCI.
    static let levelTriggered = pci.reduce(UInt16(1) << systemControl) { $0 | 1 << $1 }
  }

  /// The first of the 64 ACPI ports, where SeaBIOS puts them too.
  private static let powerManagementBase: UInt16 = 0x600

  /// What the ACPI tables tell about the machine.
  static var acpiConfiguration: ACPITables.Configuration {
    var configuration = ACPITables.Configuration()
    configuration.powerManagementBase = powerManagementBase
    configuration.sciInterrupt = IRQ.systemControl
    configuration.pirqInterrupts = IRQ.pci
    return configuration
  }

  let interruptControllers: PICPair
  private let localAPIC: LocalAPIC
  private let ioAPIC: IOAPIC
  let serial1: UART16550A
  let keyboard: KeyboardController8042
  let typer: KeyTyper
  let vga: VGA
  private let pciHost: PCIHostBridge
  private let pciBridge: PIIX3ISABridge
  private let powerFunction: PIIX4PowerManagementFunction
  private let dma: DMA8237
  private let ide: PIIX3IDE
  private let virtioDisks: [VirtioBlock]
  private let hasFirmware: Bool
  private let showsLowROM: Bool
  private var resettables: [any Resettable] = []
  private var screenCache: (generation: UInt64, text: [UInt8])?

  /// - Parameters:
  ///   - startTime: the date of the real-time clock, in seconds since 1970.
  ///   - image: what will be booted.
  ///   - drives: opened disk images.
  init(
    processor: Processor, memory: PhysicalMemory, ports: PortBus, events: EventQueue,
    startTime: Int64, configuration: MachineConfiguration, image: BootImage, drives: DriveSet,
    signals: Signals
  ) throws {
    hasFirmware = image.firmware != nil
    showsLowROM = !image.roms.isEmpty
    func attach(_ device: any PortDevice, _ range: ClosedRange<UInt16>, _ name: String) throws {
      try ports.attach(device, ports: range, name: name)
    }

    // Interrupts.
    let pic = PICPair()
    let apics = try Self.attachAPICs(processor: processor, memory: memory, queue: events, pic: pic)
    let wires = InterruptWires(legacy: pic, apic: apics.io)
    func line(_ number: Int) -> InterruptLine { InterruptLine(wires, line: number) }
    try attach(pic.primary, 0x20...0x21, "pic")
    try attach(pic.secondary, 0xA0...0xA1, "pic")
    try attach(pic.edgeLevelControl, 0x4D0...0x4D1, "pic")
    interruptControllers = pic
    localAPIC = apics.local
    ioAPIC = apics.io

    // Time.
    let timer = IntervalTimer8254(queue: events, interrupt: line(IRQ.timer))
    let controlB = SystemControlPortB(timer: timer)
    let clock = RealTimeClock146818(
      queue: events, interrupt: line(IRQ.clock), startEpoch: startTime)
    clock.configure(memory: UInt64(memory.ramSize))
    clock.configure(bootOrder: configuration.bootOrder.map(\.code))
    try attach(timer, 0x40...0x43, "pit")
    try attach(controlB, 0x61...0x61, "pit")
    try attach(clock, 0x70...0x71, "rtc")

    // Keyboard, mouse, address line 20, fast reset.
    let gate = A20Gate()
    gate.changed = { [unowned processor] in processor.setA20($0) }
    let keyboard = KeyboardController8042(
      queue: events, keyboardInterrupt: line(IRQ.keyboard), mouseInterrupt: line(IRQ.mouse),
      gate: gate)
    let controlA = SystemControlPortA(gate: gate)
    keyboard.resetRequested = signals.reset
    controlA.resetRequested = signals.reset
    try attach(keyboard, 0x60...0x60, "keyboard")
    try attach(PortWindow(keyboard, base: 4), 0x64...0x64, "keyboard")
    try attach(controlA, 0x92...0x92, "control")
    self.keyboard = keyboard
    typer = KeyTyper(queue: events, controller: keyboard)

    // Serial line and debug ports.
    let serial1 = UART16550A(queue: events, interrupt: line(IRQ.serial1))
    serial1.output = signals.serialOutput
    serial1.holdsInputUntilWanted = true
    // Kernels wait for every character of their console: at 9600 baud a boot would take a minute.
    serial1.transmitsInstantly = true
    let debugConsole = DebugConsole()
    debugConsole.output = signals.debugOutput
    let post = POSTCode()
    try attach(serial1, 0x3F8...0x3FF, "serial")
    try attach(debugConsole, 0xE9...0xE9, "debug")
    try attach(post, 0x80...0x80, "debug")
    try attach(PortWindow(post, base: 0), 0xED...0xED, "debug")
    if let exit = signals.debugExit {
      let debugExit = DebugExit()
      debugExit.exit = exit
      try attach(debugExit, 0xF4...0xF7, "debug")
    }
    self.serial1 = serial1

    // x87 errors of guests that want an interrupt for them.
    let coprocessor = CoprocessorError(interrupt: line(IRQ.coprocessor))
    processor.floatingPointError = { [unowned coprocessor] in coprocessor.signal() }
    try attach(coprocessor, 0xF0...0xF1, "coprocessor")

    // DMA.
    let dma = DMA8237()
    self.dma = dma
    dma.readMemory = { [unowned memory] in
      UInt8(truncatingIfNeeded: memory.read(physical: UInt64($0), size: 1))
    }
    dma.writeMemory = { [unowned memory] in
      memory.write(physical: UInt64($0), size: 1, UInt64($1))
    }
    try attach(dma.primary, 0x00...0x0F, "dma")
    try attach(dma.secondary, 0xC0...0xDF, "dma")
    try attach(PortWindow(dma.pages, base: 1), 0x81...0x8F, "dma")

    // PCI: host bridge, ISA bridge, power management.
    let host = PCIHostBridge()
    host.resetRequested = signals.reset
    let shadow = MemoryShadow(memory: memory)
    host.memoryAttributeWritten = { shadow.write(register: $0, value: $1) }
    try attach(host, 0xCF8...0xCFF, "pci")
    let bridge = PIIX3ISABridge(controller: wires)
    host.attach(bridge.function, device: 1, function: 0)
    let power = PIIX4PowerManagementFunction()
    host.attach(power.function, device: 1, function: 3)
    let acpi = ACPIPowerManagement(queue: events, interrupt: line(Int(IRQ.systemControl)))
    acpi.powerOffRequested = signals.powerOff
    try attach(acpi.commandPort, 0xB2...0xB3, "acpi")
    var current: UInt16?
    power.baseChanged = { [unowned ports] base in
      if let current { ports.detach(first: current) }
      // A base on top of other ports is the guest's mistake; the registers are out of reach then.
      current = base.flatMap { base in
        let last = base.addingReportingOverflow(0x3F)
        let isFree =
          !last.overflow
          && (try? ports.attach(acpi, ports: base...last.partialValue, name: "acpi")) != nil
        return isFree ? base : nil
      }
    }
    pciHost = host
    pciBridge = bridge
    powerFunction = power
    let firmware = try Self.attachFirmwarePorts(
      ports, memory: memory,
      bootOrder: Self.bootOrder(drives, configuration.bootOrder), log: signals.firmwareOutput)

    // Drives.
    let scheduler = BlockScheduler(queue: events, waitsForHost: configuration.clock == .cycles)
    let wiring = DriveWiring(
      ports: ports, memory: memory, queue: events, scheduler: scheduler, host: host,
      bridge: bridge, clock: clock, line: line)
    ide = try Self.attachIDE(drives, wiring)
    let floppy = try Self.attachFloppy(drives, dma: dma, wiring)
    virtioDisks = Self.attachVirtioDisks(drives, wiring)

    // Video: the VGA's ports and window, the Bochs display interface, the framebuffer where the guest maps it.
    let vga = VGA(queue: events)
    try attach(vga, 0x3B0...0x3DF, "vga")
    try attach(vga.displayInterface, 0x1CE...0x1D0, "vga")
    try memory.attach(vga, range: 0xA0000...0xBFFFF, name: "vga")
    let video = PCIFunction(vendor: 0x1234, device: 0x1111, classCode: 0x030000, revision: 2)
    video.define(0x04, word: 0x0001, writable: 0x0003)
    let framebuffer = vga.linearFramebuffer
    let framebufferSize = UInt32(vga.memorySize)
    var framebufferBase: UInt32?
    video.addBaseAddress(0, .memory(size: framebufferSize)) { [unowned memory] base in
      if let old = framebufferBase { memory.detach(at: old) }
      // On top of another device it is out of reach.
      framebufferBase = base.flatMap { base in
        let range = base...base + (framebufferSize - 1)
        let isFree = (try? memory.attach(framebuffer, range: range, name: "framebuffer")) != nil
        return isFree ? base : nil
      }
    }
    if let rom = image.firmware?.videoROM {
      Self.attachVideoROM(rom, to: video, memory: memory)
    }
    host.attach(video, device: 2, function: 0)
    self.vga = vga

    resettables =
      [
        pic, apics.local, apics.io, timer, controlB, clock, gate, keyboard, controlA, typer,
        serial1,
        post, coprocessor,
        dma, host,
        bridge, power, acpi, vga, firmware, ide, floppy,
      ] + virtioDisks
  }

  /// The power-on state of every device.
  func reset() {
    for device in resettables { device.reset() }
    guard !hasFirmware else { return }
    // What a firmware would set up, for guests that start without one.
    pciBridge.route(IRQ.pci)
    interruptControllers.setLevelTriggered(IRQ.levelTriggered)
    powerFunction.enable(base: Self.powerManagementBase)
    ide.enable()
    for (index, disk) in virtioDisks.enumerated() {
      let pirq = PIIX3ISABridge.pirq(device: Self.firstVirtioDevice + index, pin: 0)
      disk.function.write(0x3C, IRQ.pci[pirq])
    }
    // The first DMA controller's requests pass through channel 4: cascade mode, not masked.
    dma.secondary.writePort(offset: 0x16, width: .byte, value: 0xC0)
    dma.secondary.writePort(offset: 0x14, width: .byte, value: 0x00)
    // RAM from C0000h on, unless there is a ROM to see.
    if !showsLowROM {
      for register in 0x59...0x5F { pciHost.function.write(register, 0x33) }
    }
  }

  /// The text on the screen, line by line, without attributes.
  var screenText: [UInt8] {
    if screenCache?.generation != vga.generation {
      screenCache = (vga.generation, Array(vga.textScreen.joined(separator: "\n").utf8))
    }
    return screenCache?.text ?? []
  }

  /// The picture on the screen.
  var screen: VideoFrame {
    var frame = VideoFrame()
    vga.render(into: &frame)
    return frame
  }

  /// Interrupts acknowledged, by device name.
  var interruptCounts: [String: UInt64] {
    var result: [String: UInt64] = [:]
    for (line, count) in interruptControllers.acknowledged.enumerated() where count > 0 {
      result[IRQ.names[line] ?? "irq\(line)", default: 0] += count
    }
    if localAPIC.timerInterrupts > 0 { result["apic"] = localAPIC.timerInterrupts }
    for (input, count) in ioAPIC.sent.enumerated() where count > 0 {
      let line = input == 2 ? IRQ.timer : input
      result[IRQ.names[line] ?? "irq\(line)", default: 0] += count
    }
    return result
  }
}
