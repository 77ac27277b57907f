import Foundation
import Host
import Testing

@testable import Statistics

@Suite(.serialized) struct BenchTests {
  @Test func someProgramsGiveATableJSONAndCSV() throws {
    let scratch = try Scratch()
    let json = "\(scratch.path)/bench.json"
    let csv = "\(scratch.path)/bench.csv"
    let run = try Program([
      "bench", "--only", "sieve,nbody_x87,lz,marks", "--repeat", "2", "--json", json, "--csv", csv,
      "--time-limit", "100",
    ])
    #expect(run.status == 0, "\(run.error)")
    #expect(run.output.contains("mean"))
    let data = Data(try HostFile.contents(of: json))
    #expect(try Schema("bench").problems(in: data) == [])
    let result = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let programs = try #require(result["programs"] as? [[String: Any]])
    #expect(programs.map { $0["program"] as? String } == ["sieve", "nbody_x87", "lz", "marks"])
    for program in programs {
      let results = try #require(program["results"] as? [String: [String: Any]])
      for engine in ["interpreter", "translator", "adaptive", "direct"] {
        let factor = try #require(results[engine]?["factor"] as? Double)
        #expect(factor > 0 && factor < 10_000)
        let native = try #require(results[engine]?["native_seconds"] as? [String: Any])
        #expect((native["values"] as? [Double])?.count == 2)
      }
    }
    // The marks are executed in user mode, and the parts are parts of the whole.
    let time = try #require(
      (programs[0]["results"] as? [String: [String: Any]])?["translator"]?["time"]
        as? [String: Double])
    #expect(abs(time.values.reduce(0, +) - 1) < 0.001 && (time["user"] ?? 0) > 0.9)
    let lines = String(decoding: try HostFile.contents(of: csv), as: UTF8.self).split(
      separator: "\n")
    let columns = try #require(result["columns"] as? [String])
    #expect(lines.count == 1 + 4 * columns.count)
    #expect(lines[0].hasPrefix("program,suite,engine"))
  }

  /// Table, JSON, CSV and plots in one folder.
  @Test func theOutputFolderHasAll() throws {
    let scratch = try Scratch()
    let run = try Program([
      "bench", "--only", "sieve,lz", "--repeat", "1", "--engines", "translator,adaptive",
      "--output",
      scratch.path, "--time-limit", "100",
    ])
    #expect(run.status == 0, "\(run.error)")
    for name in ["bench.txt", "bench.csv", "slowdown.svg", "mix.svg", "reasons.svg"] {
      let bytes = try HostFile.contents(of: "\(scratch.path)/\(name)")
      #expect(bytes.count > 200, "\(name)")
      if name.hasSuffix("svg") {
        #expect(String(decoding: bytes, as: UTF8.self).contains("</svg>"))
      }
    }
    let data = Data(try HostFile.contents(of: "\(scratch.path)/bench.json"))
    #expect(try Schema("bench").problems(in: data) == [])
    let result = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let courses = try #require(result["courses"] as? [[String: Any]])
    #expect(courses.map { $0["engine"] as? String } == ["translator", "adaptive"])
    for item in courses {
      let course = try #require(item["course"] as? [String: Any])
      let points = try #require(course["points"] as? [[Double]])
      #expect(points.count > 2 && points.allSatisfy { $0.count == 5 })
      #expect(points.allSatisfy { abs($0.dropFirst().reduce(0, +) - 1) < 1e-6 })
      let programs = try #require(course["programs"] as? [[String: Any]])
      #expect(programs.map { $0["program"] as? String } == ["sieve", "lz"])
      #expect(!(course["reasons"] as? [String: Int] ?? [:]).isEmpty)
    }
  }

  /// What computes runs directly from one deadline to the next. A program that calls functions beside a CPUID all
  /// the time does not trap each time.
  @Test func directExecutionIsUsedWhereItPays() throws {
    let scratch = try Scratch()
    let json = "\(scratch.path)/bench.json"
    let run = try Program([
      "bench", "--only", "fib,compiler", "--repeat", "3", "--engines", "adaptive,direct", "--json",
      json, "--time-limit", "100",
    ])
    #expect(run.status == 0, "\(run.error)")
    let data = Data(try HostFile.contents(of: json))
    let result = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    for engine in try #require(result["courses"] as? [[String: Any]]) {
      let course = try #require(engine["course"] as? [String: Any])
      let programs = try #require(course["programs"] as? [[String: Any]])
      let end = try #require(programs[1]["seconds"] as? Double)
      let points = try #require(course["points"] as? [[Double]]).filter { $0[0] < end }
      let share = points.map { $0[1] }.reduce(0, +) / Double(points.count)
      // Half, if a slice of the translator followed each deadline; the rest is the start.
      #expect(share > 0.7, "fib: \(engine["engine"] ?? "")")
      let reasons = try #require(course["reasons"] as? [String: Int])
      #expect((reasons["to translator: code"] ?? 0) < 20_000)
    }
  }

  /// A directory of that name that is not ours.
  @Test func strayDirectoriesHideNothing() throws {
    let scratch = try Scratch()
    try FileManager.default.createDirectory(
      atPath: "\(scratch.path)/benchmarks", withIntermediateDirectories: false)
    let run = try Program(
      ["bench", "--only", "sieve", "--repeat", "1", "--engines", "translator"],
      directory: scratch.path)
    #expect(run.status == 0 && run.output.contains("sieve"), "\(run)")
  }

  /// A guest that breaks off leaves marked holes, the other engine's numbers stay, and the status says so.
  @Test func aTimeLimitLeavesAMarkedHole() throws {
    let scratch = try Scratch()
    let json = "\(scratch.path)/bench.json"
    let run = try Program([
      "bench", "--only", "repmovs,sieve", "--engines", "interpreter", "--repeat", "9", "--json",
      json,
      "--time-limit", "0.05",
    ])
    #expect(run.status == 1)
    #expect(run.error.contains("no number: sieve under interpreter"), "\(run.error)")
    let data = Data(try HostFile.contents(of: json))
    #expect(try Schema("bench").problems(in: data) == [])
    #expect(!String(decoding: data, as: UTF8.self).contains("\"factor\""))
    #expect(String(decoding: data, as: UTF8.self).contains("time limit"))
  }

  @Test(arguments: ["qemu", "bochs"]) func aMissingPeerIsAnError(peer: String) throws {
    let scratch = try Scratch()
    let json = "\(scratch.path)/bench.json"
    let run = try Program(
      ["bench", "--only", "sieve", "--against", peer, "--json", json], searchPath: scratch.path)
    #expect(run.status == 69 && run.error.contains("\(peer) is not installed"), "\(run)")
    #expect(run.output.isEmpty && HostFile.read(json, limit: 1) == nil)
  }

  /// Programs that find out that they are in the guest, and then compute something else or crash: marked holes; the
  /// others keep their numbers.
  @Test func programsThatFailLeaveMarkedHoles() throws {
    let scratch = try Scratch()
    let benchmarks = URL(filePath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().appending(path: "benchmarks")
    let files = FileManager.default
    for folder in ["programs", "include"] {
      try files.copyItem(
        atPath: benchmarks.appending(path: folder).path, toPath: "\(scratch.path)/\(folder)")
    }
    for (name, fault) in [("sieve", "return 12345"), ("lz", "*(volatile int *)8 = 1")] {
      let source = """
        #include <string.h>
        #include <sys/utsname.h>
        #include "bench.h"
        uint32_t run(uint32_t work) {
          struct utsname name;
          uname(&name);
          if (strstr(name.release, "switchback")) { \(fault); }
          return work;
        }
        """
      try HostFile.write(Array(source.utf8), to: "\(scratch.path)/programs/\(name).c")
    }
    let json = "\(scratch.path)/bench.json"
    let run = try Program([
      "bench", "--only", "sieve,lz,fib", "--repeat", "1", "--engines", "translator",
      "--benchmarks", scratch.path, "--json", json, "--time-limit", "60",
    ])
    #expect(run.status == 1, "\(run)")
    #expect(run.error.contains("no number: sieve under translator"), "\(run.error)")
    #expect(run.error.contains("no number: lz under translator"), "\(run.error)")
    let cells = try cells(json, "translator")
    #expect("\(cells[0])".contains("answer is wrong") && cells[0]["factor"] == nil)
    #expect("\(cells[1])".contains("signal 11") && cells[1]["factor"] == nil, "\(cells[1])")
    #expect(cells[2]["factor"] as? Double ?? 0 > 0 && cells[2]["failure"] == nil)
  }

  /// A kernel that breaks off: marked holes for what ran in it, numbers for the rest.
  @Test(.enabled(if: Guests.arePresent, "make guests fetches them"))
  func aCrashedGuestLeavesMarkedHoles() throws {
    let scratch = try Scratch()
    var bytes = try HostFile.contents(of: Guests.kernel)
    for index in bytes.count / 2..<bytes.count / 2 + 4096 { bytes[index] = 0 }
    let kernel = try scratch.file("kernel", bytes)
    let json = "\(scratch.path)/bench.json"
    let run = try Program([
      "bench", "--only", "sieve,getppid", "--repeat", "1", "--engines", "translator", "--kernel",
      kernel, "--json", json, "--time-limit", "60",
    ])
    #expect(run.status == 1, "\(run)")
    #expect(run.error.contains("no number: getppid under translator"), "\(run.error)")
    let cells = try cells(json, "translator")
    #expect(cells[0]["factor"] as? Double ?? 0 > 0 && cells[0]["failure"] == nil)
    #expect("\(cells[1])".contains("the guest ended before") && cells[1]["factor"] == nil)
  }

  /// What an engine or peer has for each program.
  private func cells(_ json: String, _ column: String) throws -> [[String: Any]] {
    let data = Data(try HostFile.contents(of: json))
    #expect(try Schema("bench").problems(in: data) == [])
    let result = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let programs = try #require(result["programs"] as? [[String: Any]])
    return try programs.map {
      try #require(($0["results"] as? [String: [String: Any]])?[column])
    }
  }

  /// A peer that answers rightly, wrongly, and not at all: one number and two marked holes. A peer that is not
  /// there is an error before anything runs.
  @Test func peersAreCheckedLikeEngines() throws {
    let scratch = try Scratch()
    let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "benchmarks/programs").path
    try FileManager.default.createSymbolicLink(
      atPath: "\(scratch.path)/programs", withDestinationPath: sources)
    _ = try scratch.file(
      "peer.py",
      Array(
        """
        import subprocess, sys
        options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
        for turn in range(int(options["--repeat"])):
            for name in ("sieve", "lz"):
                run = subprocess.run([options["--bench"], name, options["--work"]], capture_output=True, text=True)
                words = [line.split() for line in run.stdout.splitlines() if line.startswith("END ")][0]
                print(name, words[2], words[3] if name == "sieve" else "00000000", words[4])
        sys.exit("the peer has crashed")
        """.utf8))
    let json = "\(scratch.path)/bench.json"
    let run = try Program([
      "bench", "--only", "sieve,lz,fib", "--repeat", "1", "--engines", "translator", "--against",
      "qemu",
      "--benchmarks", scratch.path, "--kernel", Guests.kernel, "--json", json, "--time-limit",
      "100",
    ])
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/qemu-system-i386") else {
      #expect(run.status == 69 && run.error.contains("qemu is not installed"), "\(run)")
      return
    }
    #expect(run.status == 1, "\(run)")
    let cells = try cells(json, "qemu")
    #expect(cells[0]["factor"] as? Double ?? 0 > 0 && cells[0]["failure"] == nil)
    #expect(cells[1]["factor"] == nil && "\(cells[1])".contains("answer is wrong"))
    #expect(cells[2]["factor"] == nil && "\(cells[2])".contains("the peer has crashed"))
    #expect(run.error.contains("no number: lz under qemu"))
  }

  @Test(arguments: [
    (["--suite", "best"], 64, "user, system or all"), (["--only", "quake"], 64, "quake"),
    (["--against", "vmware"], 64, "vmware"), (["--engines", "warp"], 64, "warp"),
    (["--plot", "x.pdf"], 64, ".svg or .png"), (["--json", "/nonexistent/x"], 73, "--json"),
    (["--output", "/nonexistent"], 73, "--output"),
    (["--benchmarks", "/nonexistent"], 66, "--benchmarks"),
    (["--only", "fork", "--kernel", "/nonexistent"], 66, "--kernel"),
  ]) func badInput(options: [String], status: Int32, mentions: String) throws {
    let run = try Program(["bench"] + options)
    #expect(run.status == status, "\(run)")
    #expect(run.error.contains(mentions), "\(run)")
  }

  @Test func theSchemaRejectsWhatIsNotInIt() throws {
    let text = #"{"schema": "switchback-bench-0", "host": {"cpu": 5, "kernel": "", "cores": -1}}"#
    let problems = try Schema("bench").problems(in: Data(text.utf8))
    for part in ["$.schema: not", "$.host.cpu: no string", "less than", "$: no programs"] {
      #expect(problems.contains { $0.contains(part) }, "\(problems)")
    }
  }

  @Test func reportsFollowTheirSchemas() throws {
    let scratch = try Scratch()
    let stats = "\(scratch.path)/stats.json"
    _ = try Program(["run", "--demo", "--stats", stats, "--time-limit", "60", "--serial", "none"])
    #expect(try Schema("report").problems(in: Data(try HostFile.contents(of: stats))) == [])
    let program = try EmbeddedGuestTests.build("int main(void) { return 0; }", in: scratch)
    let json = "\(scratch.path)/compare.json"
    let plot = "\(scratch.path)/compare.svg"
    _ = try EmbeddedGuestTests.compare([program], ["--json", json, "--plot", plot])
    #expect(
      String(decoding: try HostFile.contents(of: plot), as: UTF8.self).contains("</svg>"))
    #expect(try Schema("compare").problems(in: Data(try HostFile.contents(of: json))) == [])
  }
}

