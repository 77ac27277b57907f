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
    static let clock = 8
    static let mouse = 12

    /// Whose interrupts the report counts under which name.
    static let names = [
      timer: "pit", keyboard: "keyboard", serial1: "serial", clock: "rtc", mouse: "keyboard",
    ]
  }

  let interruptControllers: PICPair
  let serial1: UART16550A
  let keyboard: KeyboardController8042
  let typer: KeyTyper
  private var resettables: [any Resettable] = []

  /// - Parameter startTime: the date of the real-time clock, in seconds since 1970.
  init(
    processor: Processor, memory: PhysicalMemory, ports: PortBus, events: EventQueue,
    startTime: Int64, signals: Signals
  ) throws {
    func attach(_ device: any PortDevice, _ range: ClosedRange<UInt16>, _ name: String) throws {
      try ports.attach(device, ports: range, name: name)
    }

    // Interrupts.
    let pic = PICPair()
    func line(_ number: Int) -> InterruptLine { InterruptLine(pic, line: number) }
    processor.interruptController = pic
    pic.interruptRequestChanged = { [unowned processor] in processor.setInterruptLine($0) }
    try attach(pic.primary, 0x20...0x21, "pic")
    try attach(pic.secondary, 0xA0...0xA1, "pic")
    try attach(pic.edgeLevelControl, 0x4D0...0x4D1, "pic")
    interruptControllers = pic

    // Time.
    let timer = IntervalTimer8254(queue: events, interrupt: line(IRQ.timer))
    let controlB = SystemControlPortB(timer: timer)
    let clock = RealTimeClock146818(
      queue: events, interrupt: line(IRQ.clock), startEpoch: startTime)
    clock.configure(memory: UInt64(memory.ramSize))
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
    serial1.holdsInputUntilRTS = true
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

    resettables = [pic, timer, controlB, clock, gate, keyboard, controlA, typer, serial1, post]
  }

  /// The power-on state of every device.
  func reset() {
    for device in resettables { device.reset() }
  }

  /// The text on the screen, line by line, without attributes.
  var screenText: [UInt8] { [] }

  /// Interrupts acknowledged, by device name.
  var interruptCounts: [String: UInt64] {
    var result: [String: UInt64] = [:]
    for (line, count) in interruptControllers.acknowledged.enumerated() where count > 0 {
      result[IRQ.names[line] ?? "irq\(line)", default: 0] += count
    }
    return result
  }
}
