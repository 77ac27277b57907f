import Foundation
import Host
import Roms
import SystemROMs
import Testing

@testable import Machine

/// Counters against programs that do a known number of things.
@Suite struct CounterTests {
  private static let engines = ["interpreter", "translator"]
  private static let header =
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "benchmarks/include").path

  /// What the machine reports after one run in the embedded guest, by engine.
  private static func reports(_ program: String, _ arguments: [String], in scratch: Scratch) throws
    -> [String: [String: Any]]
  {
    let json = "\(scratch.path)/counters.json"
    let run = try Program(
      [
        "compare", "--engines", engines.joined(separator: ","), "--repeat", "1", "--time-limit",
        "60",
      ]
        + ["--json", json, "--", program] + arguments)
    try #require(run.status == 0, "\(run.error)")
    let data = Data(try HostFile.contents(of: json))
    let result = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let all = try #require(result["engines"] as? [String: [String: Any]])
    return try all.mapValues { try #require($0["machine"] as? [String: Any]) }
  }

  private static func vector(_ number: Int, _ report: [String: Any]?) -> Int {
    (report?["vectors"] as? [String: Int])?["\(number)"] ?? 0
  }

  /// Exactly as many more page faults, system calls and breakpoints... as the program is asked for.
  @Test func vectorsAreCountedExactly() throws {
    let scratch = try Scratch()
    let program = try EmbeddedGuestTests.build(
      """
      #include <stdlib.h>
      #include <sys/mman.h>
      #include <sys/syscall.h>
      int main(int argc, char **argv) {
        int faults = atoi(argv[1]), calls = atoi(argv[2]);
        char *memory = mmap(0, 4096 * 2000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int i = 0; i < faults; i++) memory[i * 4096] = 1;
        for (int i = 0; i < calls; i++) {
          int result;
          __asm__ volatile("int $0x80" : "=a"(result) : "0"(SYS_getppid) : "memory");
        }
        return 0;
      }
      """, in: scratch)
    let none = try Self.reports(program, ["1", "0"], in: scratch)
    let some = try Self.reports(program, ["1235", "777"], in: scratch)
    for engine in Self.engines {
      #expect(Self.vector(14, some[engine]) - Self.vector(14, none[engine]) == 1234)
      #expect(Self.vector(128, some[engine]) - Self.vector(128, none[engine]) == 777)
    }
    let counts = some.mapValues { $0["vectors"] as? [String: Int] }
    #expect(counts["interpreter"] == counts["translator"])
  }

  /// Accesses, interrupts, halts and exits of a ROM that does everything a known number of times.
  @Test(arguments: engines) func devicesInterruptsAndHaltsAreCountedExactly(engine: String) throws {
    let scratch = try Scratch()
    let rom = try scratch.file("counters.rom", ROM.counters.image)
    let stats = "\(scratch.path)/s.json"
    let run = try Program([
      "run", "--rom", rom, "--engine", engine, "--debug-exit", "--debugcon", "none", "--stats",
      stats,
      "--time-limit", "60",
    ])
    #expect(run.status == 33, "\(run.error)")
    let data = Data(try HostFile.contents(of: stats))
    let report = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let devices = try #require(report["devices"] as? [String: [String: Int]])
    func count(_ device: String, _ kind: String) -> Int? { devices[device]?[kind] }
    // The debug exit is one more.
    #expect(count("debug", "writes") == 1000 + 1, "\(devices)")
    // Port 61h belongs to the timer.
    #expect(count("pit", "reads") == 250, "\(devices)")
    #expect(count("pit", "irqs") == 12)
    #expect(count("pic", "writes") == 5 + 12, "\(devices)")
    #expect(count("pit", "writes") == 3, "\(devices)")
    #expect(Self.vector(8, report) == 12)
    #expect((report["vectors"] as? [String: Int])?.count == 1)
    let all = try #require(report["engines"] as? [String: [String: Any]])
    let exits = try #require(all[engine]?["exits"] as? [String: Int])
    // Other devices' events wake the machine, not the guest, so there may be more.
    #expect(exits["halted"] ?? 0 >= 12, "\(exits)")
    // The first interrupt comes when the counter's output goes high with its mode; then 11 periods follow.
    let virtual = try #require(report["virtual_seconds"] as? Double)
    #expect(abs(virtual - 11 * 65_535 / 1_193_182) < 0.001)
    let modes = try #require(report["modes"] as? [String: [String: Int]])
    #expect(modes["user"]?["instructions"] == 0)
    #expect(modes["kernel"]?["instructions"] == report["instructions"] as? Int)
  }

  /// The same regions, to the instruction, under every engine.
  @Test func regionsOfInterestAreCountedExactly() throws {
    let scratch = try Scratch()
    let program = try EmbeddedGuestTests.build(
      """
      #include <stdlib.h>
      #include "switchback.h"
      int main(int argc, char **argv) {
        unsigned rounds = atoi(argv[1]);
        for (int i = 0; i < 5; i++) {
          unsigned count = rounds;
          switchback_begin(7);
          __asm__ volatile("1: decl %0; jnz 1b" : "+r"(count));
          switchback_end(7);
        }
        switchback_mark(SWITCHBACK_NOTHING, 0);
        switchback_end(9);
        return 0;
      }
      """, in: scratch, options: ["-static", "-I", Self.header])
    func region(_ rounds: Int) throws -> [String: [String: Any]] {
      try Self.reports(program, ["\(rounds)"], in: scratch).mapValues { report in
        let marks = try #require(report["marks"] as? [String: Int])
        #expect(marks == ["count": 12, "unbalanced": 1])
        let regions = try #require(report["regions"] as? [String: [String: Any]])
        #expect(Array(regions.keys) == ["7"])
        let region = try #require(regions["7"])
        #expect(region["count"] as? Int == 5)
        #expect((region["host_seconds"] as? Double ?? 0) > 0)
        return region
      }
    }
    func instructions(_ region: [String: Any]?, _ mode: String) -> Int {
      (region?[mode] as? [String: Int])?["instructions"] ?? -1
    }
    let short = try region(1000)
    let long = try region(101_000)
    for engine in Self.engines {
      #expect(
        instructions(long[engine], "user") - instructions(short[engine], "user") == 5 * 200_000)
      #expect(instructions(long[engine], "kernel") == 0)
    }
    for key in ["cycles"] {
      #expect(long["interpreter"]?[key] as? Int == long["translator"]?[key] as? Int)
    }
    #expect(instructions(long["interpreter"], "user") == instructions(long["translator"], "user"))
  }

  /// The parts of the profile are the whole; it names the functions that a kernel's map has.
  @Test(arguments: [("translator", "5000"), ("interpreter", "5000"), ("interpreter", "0")])
  func profilesAddUp(engine: String, interval: String) throws {
    let scratch = try Scratch()
    let folded = "\(scratch.path)/p.folded"
    let table = "\(scratch.path)/p.txt"
    let stats = "\(scratch.path)/s.json"
    let run = try Program([
      "run", "--demo", "--engine", engine, "--profile", folded, "--profile", table,
      "--profile-interval", interval, "--stats", stats, "--serial", "none", "--time-limit", "100",
    ])
    #expect(run.status == 0, "\(run.error)")
    let data = Data(try HostFile.contents(of: stats))
    let report = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let modes = try #require(report["modes"] as? [String: [String: Int]])
    var sums: [String: Int] = [:]
    for line in String(decoding: try HostFile.contents(of: folded), as: UTF8.self)
      .split(separator: "\n")
    {
      let parts = line.split(separator: " ")
      let mode = ["user", "kernel", "idle"].first {
        parts[0].split(separator: ";").contains("\($0)"[...])
      }
      sums[try #require(mode), default: 0] += try #require(Int(parts[1]))
    }
    let total = try #require(report["cycles"] as? Int)
    let slack = interval == "0" ? 0.001 : 0.02
    #expect(abs(Double(sums.values.reduce(0, +)) / Double(total) - 1) < slack, "\(sums) \(total)")
    for mode in ["user", "kernel", "idle"] {
      let part = Double(sums[mode] ?? 0) / Double(total)
      let exact = Double(modes[mode]?["cycles"] ?? 0) / Double(total)
      #expect(abs(part - exact) < (interval == "0" ? 0.002 : 0.03), "\(mode): \(part) \(exact)")
    }
    let parts = try #require(report["host_time"] as? [String: Double])
    let wall = try #require(report["wall_seconds"] as? Double)
    #expect(abs(parts.values.reduce(0, +) / wall - 1) < 0.02, "\(parts) \(wall)")
    #expect((parts["devices"] ?? 0) > 0 && (parts["events"] ?? 0) > 0)
    #expect((parts["execution"] ?? 0) > (parts["other"] ?? 1))
    let text = String(decoding: try HostFile.contents(of: table), as: UTF8.self)
    #expect(text.contains("ns/cycle") && text.contains("cr3:"))
  }

  /// The profile of a comparison is of the measured runs: its parts add up to them, and most of it is where the
  /// program spends its time.
  @Test(arguments: ["interpreter", "translator", "adaptive", "direct"])
  func profilesOfComparisonsAddUp(engine: String) throws {
    let scratch = try Scratch()
    let program = try EmbeddedGuestTests.build(
      """
      #include <unistd.h>
      unsigned value = 1;
      __attribute__((noinline)) void hot_loop(void) {
        for (int i = 0; i < 20000000; i++) __asm__ volatile("" : "+r"(i));
      }
      int main(void) { hot_loop(); return write(1, "done", 4) != 4; }
      """, in: scratch, options: ["-static", "-O1"])
    let json = "\(scratch.path)/c.json"
    let run = try Program([
      "compare", "--engines", engine, "--repeat", "3", "--time-limit", "60", "--json", json,
      "--profile", "\(scratch.path)/p.folded", "--symbols", program, "--", program,
    ])
    try #require(run.status == 0, "\(run.error)")
    let data = Data(try HostFile.contents(of: json))
    let result = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let engines = try #require(result["engines"] as? [String: [String: Any]])
    // Of the three measured runs; where cycles are estimated they differ.
    let virtual = try #require(engines[engine]?["all_virtual_seconds"] as? Double)
    var sum = 0.0
    var hot = 0.0
    for line in String(
      decoding: try HostFile.contents(of: "\(scratch.path)/p.\(engine).folded"), as: UTF8.self
    ).split(separator: "\n") {
      let cycles = try #require(line.split(separator: " ").last.flatMap { Double($0) })
      sum += cycles
      if line.contains(";hot_loop ") { hot += cycles }
    }
    // 2000 cycles a microsecond.
    #expect(abs(sum / (virtual * 2000e6) - 1) < 0.02, "\(sum) \(virtual)")
    #expect(hot / sum > 0.95)
  }

  /// Every switch to direct execution is one decision for it and is followed by one switch back. When the switcher asks
  /// depends on the host's time, so only these sums are known.
  @Test func switchesAreCountedInPairs() throws {
    let scratch = try Scratch()
    let program = try EmbeddedGuestTests.build(
      """
      #include <unistd.h>
      int main(void) {
        for (int k = 0; k < 300; k++) {
          for (int i = 0; i < 1000000; i++) __asm__ volatile("" : "+r"(i));
          getppid();
        }
        return 0;
      }
      """, in: scratch, options: ["-static", "-O1"])
    let json = "\(scratch.path)/c.json"
    let run = try Program([
      "compare", "--engines", "direct", "--repeat", "1", "--time-limit", "60", "--json", json,
      "--", program,
    ])
    try #require(run.status == 0, "\(run.error)")
    let data = Data(try HostFile.contents(of: json))
    let result = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let engines = try #require(result["engines"] as? [String: [String: Any]])
    let machine = try #require(engines["direct"]?["machine"] as? [String: Any])
    let switches = try #require(machine["switches"] as? [[String: Any]])
    func sum(to engine: String) -> Int {
      switches.filter { $0["to"] as? String == engine }.reduce(0) {
        $0 + ($1["count"] as? Int ?? 0)
      }
    }
    let decisions = try #require(machine["decisions"] as? [String: Int])
    #expect(sum(to: "direct") > 0)
    #expect(sum(to: "direct") == decisions["direct"])
    #expect([0, 1].contains(sum(to: "direct") - sum(to: "translator")), "\(switches)")
    let direct = try #require(machine["direct"] as? [String: Any])
    let lengths = try #require(direct["run_lengths_log2_ns"] as? [Int])
    #expect(lengths.reduce(0, +) == direct["runs"] as? Int)
    #expect(direct["cycles"] as? Int ?? 0 > 0)
  }

  /// A loop over 64 KiB misses a 16 KiB cache once a line, one over 8 KiB does not; one over twice as many pages as the
  /// TLB has entries misses it each time. What misses the first level is what the second is asked for.
  @Test func theCacheModelSeesWhatAProgramDoes() throws {
    let scratch = try Scratch()
    let program = try EmbeddedGuestTests.build(
      """
      #include <stdlib.h>
      static volatile unsigned data[131072] __attribute__((aligned(4096)));
      int main(int argc, char **argv) {
        unsigned count = atoi(argv[1]), step = atoi(argv[2]), rounds = atoi(argv[3]);
        for (unsigned i = 0; i < rounds; i++) for (unsigned k = 0; k < count; k += step) data[k];
        return 0;
      }
      """, in: scratch)
    func run(_ count: Int, _ step: Int, _ rounds: String) throws -> [String: [String: Int]] {
      let json = "\(scratch.path)/caches.json"
      let run = try Program([
        "compare", "--engines", "interpreter", "--cache-model", "default", "--repeat", "1",
        "--time-limit", "100", "--json", json, "--", program, "\(count)", "\(step)", rounds,
      ])
      try #require(run.status == 0, "\(run.error)")
      let data = Data(try HostFile.contents(of: json))
      let result = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      let engines = try #require(result["engines"] as? [String: [String: Any]])
      let machine = try #require(engines["interpreter"]?["machine"] as? [String: Any])
      let caches = try #require(machine["caches"] as? [String: [String: Any]])
      for mode in ["user", "kernel"] {
        func count(_ cache: String, _ kind: String) -> Int {
          (caches[cache]?[mode] as? [String: Int])?[kind] ?? -1
        }
        let misses = count("l1i", "misses") + count("l1d", "misses")
        #expect(count("l2", "accesses") == misses)
        // The default's latencies.
        let stalls =
          count("l1i", "accesses") + 3 * count("l1d", "accesses")
          + 18 * (misses - count("l2", "misses")) + 100 * count("l2", "misses")
          + 20 * count("tlb", "misses")
        #expect(caches["stall_cycles"]?[mode] as? Int == stalls)
      }
      return try caches.filter { $0.key != "stall_cycles" }.mapValues {
        try #require($0["user"] as? [String: Int])
      }
    }
    func misses(_ count: Int, _ step: Int, _ cache: String) throws -> Int {
      let long = try run(count, step, "101")[cache]?["misses"] ?? -1
      return try long - (run(count, step, "001")[cache]?["misses"] ?? -1)
    }
    #expect(abs(try misses(16_384, 8, "l1d") - 100 * 2048) < 2048)
    #expect(abs(try misses(2048, 8, "l1d")) < 500)
    #expect(abs(try misses(2048, 8, "l1i")) < 500)
    #expect(abs(try misses(131_072, 1024, "tlb") - 100 * 128) < 300)
    #expect(abs(try misses(16_384, 8, "tlb")) < 20)
    #expect(abs(try misses(16_384, 8, "l2")) < 20)
  }

  @Test(arguments: [
    "l1d=16K:3:32:1", "l1d=16K", "l3=1M:8:64:1", "tlb=64:4", "l1i=16K:4:32:x", "", "l2=4G:4:32:1",
  ]) func badCaches(spec: String) throws {
    let run = try Program(["run", "--demo", "--cache-model", spec])
    #expect(run.status == 64 && run.error.contains("--cache-model"), "\(run)")
  }

  @Test(arguments: [
    (["--engine", "translator", "--cache-model", "default"], 64, "only the interpreter"),
    (["--symbols", "/etc/passwd"], 64, "--symbols needs"),
    (["--profile", "/nonexistent/x"], 73, "--profile"),
    (["--profile", "/tmp/test-profile", "--symbols", "/nonexistent"], 66, "--symbols"),
    (["--profile", "/tmp/test-profile", "--symbols", "/etc/passwd"], 65, "no functions"),
    (["--profile", "/tmp/test-profile", "--profile-interval", "7"], 64, "--profile-interval"),
  ]) func badProfiles(options: [String], status: Int32, mentions: String) throws {
    let run = try Program(["run", "--demo"] + options)
    #expect(run.status == status, "\(run)")
    #expect(run.error.contains(mentions), "\(run)")
  }
}

