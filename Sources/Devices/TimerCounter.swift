/// One counter of the 8254. Times are ticks of its input clock.
struct TimerCounter {
  private enum Access: UInt8 {
    case latch, low, high, both
  }

  /// The operating mode, 0-5.
  private(set) var mode: UInt8 = 0
  /// The gate input.
  private(set) var gate: Bool

  private var isBCD = false
  private var access = Access.both
  private var writesHigh = false
  private var readsHigh = false
  private var lowByte: UInt8 = 0
  private var latchedCount: UInt16?
  private var latchedStatus: UInt8?

  /// The count register; nil until one has been written after a control word.
  private var period: Int64?
  /// The tick of the load pulse: the counting element holds the full count from there. Nil while a mode 1 or
  /// 5 counter waits for its trigger.
  private var start: Int64?
  /// Ticks counted when the gate stopped the counter.
  private var pausedAt: Int64?
  /// A count that takes over at a tick (end of the running period or half period).
  private var next: (period: Int64, tick: Int64, start: Int64)?
  /// Between the bytes of a two-byte count mode 0 does not count.
  private var isHalfWritten = false

  init(gate: Bool) {
    self.gate = gate
  }

  private var modulus: Int64 { isBCD ? 10_000 : 65_536 }

  /// The last count loaded, 2-65536 in the periodic modes; nil before the first.
  var reloadPeriod: Int64? { next?.period ?? period }

  mutating func setControl(_ value: UInt8) {
    access = Access(rawValue: value >> 4) ?? .both
    mode = (value >> 1) & 7
    if mode > 5 { mode -= 4 }
    isBCD = value & 1 != 0
    writesHigh = false
    readsHigh = false
    latchedCount = nil
    latchedStatus = nil
    period = nil
    start = nil
    pausedAt = nil
    next = nil
    isHalfWritten = false
  }

  // MARK: Counting

  private mutating func takeOver(at tick: Int64) {
    guard let n = next, tick >= n.tick else { return }
    period = n.period
    start = n.start
    next = nil
  }

  /// Ticks since the load; nil when nothing has been loaded (yet).
  private func elapsed(at tick: Int64) -> Int64? {
    if let pausedAt { return pausedAt }
    guard let start, tick >= start else { return nil }
    return tick - start
  }

  /// The state with a due new count in force.
  private func settled(at tick: Int64) -> TimerCounter {
    var copy = self
    copy.takeOver(at: tick)
    return copy
  }

  func output(at tick: Int64) -> Bool { settled(at: tick).settledOutput(at: tick) }

  private func settledOutput(at tick: Int64) -> Bool {
    guard let period, let e = elapsed(at: tick) else { return mode != 0 }
    switch mode {
    case 0: return !isHalfWritten && e >= period
    case 1: return e >= period
    case 2: return !gate || e % period != period - 1
    case 3: return !gate || e % period < (period + 1) / 2
    default: return e != period
    }
  }

  /// The first tick after `tick` at which the output differs from the tick before, if nothing is written.
  func nextOutputChange(after tick: Int64) -> Int64? {
    let state = settled(at: tick)
    guard let period = state.period, let start = state.start, state.pausedAt == nil else {
      return nil
    }
    var change: Int64
    switch mode {
    case 0, 1: change = start + period
    case 2, 3:
      guard gate else { return nil }
      let e = tick < start ? 0 : tick - start
      let base = start + (e - e % period)
      let first = mode == 2 ? period - 1 : (period + 1) / 2
      change = e % period < first ? base + first : base + period
    default: change = tick < start + period ? start + period : start + period + 1
    }
    // A new count takes over at an output change of the old one, or is a start of its own.
    if let n = state.next, n.tick < change { change = n.tick }
    return change > tick ? change : nil
  }

  /// The counting element, in the counter's own number system.
  private func count(at tick: Int64) -> UInt16 {
    let state = settled(at: tick)
    guard let period = state.period else { return 0 }
    let e = state.elapsed(at: tick) ?? 0
    let value: Int64
    switch mode {
    case 2: value = period - e % period
    case 3:
      let half = (period + 1) / 2
      let phase = e % period < half ? e % period : e % period - half
      value = (period & ~1) - 2 * phase
    default: value = (period + modulus - e % modulus) % modulus
    }
    return encode(value)
  }

