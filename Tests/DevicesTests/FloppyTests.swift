import Bus
import Testing

@testable import Devices

private final class Fixture {
  let clock = TestClock()
  let lines = TestLines()
  let memory = TestMemory()
  let dma = DMA8237()
  let disk = MemoryMedium(size: 1_474_560) { UInt8(truncatingIfNeeded: $0 / 512) }
  let floppy: FloppyController82077AA

  init(hasDisk: Bool = true) {
    let memory = memory
    dma.readMemory = { memory.bytes[Int($0)] }
    dma.writeMemory = { memory.bytes[Int($0)] = $1 }
    dma.secondary.write(10 << 1, 0)
    floppy = FloppyController82077AA(
      queue: clock.queue, scheduler: BlockScheduler(queue: clock.queue, waitsForHost: true),
      interrupt: lines.line(6), dma: dma, disks: [hasDisk ? disk : nil])
    floppy.reset()
    floppy.write(2, 0x1C)  // out of reset, motor A on
    for _ in 0..<4 { _ = command([0x08]) }
    floppy.write(7, 0)  // 500 kbit/s
    _ = command([0x03, 0xDF, 0x02])
  }

  /// Sends a command and returns its results once it has ended.
  func command(_ bytes: [UInt8]) -> [UInt8] {
    for byte in bytes {
      #expect(floppy.read(4) & 0xC0 == 0x80)
      floppy.write(5, byte)
    }
    clock.advance(microseconds: 20_000)
    return results()
  }

  func results() -> [UInt8] {
    var result: [UInt8] = []
    while floppy.read(4) & 0xD0 == 0xD0 { result.append(floppy.read(5)) }
    return result
  }

  func program(_ address: UInt32, count: Int, toMemory: Bool) {
    dma.primary.write(10, 6)
    dma.primary.write(12, 0)
    dma.primary.write(11, toMemory ? 0x46 : 0x4A)
    dma.primary.write(4, UInt8(truncatingIfNeeded: address))
    dma.primary.write(4, UInt8(truncatingIfNeeded: address >> 8))
    dma.primary.write(5, UInt8(truncatingIfNeeded: count - 1))
    dma.primary.write(5, UInt8(truncatingIfNeeded: (count - 1) >> 8))
    dma.pages.write(1, UInt8(truncatingIfNeeded: address >> 16))
    dma.primary.write(10, 2)
  }
}

