import Bus
import Testing

@testable import Devices

/// One device as the contract test sees it.
struct DeviceUnderTest: CustomTestStringConvertible, Sendable {
  struct Instance {
    var device: any PortDevice
    var ports: UInt16
    var resettable: any Resettable
    /// Registers that read back what was written after the writes of `prepare`: (offset, bits).
    var readBack: [(offset: UInt16, mask: UInt8)] = []
    var prepare: [(offset: UInt16, value: UInt8)] = []
    /// Battery-backed: a reset keeps the registers.
    var survivesReset = false
  }

  var name: String
  var make: @Sendable (EventQueue, TestLines) -> Instance

  var testDescription: String { name }

  static let all: [DeviceUnderTest] = [
    DeviceUnderTest(name: "8259 primary") { _, _ in
      let pair = PICPair()
      return Instance(
        device: pair.primary, ports: 2, resettable: pair, readBack: [(1, 0xFF)])
    },
    DeviceUnderTest(name: "8259 secondary") { _, _ in
      let pair = PICPair()
      return Instance(
        device: pair.secondary, ports: 2, resettable: pair, readBack: [(1, 0xFF)])
    },
    DeviceUnderTest(name: "ELCR") { _, _ in
      let pair = PICPair()
      return Instance(
        device: pair.edgeLevelControl, ports: 2, resettable: pair,
        readBack: [(0, 0xF8), (1, 0xDE)])
    },
    DeviceUnderTest(name: "8254") { queue, lines in
      let timer = IntervalTimer8254(queue: queue, interrupt: lines.line(0))
      return Instance(device: timer, ports: 4, resettable: timer)
    },
    DeviceUnderTest(name: "port 61h") { queue, lines in
      let timer = IntervalTimer8254(queue: queue, interrupt: lines.line(0))
      let port = SystemControlPortB(timer: timer)
      return Instance(device: port, ports: 1, resettable: port, readBack: [(0, 0x0F)])
    },
    DeviceUnderTest(name: "parallel port") { _, _ in
      let port = ParallelPort()
      return Instance(
        device: port, ports: 3, resettable: port, readBack: [(0, 0xFF), (2, 0x1F)],
        prepare: [(2, 0x0C)])
    },
    DeviceUnderTest(name: "16550A") { queue, lines in
      let uart = UART16550A(queue: queue, interrupt: lines.line(4))
      return Instance(
        device: uart, ports: 8, resettable: uart,
        readBack: [(1, 0x0F), (4, 0x1F), (7, 0xFF)], prepare: [(3, 0x03)])
    },
    DeviceUnderTest(name: "MC146818") { queue, lines in
      let rtc = RealTimeClock146818(queue: queue, interrupt: lines.line(8), startEpoch: 0)
      return Instance(
        device: rtc, ports: 2, resettable: rtc, readBack: [(1, 0xFF)], prepare: [(0, 0x40)],
        survivesReset: true)
    },
    DeviceUnderTest(name: "8042") { queue, lines in
      let controller = KeyboardController8042(
        queue: queue, keyboardInterrupt: lines.line(1), mouseInterrupt: lines.line(12),
        gate: A20Gate())
      return Instance(device: controller, ports: 5, resettable: controller)
    },
    DeviceUnderTest(name: "coprocessor error") { _, lines in
      let port = CoprocessorError(interrupt: lines.line(13))
      return Instance(device: port, ports: 2, resettable: port)
    },
    DeviceUnderTest(name: "VMware pointer") { _, _ in
      let pointer = VMwarePointer()
      return Instance(device: pointer, ports: 4, resettable: pointer)
    },
    DeviceUnderTest(name: "port 92h") { _, _ in
      let gate = A20Gate()
      let port = SystemControlPortA(gate: gate)
      return Instance(
        device: port, ports: 1, resettable: ResetGroup([gate, port]), readBack: [(0, 0xCB)])
    },
    DeviceUnderTest(name: "debug console") { _, _ in
      let console = DebugConsole()
      return Instance(device: console, ports: 1, resettable: console)
    },
    DeviceUnderTest(name: "debug exit") { _, _ in
      let port = DebugExit()
      return Instance(device: port, ports: 4, resettable: port)
    },
    DeviceUnderTest(name: "POST code") { _, _ in
      let port = POSTCode()
      return Instance(device: port, ports: 1, resettable: port, readBack: [(0, 0xFF)])
    },
    DeviceUnderTest(name: "PCI host bridge") { _, lines in
      let bridge = PCIHostBridge()
      let isa = PIIX3ISABridge(controller: lines)
      let power = PIIX4PowerManagementFunction()
      bridge.attach(isa.function, device: 1, function: 0)
      bridge.attach(power.function, device: 1, function: 3)
      let video = PCIFunction(vendor: 0x1234, device: 0x1111, classCode: 0x030000)
      video.addBaseAddress(0, .memory(size: 1 << 20)) { _ in }
      video.addBaseAddress(5, .io(size: 4)) { _ in }
      bridge.attach(video, device: 2, function: 0)
      bridge.writePort(offset: 0, width: .dword, value: 0x8000_1010)
      return Instance(
        device: bridge, ports: 8, resettable: ResetGroup([bridge, isa, power]),
        readBack: [(6, 0xF0), (7, 0xFF)])
    },
    DeviceUnderTest(name: "ACPI") { queue, lines in
      let power = ACPIPowerManagement(queue: queue, interrupt: lines.line(9), timerBits: 24)
      return Instance(
        device: power, ports: 64, resettable: power,
        readBack: [(2, 0x21), (3, 0x05), (4, 0x01), (14, 0xFF), (15, 0xFF)])
    },
    DeviceUnderTest(name: "SMI command port") { queue, lines in
      let power = ACPIPowerManagement(queue: queue, interrupt: lines.line(9))
      return Instance(
        device: power.commandPort, ports: 2, resettable: power, readBack: [(0, 0xFF), (1, 0xFF)])
    },
    DeviceUnderTest(name: "8237 primary") { _, _ in
      let dma = DMA8237()
      return Instance(device: dma.primary, ports: 16, resettable: dma, readBack: [(15, 0x0F)])
    },
    DeviceUnderTest(name: "8237 secondary") { _, _ in
      let dma = DMA8237()
      return Instance(device: dma.secondary, ports: 32, resettable: dma, readBack: [(30, 0x0F)])
    },
    DeviceUnderTest(name: "DMA pages") { _, _ in
      let dma = DMA8237()
      return Instance(
        device: dma.pages, ports: 16, resettable: dma, readBack: [(1, 0xFF), (15, 0xFF)])
    },
    DeviceUnderTest(name: "VGA") { queue, _ in
      let vga = VGA(queue: queue, memorySize: 1 << 18)
      return Instance(device: vga, ports: 0x30, resettable: vga, readBack: [(0x16, 0xFF)])
    },
    DeviceUnderTest(name: "Bochs display") { queue, _ in
      let vga = VGA(queue: queue, memorySize: 1 << 18)
      return Instance(
        device: vga.displayInterface, ports: 3, resettable: vga, readBack: [(0, 0xFF)])
    },
    DeviceUnderTest(name: "firmware configuration") { _, _ in
      let device = FirmwareConfiguration()
      device.configure(
        memory: 64 << 20, showsBootMenu: true, files: [.init(name: "a", contents: [1, 2, 3])])
      return Instance(device: device, ports: 12, resettable: device)
    },
    ideController(name: "IDE command block, disk") { $0.commandBlock(0) },
    ideController(name: "IDE command block, CD") { $0.commandBlock(1) },
    ideController(name: "IDE control block", ports: 1) { $0.controlBlock(0) },
    ideController(
      name: "IDE bus master", ports: 16,
      readBack: [
        (2, 0x60), (4, 0xFC), (5, 0xFF), (6, 0xFF), (7, 0xFF), (10, 0x60), (12, 0xFC), (15, 0xFF),
      ]
    ) { $0.busMasterPorts },
    DeviceUnderTest(name: "virtio disk") { queue, lines in
      let block = VirtioBlock(
        medium: MemoryMedium(size: 512 * 64), memory: TestMemory(size: 1 << 16),
        scheduler: BlockScheduler(queue: queue, waitsForHost: true), interrupt: lines.line(10),
        serial: "S"
      ) { _ in }
      block.function.write(0x04, 0x05)
      let group = ResetGroup([block, ActionOnReset { block.function.write(0x04, 0x05) }])
      return Instance(device: block, ports: 64, resettable: group, readBack: [(18, 0xFF)])
    },
    DeviceUnderTest(name: "82077AA") { queue, lines in
      let floppy = FloppyController82077AA(
        queue: queue, scheduler: BlockScheduler(queue: queue, waitsForHost: true),
        interrupt: lines.line(6), dma: DMA8237(), disks: [MemoryMedium(size: 1_474_560)])
      floppy.reset()
      return Instance(
        device: floppy, ports: 8, resettable: floppy, readBack: [(2, 0xFF), (3, 0x03)])
    },
  ]

