/// Ring-3 instructions that meet a page which is not in the window nearly every time, because the program touches
/// fresh pages here and there. To map each of them takes a signal and a host mapping, some 10 us; the interpreter's
/// handler takes a fiftieth of that. So such an instruction calls the handler for a while.
struct ColdAccesses {
  private struct Record {
    var instructions: UInt64
    var streak = 0
  }
  private var records: [UInt32: Record] = [:]
  /// The instructions, by physical address.
  private(set) var places: Set<UInt32> = []
  private var expiry: UInt64 = 0

  /// Two traps with fewer ring-3 instructions between them follow each other closely: calling the handler for each
  /// execution between them would have been cheaper.
  private static let distance: UInt64 = 256
  private static let limit = 16
  /// Cycles after which they are tried in the window again: what was fresh may be in use.
  private static let lifetime: UInt64 = 1 << 28
  private static let maximumRecords = 4096

  /// Notes a trap.
  /// - Parameter instructions: how many ring 3 has executed so far.
  /// - Returns: whether the instruction is to call its handler from now on.
  mutating func note(_ place: UInt32, instructions: UInt64, clock: UInt64) -> Bool {
    if records.count >= Self.maximumRecords { records.removeAll(keepingCapacity: true) }
    var record = records[place] ?? Record(instructions: 0)
    let isClose = instructions &- record.instructions < Self.distance
    record.streak = isClose ? record.streak + 1 : 0
    record.instructions = instructions
    records[place] = record
    guard record.streak >= Self.limit else { return false }
    records[place] = nil
    if places.isEmpty { expiry = clock &+ Self.lifetime }
    places.insert(place)
    return true
  }

  func isExpired(at clock: UInt64) -> Bool { !places.isEmpty && clock >= expiry }

  /// - Returns: the instructions that are to be tried in the window again.
  mutating func expire() -> Set<UInt32> {
    defer { places = [] }
    return places
  }
}
