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
  /// A bit for each of their pages: most code is in none of them.
  private var pages: UInt64 = 0

  var isEmpty: Bool { places.isEmpty }

  func contains(_ place: UInt32) -> Bool {
    pages & Self.page(place) != 0 && places[place] != nil
  }

  private static func page(_ place: UInt32) -> UInt64 {
    1 << UInt64(((place >> 12) &* 0x9E37_79B1) >> 26)
  }

  /// From now on the instruction at `place` calls its handler.
  /// - Parameters:
  ///   - row: of the instruction.
  ///   - calls: of this row's handlers so far.
  mutating func insert(_ place: UInt32, row: UInt16, calls: UInt64) {
    places[place] = Place(row: row, calls: calls)
    pages |= Self.page(place)
  }

  mutating func remove(_ place: UInt32) { places[place] = nil }

  mutating func removeAll() {
    places.removeAll(keepingCapacity: true)
    pages = 0
  }

  /// Notes a translation in which the instruction at `place` calls its handler, if it is one of these.
  mutating func note(translation: Int, of place: UInt32) {
    places[place]?.translations.append(translation)
  }
}