  private static func ideController(
    name: String, ports: UInt16 = 8, readBack: [(offset: UInt16, mask: UInt8)] = [],
    _ part: @escaping @Sendable (PIIX3IDE) -> any PortDevice
  ) -> DeviceUnderTest {
    DeviceUnderTest(name: name) { queue, lines in
      let ide = PIIX3IDE(
        interrupts: (lines.line(14), lines.line(15)), memory: TestMemory(size: 1 << 12),
        scheduler: BlockScheduler(queue: queue, waitsForHost: true)
      ) { _ in }
      ide.attach(.disk(MemoryMedium(size: 512 * 1024)), channel: 0, place: 0)
      ide.attach(.disk(MemoryMedium(size: 512 * 64)), channel: 0, place: 1)
      ide.attach(.opticalDisc(MemoryMedium(size: 2048 * 20)), channel: 1, place: 0)
      ide.reset()
      ide.enable()
      ide.function.write(0x04, 0x05)
      // As the machine's reset goes on where no firmware runs.
      let group = ResetGroup([ide, ActionOnReset { ide.enable() }])
      return Instance(device: part(ide), ports: ports, resettable: group, readBack: readBack)
    }
  }
}

private final class ActionOnReset: Resettable {
  private let action: () -> Void
  init(_ action: @escaping () -> Void) { self.action = action }
  func reset() { action() }
}