@Suite struct SymbolTests {
  @Test func aMapNamesItsTextSymbols() throws {
    var symbols = Symbols()
    try symbols.add(
      Array("c1000000 T _start\nc1000010 t inner\nc1000020 D data\nc1200000 W weak\n".utf8),
      name: "map")
    #expect(symbols.count == 3)
    for (address, name) in [
      (0xC0FF_FFFF, nil), (0xC100_0000, "_start"), (0xC100_000F, "_start"), (0xC100_0025, "inner"),
      (0xC11F_FFFF, nil), (0xC120_0001, "weak"),
    ] as [(UInt32, String?)] {
      #expect(symbols.name(of: address) == name)
    }
  }

  @Test func anELFFileNamesItsFunctions() throws {
    let scratch = try Scratch()
    let program = try EmbeddedGuestTests.build(
      "int known_function(int a) { return a * 3; }\nint main(int c, char **v) { return known_function(c); }",
      in: scratch, options: ["-static", "-fno-inline"])
    let bytes = try HostFile.contents(of: program)
    var symbols = Symbols()
    try symbols.add(bytes, name: "program")
    #expect(symbols.count > 100)
    // Every truncation is refused or gives fewer names, and never traps.
    for length in stride(from: 0, to: bytes.count, by: bytes.count / 50) {
      var part = Symbols()
      try? part.add(Array(bytes[..<length]), name: "part")
    }
  }
}
