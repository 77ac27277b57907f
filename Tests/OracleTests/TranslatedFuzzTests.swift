import Foundation
import HostOracle
import ISA
import Testing

/// The cases of the host oracle as translated code, against the interpreter, which agrees with the host.
@Suite(.serialized) struct TranslatedFuzzTests {
  private func compare(seed: UInt64, count: Int, rows: [Row] = comparedRows) throws {
    let engines = try EngineComparison()
    var generator = CaseGenerator(seed: seed)
    generator.suitsTranslator = true
    var cases = 0
    var failedRows = 0
    var untranslated: [String] = []
    for row in rows {
      var failures: [OracleCase] = []
      var done = 0
      let entries = engines.entries
      for _ in 0..<count * 10 where done < count && failures.count < 20 {
        guard let item = generator.next(row: row) else { continue }
        done += 1
        if !engines.differences(item).isEmpty { failures.append(item) }
      }
      cases += done
      if engines.entries == entries { untranslated.append(row.title) }
      guard !failures.isEmpty else { continue }
      failedRows += 1
      print("\(row.title): \(failures.count) of \(done) cases differ")
      for item in failures.prefix(2).map(engines.minimise) {
        print("  " + CaseText.line(item))
        for step in item.steps { print("    " + step.instruction.text(at: UInt32(step.offset))) }
        for difference in engines.differences(item) { print("    \(difference)") }
      }
    }
    print(
      "translated fuzz: seed \(seed), \(rows.count) rows, \(cases) cases, \(failedRows) rows differ,",
      "\(engines.entries) entries of translated code")
    #expect(failedRows == 0, "seed \(seed)")
    #expect(untranslated.isEmpty, "never translated: \(untranslated.joined(separator: "; "))")
  }

  @Test func everyRowAgreesWithTheInterpreter() throws {
    let environment = ProcessInfo.processInfo.environment
    let filter = environment["SWITCHBACK_FUZZ_ROWS"] ?? ""
    let rows = comparedRows.filter { filter.isEmpty || $0.title.contains(filter) }
    let count = environment["SWITCHBACK_FUZZ_CASES"].flatMap { Int($0) } ?? 300
    try compare(seed: 5, count: count, rows: rows)
  }

  /// A part of `make fuzz`.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["SWITCHBACK_FUZZ"] == "translated"))
  func goesOn() throws {
    let given = ProcessInfo.processInfo.environment["SWITCHBACK_FUZZ_SEED"].flatMap { UInt64($0) }
    var seed = given ?? UInt64.random(in: 0..<1 << 32)
    while true {
      try compare(seed: seed, count: 2000)
      if given != nil { break }
      seed = UInt64.random(in: 0..<1 << 32)
    }
  }
}
