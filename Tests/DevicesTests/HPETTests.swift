import Bus
import Testing

@testable import Devices

private final class Wires: InterruptSink {
  var levels = [Bool](repeating: false, count: 32)
  var edges = [Int](repeating: 0, count: 32)
  func setLine(_ line: Int, asserted: Bool) {
    if asserted && !levels[line] { edges[line] += 1 }
    levels[line] = asserted
  }
}

/// A timer on a clock of its own frequency, so that cycles are ticks.
private final class Fixture {
  let clock = TestClock(frequency: HPET.hertz)
  let wires = Wires()
  let timer: HPET

  init() { timer = HPET(queue: clock.queue, wires: wires) }

  func get(_ offset: UInt32) -> UInt32 { timer.readMemory(offset: offset, width: .dword) }
  func set(_ offset: UInt32, _ value: UInt32) {
    timer.writeMemory(offset: offset, width: .dword, value: value)
  }
}

@Suite struct HPETTests {
  @Test func saysWhatItIs() {
    let f = Fixture()
    #expect(f.get(0) == 0x8086_A201)
    #expect(f.get(4) == 10_000_000)  // femtoseconds
    #expect(f.get(0x100) == 0x30)
    #expect(f.get(0x104) == 0x00F0_0000)
    #expect(f.timer.readMemory(offset: 2, width: .word) == 0x8086)
  }

  @Test func countsWhileEnabledAndIsSetWhileNot() {
    let f = Fixture()
    f.set(0xF0, 0xFFFF_FFF0)
    f.set(0xF4, 7)
    f.clock.advance(100)
    #expect(f.get(0xF0) == 0xFFFF_FFF0)
    f.set(0x10, 1)
    f.clock.advance(0x20)
    #expect([f.get(0xF0), f.get(0xF4)] == [0x10, 8])
    f.set(0xF0, 0)  // running
    #expect(f.get(0xF0) == 0x10)
    f.set(0x10, 0)
    f.clock.advance(50)
    #expect(f.get(0xF0) == 0x10)
  }

  @Test func interruptsOnceAtTheComparator() {
    let f = Fixture()
    f.set(0x10, 1)
    f.set(0x140, 0x04 | 20 << 9)
    f.set(0x148, 1000)
    f.set(0x14C, 0)
    f.clock.advance(999)
    #expect(f.wires.edges[20] == 0)
    f.clock.advance(1)
    #expect(f.wires.edges[20] == 1)
    f.clock.advance(100_000)
    #expect(f.wires.edges[20] == 1)
    f.set(0x140, 0x04 | 9 << 9)  // not a line it can be routed to
    f.set(0x148, 101_100)
    f.clock.advance(1000)
    #expect(f.wires.edges[9] == 0)
  }

  @Test func periodsHaveNoDriftAndAFirstMatchOfTheirOwn() {
    let f = Fixture()
    f.set(0x100, 0x04 | 0x08 | 0x40 | 0x100 | 21 << 9)
    f.set(0x108, 50)
    f.set(0x108, 300)
    #expect(f.get(0x100) & 0x40 == 0)
    f.set(0x10, 1)
    f.clock.advance(50)
    #expect(f.wires.edges[21] == 1)
    f.clock.advance(299)
    #expect(f.wires.edges[21] == 1)
    f.clock.advance(1)
    #expect(f.wires.edges[21] == 2)
    f.clock.advance(300 * 100)
    #expect(f.wires.edges[21] == 102)
  }

  @Test func levelsStayUntilTheirStatusIsCleared() {
    let f = Fixture()
    f.set(0x120, 0x06 | 22 << 9)
    f.set(0x128, 10)
    f.set(0x12C, 0)
    f.set(0x10, 1)
    f.clock.advance(10)
    #expect(f.get(0x20) == 2)
    #expect(f.wires.levels[22])
    f.set(0x20, 1)
    #expect(f.wires.levels[22])
    f.set(0x20, 2)
    #expect(!f.wires.levels[22])
    #expect(f.get(0x20) == 0)
  }

