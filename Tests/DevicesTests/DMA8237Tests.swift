import Bus
import Testing

@testable import Devices

private final class Fixture {
  let dma = DMA8237()
  var memory = [UInt32: UInt8]()

  init() {
    dma.readMemory = { [unowned self] in memory[$0] ?? UInt8(truncatingIfNeeded: $0) }
    dma.writeMemory = { [unowned self] in memory[$0] = $1 }
    dma.secondary.write(0x1A << 1 & 0x1F, 0)
    dma.secondary.write(13 << 1, 0)  // master clear
    dma.secondary.write(10 << 1, 0)  // open the cascade
  }

  func program(channel: UInt8, address: UInt16, page: UInt8, count: UInt16, mode: UInt8) {
    dma.primary.write(10, 4 | channel)
    dma.primary.write(12, 0)
    dma.primary.write(11, mode | channel)
    for byte in [UInt8(truncatingIfNeeded: address), UInt8(address >> 8)] {
      dma.primary.write(UInt16(channel) * 2, byte)
    }
    for byte in [UInt8(truncatingIfNeeded: count), UInt8(count >> 8)] {
      dma.primary.write(UInt16(channel) * 2 + 1, byte)
    }
    dma.pages.write([7, 3, 1, 2][Int(channel)], page)
    dma.primary.write(10, channel)
  }
}

@Test func dmaMovesBytesToMemoryUntilTheTerminalCount() {
  let f = Fixture()
  f.program(channel: 2, address: 0xFFFE, page: 0x12, count: 3, mode: 0x44)
  let first = f.dma.deviceToMemory(channel: 2, [1, 2])
  #expect(first == .init(data: [], count: 2, isTerminal: false))
  let rest = f.dma.deviceToMemory(channel: 2, [3, 4, 5])
  #expect(rest == .init(data: [], count: 2, isTerminal: true))
  // The address wraps within its 64 KiB page.
  #expect(f.memory == [0x12_FFFE: 1, 0x12_FFFF: 2, 0x12_0000: 3, 0x12_0001: 4])
  #expect(f.dma.primary.read(8) & 0x0F == 0x04)
  #expect(f.dma.primary.read(8) & 0x0F == 0)
  #expect(f.dma.deviceToMemory(channel: 2, [6]).count == 0)  // masked at the end
}

@Test func dmaReadsMemoryDownwardsAndInitialisesItself() {
  let f = Fixture()
  f.program(channel: 1, address: 0x0010, page: 0, count: 1, mode: 0x78)
  let transfer = f.dma.memoryToDevice(channel: 1, length: 2)
  #expect(transfer == .init(data: [0x10, 0x0F], count: 2, isTerminal: true))
  #expect(f.dma.memoryToDevice(channel: 1, length: 1).data == [0x10])
  #expect(f.dma.deviceToMemory(channel: 1, [1]).count == 0)  // the wrong direction
}

@Test func dmaWordChannelsShiftTheAddress() {
  let f = Fixture()
  let port = f.dma.secondary
  port.write(12 << 1, 0)
  port.write(11 << 1, 0x49)  // channel 5, to the device
  port.write(2 << 1, 0x00)
  port.write(2 << 1, 0x80)
  port.write(3 << 1, 0x00)
  port.write(3 << 1, 0x00)
  f.dma.pages.write(0x0B, 0x03)
  port.write(10 << 1, 1)
  f.memory = [0x03_0000: 0x34, 0x03_0001: 0x12]
  let transfer = f.dma.memoryToDevice(channel: 5, length: 8)
  #expect(transfer == .init(data: [0x34, 0x12], count: 2, isTerminal: true))
}

@Test func dmaRegistersUseTheFlipFlop() {
  let f = Fixture()
  f.program(channel: 0, address: 0x1234, page: 0, count: 0x5678, mode: 0x40)
  f.dma.primary.write(12, 0)
  #expect(f.dma.primary.read(0) == 0x34)
  #expect(f.dma.primary.read(0) == 0x12)
  #expect(f.dma.primary.read(1) == 0x78)
  #expect(f.dma.primary.read(1) == 0x56)
  f.dma.primary.write(13, 0)
  #expect(f.dma.primary.read(15) == 0xFF)
  f.dma.setRequest(channel: 3, asserted: true)
  #expect(f.dma.primary.read(8) == 0x80)
}
