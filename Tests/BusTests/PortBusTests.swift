import Testing

@testable import Bus

private final class Echo: PortDevice {
  func readPort(offset: UInt16, width: AccessWidth) -> UInt32 { UInt32(offset) }
  func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {}
}

@Test func aRangeMayMoveWithoutEnd() throws {
  let bus = PortBus()
  let device = Echo()
  for round in 0..<1000 as Range<UInt16> {
    try bus.attach(device, ports: round * 8...round * 8 + 7, name: "echo")
    #expect(bus.read(round * 8 + 3, width: .byte) == 3)
    bus.detach(first: round * 8)
    #expect(bus.read(round * 8 + 3, width: .byte) == 0xFF)
  }
  #expect(bus.counts["echo"]?.reads == 1000)
}

@Test func overlappingRangesAreRejected() throws {
  let bus = PortBus()
  try bus.attach(Echo(), ports: 0x60...0x64, name: "first")
  #expect(throws: BusError.overlap(name: "second", other: "first", first: 0x64)) {
    try bus.attach(Echo(), ports: 0x64...0x70, name: "second")
  }
}