@Suite struct BenchReportTests {
  private var report: BenchReport {
    var report = BenchReport(
      host: .init(cpu: "It's a \"CPU\"", kernel: "Linux", cores: 2), method: "m", repetitions: 3,
      columns: ["a", "b"])
    for (name, suite, a, b) in [
      ("p", "user", 2.0, 8.0), ("q", "user", 8.0, 2.0), ("hole", "user", 3.0, 0),
      ("marks", "overhead", 50, 50),
    ] {
      var row = BenchReport.Row(program: name, suite: suite)
      row.cells["a"] = .init(work: 10, native: Sample([1, 1, 1]), guest: Sample([a, a, a]))
      row.cells["b"] = .init(
        work: 10, native: Sample([1, 1, 1]), guest: Sample(b > 0 ? [b, b, b] : []),
        failure: b > 0 ? nil : "crashed, \"badly\"")
      report.rows.append(row)
    }
    return report
  }

  @Test func meansAreOverCompleteRowsOfTheSuite() {
    #expect(report.mean("a", suite: "user") == 4)
    #expect(report.mean("b", suite: "user") == 4)
    #expect(report.mean("a", suite: "system") == nil)
    #expect(report.failures == ["hole under b: crashed, \"badly\""])
    #expect(report.table.contains("2 of 3"))
  }

  @Test func holesAreMarkedEverywhere() {
    #expect(report.csv.contains("hole,user,b,10,1.0,0.0,0.0,0.0,,,,,,\"crashed, \"\"badly\"\"\""))
    #expect(report.plot(output: "x.svg").contains("\"hole\" 3.0 NaN"))
    #expect(report.json.text.contains("\"failure\": \"crashed, \\\"badly\\\"\""))
  }

  @Test func thePlotHasBothLines() {
    let plot = report.plot(output: "it's.png")
    #expect(plot.contains("1 with lines") && plot.contains("5.0 with lines"))
    #expect(plot.contains("set output 'it''s.png'") && plot.contains("terminal png"))
  }
}
