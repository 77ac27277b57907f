/// What `switchback bench` measured: one row a program, one cell an engine or peer. A cell without a number says
/// why. The JSON schema is docs/schemas/bench.json.
public struct BenchReport: Sendable {
  public static let schema = "switchback-bench-1"
  /// The factor that SimOS's translator cost (Rosenblum et al. 1997): a line in the plot.
  public static let simOSFactor = 5.0

  /// One program under one engine.
  public struct Cell: Sendable {
    /// Units of work in each run.
    public var work: Int
    /// Host seconds in the region of interest.
    public var native: Sample
    public var guest: Sample
    /// Parts of the guest's cycles; nil for peers.
    public var time: (user: Double, kernel: Double, idle: Double)?
    /// Guest instructions of the median run; nil for peers.
    public var instructions: UInt64?
    /// Why there is no number.
    public var failure: String?
    public init(work: Int, native: Sample, guest: Sample, failure: String? = nil) {
      self.work = work
      self.native = native
      self.guest = guest
      self.failure = failure
    }

    /// Guest time over native time, by their medians; nil where there is no number.
    public var factor: Double? {
      failure == nil && native.median > 0 && guest.median > 0 ? guest.median / native.median : nil
    }
  }

  public struct Row: Sendable {
    public var program: String
    /// "user", "system" or "overhead"; the last does not count in the means.
    public var suite: String
    public var cells: [String: Cell] = [:]
    public init(program: String, suite: String) {
      self.program = program
      self.suite = suite
    }
  }

  public var host: Report.Host
  /// Names and versions of what took part.
  public var versions: [(name: String, text: String)] = []
  /// What the programs ran in, by suite: "embedded" or a kernel's path.
  public var guests: [(suite: String, kernel: String)] = []
  public var method: String
  public var repetitions: Int
  /// Engines, then peers, in the order to show.
  public var columns: [String]
  public var rows: [Row] = []
  /// How the runs of each engine went, by guest.
  public var courses: [(engine: String, guest: String, course: Course)] = []

  public init(host: Report.Host, method: String, repetitions: Int, columns: [String]) {
    self.host = host
    self.method = method
    self.repetitions = repetitions
    self.columns = columns
  }

  /// The suites that have means, in order.
  public var suites: [String] {
    ["user", "system"].filter { suite in rows.contains { $0.suite == suite } }
  }

  /// The geometric mean of a column over the programs of a suite that have a number in every column, so that the
  /// means compare; nil if there are none.
  public func mean(_ column: String, suite: String) -> Double? {
    let factors = complete(suite).compactMap { $0.cells[column]?.factor }
    return factors.isEmpty ? nil : geometricMean(factors)
  }

  private func complete(_ suite: String) -> [Row] {
    rows.filter { row in
      row.suite == suite && columns.allSatisfy { row.cells[$0]?.factor != nil }
    }
  }

  /// A line for each cell without a number.
  public var failures: [String] {
    rows.flatMap { row in
      columns.compactMap { column in
        guard let cell = row.cells[column] else {
          // What a mark costs is no matter of peers.
          return row.suite == "overhead" ? nil : "\(row.program) under \(column): not run"
        }
        guard cell.factor == nil else { return nil }
        return "\(row.program) under \(column): \(cell.failure ?? "no time was measured")"
      }
    }
  }
}

// MARK: - Text

