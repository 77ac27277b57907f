import Bus
import Testing

@testable import Devices

/// An IDE controller with a disk as primary master and a CD as secondary master, driven as a driver would.
final class IDEFixture {
  let clock = TestClock()
  let lines = TestLines()
  let memory = TestMemory()
  let disk: MemoryMedium
  let disc = MemoryMedium(size: 2048 * 40) { UInt8(truncatingIfNeeded: $0 / 2048 &* 7) }
  let ide: PIIX3IDE
  var base: UInt32?

  init(diskSectors: Int = 2048) {
    disk = MemoryMedium(size: diskSectors * 512) { UInt8(truncatingIfNeeded: $0 / 512) }
    let scheduler = BlockScheduler(queue: clock.queue, waitsForHost: true)
    final class Box { var base: UInt32? }
    let box = Box()
    ide = PIIX3IDE(
      interrupts: (lines.line(14), lines.line(15)), memory: memory, scheduler: scheduler
    ) { box.base = $0 }
    ide.attach(.disk(disk), channel: 0, place: 0)
    ide.attach(.opticalDisc(disc), channel: 1, place: 0)
    ide.reset()
    ide.enable()
    ide.function.write(0x20, width: 4, value: 0xC000)
    ide.function.write(0x04, 0x05)
    base = box.base
  }

  func port(_ channel: Int = 0) -> any PortDevice { ide.commandBlock(channel) }

  func setAddress(_ lba: UInt32, count: UInt8, channel: Int = 0) {
    let p = port(channel)
    p.write(6, 0xE0 | UInt8(lba >> 24 & 15))
    p.write(2, count)
    for i in 0..<3 { p.write(3 + UInt16(i), UInt8(truncatingIfNeeded: lba >> UInt32(i * 8))) }
  }

  func readWords(_ count: Int, channel: Int = 0) -> [UInt8] {
    (0..<count).flatMap { _ -> [UInt8] in
      let word = port(channel).readPort(offset: 0, width: .word)
      return [UInt8(truncatingIfNeeded: word), UInt8(truncatingIfNeeded: word >> 8)]
    }
  }

  func writeWords(_ bytes: [UInt8], channel: Int = 0) {
    for i in stride(from: 0, to: bytes.count, by: 2) {
      port(channel).writePort(
        offset: 0, width: .word, value: UInt32(bytes[i]) | UInt32(bytes[i + 1]) << 8)
    }
  }

  /// Puts a table of physical regions at 1000h and starts the bus master.
  func startDMA(_ regions: [(address: UInt32, count: UInt32)], toMemory: Bool, channel: UInt16 = 0)
  {
    for (index, region) in regions.enumerated() {
      memory.put(region.address, at: 0x1000 + index * 8)
      let last: UInt32 = index == regions.count - 1 ? 0x8000_0000 : 0
      memory.put(region.count & 0xFFFF | last, at: 0x1004 + index * 8)
    }
    let p = ide.busMasterPorts
    p.writePort(offset: channel * 8 + 4, width: .dword, value: 0x1000)
    p.write(channel * 8 + 2, 0x06)
    p.write(channel * 8, toMemory ? 0x09 : 0x01)
  }

  func settle() { clock.advance(microseconds: 5000) }

  /// Sends a packet command and returns what comes, in PIO.
  func packet(_ bytes: [UInt8], limit: Int = 0xFFFE) -> (data: [UInt8], status: UInt8) {
    let p = port(1)
    p.write(6, 0xA0)
    p.write(1, 0)
    p.write(4, UInt8(truncatingIfNeeded: limit))
    p.write(5, UInt8(truncatingIfNeeded: limit >> 8))
    p.write(7, 0xA0)
    writeWords(bytes + [UInt8](repeating: 0, count: 12 - bytes.count), channel: 1)
    var data: [UInt8] = []
    while true {
      settle()
      let status = p.read(7)
      guard status & 0x08 != 0 else { return (data, status) }
      #expect(p.read(2) & 3 == 2)
      let count = Int(p.read(4)) | Int(p.read(5)) << 8
      data += readWords((count + 1) / 2, channel: 1).prefix(count)
    }
  }
}

