import Bus

@testable import Devices

/// A virtual clock of 100 MHz that a test steps by hand.
final class TestClock {
  private final class Time {
    var now: UInt64 = 0
  }

  private let time = Time()
  let queue: EventQueue

  init(frequency: UInt64 = 100_000_000) {
    let time = time
    queue = EventQueue(frequency: frequency) { time.now }
  }

  var now: UInt64 { time.now }

  /// Lets `cycles` pass and runs every event at its own time.
  func advance(_ cycles: UInt64) {
    let target = time.now + cycles
    while queue.nextTime <= target {
      time.now = max(time.now, queue.nextTime)
      queue.runDue()
    }
    time.now = target
  }

  func advance(microseconds: UInt64) { advance(microseconds * queue.frequency / 1_000_000) }
}

/// Records the levels and counts the rising edges of 16 lines.
final class TestLines: InterruptSink {
  var levels = [Bool](repeating: false, count: 16)
  var edges = [Int](repeating: 0, count: 16)

  func setLine(_ line: Int, asserted: Bool) {
    if asserted && !levels[line] { edges[line] += 1 }
    levels[line] = asserted
  }

  func line(_ number: Int) -> InterruptLine { InterruptLine(self, line: number) }
}

extension PortDevice {
  func read(_ offset: UInt16) -> UInt8 {
    UInt8(truncatingIfNeeded: readPort(offset: offset, width: .byte))
  }
  func write(_ offset: UInt16, _ value: UInt8) {
    writePort(offset: offset, width: .byte, value: UInt32(value))
  }
}

/// A small reproducible generator (xorshift).
struct TestRandom: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}

extension VideoMemory {
  subscript(range: Range<Int>) -> [UInt8] { range.map { self[$0] } }
}