extension BenchReport {
  public var table: String {
    var text = TextTable()
    text.row("host", "\(host.cpu), \(host.cores) cores, \(host.kernel)")
    for version in versions { text.row(version.name, version.text) }
    for guest in guests { text.row("\(guest.suite) in", guest.kernel) }
    text.row("method", method)
    var table = TextTable(rightAligned: Set(2...(2 + columns.count * 2)))
    table.row(["program", "suite", "native ms"] + columns.flatMap { [$0, "spread"] })
    for row in rows {
      var cells = [row.program, row.suite]
      let first = columns.lazy.compactMap { row.cells[$0] }.first { $0.native.median > 0 }
      cells.append(first.map { fixed($0.native.median * 1000 / Double(max($0.work, 1)), 4) } ?? "-")
      for column in columns {
        guard let cell = row.cells[column], let factor = cell.factor else {
          cells += ["-", ""]
          continue
        }
        cells += [fixed(factor, 2), "\(fixed(cell.guest.spread * 100, 1)) %"]
      }
      table.row(cells)
    }
    for suite in suites {
      table.row(
        ["mean", suite, "\(complete(suite).count) of \(rows.count { $0.suite == suite })"]
          + columns.flatMap { [mean($0, suite: suite).map { fixed($0, 2) } ?? "-", ""] })
    }
    return text.text + "\n" + table.text
  }

  /// Comma-separated values with a header, one line a cell. RFC 4180, line feeds only.
  public var csv: String {
    var text =
      "program,suite,engine,work,native_seconds,native_spread,guest_seconds,guest_spread,factor,user,"
      + "kernel,idle,instructions,failure\n"
    for row in rows {
      for column in columns {
        guard let cell = row.cells[column] else { continue }
        let time = cell.time.map { ["\($0.user)", "\($0.kernel)", "\($0.idle)"] } ?? ["", "", ""]
        let fields =
          [
            row.program, row.suite, column, "\(cell.work)", "\(cell.native.median)",
            "\(cell.native.spread)", "\(cell.guest.median)", "\(cell.guest.spread)",
            cell.factor.map { "\($0)" } ?? "",
          ] + time + [cell.instructions.map { "\($0)" } ?? "", cell.failure ?? ""]
        text += fields.map(Self.quoted).joined(separator: ",") + "\n"
      }
    }
    return text
  }

  private static func quoted(_ field: String) -> String {
    field.contains { $0 == "," || $0 == "\"" || $0.isNewline }
      ? "\"" + field.replacing("\"", with: "\"\"") + "\"" : field
  }
}

// MARK: - JSON

extension BenchReport {
  public var json: JSONValue {
    .object([
      "schema": .string(Self.schema),
      "host": .object([
        "cpu": .string(host.cpu), "kernel": .string(host.kernel),
        "cores": .integer(UInt64(max(0, host.cores))),
      ]),
      "versions": .object(versions.map { .init($0.name, .string($0.text)) }),
      "guests": .object(guests.map { .init($0.suite, .string($0.kernel)) }),
      "method": .string(method),
      "repetitions": .integer(UInt64(repetitions)),
      "columns": .array(columns.map(JSONValue.string)),
      "programs": .array(rows.map(json)),
      "courses": .array(
        courses.map {
          .object([
            "engine": .string($0.engine), "guest": .string($0.guest), "course": $0.course.json,
          ])
        }),
      "means": .object(
        suites.map { suite in
          .init(
            suite,
            .object(
              columns.compactMap { column in
                mean(column, suite: suite).map { .init(column, .number($0)) }
              }))
        }),
    ])
  }

  private func json(_ row: Row) -> JSONValue {
    .object([
      "program": .string(row.program), "suite": .string(row.suite),
      "results": .object(
        columns.compactMap { column in row.cells[column].map { .init(column, json($0)) } }),
    ])
  }

  private func json(_ cell: Cell) -> JSONValue {
    .object([
      "work": .integer(UInt64(max(0, cell.work))),
      "native_seconds": cell.native.json,
      "guest_seconds": cell.failure == nil ? cell.guest.json : nil,
      "factor": cell.factor.map(JSONValue.number),
      "time": cell.time.map {
        .object(["user": .number($0.user), "kernel": .number($0.kernel), "idle": .number($0.idle)])
      },
      "instructions": cell.instructions.map(JSONValue.integer),
      "failure": cell.factor == nil ? .string(cell.failure ?? "no time was measured") : nil,
    ])
  }
}
