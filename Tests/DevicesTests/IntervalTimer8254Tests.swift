import Bus
import Testing

@testable import Devices

/// A clock of exactly one cycle per timer tick.
private func makeTimer() -> (TestClock, TestLines, IntervalTimer8254) {
  let clock = TestClock(frequency: IntervalTimer8254.hertz)
  let lines = TestLines()
  return (clock, lines, IntervalTimer8254(queue: clock.queue, interrupt: lines.line(0)))
}

@Test func timerMode2InterruptsOncePerPeriodWithoutDrift() {
  let clock = TestClock(frequency: 33_000_000)
  let lines = TestLines()
  let timer = IntervalTimer8254(queue: clock.queue, interrupt: lines.line(0))
  timer.write(3, 0x34)
  let edges = lines.edges[0]
  timer.write(0, 0xA9)
  timer.write(0, 0x04)  // 1193
  clock.advance(33_000_000 * 10)
  #expect(lines.edges[0] - edges == Int(IntervalTimer8254.hertz * 10 - 1) / 1193)
}

@Test func timerMode0InterruptsOnce() {
  let (clock, lines, timer) = makeTimer()
  timer.write(3, 0x30)
  #expect(!lines.levels[0])
  timer.write(0, 10)
  timer.write(0, 0)
  clock.advance(10)
  #expect(!lines.levels[0])
  clock.advance(1)  // one clock to load, ten to count
  #expect(lines.levels[0])
  clock.advance(1_000_000)
  #expect(lines.edges[0] == 1)
  timer.write(0, 5)  // the first byte of a new count lowers the output
  #expect(!lines.levels[0])
}

@Test func timerCountsDownAndLatches() {
  let (clock, _, timer) = makeTimer()
  timer.write(3, 0xB4)  // counter 2, mode 2
  let port = SystemControlPortB(timer: timer)
  port.write(0, 1)
  timer.write(2, 0x00)
  timer.write(2, 0x10)
  clock.advance(1 + 0x0FF)
  timer.write(3, 0x80)
  clock.advance(50)
  #expect(timer.read(2) == 0x01)
  #expect(timer.read(2) == 0x0F)
  #expect(timer.read(2) == 0xCF)
  #expect(timer.read(2) == 0x0E)
}

@Test func timerReadBackLatchesStatusThenCount() {
  let (clock, _, timer) = makeTimer()
  timer.write(3, 0x36)
  timer.write(3, 0xE2)
  #expect(timer.read(0) == 0xF6)  // output high, null count, low/high, mode 3
  timer.write(0, 100)
  timer.write(0, 0)
  clock.advance(11)
  timer.write(3, 0xC2)
  clock.advance(7)
  #expect(timer.read(0) == 0xB6)
  #expect(timer.read(0) == 80)
  #expect(timer.read(0) == 0)
}

@Test(arguments: [(100, 50), (101, 51), (2, 1), (3, 2)])
func timerMode3MakesASquareWave(count: Int, high: Int) {
  let (clock, lines, timer) = makeTimer()
  timer.write(3, 0x16)
  timer.write(0, UInt8(count))
  clock.advance(1)
  for _ in 0..<3 {
    for step in 0..<count {
      #expect(lines.levels[0] == (step < high))
      clock.advance(1)
    }
  }
}

@Test func timerMode3NewCountTakesOverAtTheHalfPeriod() {
  let (clock, lines, timer) = makeTimer()
  timer.write(3, 0x16)
  timer.write(0, 100)
  clock.advance(1 + 20)
  timer.write(0, 10)
  clock.advance(29)
  #expect(lines.levels[0])
  clock.advance(1)
  #expect(!lines.levels[0])
  clock.advance(5)
  #expect(lines.levels[0])
  clock.advance(5)
  #expect(!lines.levels[0])
}

@Test func timerCountsInBCD() {
  let (clock, _, timer) = makeTimer()
  timer.write(3, 0x31)
  timer.write(0, 0x00)
  timer.write(0, 0x10)  // 1000
  clock.advance(2)
  #expect(timer.read(0) == 0x99)
  #expect(timer.read(0) == 0x09)
  clock.advance(999 + 1)
  #expect(timer.read(0) == 0x99)
  #expect(timer.read(0) == 0x99)
}

@Test func timerGateStopsMode0AndTriggersModes1And5() {
  let (clock, _, timer) = makeTimer()
  timer.counter2Gate = true
  timer.write(3, 0x90)  // counter 2, low byte, mode 0
  timer.write(2, 20)
  clock.advance(6)
  timer.counter2Gate = false
  clock.advance(100)
  #expect(timer.read(2) == 15)
  timer.counter2Gate = true
  clock.advance(16)
  #expect(timer.counter2Output)

  timer.write(3, 0x92)  // mode 1
  timer.counter2Gate = false
  timer.write(2, 8)
  #expect(timer.counter2Output)
  timer.counter2Gate = true
  clock.advance(1)
  #expect(!timer.counter2Output)
  clock.advance(7)
  #expect(!timer.counter2Output)
  clock.advance(1)
  #expect(timer.counter2Output)

  timer.write(3, 0x9A)  // mode 5
  timer.counter2Gate = false
  timer.write(2, 8)
  timer.counter2Gate = true
  clock.advance(8)
  #expect(timer.counter2Output)
  clock.advance(1)
  #expect(!timer.counter2Output)
  clock.advance(1)
  #expect(timer.counter2Output)
}

@Test func timerMode4Strobes() {
  let (clock, lines, timer) = makeTimer()
  timer.write(3, 0x18)
  timer.write(0, 4)
  clock.advance(4)
  #expect(lines.levels[0])
  clock.advance(1)
  #expect(!lines.levels[0])
  clock.advance(1)
  #expect(lines.levels[0])
}

@Test func port61ShowsGateSpeakerRefreshAndOutput() {
  let (clock, _, timer) = makeTimer()
  let port = SystemControlPortB(timer: timer)
  port.write(0, 0x03)
  #expect(port.read(0) & 0x0F == 0x03)
  timer.write(3, 0xB0)
  #expect(port.read(0) & 0x20 == 0)
  timer.write(2, 100)
  timer.write(2, 0)
  clock.advance(101)
  #expect(port.read(0) & 0x20 != 0)
  let refresh = port.read(0) & 0x10
  clock.advance(18)
  #expect(port.read(0) & 0x10 != refresh)
  port.write(0, 0)
  #expect(!timer.counter2Gate)
}

@Test func speakerSoundsTheSquareWaveOfCounter2() {
  let (clock, _, timer) = makeTimer()
  let port = SystemControlPortB(timer: timer)
  var tones: [UInt32] = []
  port.toneChanged = { tones.append($0) }
  func load(_ count: UInt16) {
    timer.write(2, UInt8(count & 0xFF))
    timer.write(2, UInt8(count >> 8))
  }
  timer.write(3, 0xB6)
  port.write(0, 0x03)
  #expect(tones == [])  // nothing is counted yet
  load(1193)
  #expect(tones == [1000])
  clock.advance(50_000)
  load(2711)
  #expect(tones == [1000, 440])
  port.write(0, 0x01)
  #expect(tones == [1000, 440, 0])
  port.write(0, 0x03)
  timer.write(3, 0xB0)  // mode 0 makes no tone
  #expect(tones == [1000, 440, 0, 440, 0])
  timer.write(3, 0xB6)
  load(20)  // 59 kHz
  #expect(tones.last == 0)
  load(1193)
  port.reset()
  #expect(tones.suffix(2) == [1000, 0])
}
