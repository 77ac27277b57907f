/// Ring-3 instructions that meet a page which is not in the window nearly every time, because the program touches
/// fresh pages here and there. To map each of them takes a signal and a host mapping, some 5 to 10 us; the interpreter's
/// handler takes a few hundredths of that. So such an instruction calls the handler for a while. Then it is tried in the
/// window again, for as many pages as the calls have cost: a program that uses the same pages all the time soon has them.
struct ColdAccesses {
  private struct Record {
    var instructions: UInt64
    var streak = 0
    /// Traps after which it calls its handler.
    var limit = ColdAccesses.limit
  }
  /// By physical address of the instruction, as `places`.
  private var records: [UInt32: Record] = [:]
  /// The instructions that call their handlers.
  private var places = HandlerPlaces()
  private var expiry: UInt64 = 0
  private var nextLook: UInt64 = 0

  /// Two traps with fewer ring-3 instructions between them follow each other closely: calling the handler for each
  /// execution between them would have been cheaper.
  private static let distance: UInt64 = 256
  private static let limit = 16
  private static let mostTraps = 4096
  /// Calls of a handler that take as long as mapping a page.
  private static let callsPerPage: UInt64 = 256
  /// Cycles after which they are tried in the window again, or calls of one row's handlers. Then `limit` traps take about
  /// a fiftieth of the time.
  private static let lifetime: UInt64 = 1 << 25
  private static let mostCalls: UInt64 = 1 << 13
  /// Cycles between two looks at the calls, and calls.
  private static let lookInterval: UInt64 = 1 << 15
  static let callsPerLook: UInt32 = 1 << 11
  private static let maximumRecords = 4096

  /// What is to be done about a trap.
  enum Advice {
    case map
    /// Map the pages around as well: the instruction goes from page to page.
    case mapAround
    /// Call the instruction's handler from now on.
    case callHandler
  }

  /// Traps in close order after which pages around are mapped as well.
  private static let walk = 3

  /// Notes a trap.
  /// - Parameters:
  ///   - row: of the instruction.
  ///   - calls: of this row's handlers so far.
  ///   - instructions: how many ring 3 has executed so far.
  mutating func note(
    _ place: UInt32, row: UInt16, calls: UInt64, instructions: UInt64, clock: UInt64
  ) -> Advice {
    if records.count >= Self.maximumRecords { records.removeAll(keepingCapacity: true) }
    var record = records[place] ?? Record(instructions: 0)
    let isClose = instructions &- record.instructions < Self.distance
    record.streak = isClose ? record.streak + 1 : 0
    record.instructions = instructions
    records[place] = record
    guard record.streak >= record.limit else {
      return record.streak >= Self.walk ? .mapAround : .map
    }
    records[place] = nil
    if places.isEmpty { expiry = clock &+ Self.lifetime }
    places.insert(place, row: row, calls: calls)
    return .callHandler
  }

  var isEmpty: Bool { places.isEmpty }

  func contains(_ place: UInt32) -> Bool { places.contains(place) }

  /// Notes a translation in which the instruction at `place` calls its handler, if it is one of these.
  mutating func note(translation: Int, of place: UInt32) {
    places.note(translation: translation, of: place)
  }

  /// Whether it is time for `expire`.
  /// - Parameter calls: of a row's handlers so far.
  @inline(__always)
  mutating func isExpired(at clock: UInt64, calls: (UInt16) -> UInt64) -> Bool {
    guard !places.isEmpty, clock >= nextLook else { return false }
    nextLook = clock &+ Self.lookInterval
    return clock >= expiry
      || places.places.values.contains { calls($0.row) &- $0.calls >= Self.mostCalls }
  }

  /// - Parameter calls: of a row's handlers so far.
  /// - Returns: the translations in which instructions call their handlers that are to be tried in the window again.
  mutating func expire(calls: (UInt16) -> UInt64) -> [Int] {
    defer { places.removeAll() }
    var translations: [Int] = []
    for (address, place) in places.places {
      translations += place.translations
      let pages = Int((calls(place.row) &- place.calls) / Self.callsPerPage)
      records[address] = Record(
        instructions: 0, limit: min(max(pages, Self.limit), Self.mostTraps))
    }
    return translations
  }
}