  @Test func replacesTheLegacyTimers() {
    let f = Fixture()
    let legacy = f.timer.legacyInput
    legacy.setLine(0, asserted: true)
    #expect(f.wires.levels[0])
    f.set(0x10, 3)
    #expect(!f.wires.levels[0])
    legacy.setLine(8, asserted: true)
    #expect(!f.wires.levels[8])
    f.set(0x100, 0x04)
    f.set(0x120, 0x04)
    f.set(0x108, 100)
    f.set(0x10C, 0)
    f.set(0x128, 200)
    f.set(0x12C, 0)
    f.clock.advance(250)
    #expect([f.wires.edges[0], f.wires.edges[8]] == [2, 1])
    f.set(0x10, 1)
    #expect(f.wires.levels[0] && f.wires.levels[8])
    legacy.setLine(0, asserted: false)
    #expect(!f.wires.levels[0])
  }
}

/// Edges go through the 8259s, which forget a request whose line falls before the acknowledge.
@Test func eventTimerInterruptsThroughThe8259s() {
  let clock = TestClock(frequency: HPET.hertz)
  let pic = PICPair()
  let timer = HPET(queue: clock.queue, wires: pic)
  for (offset, value) in [(0, 0x11), (1, 0x20), (1, 0x04), (1, 0x01), (1, 0xFE)] {
    pic.primary.writePort(offset: UInt16(offset), width: .byte, value: UInt32(value))
  }
  for (offset, value) in [(0x10, 3), (0x100, 0x4C), (0x108, 100), (0x10C, 0)] {
    timer.writeMemory(offset: UInt32(offset), width: .dword, value: UInt32(value))
  }
  for tick in 1...3 {
    clock.advance(100)
    #expect(pic.interruptRequest, "\(tick)")
    #expect(pic.acknowledge() == 0x20)
    pic.primary.writePort(offset: 0, width: .byte, value: 0x20)
    #expect(!pic.interruptRequest)
  }
  // Without the legacy replacement the line is the 8254's again.
  timer.writeMemory(offset: 0x10, width: .dword, value: 1)
  #expect(pic.primary.requested == 0)
}

@Test func multiprocessorTablesHaveCorrectChecksumsAndCounts() {
  let tables = MultiprocessorTables(
    at: 0xF0000, ACPITables.Configuration(), signature: 0x673, features: 0x201)
  let pointer = tables.contents[0].bytes
  let table = tables.contents[1].bytes
  #expect(pointer.reduce(0, &+) == 0)
  #expect(table.reduce(0, &+) == 0)
  #expect(pointer[4..<8] == [0x10, 0x00, 0x0F, 0x00])
  #expect(Int(table[4]) | Int(table[5]) << 8 == table.count)
  var position = 44
  var count = 0
  var timerInput: UInt8?
  while position < table.count {
    let entry = table[position...]
    if entry.starts(with: [3, 0, 0, 0, 1, 0, 1]) { timerInput = table[position + 7] }
    position += table[position] == 0 ? 20 : 8
    count += 1
  }
  #expect(position == table.count)
  #expect(Int(table[34]) | Int(table[35]) << 8 == count)
  #expect(timerInput == 2)
}

@Test func acpiTablesLeaveOutWhatIsNotThere() {
  var configuration = ACPITables.Configuration()
  #expect(Set(ACPITables(configuration).tables.map(\.signature)).isSuperset(of: ["APIC", "HPET"]))
  configuration.hasAPIC = false
  configuration.eventTimer = nil
  let tables = ACPITables(configuration).tables
  #expect(tables.map(\.signature) == ["RSD PTR ", "RSDT", "FACP", "FACS", "DSDT"])
  #expect(tables[1].bytes.count == 40)
  for table in tables where table.signature != "FACS" {
    #expect(table.bytes.reduce(0, &+) == 0, "\(table.signature)")
  }
}
