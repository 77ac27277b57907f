import Foundation
import HostOracle
import ISA
import Testing

/// The rows that ring-3 code can use, and those that must fault there.
let comparedRows = InstructionTable.shared.rows.filter { HostDifferences.reasonToSkip($0) == nil }

/// Random cases of every row, executed by the host's processor and by the interpreter.
@Suite(.serialized) struct FuzzTests {
  /// Runs `count` cases of each row and reports what differs.
  private func compare(seed: UInt64, count: Int, rows: [Row] = comparedRows) throws {
    let oracle = try #require(Oracle(), "this host does not run 32-bit code")
    let minimiser = Minimiser(oracle)
    var campaign = Campaign(oracle: oracle, seed: seed)
    var cases = 0
    var skipped = 0
    var failedRows = 0
    var weakRows: [String] = []
    for row in rows {
      let result = campaign.run(row, count: count)
      let tally = try #require(result, "the host's side broke down")
      cases += tally.cases
      skipped += tally.skipped.values.reduce(0, +)
      if tally.cases < count, tally.failures == 0 { weakRows.append(row.title) }
      guard tally.failures > 0 else { continue }
      failedRows += 1
      let reports = tally.examples.map {
        Report.text(minimiser.minimise($0), oracle: oracle)
      }
      print("\(row.title): \(tally.failures) of \(tally.cases) cases differ")
      print(reports.joined(separator: "\n"))
    }
    print(
      "host oracle: seed \(seed), \(rows.count) rows, \(cases) cases compared, \(skipped) without",
      "a defined outcome, \(failedRows) rows differ, \(weakRows.count) rows with too few cases")
    #expect(failedRows == 0, "seed \(seed)")
    #expect(weakRows.isEmpty, "too few cases of \(weakRows.joined(separator: "; "))")
  }

  @Test func everyRowAgreesWithTheHost() throws {
    let environment = ProcessInfo.processInfo.environment
    let filter = environment["SWITCHBACK_FUZZ_ROWS"] ?? ""
    let rows = comparedRows.filter { filter.isEmpty || $0.title.contains(filter) }
    let count = environment["SWITCHBACK_FUZZ_CASES"].flatMap { Int($0) } ?? 1000
    try compare(seed: 2, count: count, rows: rows)
  }

  /// `make fuzz`: goes on with new seeds until something differs.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["SWITCHBACK_FUZZ"] == "1"))
  func goesOn() throws {
    let given = ProcessInfo.processInfo.environment["SWITCHBACK_FUZZ_SEED"].flatMap { UInt64($0) }
    var seed = given ?? UInt64.random(in: 0..<1 << 32)
    while true {
      try compare(seed: seed, count: 1000)
      if given != nil { break }
      seed = UInt64.random(in: 0..<1 << 32)
    }
  }

  /// Cases that once failed, one per line.
  @Test func knownCases() throws {
    let oracle = try #require(Oracle(), "this host does not run 32-bit code")
    let file = try #require(Bundle.module.url(forResource: "cases", withExtension: "txt"))
    let text = try String(contentsOf: file, encoding: .utf8)
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let item = try #require(CaseText.parse(line), "malformed: \(line)")
      #expect(oracle.run(item).differences.isEmpty, "\(Report.text(item, oracle: oracle))")
    }
  }

  @Test func casesSurviveBeingWritten() throws {
    var generator = CaseGenerator(seed: 3)
    for row in comparedRows {
      guard let item = generator.next(row: row) else { continue }
      let line = CaseText.line(item)
      let back = try #require(CaseText.parse(line))
      #expect(CaseText.line(back) == line)
    }
  }
}
