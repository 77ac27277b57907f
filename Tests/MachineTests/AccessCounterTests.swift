import Bus
import Host
import Testing

@testable import Machine

/// The report's counts of accesses against accesses that are made one by one.
@Suite struct AccessCounterTests {
  private func machine() throws -> Machine {
    var configuration = MachineConfiguration()
    configuration.memory = MachineConfiguration.smallestMemory
    configuration.debugExit = true
    configuration.startTime = MachineConfiguration.fixedStartTime
    return try Machine(
      configuration: configuration, image: .demonstration(),
      console: Console(serial: .capture, debug: .capture, readsInput: false), engine: nil)
  }

  /// How many ports each device has: what an access to all of them counts.
  private static let ports: [String: UInt64] = [
    "acpi": 2 + 64, "control": 1, "coprocessor": 2, "debug": 4 + 4, "dma": 16 + 32 + 15,
    "floppy": 6 + 1,
    "fw_cfg": 12, "ide": 2 * (8 + 1), "keyboard": 1 + 1, "parallel": 3, "pci": 8, "pic": 3 * 2,
    "pit": 4 + 1,
    "pointer": 4, "rtc": 2, "serial": 8, "serial2": 8, "vga": 48 + 3,
  ]

  @Test func everyPortCountsForItsDevice() throws {
    let machine = try machine()
    for port in UInt16.min...UInt16.max { _ = machine.ports.read(port, width: .byte) }
    let reads = machine.report(boot: "", hashesState: false).devices
    for port in UInt16.min...UInt16.max { machine.ports.write(port, width: .byte, value: 0) }
    let writes = machine.report(boot: "", hashesState: false).devices
    #expect(Set(reads.filter { $0.value.reads > 0 }.keys) == Set(Self.ports.keys))
    for (name, count) in Self.ports {
      #expect(reads[name] == .init(reads: count, writes: 0, irqs: 0), "\(name)")
      #expect(writes[name] == .init(reads: count, writes: count, irqs: 0), "\(name)")
    }
  }

  /// A word across two devices is an access to each.
  @Test func accessesAcrossDevicesCountForBoth() throws {
    let machine = try machine()
    for _ in 0..<7 { _ = machine.ports.read(0x60, width: .word) }
    for _ in 0..<5 { machine.ports.write(0x40, width: .word, value: 0) }
    let devices = machine.report(boot: "", hashesState: false).devices
    #expect(devices["keyboard"] == .init(reads: 7))
    #expect(devices["pit"] == .init(reads: 7, writes: 5))
  }

  /// Also when the guest has moved the device since.
  @Test func memoryMappedAccessesCount() throws {
    let machine = try machine()
    for _ in 0..<5 { _ = machine.memory.read(physical: 0xFEE0_0030, size: 4) }
    for _ in 0..<3 { machine.memory.write(physical: 0xFEE0_00F0, size: 4, 0x1FF) }
    for _ in 0..<9 { _ = machine.memory.read(physical: 0xFEC0_0010, size: 4) }
    // Eight bytes are two accesses.
    for _ in 0..<4 { _ = machine.memory.read(physical: 0xFED0_0000, size: 8) }
    for _ in 0..<6 { machine.memory.write(physical: 0xA0000, size: 1, 1) }
    for _ in 0..<2 { _ = machine.memory.read(physical: 0xBFFFF, size: 1) }
    machine.processor.writeAPICBase(0xFEF0_0900)
    for _ in 0..<7 { _ = machine.memory.read(physical: 0xFEF0_0030, size: 4) }
    _ = machine.memory.read(physical: 0xFEE0_0030, size: 4)
    let devices = machine.report(boot: "", hashesState: false).devices
    #expect(devices["apic"] == .init(reads: 12, writes: 3))
    #expect(devices["ioapic"] == .init(reads: 9))
    #expect(devices["hpet"] == .init(reads: 8))
    #expect(devices["vga"] == .init(reads: 2, writes: 6))
  }

  /// The video memory's shadow: several ranges of one name.
  @Test func rangesOfOneNameAddUp() throws {
    let machine = try machine()
    // PAM registers of the host bridge: C0000h to C7FFFh write-only, then nothing is shadowed any more.
    func set(_ value: UInt32) {
      machine.ports.write(0xCF8, width: .dword, value: 0x8000_0058)
      machine.ports.write(0xCFE, width: .word, value: value)
    }
    set(0x2222)
    for address in [0xC0000, 0xC4000, 0xC8000, 0xCC000] as [UInt64] {
      for _ in 0..<3 { _ = machine.memory.read(physical: address, size: 1) }
    }
    set(0x3333)
    _ = machine.memory.read(physical: 0xC0000, size: 1)
    let devices = machine.report(boot: "", hashesState: false).devices
    #expect(devices["shadow"] == .init(reads: 12))
  }
}
