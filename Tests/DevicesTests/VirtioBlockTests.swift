import Bus
import Testing

@testable import Devices

/// A driver with its queue at 10000h: descriptors, then the rings.
private final class Fixture {
  static let queue = 0x1_0000
  static let size = 128
  static let available = queue + 16 * size
  static let used = (available + 6 + 2 * size + 4095) & ~4095

  let clock = TestClock()
  let lines = TestLines()
  let memory = TestMemory()
  let disk = MemoryMedium(size: 512 * 100) { UInt8(truncatingIfNeeded: $0 / 512) }
  let block: VirtioBlock
  private var offered: UInt32 = 0

  init() {
    block = VirtioBlock(
      medium: disk, memory: memory,
      scheduler: BlockScheduler(queue: clock.queue, waitsForHost: true),
      interrupt: lines.line(10), serial: "SERIAL"
    ) { _ in }
    block.reset()
    block.function.write(0x04, 0x05)
    block.write(18, 7)
    block.writePort(offset: 14, width: .word, value: 0)
    block.writePort(offset: 8, width: .dword, value: UInt32(Self.queue >> 12))
  }

  func describe(_ index: Int, _ address: UInt32, _ count: UInt32, _ flags: UInt32, next: UInt32 = 0)
  {
    memory.put(address, at: Self.queue + index * 16)
    memory.put(0, at: Self.queue + index * 16 + 4)
    memory.put(count, at: Self.queue + index * 16 + 8)
    memory.put(flags | next << 16, at: Self.queue + index * 16 + 12)
  }

  /// A request's header at 2000h.
  func header(_ kind: UInt32, _ sector: UInt32) {
    memory.put(kind, at: 0x2000)
    memory.put(sector, at: 0x2008)
  }

  /// Offers the chain that starts at descriptor 0.
  func offer() {
    let slot = Int(offered) % Self.size
    memory.bytes[Self.available + 4 + 2 * slot] = 0
    offered += 1
    memory.bytes[Self.available + 2] = UInt8(truncatingIfNeeded: offered)
    memory.bytes[Self.available + 3] = UInt8(truncatingIfNeeded: offered >> 8)
    block.writePort(offset: 16, width: .word, value: 0)
    clock.advance(microseconds: 1000)
  }

  var used: Int { Int(memory.bytes[Self.used + 2]) }
}

@Suite struct VirtioBlockTests {
  @Test func tellsItsSizeAndGeometry() {
    let f = Fixture()
    #expect(f.block.readPort(offset: 20, width: .dword) == 100)
    #expect(f.block.readPort(offset: 12, width: .word) == 128)
    #expect(f.block.readPort(offset: 40, width: .dword) == 512)
    #expect(f.block.readPort(offset: 0, width: .dword) & 0x200 != 0)
    f.block.writePort(offset: 14, width: .word, value: 1)
    #expect(f.block.readPort(offset: 12, width: .word) == 0)
  }

  @Test func readsIntoSegments() {
    let f = Fixture()
    f.header(0, 5)
    f.describe(0, 0x2000, 16, 1, next: 3)
    f.describe(3, 0x3000, 300, 3, next: 4)
    f.describe(4, 0x4000, 724, 3, next: 5)
    f.describe(5, 0x5000, 1, 2)
    f.memory.bytes[0x5000] = 0xFF
    f.offer()
    #expect(f.used == 1 && f.memory.bytes[0x5000] == 0)
    #expect(f.memory.bytes[0x3000] == 5 && f.memory.bytes[0x4000 + 723] == 6)
    #expect(f.memory.bytes[Fixture.used + 8] == 1 && f.memory.bytes[Fixture.used + 9] == 4)
    #expect(f.lines.levels[10])
    #expect(f.block.read(19) == 1 && !f.lines.levels[10] && f.block.read(19) == 0)
  }

  @Test func writesThroughAnIndirectTableAndFlushes() {
    let f = Fixture()
    f.header(1, 7)
    f.describe(0, UInt32(Fixture.queue) + 16 * 16, 48, 4)
    f.describe(16, 0x2000, 16, 1, next: 1)
    f.describe(17, 0x3000, 512, 1, next: 2)
    f.describe(18, 0x5000, 1, 2)
    for i in 0..<512 { f.memory.bytes[0x3000 + i] = UInt8(truncatingIfNeeded: i) }
    f.offer()
    #expect(f.memory.bytes[0x5000] == 0)
    #expect(Array(f.disk.bytes[3584..<4096]) == (0..<512).map { UInt8(truncatingIfNeeded: $0) })
    f.header(4, 0)
    f.describe(0, 0x2000, 16, 1, next: 1)
    f.describe(1, 0x5000, 1, 2)
    f.offer()
    #expect(f.disk.flushes == 1 && f.used == 2)
  }

  @Test func errorsAndIdentification() {
    let f = Fixture()
    f.describe(0, 0x2000, 16, 1, next: 1)
    f.describe(1, 0x3000, 513, 2)
    func run(_ kind: UInt32, _ sector: UInt32) -> UInt8 {
      f.header(kind, sector)
      f.memory.bytes[0x3000 + 512] = 0xFF
      f.offer()
      return f.memory.bytes[0x3000 + 512]
    }
    #expect(run(0, 99) == 0)
    #expect(run(0, 100) == 1)
    #expect(run(77, 0) == 2)
    f.disk.bad = [3 * 512]
    #expect(run(0, 3) == 1)
    #expect(run(8, 0) == 0)
    #expect(Array(f.memory.bytes[0x3000..<0x3007]) == Array("SERIAL".utf8) + [0])
  }

  /// A ring that makes no sense stops the device until it is reset; nothing else happens.
  @Test func malformedRings() {
    for kind in 0..<5 {
      let f = Fixture()
      f.header(0, 0)
      f.describe(0, 0x2000, 16, 1, next: 1)
      f.describe(1, 0x3000, 513, 2)
      switch kind {
      case 0: f.describe(1, 0x3000, 16, 1, next: 0)  // a loop
      case 1: f.describe(0, 0x2000, 16, 1, next: 500)
      case 2: f.describe(1, 0x3000, 0xFFFF_FFFF, 2)
      case 3: f.describe(0, 0x2000, 8, 1, next: 1)  // no whole header
      default: f.describe(0, UInt32(Fixture.queue), 16, 4)  // an indirect table in itself
      }
      f.offer()
      #expect(f.used == 0)
      f.describe(0, 0x2000, 16, 1, next: 1)
      f.describe(1, 0x3000, 513, 2)
      f.offer()
      #expect(f.used == 0, "\(kind)")
    }
  }
}
