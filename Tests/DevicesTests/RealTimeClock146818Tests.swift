import Bus
import Testing

@testable import Devices

private final class Clock {
  let clock = TestClock(frequency: 32_768 * 100)
  let lines = TestLines()
  let rtc: RealTimeClock146818

  init(epoch: Int64) {
    rtc = RealTimeClock146818(queue: clock.queue, interrupt: lines.line(8), startEpoch: epoch)
  }

  func get(_ register: UInt8) -> UInt8 {
    rtc.write(0, register)
    return rtc.read(1)
  }
  func set(_ register: UInt8, _ value: UInt8) {
    rtc.write(0, register)
    rtc.write(1, value)
  }
  func advance(ticks: UInt64) { clock.advance(ticks * 100) }
  func advance(seconds: UInt64) { advance(ticks: seconds * 32_768) }

  /// Century, year, month, day, weekday, hour, minute, second.
  var date: [UInt8] { [0x32, 9, 8, 7, 6, 4, 2, 0].map { get($0) } }
}

@Test(
  arguments: [
    (0, [0x19, 0x70, 0x01, 0x01, 0x05, 0x00, 0x00, 0x00]),
    (951_782_399, [0x20, 0x00, 0x02, 0x28, 0x02, 0x23, 0x59, 0x59]),
    (951_782_400, [0x20, 0x00, 0x02, 0x29, 0x03, 0x00, 0x00, 0x00]),
    (1_767_225_599, [0x20, 0x25, 0x12, 0x31, 0x04, 0x23, 0x59, 0x59]),
    (-1, [0x19, 0x69, 0x12, 0x31, 0x04, 0x23, 0x59, 0x59]),
  ] as [(Int64, [UInt8])])
func clockStartsAtTheGivenDate(epoch: Int64, expected: [UInt8]) {
  #expect(Clock(epoch: epoch).date == expected)
}

@Test func clockCountsAsTheCalendarDoes() {
  let start = Clock(epoch: 951_782_399)
  start.advance(seconds: 1)
  #expect(start.date == Clock(epoch: 951_782_400).date)
  start.advance(seconds: 86_400)
  #expect(start.date == Clock(epoch: 951_782_400 + 86_400).date)
  let newYear = Clock(epoch: 946_684_799)
  newYear.advance(seconds: 1)
  #expect(newYear.date == [0x20, 0x00, 0x01, 0x01, 0x07, 0x00, 0x00, 0x00])
}

@Test func clockCountsInBinaryAndTwelveHours() {
  let rtc = Clock(epoch: 0)
  rtc.set(11, 0x84)
  for (register, value) in [(0, 59), (2, 59), (4, 0x8B), (7, 31), (8, 12), (9, 99)]
    as [(UInt8, UInt8)]
  {
    rtc.set(register, value)
  }
  rtc.set(0x32, 19)
  rtc.set(11, 0x04)
  rtc.advance(seconds: 1)
  #expect(rtc.get(0) == 0)
  #expect(rtc.get(4) == 12)  // 12 AM
  #expect(rtc.get(9) == 0)
  #expect(rtc.get(0x32) == 20)
  rtc.set(4, 11)
  rtc.set(2, 59)
  rtc.set(0, 59)
  rtc.advance(seconds: 1)
  #expect(rtc.get(4) == 0x8C)  // 12 PM
}

@Test func clockRaisesUpdateInProgressBeforeTheUpdate() {
  let rtc = Clock(epoch: 0)
  rtc.advance(ticks: 32_768 - 74)
  #expect(rtc.get(10) == 0x26)
  rtc.advance(ticks: 1)
  #expect(rtc.get(10) == 0xA6)
  #expect(rtc.get(0) == 0)
  rtc.advance(ticks: 73)
  #expect(rtc.get(10) == 0x26)
  #expect(rtc.get(0) == 1)
  #expect(rtc.get(12) & 0x10 != 0)
  rtc.set(11, 0x82)
  rtc.advance(ticks: 32_768 - 10)
  #expect(rtc.get(10) == 0x26)
}

@Test func clockInterruptsPeriodicallyOncePerRead() {
  let rtc = Clock(epoch: 0)
  rtc.set(11, 0x42)  // 1024 Hz
  rtc.advance(ticks: 31)
  #expect(!rtc.lines.levels[8])
  rtc.advance(ticks: 1)
  #expect(rtc.lines.levels[8])
  rtc.advance(ticks: 320)
  #expect(rtc.lines.edges[8] == 1)
  #expect(rtc.get(12) == 0xC0)
  #expect(!rtc.lines.levels[8])
  #expect(rtc.get(12) == 0)
  rtc.advance(ticks: 32)
  #expect(rtc.lines.edges[8] == 2)
  rtc.set(11, 0x02)
  #expect(!rtc.lines.levels[8])
  rtc.advance(ticks: 32)
  #expect(rtc.get(12) == 0x40)  // the flag is set without the interrupt too
}

@Test func clockInterruptsOnUpdateAndAlarm() {
  let rtc = Clock(epoch: 0)
  rtc.set(11, 0x12)
  rtc.advance(seconds: 1)
  #expect(rtc.lines.levels[8])
  #expect(rtc.get(12) & 0xB0 == 0x90)
  rtc.set(1, 0x05)
  rtc.set(3, 0xFF)
  rtc.set(5, 0xC0)
  rtc.set(11, 0x22)
  rtc.advance(seconds: 3)
  #expect(!rtc.lines.levels[8])
  rtc.advance(seconds: 1)
  #expect(rtc.lines.levels[8])
  #expect(rtc.get(12) & 0xB0 == 0xB0)
}

@Test func clockRestartsHalfASecondAfterTheDividerReset() {
  let rtc = Clock(epoch: 0)
  rtc.set(10, 0x76)
  rtc.advance(seconds: 10)
  #expect(rtc.get(0) == 0)
  rtc.set(10, 0x26)
  rtc.advance(ticks: 16_383)
  #expect(rtc.get(0) == 0)
  rtc.advance(ticks: 1)
  #expect(rtc.get(0) == 1)
}

@Test func clockMemoryKeepsItsContentsAndMasksTheNMI() {
  let rtc = Clock(epoch: 0)
  rtc.rtc.configure(memory: 256 << 20)
  #expect(rtc.get(0x15) == 0x80)
  #expect(rtc.get(0x16) == 0x02)
  #expect(UInt16(rtc.get(0x34)) | UInt16(rtc.get(0x35)) << 8 == 240 * 16)
  rtc.set(0x40, 0x5A)
  var masked: [Bool] = []
  rtc.rtc.nmiMaskChanged = { masked.append($0) }
  rtc.rtc.write(0, 0xC0)
  #expect(rtc.rtc.read(1) == 0x5A)
  #expect(rtc.rtc.isNMIMasked)
  rtc.rtc.reset()
  #expect(masked == [true, false])
  #expect(rtc.get(0x40) == 0x5A)
  #expect(rtc.get(13) == 0x80)
}
