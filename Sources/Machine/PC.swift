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
    var serial2Output: (UInt8) -> Void = { _ in }
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
    static let serial2 = 3
    static let serial1 = 4
    static let floppy = 6
    static let parallel: UInt8 = 7
    static let clock = 8
    static let systemControl: UInt8 = 9
    static let mouse = 12
    static let coprocessor = 13
    static let disks = [14, 15]

    /// Whose interrupts the report counts under which name.
    static let names = [
      timer: "pit", keyboard: "keyboard", serial2: "serial2", serial1: "serial",
      clock: "rtc",
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
  private static let serial1Base: UInt16 = 0x3F8
  private static let serial2Base: UInt16 = 0x2F8
  private static let parallelBase: UInt16 = 0x378
  /// Bytes of video memory.
  static let videoMemorySize = 16 << 20
  private static let eventTimerBase: UInt32 = 0xFED0_0000

  /// Where a guest without a firmware finds the framebuffer.
  static let framebufferAddress: UInt32 = 0xFD00_0000

  /// What the ACPI tables tell about the machine.
  static func acpiConfiguration(_ machine: MachineConfiguration) -> ACPITables.Configuration {
    var configuration = ACPITables.Configuration()
    configuration.powerManagementBase = powerManagementBase
    configuration.sciInterrupt = IRQ.systemControl
    configuration.pirqInterrupts = IRQ.pci
    configuration.serialPorts = [
      (serial1Base, UInt8(IRQ.serial1)), (serial2Base, UInt8(IRQ.serial2)),
    ]
    configuration.parallelPort = parallelBase
    configuration.parallelInterrupt = IRQ.parallel
    configuration.hasAPIC = machine.hasAPIC
    configuration.eventTimer = machine.hasHPET ? eventTimerBase : nil
    return configuration
  }

  let interruptControllers: PICPair
  private let apics: APICs?
  let serial1: UART16550A
  let serial2: UART16550A
  let keyboard: KeyboardController8042
  let typer: KeyTyper
  let pointer: VMwarePointer
  let vga: VGA
  /// Told the frequency of the speaker's tone in hertz, 0 for silence.
  var toneChanged: (UInt32) -> Void = { _ in }
  private let pciHost: PCIHostBridge
  private let pciBridge: PIIX3ISABridge
  private let dma: DMA8237
  private let ide: PIIX3IDE
  private let virtioDisks: [VirtioBlock]
  private let powerFunction: PIIX4PowerManagementFunction?
  private let powerManagement: ACPIPowerManagement?
  private let powerOff: () -> Void
  private let video: PCIFunction
  private let videoMode: VideoMode?
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
    videoMode = image.videoMode
    showsLowROM = !image.roms.isEmpty
    func attach(_ device: any PortDevice, _ range: ClosedRange<UInt16>, _ name: String) throws {
      try ports.attach(device, ports: range, name: name)
    }

    // Interrupts.
    let pic = PICPair()
    let wires: any InterruptSink
    if configuration.hasAPIC {
      let apics = try Self.attachAPICs(
        processor: processor, memory: memory, queue: events, pic: pic)
      wires = InterruptWires(legacy: pic, apic: apics.io)
      self.apics = apics
    } else {
      Self.attachLegacyController(processor: processor, pic: pic)
      wires = pic
      apics = nil
    }
    func line(_ number: Int) -> InterruptLine { InterruptLine(wires, line: number) }
    try attach(pic.primary, 0x20...0x21, "pic")
    try attach(pic.secondary, 0xA0...0xA1, "pic")
    try attach(pic.edgeLevelControl, 0x4D0...0x4D1, "pic")
    interruptControllers = pic

    // Time.
    var eventTimer: HPET?
    var timeWires = wires
    if configuration.hasHPET {
      let device = HPET(queue: events, wires: wires)
      timeWires = device.legacyInput
      let last = Self.eventTimerBase + 0xFFF
      try memory.attach(device, range: Self.eventTimerBase...last, name: "hpet")
      eventTimer = device
    }
    let timer = IntervalTimer8254(
      queue: events, interrupt: InterruptLine(timeWires, line: IRQ.timer))
    let controlB = SystemControlPortB(timer: timer)
    let clock = RealTimeClock146818(
      queue: events, interrupt: InterruptLine(timeWires, line: IRQ.clock), startEpoch: startTime)
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

    let pointer = VMwarePointer()
    let cpu = processor.cpu
    pointer.readRegisters = {
      let gpr = cpu.pointee.gpr
      return .init(eax: gpr.0, ebx: gpr.3, ecx: gpr.1, edx: gpr.2)
    }
    pointer.writeRegisters = {
      (cpu.pointee.gpr.3, cpu.pointee.gpr.1, cpu.pointee.gpr.2) = ($0.ebx, $0.ecx, $0.edx)
    }
    pointer.dataReady = { [unowned keyboard] in keyboard.announceMouseData() }
    try attach(pointer, 0x5658...0x565B, "pointer")
    self.pointer = pointer

    // Serial lines, parallel port and debug ports.
    let serial1 = UART16550A(queue: events, interrupt: line(IRQ.serial1))
    serial1.output = signals.serialOutput
    serial1.holdsInputUntilWanted = true
    // Kernels wait for every character of their console: at 9600 baud a boot would take a minute.
    serial1.transmitsInstantly = true
    let debugConsole = DebugConsole()
    debugConsole.output = signals.debugOutput
    let post = POSTCode()
    let serial2 = UART16550A(queue: events, interrupt: line(IRQ.serial2))
    serial2.output = signals.serial2Output
    serial2.transmitsInstantly = true
    let parallel = ParallelPort()
    try attach(serial1, Self.serial1Base...Self.serial1Base + 7, "serial")
    try attach(serial2, Self.serial2Base...Self.serial2Base + 7, "serial2")
    try attach(parallel, Self.parallelBase...Self.parallelBase + 2, "parallel")
    try attach(debugConsole, 0xE9...0xE9, "debug")
    try attach(post, 0x80...0x80, "debug")
    try attach(PortWindow(post, base: 0), 0xED...0xED, "debug")
    if let exit = signals.debugExit {
      let debugExit = DebugExit()
      debugExit.exit = exit
      try attach(debugExit, 0xF4...0xF7, "debug")
    }
    self.serial1 = serial1
    self.serial2 = serial2

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
    pciHost = host
    pciBridge = bridge
    powerOff = signals.powerOff
    if configuration.hasACPI {
      let power = PIIX4PowerManagementFunction()
      host.attach(power.function, device: 1, function: 3)
      let acpi = ACPIPowerManagement(queue: events, interrupt: line(Int(IRQ.systemControl)))
      acpi.powerOffRequested = signals.powerOff
      try Self.attach(acpi, at: power, ports: ports)
      powerFunction = power
      powerManagement = acpi
    } else {
      powerFunction = nil
      powerManagement = nil
    }
    let firmware = try Self.attachFirmwarePorts(
      ports, memory: memory, configuration: configuration,
      bootOrder: Self.bootOrder(drives, configuration.bootOrder),
      optionROMs: image.firmware?.optionROMs ?? [], log: signals.firmwareOutput)

    // Drives.
    let scheduler = BlockScheduler(queue: events, waitsForHost: configuration.clock == .cycles)
    let wiring = DriveWiring(
      ports: ports, memory: memory, queue: events, scheduler: scheduler, host: host,
      bridge: bridge, clock: clock, line: line)
    ide = try Self.attachIDE(drives, wiring)
    let floppy = try Self.attachFloppy(drives, dma: dma, wiring)
    virtioDisks = Self.attachVirtioDisks(drives, wiring)

    // Video: the VGA's ports and window, the Bochs display interface, the framebuffer where the guest maps it.
    let vga = VGA(
      queue: events,
      memory: VideoMemory(shared: memory.deviceMemory, count: memory.deviceMemorySize))
    try attach(vga, 0x3B0...0x3DF, "vga")
    try attach(vga.displayInterface, 0x1CE...0x1D0, "vga")
    try memory.attach(vga, range: 0xA0000...0xBFFFF, name: "vga")
    let video = PCIFunction(vendor: 0x1234, device: 0x1111, classCode: 0x030000, revision: 2)
    video.define(0x04, word: 0x0001, writable: 0x0003)
    Self.attachFramebuffer(of: vga, to: video, processor: processor, memory: memory)
    if let rom = image.firmware?.videoROM {
      Self.attachVideoROM(rom, to: video, memory: memory)
    }
    host.attach(video, device: 2, function: 0)
    self.vga = vga
    self.video = video

    resettables = [
      pic, timer, controlB, clock, gate, keyboard, controlA, typer, pointer, serial1, serial2,
      parallel,
      post, coprocessor, dma, host, bridge, vga, firmware, ide, floppy,
    ]
    resettables += virtioDisks as [any Resettable]
    if let apics { resettables += [apics.local, apics.io] as [any Resettable] }
    // After the devices whose lines it passes on.
    if let eventTimer { resettables.append(eventTimer) }
    if let powerFunction { resettables.append(powerFunction) }
    if let powerManagement { resettables.append(powerManagement) }
    controlB.toneChanged = { [unowned self] in toneChanged($0) }
  }

  /// The power-on state of every device.
  func reset() {
    for device in resettables { device.reset() }
    guard !hasFirmware else { return }
    // What a firmware would set up, for guests that start without one.
    pciBridge.route(IRQ.pci)
    interruptControllers.setLevelTriggered(IRQ.levelTriggered)
    powerFunction?.enable(base: Self.powerManagementBase)
    ide.enable()
    for (index, disk) in virtioDisks.enumerated() {
      let pirq = PIIX3ISABridge.pirq(device: Self.firstVirtioDevice + index, pin: 0)
      disk.function.write(0x3C, IRQ.pci[pirq])
    }
    // The first DMA controller's requests pass through channel 4: cascade mode, not masked.
    dma.secondary.writePort(offset: 0x16, width: .byte, value: 0xC0)
    dma.secondary.writePort(offset: 0x14, width: .byte, value: 0x00)
    video.write(0x10, width: 4, value: Self.framebufferAddress)
    video.write(0x04, width: 2, value: 0x0003)
    if let videoMode { vga.set(mode: videoMode) }
    // RAM from C0000h on, unless there is a ROM to see.
    if !showsLowROM {
      for register in 0x59...0x5F { pciHost.function.write(register, 0x33) }
    }
  }

  /// The user presses the power button: a guest with ACPI shuts itself down, another one loses its power.
  func pressPowerButton() {
    if let powerManagement { powerManagement.pressPowerButton() } else { powerOff() }
  }

  /// The text on the screen, line by line, without attributes.
  var screenText: [UInt8] {
    vga.noteUntrackedText()
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
    guard let apics else { return result }
    if apics.local.timerInterrupts > 0 { result["apic"] = apics.local.timerInterrupts }
    for (input, count) in apics.io.sent.enumerated() where count > 0 {
      let line = input == 2 ? IRQ.timer : input
      result[IRQ.names[line] ?? "irq\(line)", default: 0] += count
    }
    return result
  }
}
