import Foundation
import Testing

@testable import Statistics

private func sample() -> Report {
  var report = Report(
    host: .init(cpu: "CPU \"x\"", kernel: "Linux 6", cores: 2),
    guest: .init(memory: 256 << 20, boot: "rom", clock: "cycles", mhz: 200, timing: "unit"))
  report.ending = "power-off"
  report.virtualSeconds = 0.5
  report.instructions = 1_234_567
  report.cycles = 100_000_000
  report.user = .init(cycles: 40_000_000, instructions: 1_000_000)
  report.kernel = .init(cycles: 20_000_000, instructions: 234_567)
  report.idleCycles = 40_000_000
  report.engines = [
    .init(
      name: "interpreter", instructions: 1_234_567, cycles: 60_000_000, hostSeconds: 0.25,
      entries: 3, exits: ["halted": 1, "deadline": 2])
  ]
  report.devices = ["serial": .init(reads: 1, writes: 2, irqs: 3)]
  return report
}

@Suite struct JSONTests {
  @Test(arguments: [
    (JSONValue.string("a\"b\\c\n\u{1}é"), "\"a\\\"b\\\\c\\n\\u0001é\"\n"),
    (.integer(.max), "18446744073709551615\n"), (.number(0.5), "0.5\n"),
    (.number(.nan), "null\n"), (.array([]), "[]\n"), (.object([]), "{}\n"),
    (.array([.bool(true), .null]), "[\n  true,\n  null\n]\n"),
  ]) func text(value: JSONValue, expected: String) {
    #expect(value.text == expected)
  }

  @Test func membersWithoutAValueAreLeftOut() {
    let value = JSONValue.object(["a": .null, "b": nil])
    #expect(value["a"] == .null)
    #expect(value["b"] == nil)
  }
}

@Suite struct ReportTests {
  /// Scripts rely on these names and types; docs/report.md describes them.
  @Test func jsonHasTheDocumentedFields() throws {
    let data = Data(sample().json.text.utf8)
    let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(json["schema"] as? String == "switchback-report-1")
    #expect((json["host"] as? [String: Any])?["cpu"] as? String == "CPU \"x\"")
    #expect((json["guest"] as? [String: Any])?["memory"] as? Int == 256 << 20)
    #expect(json["instructions"] as? Int == 1_234_567)
    #expect(json["virtual_seconds"] as? Double == 0.5)
    let engines = try #require(json["engines"] as? [String: [String: Any]])
    #expect(engines["interpreter"]?["host_seconds"] as? Double == 0.25)
    #expect((engines["interpreter"]?["exits"] as? [String: Int])?["deadline"] == 2)
    let time = try #require(json["time"] as? [String: Double])
    #expect(time["user"] == 0.2 && time["kernel"] == 0.1 && time["idle"] == 0.2)
    #expect((json["devices"] as? [String: [String: Int]])?["serial"]?["irqs"] == 3)
    for key in ["wall_seconds", "cycles", "decisions", "switches", "memory", "modes", "ending"] {
      #expect(json[key] != nil, "\(key)")
    }
    #expect(json["slowdown"] == nil)
  }

  @Test func translatorIsReportedOnlyWhenItTookPart() throws {
    #expect(sample().json["translator"] == nil)
    var report = sample()
    report.translator = .init(
      blocks: 1, guestBytes: 2, hostBytes: 3, seconds: 0.5, evictions: 4, invalidations: 5,
      chained: 6, lookups: 7000, misses: 8, callouts: ["in": 9, "cpuid": 2])
    let data = Data(report.json.text.utf8)
    let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    var translator = try #require(json["translator"] as? [String: Any])
    #expect(translator.removeValue(forKey: "callouts") as? [String: Int] == ["in": 9, "cpuid": 2])
    #expect(
      translator as? [String: Double] == [
        "blocks": 1, "guest_bytes": 2, "host_bytes": 3, "seconds": 0.5, "evictions": 4,
        "invalidations": 5, "chained": 6, "lookups": 7000, "misses": 8,
      ])
    #expect(report.table.contains("7,000, 8 missed"))
  }

  @Test func equalReportsGiveEqualText() {
    #expect(sample().json.text == sample().json.text)
    #expect(sample().table == sample().table)
  }

  @Test func tableShowsRatesAndShares() {
    let table = sample().table
    #expect(table.contains("1,234,567 instructions in 0.250 s (4.9 MIPS), 3 entries"))
    #expect(table.contains("40.0 %"))
    #expect(!table.contains("slowdown"))
  }

  @Test func slowdownIsShownWhenMeasured() {
    var report = sample()
    report.slowdown = .init(nativeSeconds: 0.5, guestSeconds: 2, method: "host time")
    #expect(report.slowdown?.factor == 4)
    #expect(report.table.contains("4.00"))
    #expect(report.json["slowdown"]?["factor"] == .number(4))
  }
}

@Suite struct NumberTests {
  @Test(arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")])
  func grouping(value: UInt64, expected: String) {
    #expect(grouped(value) == expected)
  }

  @Test(arguments: [(1.0, 2, "1.00"), (0.005, 2, "0.01"), (-1.25, 1, "-1.3"), (12.9, 0, "13")])
  func fixedPoint(value: Double, digits: Int, expected: String) {
    #expect(fixed(value, digits) == expected)
  }

  @Test func medianAndSpread() {
    let sample = Sample([3, 1, 2])
    #expect(sample.median == 2 && sample.smallest == 1 && sample.largest == 3)
    #expect(sample.spread == 1)
    #expect(Sample([1, 2, 3, 4]).median == 2.5)
    #expect(Sample([]).median == 0)
    #expect(abs(geometricMean([1, 4]) - 2) < 1e-12)
  }

  @Test func columnsAlign() {
    var table = TextTable(rightAligned: [1])
    table.row("a", "1")
    table.row("long", "100")
    #expect(table.text == "a       1\nlong  100\n")
  }
}