  private func encode(_ value: Int64) -> UInt16 {
    guard isBCD else { return UInt16(truncatingIfNeeded: value) }
    var rest = value % 10_000
    var result: Int64 = 0
    for digit in 0..<4 as Range<Int64> {
      result |= (rest % 10) << (digit * 4)
      rest /= 10
    }
    return UInt16(truncatingIfNeeded: result)
  }

  private func decode(_ value: UInt16) -> Int64 {
    guard isBCD else { return value == 0 ? 65_536 : Int64(value) }
    // Digits above 9 count with their binary weight.
    let number = (0..<4 as Range<UInt16>).reversed().reduce(Int64(0)) {
      $0 * 10 + Int64((value >> ($1 * 4)) & 15)
    }
    return number == 0 ? 10_000 : min(number, 10_000)
  }

  // MARK: Loading and gate

  private mutating func load(_ raw: UInt16, at tick: Int64) {
    takeOver(at: tick)
    isHalfWritten = false
    var value = decode(raw)
    if mode == 2 || mode == 3 { value = max(value, 2) }  // a count of 1 is illegal there
    let pulse = tick + 1
    switch mode {
    case 1, 5:
      // A running one-shot goes on with the old count; the next trigger takes the new one.
      next = (value, .max, pulse)
      if period == nil { period = value }
    case 2, 3:
      guard let old = period, let e = elapsed(at: tick), gate else {
        period = value
        start = gate ? pulse : nil
        pausedAt = nil
        next = nil
        return
      }
      let begin = tick - e % old
      if mode == 2 {
        next = (value, begin + old, begin + old)
      } else {
        let half = (old + 1) / 2
        next =
          e % old < half
          // From the end of the high half on: as if the new count's high half were over.
          ? (value, begin + half, begin + half - (value + 1) / 2)
          : (value, begin + old, begin + old)
      }
    default:
      period = value
      start = pulse
      pausedAt = gate ? nil : 0
    }
  }

  mutating func setGate(_ new: Bool, at tick: Int64) {
    guard new != gate else { return }
    takeOver(at: tick)
    switch mode {
    case 0, 4:
      if new {
        if let pausedAt {
          start = tick + 1 - pausedAt
          self.pausedAt = nil
        }
      } else if start != nil {
        pausedAt = elapsed(at: tick) ?? 0
      }
    case 1, 5: if new { trigger(at: tick) }
    default: if new { trigger(at: tick) } else { pausedAt = elapsed(at: tick) }
    }
    gate = new
  }

  /// A rising gate in modes 1, 2, 3 and 5: the next clock reloads the counter.
  private mutating func trigger(at tick: Int64) {
    if let n = next { period = n.period }
    next = nil
    pausedAt = nil
    if period != nil { start = tick + 1 }
  }

  // MARK: Bytes

  mutating func writeByte(_ value: UInt8, at tick: Int64) {
    switch access {
    case .low: load(UInt16(value), at: tick)
    case .high: load(UInt16(value) << 8, at: tick)
    case .both, .latch:
      if writesHigh {
        load(UInt16(value) << 8 | UInt16(lowByte), at: tick)
      } else {
        lowByte = value
        isHalfWritten = mode == 0
      }
      writesHigh.toggle()
    }
  }

  mutating func latchCount(at tick: Int64) {
    if latchedCount == nil { latchedCount = count(at: tick) }
  }

  /// Latches OUT, null count and the control word (8254 data sheet, "Read-Back Command").
  mutating func latchStatus(at tick: Int64) {
    guard latchedStatus == nil else { return }
    let state = settled(at: tick)
    let waits = state.next != nil || state.period == nil || (state.start ?? Int64.max) > tick
    latchedStatus =
      (output(at: tick) ? 0x80 : 0) | (waits ? 0x40 : 0) | access.rawValue << 4 | mode << 1
      | (isBCD ? 1 : 0)
  }

  mutating func readByte(at tick: Int64) -> UInt8 {
    if let status = latchedStatus {
      latchedStatus = nil
      return status
    }
    let value = latchedCount ?? count(at: tick)
    let high = access == .high || (access != .low && readsHigh)
    if access == .both || access == .latch { readsHigh.toggle() }
    // A latched count stays until it has been read whole.
    if access == .low || access == .high || high { latchedCount = nil }
    return UInt8(truncatingIfNeeded: high ? value >> 8 : value)
  }
}
