extension Report {
  /// What the translator did.
  public struct Translator: Sendable, Equatable {
    /// Blocks translated, again ones included, and the bytes of guest and host code in them.
    public var blocks: UInt64
    public var guestBytes: UInt64
    public var hostBytes: UInt64
    /// Host time spent translating.
    public var seconds: Double
    /// How often the code cache was emptied.
    public var evictions: UInt64
    /// Translations dropped alone.
    public var invalidations: UInt64
    /// Jumps linked to their target.
    public var chained: UInt64
    /// Jumps whose target was looked up outside emitted code, and those that found no translation.
    public var lookups: UInt64
    public var misses: UInt64
    /// Calls of the interpreter's handlers, by mnemonic.
    public var callouts: [String: UInt64]
    public init(
      blocks: UInt64 = 0, guestBytes: UInt64 = 0, hostBytes: UInt64 = 0, seconds: Double = 0,
      evictions: UInt64 = 0, invalidations: UInt64 = 0, chained: UInt64 = 0, lookups: UInt64 = 0,
      misses: UInt64 = 0, callouts: [String: UInt64] = [:]
    ) {
      self.blocks = blocks
      self.guestBytes = guestBytes
      self.hostBytes = hostBytes
      self.seconds = seconds
      self.evictions = evictions
      self.invalidations = invalidations
      self.chained = chained
      self.lookups = lookups
      self.misses = misses
      self.callouts = callouts
    }
  }
}

extension Report.Translator {
  var json: JSONValue {
    .object([
      "blocks": .integer(blocks), "guest_bytes": .integer(guestBytes),
      "host_bytes": .integer(hostBytes), "seconds": .number(seconds),
      "evictions": .integer(evictions), "invalidations": .integer(invalidations),
      "chained": .integer(chained), "lookups": .integer(lookups), "misses": .integer(misses),
      "callouts": .object(
        callouts.sorted { $0.key < $1.key }.map { .init($0.key, .integer($0.value)) }),
    ])
  }

  func addRows(to table: inout TextTable) {
    table.row(
      "  translated",
      "\(grouped(blocks)) blocks in \(fixed(seconds, 3)) s, \(grouped(guestBytes)) bytes to "
        + grouped(hostBytes))
    table.row("  evictions", grouped(evictions))
    table.row("  invalidations", grouped(invalidations))
    table.row("  chained", grouped(chained))
    table.row("  lookups", "\(grouped(lookups)), \(grouped(misses)) missed")
    let common = callouts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(4)
    table.row(
      "  call-outs",
      ([grouped(callouts.values.reduce(0, +))] + common.map { "\($0.key) \(grouped($0.value))" })
        .joined(separator: ", "))
  }
}
