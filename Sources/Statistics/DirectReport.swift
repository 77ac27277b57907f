extension Report {
  /// What direct execution and the switcher did.
  public struct Direct: Sendable, Equatable {
    /// Why there was none; nil if there was.
    public var whyNot: String?
    /// Sandbox processes started, and lost before the end.
    public var sandboxes: UInt64 = 0
    public var sandboxesLost: UInt64 = 0
    /// Estimated from the host's clock, as the processor was not asked to count.
    public var instructions: UInt64 = 0
    public var cycles: UInt64 = 0
    public var hostSeconds = 0.0
    public var entries: UInt64 = 0
    /// Runs from one trap to the next.
    public var runs: UInt64 = 0
    /// Runs by the power of two of their nanoseconds.
    public var runLengths: [UInt64] = []
    public var traps: [String: UInt64] = [:]
    public var pagesMapped: UInt64 = 0
    public var selectorRepairs: UInt64 = 0
    /// Times that direct execution was possible but the policy preferred the translator.
    public var declined: UInt64 = 0

    public init() {}

    var meanRunMicroseconds: Double { runs > 0 ? hostSeconds * 1e6 / Double(runs) : 0 }
  }

  /// Changes of engine.
  public struct Switch: Sendable, Equatable {
    public var from: String
    public var to: String
    public var reason: String
    public var count: UInt64
    public init(from: String, to: String, reason: String, count: UInt64) {
      self.from = from
      self.to = to
      self.reason = reason
      self.count = count
    }
  }
}

extension Report.Switch {
  var json: JSONValue {
    .object([
      "from": .string(from), "to": .string(to), "reason": .string(reason),
      "count": .integer(count),
    ])
  }
}

extension Report.Direct {
  var json: JSONValue {
    .object([
      "unavailable": whyNot.map(JSONValue.string),
      "stubs": .integer(sandboxes), "stubs_lost": .integer(sandboxesLost),
      "instructions": .integer(instructions), "instructions_estimated": .bool(true),
      "cycles": .integer(cycles), "host_seconds": .number(hostSeconds),
      "entries": .integer(entries), "runs": .integer(runs),
      "mean_run_us": .number(meanRunMicroseconds),
      "run_lengths_log2_ns": .array(runLengths.map(JSONValue.integer)),
      "traps": .object(traps.sorted { $0.key < $1.key }.map { .init($0.key, .integer($0.value)) }),
      "pages_mapped": .integer(pagesMapped), "selector_repairs": .integer(selectorRepairs),
      "declined": .integer(declined),
    ])
  }

  func addRows(to table: inout TextTable) {
    if let whyNot { table.row("no direct", whyNot) }
    guard entries > 0 || whyNot == nil else { return }
    table.row(
      "direct",
      "about \(grouped(instructions)) instructions in \(fixed(hostSeconds, 3)) s, "
        + "\(grouped(entries)) entries, \(grouped(runs)) runs of "
        + "\(fixed(meanRunMicroseconds, 1)) us on average")
    for (kind, count) in traps.sorted(by: { $0.key < $1.key }) {
      table.row("  trap \(kind)", grouped(count))
    }
    table.row("  stubs", "\(grouped(sandboxes)) started, \(grouped(sandboxesLost)) lost")
    table.row("  pages mapped", grouped(pagesMapped))
    if selectorRepairs > 0 { table.row("  selector repairs", grouped(selectorRepairs)) }
    table.row("  declined", grouped(declined))
  }
}
