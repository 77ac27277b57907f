/// Names a scheduled event so that it can be moved or cancelled.
public struct EventID: Hashable, Sendable {
  fileprivate let number: UInt64
}

/// Device events in order of virtual time (guest cycles). Events of equal time run in the order in which
/// they were scheduled, so a run is reproducible.
public final class EventQueue {
  private struct Entry {
    var time: UInt64
    var id: EventID
    var action: () -> Void
  }

  private var entries: [Entry] = []  // sorted, soonest last
  private var nextNumber: UInt64 = 0
  private let readClock: () -> UInt64

  /// Guest cycles per second of virtual time.
  public let frequency: UInt64

  /// Told the time of the first event (`UInt64.max` for none) whenever it changes.
  public var deadlineChanged: (UInt64) -> Void = { _ in }

  /// - Parameters:
  ///   - frequency: guest cycles per second.
  ///   - clock: the virtual clock, in guest cycles, exact to the current instruction.
  public init(frequency: UInt64, clock: @escaping () -> UInt64) {
    self.frequency = frequency
    readClock = clock
  }

  /// The virtual clock in guest cycles.
  public var now: UInt64 { readClock() }

  /// The virtual clock in nanoseconds, rounded down.
  public var nanoseconds: UInt64 { scale(now, by: 1_000_000_000) }

  /// The number of ticks of a clock of `hertz` since time zero, rounded down.
  public func ticks(hertz: UInt64) -> UInt64 { scale(now, by: hertz) }

  /// The first guest cycle at which a clock of `hertz` has made `ticks` ticks.
  public func cycle(ofTick ticks: UInt64, hertz: UInt64) -> UInt64 {
    let (high, low) = ticks.multipliedFullWidth(by: frequency)
    guard high < hertz else { return .max }
    let (q, r) = hertz.dividingFullWidth((high, low))
    return r == 0 ? q : q &+ 1
  }

  private func scale(_ cycles: UInt64, by rate: UInt64) -> UInt64 {
    let (high, low) = cycles.multipliedFullWidth(by: rate)
    guard high < frequency else { return .max }
    return frequency.dividingFullWidth((high, low)).quotient
  }

  /// The time of the first event, `UInt64.max` when there is none.
  public var nextTime: UInt64 { entries.last?.time ?? .max }

  /// Runs `action` at the guest cycle `time`, or at once on the next turn if that is past.
  @discardableResult
  public func schedule(at time: UInt64, _ action: @escaping () -> Void) -> EventID {
    let id = EventID(number: nextNumber)
    nextNumber += 1
    let before = nextTime
    let index = entries.lastIndex { $0.time > time }.map { $0 + 1 } ?? 0
    entries.insert(Entry(time: time, id: id, action: action), at: index)
    if nextTime != before { deadlineChanged(nextTime) }
    return id
  }

  /// Runs `action` after `cycles` guest cycles.
  @discardableResult
  public func schedule(after cycles: UInt64, _ action: @escaping () -> Void) -> EventID {
    let (time, overflow) = now.addingReportingOverflow(cycles)
    return schedule(at: overflow ? .max : time, action)
  }

  /// Removes an event; nothing happens if it has run already.
  public func cancel(_ id: EventID) {
    let before = nextTime
    entries.removeAll { $0.id == id }
    if nextTime != before { deadlineChanged(nextTime) }
  }

  /// Runs every event whose time is not after `now`.
  public func runDue() {
    while let entry = entries.last, entry.time <= now {
      entries.removeLast()
      entry.action()
    }
    deadlineChanged(nextTime)
  }
}
