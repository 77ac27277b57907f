/// Relates guest cycles to the host's monotonic clock for `--clock host`.
struct Pacer {
  /// How the virtual clock stands against the host's.
  enum Lag: Equatable {
    case none
    /// Guest cycles to skip now.
    case behind(UInt64)
    /// Host nanoseconds to wait.
    case ahead(UInt64)
  }

  private let frequency: UInt64
  private var originCycles: UInt64 = 0
  private var originNanoseconds: UInt64 = 0

  /// More than this much behind, the process was stopped or the host asleep: the guest is not told.
  private static let largestJump: UInt64 = 1_000_000_000
  /// Nanoseconds that may be skipped at once, or a part of what is missing if that is more. What waits for a timer
  /// and counts cycles meanwhile must see that they jump: Linux takes the frequency of the processor from the best of three
  /// times 10 ms, and a single jump at the end of one of them would go unnoticed.
  private static let usualSkip: UInt64 = 2_000_000
  private static let skippedPart: UInt64 = 16
  /// Waits shorter than this are not worth a system call.
  private static let smallestWait: UInt64 = 1_000_000

  /// - Parameter frequency: guest cycles a second.
  init(frequency: UInt64) { self.frequency = max(frequency, 1) }

  mutating func begin(cycles: UInt64, nanoseconds: UInt64) {
    originCycles = cycles
    originNanoseconds = nanoseconds
  }

  /// Where the virtual clock should be at a host time.
  func cycle(atNanoseconds nanoseconds: UInt64) -> UInt64 {
    guard nanoseconds > originNanoseconds else { return originCycles }
    return originCycles
      &+ Self.scale(nanoseconds - originNanoseconds, by: frequency, over: 1_000_000_000)
  }

  /// The host time at which the virtual clock should reach a cycle.
  func nanoseconds(ofCycle cycle: UInt64) -> UInt64 {
    guard cycle > originCycles else { return originNanoseconds }
    return originNanoseconds
      &+ Self.scale(cycle - originCycles, by: 1_000_000_000, over: frequency)
  }

  mutating func lag(cycles: UInt64, nanoseconds: UInt64) -> Lag {
    let due = cycle(atNanoseconds: nanoseconds)
    if due > cycles {
      if Self.scale(due - cycles, by: 1_000_000_000, over: frequency) > Self.largestJump {
        begin(cycles: cycles, nanoseconds: nanoseconds)
        return .none
      }
      let usual = Self.scale(Self.usualSkip, by: frequency, over: 1_000_000_000)
      return .behind(min(due - cycles, max(usual, (due - cycles) / Self.skippedPart)))
    }
    let wait = Self.scale(cycles - due, by: 1_000_000_000, over: frequency)
    return wait >= Self.smallestWait ? .ahead(wait) : .none
  }

  private static func scale(_ value: UInt64, by factor: UInt64, over divisor: UInt64) -> UInt64 {
    let (high, low) = value.multipliedFullWidth(by: factor)
    guard high < divisor else { return .max }
    return divisor.dividingFullWidth((high, low)).quotient
  }
}

/// How many cycles to run between two looks at the host's clock: a millisecond of the host's time, for an engine that
/// needs a millisecond for a millisecond of the guest's as well as for one that needs a hundred.
struct SliceLength {
  private(set) var cycles: UInt64
  private let largest: UInt64
  private var lastCycles: UInt64 = 0
  private var lastNanoseconds: UInt64 = 0

  private static let smallest: UInt64 = 1000
  /// Fewer cycles say nothing about the engine's speed.
  private static let fewest: UInt64 = 1000

  /// - Parameter largest: cycles that it never exceeds.
  init(largest: UInt64) {
    self.largest = max(largest, Self.smallest)
    cycles = min(self.largest, 100_000)
  }

  /// Learns from what the engine in use has done since the start, without idle time; counters that are less than
  /// the last ones are another engine's.
  mutating func learn(cycles all: UInt64, nanoseconds: UInt64) {
    defer { (lastCycles, lastNanoseconds) = (all, nanoseconds) }
    guard all >= lastCycles, nanoseconds > lastNanoseconds, all - lastCycles >= Self.fewest else {
      return
    }
    let rate = Double(all - lastCycles) / Double(nanoseconds - lastNanoseconds)
    cycles = UInt64(min(max(rate * 1e6, Double(Self.smallest)), Double(largest)))
  }
}