@Suite struct FloppyTests {
  @Test func resetReportsFourDrives() {
    let f = Fixture()
    f.floppy.write(2, 0x18)
    f.floppy.write(2, 0x1C)
    #expect(f.lines.levels[6])
    for number in 0..<4 as Range<UInt8> { #expect(f.command([0x08]) == [0xC0 | number, 0]) }
    #expect(f.command([0x08]) == [0x80])
    #expect(!f.lines.levels[6])
  }

  @Test func tellsWhatItIs() {
    let f = Fixture()
    #expect(f.command([0x10]) == [0x90])
    #expect(f.command([0x94]) == [0x10])
    #expect(f.command([0x13, 0, 0x57, 0x20]) == [])
    #expect(f.command([0x0E]) == [0, 0, 0, 0, 0xDF, 0x02, 0, 0x80, 0x57, 0x20])
    f.floppy.write(4, 0x80)  // a software reset leaves what is locked
    for _ in 0..<4 { _ = f.command([0x08]) }
    #expect(f.command([0x0E])[8] == 0x57)
    #expect(f.command([0x14]) == [0])
    #expect(f.command([0x18]) == [0x80])
    #expect(f.floppy.driveTypes == 0x40)
  }

  @Test func seeksAndClearsTheChangeLine() {
    let f = Fixture()
    #expect(f.floppy.read(7) & 0x80 != 0)
    #expect(f.command([0x0F, 0, 40]) == [])
    #expect(f.lines.levels[6])
    #expect(f.command([0x08]) == [0x20, 40])
    #expect(f.floppy.read(7) & 0x80 == 0)
    #expect(f.command([0x04, 0]) == [0x28])
    _ = f.command([0x07, 0])
    #expect(f.command([0x08]) == [0x20, 0])
    #expect(f.command([0x04, 0]) == [0x38])
    // A drive that is not there does not find its track 0.
    _ = f.command([0x07, 1])
    #expect(f.command([0x08]) == [0x71, 0])
  }

  @Test func readsAcrossTheHeads() {
    let f = Fixture()
    f.program(0x8000, count: 3 * 512, toMemory: true)
    let result = f.command([0xE6, 0, 0, 0, 17, 2, 18, 0x1B, 0xFF])
    #expect(result == [0x04, 0, 0, 0, 1, 2, 2])
    #expect(f.memory.bytes[0x8000] == 16 && f.memory.bytes[0x85FF] == 18)
    // Without multitrack the cylinder ends.
    f.program(0x8000, count: 3 * 512, toMemory: true)
    #expect(f.command([0x46, 0, 0, 0, 17, 2, 18, 0x1B, 0xFF])[0...1] == [0x40, 0x80])
  }

  @Test func writesAndFormats() {
    let f = Fixture()
    for i in 0..<1024 { f.memory.bytes[0x9000 + i] = UInt8(truncatingIfNeeded: i &* 3) }
    _ = f.command([0x0F, 4, 2])
    _ = f.command([0x08])
    f.program(0x9000, count: 1024, toMemory: false)
    #expect(f.command([0x45, 4, 2, 1, 3, 2, 18, 0x1B, 0xFF]) == [4, 0, 0, 2, 1, 5, 2])
    let start = ((2 * 2 + 1) * 18 + 2) * 512
    #expect(Array(f.disk.bytes[start..<start + 1024]) == Array(f.memory.bytes[0x9000..<0x9400]))
    for sector in 0..<18 {
      f.memory.put(0x0200_0102 | UInt32(sector + 1) << 16, at: 0xA000 + sector * 4)
    }
    f.program(0xA000, count: 72, toMemory: false)
    #expect(f.command([0x4D, 4, 2, 18, 0x6C, 0xF6])[0] == 4)
    let track = (2 * 2 + 1) * 18 * 512
    #expect(f.disk.bytes[track..<track + 9216].allSatisfy { $0 == 0xF6 })
    #expect(f.disk.bytes[track + 9216] == UInt8(truncatingIfNeeded: track / 512 + 18))
    f.disk.isReadOnly = true
    f.program(0x9000, count: 512, toMemory: false)
    #expect(f.command([0x45, 4, 2, 1, 3, 2, 18, 0x1B, 0xFF])[0...1] == [0x44, 0x02])
  }

  @Test func withoutDMATheHostMovesTheBytes() {
    let f = Fixture()
    _ = f.command([0x03, 0xDF, 0x03])
    for byte in [0x46, 0, 0, 0, 2, 2, 2, 0x1B, 0xFF] as [UInt8] { f.floppy.write(5, byte) }
    f.clock.advance(microseconds: 1000)
    #expect(f.floppy.read(4) == 0xF0 && f.lines.levels[6])
    #expect((0..<512).map { _ in f.floppy.read(5) } == [UInt8](repeating: 1, count: 512))
    #expect(f.results() == [0x40, 0x80, 0, 1, 0, 1, 2])
  }

  @Test func errors() {
    let f = Fixture()
    f.program(0x8000, count: 512, toMemory: true)
    #expect(f.command([0x46, 0, 1, 0, 1, 2, 18, 0x1B, 0xFF])[0...2] == [0x40, 0x04, 0x10])
    #expect(f.command([0x46, 0, 0, 0, 19, 2, 18, 0x1B, 0xFF])[0...1] == [0x40, 0x04])
    f.disk.bad = [0]
    #expect(f.command([0x46, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF])[0...2] == [0x40, 0x20, 0x20])
    f.floppy.write(7, 2)  // the wrong data rate
    #expect(f.command([0x4A, 0])[0...1] == [0x40, 0x01])
    f.floppy.write(7, 0)
    #expect(f.command([0x4A, 0]) == [0, 0, 0, 0, 0, 1, 2])
    // No request reaches memory: an overrun.
    f.dma.primary.write(10, 6)
    #expect(f.command([0x46, 0, 0, 0, 2, 2, 18, 0x1B, 0xFF])[0...1] == [0x40, 0x10])
    let empty = Fixture(hasDisk: false)
    #expect(empty.command([0x4A, 0])[0...1] == [0x40, 0x01])
    #expect(empty.floppy.read(7) & 0x80 != 0)
  }
}
