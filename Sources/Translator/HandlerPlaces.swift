/// Instructions that call their handlers for a while instead of being lowered, by physical address.
struct HandlerPlaces {
  struct Place {
    let row: UInt16
    /// Calls of the handlers of its row before.
    let calls: UInt64
    /// Translations in which it calls its handler.
    var translations: [Int] = []
  }
  private(set) var places: [UInt32: Place] = [:]

  var isEmpty: Bool { places.isEmpty }

  func contains(_ place: UInt32) -> Bool { places[place] != nil }

  /// From now on the instruction at `place` calls its handler.
  /// - Parameters:
  ///   - row: of the instruction.
  ///   - calls: of this row's handlers so far.
  mutating func insert(_ place: UInt32, row: UInt16, calls: UInt64) {
    places[place] = Place(row: row, calls: calls)
  }

  mutating func remove(_ place: UInt32) { places[place] = nil }

  mutating func removeAll() { places.removeAll(keepingCapacity: true) }

  /// Notes a translation in which the instruction at `place` calls its handler, if it is one of these.
  mutating func note(translation: Int, of place: UInt32) {
    places[place]?.translations.append(translation)
  }
}
