import Bus
import Testing

@testable import Devices

private final class Port {
  let clock = TestClock()
  let lines = TestLines()
  let uart: UART16550A
  var sent: [UInt8] = []

  /// 115200 8N1.
  init() {
    uart = UART16550A(queue: clock.queue, interrupt: lines.line(4))
    uart.output = { [unowned self] in sent.append($0) }
    uart.write(3, 0x83)
    uart.write(0, 1)
    uart.write(1, 0)
    uart.write(3, 0x03)
  }

  /// Ten bits at 115200 baud, rounded up to a cycle of 10 ns.
  let characterTime: UInt64 = 8681
}

@Test func uartIsIdentifiedAsA16550A() {
  let port = Port()
  let uart = port.uart
  // The sequence of a driver's probing: IER bits, loopback, FIFO bits, no EFR, no 64-byte FIFO.
  uart.write(1, 0x0F)
  #expect(uart.read(1) == 0x0F)
  uart.write(1, 0)
  #expect(uart.read(1) == 0)
  uart.write(4, 0x1A)
  #expect(uart.read(6) & 0xF0 == 0x90)
  uart.write(4, 0)
  uart.write(2, 0x01)
  #expect(uart.read(2) >> 6 == 3)
  uart.write(3, 0xBF)
  #expect(uart.read(2) != 0)
  uart.write(3, 0x80)
  uart.write(2, 0x21)
  #expect(uart.read(2) >> 5 == 6)
  uart.write(2, 0)
  #expect(uart.read(2) >> 6 == 0)
  for value in [0x55, 0xAA] as [UInt8] {
    uart.write(7, value)
    #expect(uart.read(7) == value)
  }
  #expect(uart.read(0) == 1)  // divisor latch
}

@Test func uartTransmitsAtOnceAndIsEmptyAfterTheCharacterTime() {
  let port = Port()
  port.uart.write(2, 0x01)
  port.uart.write(0, 0x41)
  port.uart.write(0, 0x42)
  #expect(port.sent == [0x41, 0x42])
  #expect(port.uart.read(5) & 0x60 == 0)
  port.clock.advance(port.characterTime)
  #expect(port.uart.read(5) & 0x60 == 0x20)
  port.clock.advance(port.characterTime)
  #expect(port.uart.read(5) & 0x60 == 0x60)
}

@Test func uartTransmitterInterruptIsClearedByReadingTheIdentification() {
  let port = Port()
  port.uart.write(2, 0x01)
  port.uart.write(1, 0x02)
  #expect(port.lines.levels[4])
  #expect(port.uart.read(2) == 0xC2)
  #expect(!port.lines.levels[4])
  #expect(port.uart.read(2) == 0xC1)
  for byte in 0..<16 as Range<UInt8> { port.uart.write(0, byte) }
  port.clock.advance(port.characterTime * 15 - 1)
  #expect(!port.lines.levels[4])
  port.clock.advance(1)
  #expect(port.lines.levels[4])
  port.uart.write(0, 1)
  #expect(!port.lines.levels[4])
}

@Test func uartReceivesByTriggerLevelAndTimeout() {
  let port = Port()
  port.uart.write(2, 0x41)  // four bytes
  port.uart.write(1, 0x01)
  port.uart.receive([1, 2, 3])
  port.clock.advance(port.characterTime * 3)
  #expect(port.uart.read(5) & 1 == 1)
  #expect(!port.lines.levels[4])
  port.clock.advance(port.characterTime * 4)
  #expect(port.lines.levels[4])
  #expect(port.uart.read(2) == 0xCC)
  #expect(port.uart.read(0) == 1)
  #expect(!port.lines.levels[4])
  port.uart.receive([4, 5])
  port.clock.advance(port.characterTime * 2)
  #expect(port.uart.read(2) == 0xC4)
  #expect((0..<4).map { _ in port.uart.read(0) } == [2, 3, 4, 5])
  #expect(port.uart.read(2) == 0xC1)
  #expect(port.uart.read(5) & 1 == 0)
}

@Test func uartKeepsInputWhileTheReceiverIsFull() {
  let port = Port()
  port.uart.write(2, 0xC1)
  port.uart.receive((0..<100).map { UInt8($0) })
  port.clock.advance(port.characterTime * 50)
  #expect(port.uart.pendingInput == 84)
  var got: [UInt8] = []
  while got.count < 100 {
    if port.uart.read(5) & 1 != 0 { got.append(port.uart.read(0)) }
    port.clock.advance(1000)
  }
  #expect(got == (0..<100).map { UInt8($0) })
  #expect(port.uart.read(5) & 2 == 0)
}

@Test(arguments: ["RTS", "interrupt", "polling"])
func uartHoldsInputUntilItIsWantedWhenAsked(sign: String) {
  let port = Port()
  port.uart.holdsInputUntilWanted = true
  port.uart.receive([7])
  // A driver's probing and its sending are no wish for input.
  port.uart.write(1, 0x0F)
  port.uart.write(1, 0)
  for _ in 0..<30 {
    while port.uart.read(5) & 0x60 != 0x60 { port.clock.advance(100) }
    port.uart.write(0, 0x2E)
  }
  port.clock.advance(port.characterTime * 3)
  #expect(port.uart.read(5) & 1 == 0)
  port.uart.write(2, 0x07)
  switch sign {
  case "RTS": port.uart.write(4, 0x03)
  case "interrupt": port.uart.write(1, 0x05)
  default: for _ in 0..<16 { _ = port.uart.read(5) }
  }
  port.clock.advance(port.characterTime)
  #expect(port.uart.read(5) & 1 == 1)
  #expect(port.uart.read(0) == 7)
}

@Test func uartLoopsBackDataModemLinesAndOverrun() {
  let port = Port()
  port.uart.write(4, 0x10)
  _ = port.uart.read(6)
  port.uart.write(0, 0x5A)
  #expect(port.sent.isEmpty)
  #expect(port.uart.read(0) == 0x5A)
  port.uart.write(1, 0x0C)
  port.uart.write(4, 0x11)
  #expect(port.uart.read(2) == 0x00)
  #expect(port.uart.read(6) == 0x22)
  #expect(port.uart.read(6) == 0x20)
  port.uart.write(0, 1)
  port.uart.write(0, 2)
  #expect(port.uart.read(2) == 0x06)
  #expect(port.uart.read(5) & 0x03 == 0x03)
  #expect(port.uart.read(2) == 0x01)
  #expect(port.uart.read(0) == 2)
}
