/// Instructions that call their handlers because they kept trapping, at devices or at pages with code. One that has met
/// some of these, such as the copy loop of a boot loader, may have much to do elsewhere: it is tried in the window again
/// after a number of calls, and after twice as many each time that it traps again soon.
struct TrappingAccesses {
  private struct Trial {
    var clock: UInt64
    var patience: UInt64
  }
  /// The instructions that call their handlers, by physical address, as `trials`.
  private var places = HandlerPlaces()
  /// Those that were tried in the window again.
  private var trials: [UInt32: Trial] = [:]
  private var nextLook: UInt64 = 0

  /// Calls of the handlers of an instruction's row before it is tried again: some hundred times what a few traps cost.
  private static let patience: UInt64 = 1 << 16
  private static let mostPatience: UInt64 = 1 << 40
  /// Cycles without enough traps after which a trial was a success.
  private static let success: UInt64 = 1 << 22
  /// Cycles between two looks at the calls, and calls.
  private static let lookInterval: UInt64 = 1 << 20
  static let callsPerLook: UInt32 = 1 << 14
  private static let maximumPlaces = 1 << 15

  /// From now on the instruction at `place` calls its handler.
  /// - Parameters:
  ///   - row: of the instruction.
  ///   - calls: of this row's handlers so far.
  mutating func insert(_ place: UInt32, row: UInt16, calls: UInt64, clock: UInt64) {
    places.insert(place, row: row, calls: calls)
    guard var trial = trials[place] else { return }
    trial.patience =
      clock &- trial.clock >= Self.success
      ? Self.patience : min(trial.patience * 2, Self.mostPatience)
    trials[place] = trial
  }

  var isEmpty: Bool { places.isEmpty }

  func contains(_ place: UInt32) -> Bool { places.contains(place) }

  /// Notes a translation in which the instruction at `place` calls its handler, if it is one of these.
  mutating func note(translation: Int, of place: UInt32) {
    places.note(translation: translation, of: place)
  }

  /// What kept trapping may be other code by now.
  mutating func forgetIfTooMany() {
    if places.places.count > Self.maximumPlaces { places.removeAll() }
    if trials.count > Self.maximumPlaces { trials.removeAll() }
  }

  @inline(__always)
  func mustLook(at clock: UInt64) -> Bool { !places.isEmpty && clock >= nextLook }

  /// - Parameter calls: of a row's handlers so far.
  /// - Returns: the translations in which instructions call their handlers that are to be tried in the window again.
  mutating func expire(at clock: UInt64, calls: (UInt16) -> UInt64) -> [Int] {
    nextLook = clock &+ Self.lookInterval
    var translations: [Int] = []
    for (address, place) in places.places {
      let patience = trials[address]?.patience ?? Self.patience
      guard calls(place.row) &- place.calls >= patience else { continue }
      translations += place.translations
      places.remove(address)
      trials[address] = Trial(clock: clock, patience: patience)
    }
    return translations
  }
}