private final class ResetGroup: Resettable {
  private let members: [any Resettable]
  init(_ members: [any Resettable]) { self.members = members }
  func reset() { members.forEach { $0.reset() } }
}

/// What a fresh device answers to byte reads of all its ports, twice (reads have side effects).
private func snapshot(_ instance: DeviceUnderTest.Instance) -> [UInt8] {
  (0..<2).flatMap { _ in (0..<instance.ports).map { instance.device.read($0) } }
}

@Test(arguments: DeviceUnderTest.all)
func deviceSurvivesEveryAccess(_ subject: DeviceUnderTest) {
  for seed in 1...40 as ClosedRange<UInt64> {
    let clock = TestClock()
    let lines = TestLines()
    let instance = subject.make(clock.queue, lines)
    var random = TestRandom(seed: seed)
    for _ in 0..<400 {
      // Offsets past the range too: a wide access at the last port reaches them.
      let offset = UInt16.random(in: 0..<instance.ports &+ 4, using: &random)
      let width = AccessWidth.allCases.randomElement(using: &random)!
      if Bool.random(using: &random) {
        let value = UInt32.random(in: 0...(.max), using: &random)
        instance.device.writePort(offset: offset, width: width, value: value)
      } else {
        _ = instance.device.readPort(offset: offset, width: width)
      }
      if UInt8.random(in: 0..<8, using: &random) == 0 {
        clock.advance(microseconds: UInt64.random(in: 0..<300, using: &random))
      }
    }
    clock.advance(microseconds: 2_000_000)
    instance.resettable.reset()
    clock.advance(microseconds: 1000)
  }
}

@Test(arguments: DeviceUnderTest.all)
func deviceIsAsNewAfterReset(_ subject: DeviceUnderTest) {
  for seed in 1...10 as ClosedRange<UInt64> {
    // Two devices at the same virtual time; one has a past.
    let clock = TestClock()
    let used = subject.make(clock.queue, TestLines())
    let fresh = subject.make(clock.queue, TestLines())
    guard !used.survivesReset else { return }
    var random = TestRandom(seed: seed)
    for _ in 0..<200 {
      used.device.write(
        UInt16.random(in: 0..<used.ports, using: &random),
        UInt8.random(in: 0...255, using: &random))
    }
    clock.advance(microseconds: 100_000)
    used.resettable.reset()
    fresh.resettable.reset()
    clock.advance(microseconds: 10)
    #expect(snapshot(used) == snapshot(fresh))
  }
}

@Test(arguments: DeviceUnderTest.all)
func deviceReadsBackItsRegisters(_ subject: DeviceUnderTest) {
  let clock = TestClock()
  let instance = subject.make(clock.queue, TestLines())
  for (offset, value) in instance.prepare { instance.device.write(offset, value) }
  for (offset, mask) in instance.readBack {
    for value in [0x00, 0xFF, 0xA5, 0x5A, 0x0F] as [UInt8] {
      instance.device.write(offset, value)
      #expect(instance.device.read(offset) & mask == value & mask, "offset \(offset)")
    }
  }
}

@Test func portWindowAddsItsBase() {
  let pair = PICPair()
  let window = PortWindow(pair.primary, base: 1)
  window.write(0, 0x5A)
  #expect(window.read(0) == 0x5A)
  #expect(pair.primary.mask == 0x5A)
}