@Suite struct ATADiskTests {
  @Test func identifiesItself() {
    let f = IDEFixture(diskSectors: 300_000)
    f.port().write(7, 0xEC)
    #expect(f.lines.levels[14])
    let data = f.readWords(256)
    func word(_ index: Int) -> Int { Int(data[index * 2]) | Int(data[index * 2 + 1]) << 8 }
    #expect(word(1) == 300_000 / 1008 && word(3) == 16 && word(6) == 63)
    #expect(word(60) | word(61) << 16 == 300_000)
    #expect(word(100) == 300_000 & 0xFFFF)
    #expect(word(83) & 0x0400 != 0)
    #expect(data[510] == 0xA5 && data.reduce(0, &+) == 0)
    #expect(f.port().read(7) == 0x50)
    #expect(!f.lines.levels[14])
  }

  @Test func readsSectorsByPIOWithAnInterruptForEach() {
    let f = IDEFixture()
    f.setAddress(5, count: 3)
    f.port().write(7, 0x20)
    #expect(f.port().read(7) & 0x80 != 0)
    for sector in 5..<8 as Range<UInt8> {
      f.settle()
      #expect(f.lines.levels[14])
      #expect(f.port().read(7) & 0x88 == 0x08)
      #expect(f.readWords(256) == [UInt8](repeating: sector, count: 512))
    }
    #expect(f.port().read(7) == 0x50)
    #expect(f.lines.edges[14] == 3)
    #expect(f.port().read(3) == 7)
  }

  @Test func readsAheadUpToTheLastWordOfABlock() {
    let f = IDEFixture()
    #expect(f.port().readAhead(offset: 0, width: .word, limit: 256).isEmpty)
    f.setAddress(5, count: 2)
    f.port().write(7, 0x20)
    for sector in 5..<7 as Range<UInt8> {
      f.settle()
      #expect(f.port().readAhead(offset: 1, width: .word, limit: 256).isEmpty)
      var data = f.port().readAhead(offset: 0, width: .word, limit: 3)
      #expect(data.count == 6)
      data += f.readWords(1)
      data += f.port().readAhead(offset: 0, width: .dword, limit: 1000)
      data += f.port().readAhead(offset: 0, width: .word, limit: 1000)
      // What ends the block is for an ordinary read.
      #expect(f.port().readAhead(offset: 0, width: .word, limit: 1000).isEmpty)
      #expect(f.port().read(7) & 0x08 != 0)
      data += f.readWords(1)
      #expect(data == ArraySlice([UInt8](repeating: sector, count: 512)))
    }
    #expect(f.port().read(7) == 0x50)
  }

  @Test func readsMultipleSectorsABlock() {
    let f = IDEFixture()
    f.setAddress(0, count: 4)
    f.port().write(7, 0xC4)
    #expect(f.port().read(7) & 1 == 1)  // not set up
    f.port().write(2, 4)
    f.port().write(7, 0xC6)
    f.setAddress(10, count: 6)
    f.port().write(7, 0xC4)
    f.settle()
    _ = f.port().read(7)
    #expect(f.readWords(1024).last == 13)
    #expect(f.readWords(512).last == 15)
    #expect(f.port().read(7) == 0x50)
  }

