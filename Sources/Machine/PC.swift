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
    var debugExit: ((UInt8) -> Void)?
  }

  /// ISA interrupt lines.
  private enum IRQ {
    static let timer = 0
    static let serial1 = 4
  }

  let interruptControllers: PICPair
  let timer: IntervalTimer8254
  let systemControlB: SystemControlPortB
  let serial1: UART16550A
  private var resettables: [any Resettable] = []

  init(
    processor: Processor, memory: PhysicalMemory, ports: PortBus, events: EventQueue,
    signals: Signals
  ) throws {
    let pic = PICPair()
    func line(_ number: Int) -> InterruptLine { InterruptLine(pic, line: number) }
    interruptControllers = pic
    processor.interruptController = pic
    pic.interruptRequestChanged = { [unowned processor] in processor.setInterruptLine($0) }

    timer = IntervalTimer8254(queue: events, interrupt: line(IRQ.timer))
    systemControlB = SystemControlPortB(timer: timer)
    serial1 = UART16550A(queue: events, interrupt: line(IRQ.serial1))
    serial1.output = signals.serialOutput

    let ranges: [(device: any PortDevice, ports: ClosedRange<UInt16>, name: String)] = [
      (pic.primary, 0x20...0x21, "pic"),
      (timer, 0x40...0x43, "pit"),
      (systemControlB, 0x61...0x61, "pit"),
      (pic.secondary, 0xA0...0xA1, "pic"),
      (serial1, 0x3F8...0x3FF, "serial"),
      (pic.edgeLevelControl, 0x4D0...0x4D1, "pic"),
    ]
    for range in ranges { try ports.attach(range.device, ports: range.ports, name: range.name) }
    resettables = [pic, timer, systemControlB, serial1]
  }

  /// The power-on state of every device.
  func reset() {
    for device in resettables { device.reset() }
  }

  /// The text on the screen, line by line, without attributes.
  var screenText: [UInt8] { [] }

  /// Interrupts acknowledged, by device name.
  var interruptCounts: [String: UInt64] {
    let names = [IRQ.timer: "pit", IRQ.serial1: "serial"]
    var result: [String: UInt64] = [:]
    for (line, count) in interruptControllers.acknowledged.enumerated() where count > 0 {
      result[names[line] ?? "irq\(line)", default: 0] += count
    }
    return result
  }
}
