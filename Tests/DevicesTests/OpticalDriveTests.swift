import Bus
import Testing

@testable import Devices

@Suite struct OpticalDriveTests {
  /// A drive whose reset was noticed.
  private func fixture() -> IDEFixture {
    let f = IDEFixture()
    _ = f.packet([0x00])
    return f
  }

  private func sense(_ f: IDEFixture) -> [UInt8] {
    let data = f.packet([0x03, 0, 0, 0, 18]).data
    return [data[2], data[12], data[13]]
  }

  @Test func signsItselfAndIsIdentified() {
    let f = IDEFixture()
    #expect(f.port(1).read(4) == 0x14 && f.port(1).read(5) == 0xEB)
    f.port(1).write(7, 0xEC)
    #expect(f.port(1).read(7) & 1 == 1 && f.port(1).read(4) == 0x14)
    f.port(1).write(7, 0xA1)
    let data = f.readWords(256, channel: 1)
    #expect(data[0] == 0xC0 && data[1] == 0x85)
  }

  @Test func reportsItsResetFirst() {
    let f = IDEFixture()
    #expect(f.packet([0x12, 0, 0, 0, 36]).data.count == 36)  // INQUIRY does not mind
    let first = f.packet([0x00])
    #expect(first.status & 1 == 1 && f.port(1).read(1) >> 4 == 6)
    #expect(sense(f) == [6, 0x29, 0])
    #expect(f.packet([0x00]).status & 1 == 0)
    #expect(sense(f) == [0, 0, 0])
  }

  @Test func capacityAndContents() {
    let f = fixture()
    #expect(f.packet([0x25]).data == [0, 0, 0, 39, 0, 0, 8, 0])
    let toc = f.packet([0x43, 0, 0, 0, 0, 0, 0, 0, 20]).data
    #expect(toc == [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x16, 0xAA, 0, 0, 0, 0, 40])
    let time = f.packet([0x43, 2, 0, 0, 0, 0, 0xAA, 0, 12]).data
    #expect(time == [0, 10, 1, 1, 0, 0x16, 0xAA, 0, 0, 0, 2, 40])
    #expect(f.packet([0x43, 0, 0, 0, 0, 0, 5, 0, 20]).status & 1 == 1)
  }

  @Test func readsInBlocksOfTheByteCount() {
    let f = fixture()
    let read: [UInt8] = [0x28, 0, 0, 0, 0, 7, 0, 0, 3]
    let expected = (7..<10).flatMap { [UInt8](repeating: UInt8($0 * 7), count: 2048) }
    for limit in [2048, 0x1000, 0x8000, 1000, 0] {
      let result = f.packet(read, limit: limit)
      #expect(result.data == expected && result.status & 1 == 0)
    }
  }

  @Test func readsByDMA() {
    let f = fixture()
    let p = f.port(1)
    p.write(1, 1)
    p.write(7, 0xA0)
    f.writeWords([0xA8, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0], channel: 1)
    f.startDMA([(0x4_0000, 4096)], toMemory: true, channel: 1)
    f.settle()
    #expect(p.read(7) & 1 == 0)
    #expect(f.memory.bytes[0x4_07FF] == 14 && f.memory.bytes[0x4_0FFF] == 21)
    #expect(f.ide.busMasterPorts.read(10) & 0x07 == 0x04)
  }

  @Test func errorsHaveTheirSense() {
    let f = fixture()
    #expect(f.packet([0x28, 0, 0, 0, 0, 39, 0, 0, 2]).status & 1 == 1)
    #expect(sense(f) == [5, 0x21, 0])
    _ = f.packet([0xFF])
    #expect(sense(f) == [5, 0x20, 0])
    f.disc.bad = [3 * 2048]
    #expect(f.packet([0x28, 0, 0, 0, 0, 3, 0, 0, 1]).status & 1 == 1)
    #expect(sense(f) == [3, 0x11, 0])
    _ = f.packet([0x5A, 0, 0x15, 0, 0, 0, 0, 0, 20])
    #expect(sense(f) == [5, 0x24, 0])
  }

  @Test func ejectsAndLoads() {
    let f = fixture()
    let poll: [UInt8] = [0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8]
    #expect(f.packet(poll).data == [0, 6, 4, 0x10, 2, 2, 0, 0])
    #expect(f.packet(poll).data[4] == 0)
    _ = f.packet([0x1E, 0, 0, 0, 1])
    _ = f.packet([0x1B, 0, 0, 0, 2])
    #expect(sense(f) == [5, 0x53, 2])
    _ = f.packet([0x1E, 0, 0, 0, 0])
    #expect(f.packet([0x1B, 0, 0, 0, 2]).status & 1 == 0)
    #expect(f.packet([0x25]).status & 1 == 1)
    #expect(sense(f) == [2, 0x3A, 2])
    #expect(f.packet(poll).data[4...5] == [3, 1])
    _ = f.packet([0x1B, 0, 0, 0, 3])
    #expect(f.packet([0x25]).status & 1 == 1)
    #expect(sense(f) == [6, 0x28, 0])
    #expect(f.packet([0x25]).data.count == 8)
  }

  @Test func saysWhatItIs() {
    let f = fixture()
    let features = f.packet([0x46, 0, 0, 0, 0, 0, 0, 0, 255]).data
    #expect(features[7] == 0x08 && Int(features[3]) + 4 == features.count)
    let page = f.packet([0x5A, 0, 0x2A, 0, 0, 0, 0, 0, 255]).data
    #expect(page[8] == 0x2A && page.count == 28 && Int(page[1]) + 2 == page.count)
    #expect(f.packet([0x51, 0, 0, 0, 0, 0, 0, 0, 34]).data.count == 34)
    #expect(f.packet([0xBE, 0, 0, 0, 0, 1, 0, 0, 1, 0x10]).data.count == 2048)
    let withHeader = f.packet([0xBE, 0, 0, 0, 0, 1, 0, 0, 1, 0x30]).data
    #expect(withHeader.count == 2052 && Array(withHeader[0..<4]) == [0, 2, 1, 1])
  }
}