  @Test(arguments: [0x30, 0xC5] as [UInt8]) func writesSectorsByPIO(command: UInt8) {
    let f = IDEFixture()
    f.port().write(2, 2)
    f.port().write(7, 0xC6)
    _ = f.port().read(7)
    f.setAddress(100, count: 3)
    f.port().write(7, command)
    #expect(f.port().read(7) & 0x88 == 0x08)
    #expect(!f.lines.levels[14])  // the first block is not announced
    f.writeWords((0..<1536).map { UInt8(truncatingIfNeeded: $0 / 3) })
    f.settle()
    #expect(f.lines.levels[14])
    #expect(f.port().read(7) == 0x50)
    #expect(
      Array(f.disk.bytes[51200..<52736]) == (0..<1536).map { UInt8(truncatingIfNeeded: $0 / 3) })
    f.port().write(7, 0xE7)
    f.settle()
    #expect(f.disk.flushes == 1 && f.port().read(7) == 0x50)
  }

  @Test func cylindersHeadsAndSectors() {
    let f = IDEFixture(diskSectors: 5000)
    let p = f.port()
    func read(_ c: UInt8, _ h: UInt8, _ s: UInt8) -> UInt8 {
      p.write(6, 0xA0 | h)
      p.write(2, 1)
      p.write(3, s)
      p.write(4, c)
      p.write(5, 0)
      p.write(7, 0x20)
      f.settle()
      guard p.read(7) & 1 == 0 else { return 0xEE }
      return f.readWords(256)[0]
    }
    #expect(read(1, 2, 3) == UInt8(truncatingIfNeeded: (16 + 2) * 63 + 2))
    #expect(read(0, 0, 0) == 0xEE && p.read(1) == 0x10)
    #expect(read(0, 0, 64) == 0xEE)
    #expect(read(4, 0, 1) == 0xEE)
    // Another translation.
    p.write(6, 0xA3)
    p.write(2, 10)
    p.write(7, 0x91)
    #expect(read(1, 2, 3) == UInt8(truncatingIfNeeded: (4 + 2) * 10 + 2))
    #expect(read(0, 4, 1) == 0xEE)
  }

  @Test func extendedAddresses() {
    let f = IDEFixture()
    let p = f.port()
    p.write(6, 0x40)
    for (offset, high, low) in [(2, 0, 1), (3, 0, 0x34), (4, 0, 0x01), (5, 0, 0)]
      as [(UInt16, UInt8, UInt8)]
    {
      p.write(offset, high)
      p.write(offset, low)
    }
    p.write(7, 0x24)
    f.settle()
    #expect(p.read(7) & 0x09 == 0x08)
    #expect(f.readWords(256)[0] == 0x34)
    // The upper halves are read with HOB.
    p.write(3, 0x12)
    p.write(3, 0x34)
    f.ide.controlBlock(0).write(0, 0x80)
    #expect(p.read(3) == 0x12)
    p.write(7, 0x27)
    #expect(p.read(3) == 0xFF && p.read(4) == 0x07)
  }

  @Test func busMasterFollowsTheTable() {
    let f = IDEFixture()
    f.setAddress(3, count: 2)
    f.port().write(7, 0xC8)
    f.startDMA([(0x2_0000, 600), (0x3_0000, 424)], toMemory: true)
    #expect(f.ide.busMasterPorts.read(2) & 1 == 1)
    f.settle()
    #expect(f.lines.levels[14])
    #expect(f.ide.busMasterPorts.read(2) & 0x07 == 0x04)
    #expect(f.port().read(7) == 0x50)
    #expect(f.memory.bytes[0x2_0000] == 3 && f.memory.bytes[0x2_0257] == 4)
    #expect(f.memory.bytes[0x2_0258] == 0 && f.memory.bytes[0x3_01A7] == 4)
    // And back to another place, more memory than data: the engine stays active.
    f.ide.busMasterPorts.write(0, 0)
    f.setAddress(1000, count: 1)
    f.port().write(7, 0xCA)
    f.startDMA([(0x3_0000, 1024)], toMemory: false)
    f.settle()
    #expect(f.ide.busMasterPorts.read(2) & 0x07 == 0x05)
    #expect(Array(f.disk.bytes[512_000..<512_424]) == [UInt8](repeating: 4, count: 424))
    f.ide.busMasterPorts.write(2, 0x04)
    f.ide.busMasterPorts.write(0, 0)
    #expect(f.ide.busMasterPorts.read(2) & 0x05 == 0)
  }

  @Test func busMasterNeedsItsPermission() {
    let f = IDEFixture()
    f.ide.function.write(0x04, 0x01)
    f.setAddress(3, count: 1)
    f.port().write(7, 0xC8)
    f.startDMA([(0x2_0000, 512)], toMemory: true)
    f.settle()
    #expect(f.memory.bytes[0x2_0000] == 0 && f.port().read(7) & 0x80 != 0)
  }

  @Test func badSectorsAreNamed() {
    let f = IDEFixture()
    f.disk.bad = [12 * 512]
    f.setAddress(10, count: 4)
    f.port().write(7, 0xC8)
    f.startDMA([(0x2_0000, 2048)], toMemory: true)
    f.settle()
    #expect(f.port().read(7) & 1 == 1)
    #expect(f.port().read(1) == 0x40 && f.port().read(3) == 12)
    #expect(f.memory.bytes[0x2_03FF] == 11)  // what came before was read
    f.setAddress(12, count: 1)
    f.port().write(7, 0x30)
    f.writeWords([UInt8](repeating: 1, count: 512))
    f.settle()
    #expect(f.port().read(7) & 1 == 1 && f.port().read(1) & 0x04 != 0)
  }

  @Test func addressesBeyondTheEnd() {
    let f = IDEFixture()
    for (lba, count) in [(2048, 1), (2047, 2), (0x0FFF_FFFF, 0)] as [(UInt32, UInt8)] {
      f.setAddress(lba, count: count)
      f.port().write(7, 0x20)
      f.settle()
      #expect(f.port().read(7) & 0x09 == 0x01 && f.port().read(1) == 0x10)
    }
  }

  @Test func smartSaysThatAllIsWell() {
    let f = IDEFixture()
    let p = f.port()
    p.write(1, 0xDA)
    p.write(4, 0x4F)
    p.write(5, 0xC2)
    p.write(7, 0xB0)
    #expect(p.read(7) == 0x50 && p.read(4) == 0x4F && p.read(5) == 0xC2)
    p.write(1, 0xD0)
    p.write(7, 0xB0)
    #expect(f.readWords(256).reduce(0, &+) == 0)
    p.write(4, 0)
    p.write(7, 0xB0)
    #expect(p.read(7) & 1 == 1 && p.read(1) == 4)
  }

  @Test func absentDevicesAndSoftwareReset() {
    let f = IDEFixture()
    let p = f.port()
    p.write(6, 0xB0)  // the slave that is not there
    #expect(p.read(7) == 0)
    p.write(7, 0xEC)
    #expect(p.read(7) == 0 && !f.lines.levels[14])
    f.ide.controlBlock(0).write(0, 0x04)
    f.ide.controlBlock(0).write(0, 0x00)
    #expect(f.ide.controlBlock(0).read(0) == 0x50)
    #expect((1...5).map { p.read($0) } == [1, 1, 1, 0, 0])
    f.ide.controlBlock(1).write(0, 0x04)
    #expect(f.ide.controlBlock(1).read(0) == 0x80)
    f.ide.controlBlock(1).write(0, 0x00)
    #expect((4...5).map { f.port(1).read($0) } == [0x14, 0xEB])
  }

  @Test func resetForgetsWhatWasUnderWay() {
    let f = IDEFixture()
    f.setAddress(3, count: 1)
    f.port().write(7, 0x20)
    f.ide.controlBlock(0).write(0, 0x04)
    f.ide.controlBlock(0).write(0, 0x00)
    f.settle()
    #expect(f.port().read(7) == 0x50 && f.lines.edges[14] == 0)
  }

  @Test func interruptsCanBeOff() {
    let f = IDEFixture()
    f.ide.controlBlock(0).write(0, 0x02)
    f.port().write(7, 0xE7)
    f.settle()
    #expect(f.lines.edges[14] == 0)
    f.ide.controlBlock(0).write(0, 0x00)
    #expect(f.lines.levels[14])
  }

  @Test func portsAreDecodedOnRequest() {
    let f = IDEFixture()
    #expect(f.base == 0xC000)
    f.ide.function.write(0x41, 0)
    #expect(f.port().read(7) == 0xFF)
    #expect(f.port(1).read(7) != 0xFF)
  }
}
