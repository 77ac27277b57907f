import Foundation
import Host
import Testing

/// Counters of direct execution and of the switcher. When the switcher is asked depends on the host's time, so some of
/// what a program does is done in the translator: a few in a hundred.
@Suite(.serialized) struct DirectCounterTests {
  /// Does so many page faults, system calls and loads of DS from a page of its own, which nothing forbids to run
  /// directly, each after a loop that makes direct execution worth it.
  private static let source = """
    #include <stdlib.h>
    #include <sys/mman.h>
    #include <sys/syscall.h>
    #define WAIT for (int k = 0; k < 30000; k++) __asm__ volatile("" : "+r"(k))
    __attribute__((section("own_page"), aligned(4096), noinline))
    void act(volatile char *memory, int faults, int calls, int loads, int selector, int pauses) {
      for (int i = 0; i < pauses; i++) WAIT;
      for (int i = 0; i < faults; i++) {
        WAIT;
        memory[i * 4096] = 1;
      }
      for (int i = 0; i < calls; i++) {
        int result;
        WAIT;
        __asm__ volatile("int $0x80" : "=a"(result) : "0"(SYS_getppid) : "memory");
      }
      for (int i = 0; i < loads; i++) {
        WAIT;
        __asm__ volatile("movl %0, %%ds; movb $1, (%1)" : : "r"(selector), "r"(memory) : "memory");
      }
    }
    __attribute__((noinline)) void sqrts(int count) {
      for (int i = 0; i < count; i++) {
        int result;
        for (int k = 0; k < 300; k++) __asm__ volatile("sqrtpd %xmm0, %xmm1");
        __asm__ volatile("int $0x80" : "=a"(result) : "0"(SYS_getppid) : "memory");
      }
    }
    __attribute__((section("other_page"), aligned(4096), noinline))
    void loop(int count) {
      for (int i = 0; i < count; i++) WAIT;
      int a = 0, b, c = 0, d;
      if (count < 0)
        __asm__ volatile("cpuid; cpuid; cpuid; cpuid; cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    }
    __attribute__((section("third_page"), aligned(4096), noinline))
    void identify(void) {
      int a = 0, b, c = 0, d;
      __asm__ volatile(".skip 16, 0x90; cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    }
    __attribute__((section("own_page"), noinline)) void identifyEachTime(int count) {
      for (int i = 0; i < count; i++) {
        WAIT;
        identify();
      }
    }
    int main(int argc, char **argv) {
      int selector;
      // The page with the start-up code, and CPUID, does not run directly: this is the guest's.
      __asm__("movl %%ds, %0" : "=r"(selector));
      char *memory = mmap(0, 4096 * 2000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      act(memory, atoi(argv[1]), atoi(argv[2]), atoi(argv[3]), selector, atoi(argv[4]));
      loop(atoi(argv[5]));
      sqrts(atoi(argv[6]));
      identifyEachTime(atoi(argv[7]));
      return 0;
    }
    """

  /// Pauses, together some 20 ms: the code that a program begins with is left to the translator for a while.
  private static let settling = 2000

  /// What the machine and `direct` report.
  private func reports(
    _ engine: String, faults: Int = 1, calls: Int = 0, loads: Int = 0, pauses: Int = 0,
    besides: Int = 0, roots: Int = 0, leaves: Int = 0, options: [String] = []
  ) throws -> (machine: [String: Any], direct: [String: Any]) {
    let scratch = try Scratch()
    let program = try EmbeddedGuestTests.build(Self.source, in: scratch)
    let json = "\(scratch.path)/c.json"
    let run = try Program(
      [
        "compare", "--engines", engine, "--repeat", "1", "--time-limit", "60", "--json", json,
      ] + options + [
        "--", program, "\(faults)", "\(calls)", "\(loads)", "\(pauses)",
        "\(besides)", "\(roots)", "\(leaves)",
      ])
    try #require(run.status == 0, "\(run.error)")
    let data = Data(try HostFile.contents(of: json))
    let result = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let engines = try #require(result["engines"] as? [String: [String: Any]])
    let machine = try #require(engines[engine]?["machine"] as? [String: Any])
    // Only an engine that can execute directly reports about it.
    let direct = machine["direct"] as? [String: Any] ?? [:]
    return (machine, direct)
  }

  private func switches(
    _ machine: [String: Any], from: String, reason: String? = nil
  ) -> Int {
    let all = machine["switches"] as? [[String: Any]] ?? []
    return all.filter {
      $0["from"] as? String == from && (reason == nil || $0["reason"] as? String == reason)
    }.reduce(0) { $0 + ($1["count"] as? Int ?? 0) }
  }

  /// What holds whatever a guest does.
  private func checkSums(_ machine: [String: Any], _ direct: [String: Any]) throws {
    let traps = try #require(direct["traps"] as? [String: Int])
    let lengths = try #require(direct["run_lengths_log2_ns"] as? [Int])
    let decisions = try #require(machine["decisions"] as? [String: Int])
    let entries = try #require(direct["entries"] as? Int)
    let runs = try #require(direct["runs"] as? Int)
    #expect(traps.values.reduce(0, +) == runs && lengths.reduce(0, +) == runs)
    #expect(entries == switches(machine, from: "translator"))
    let declined = try #require(direct["declined"] as? Int)
    #expect(decisions["direct"] ?? 0 == entries + declined)
    let seconds = try #require(direct["host_seconds"] as? Double)
    let mean = try #require(direct["mean_run_us"] as? Double)
    #expect(abs(mean * Double(runs) - seconds * 1e6) < 1)
    // A run of 2^n to 2^(n+1)-1 ns is counted in element n.
    let least = lengths.enumerated().reduce(0.0) {
      $0 + Double($1.element) * pow(2, Double($1.offset))
    }
    #expect(seconds * 1e9 + 1 >= least && seconds * 1e9 <= 2 * least + 1)
    // 2000 cycles in a microsecond.
    let cycles = try #require(direct["cycles"] as? Int)
    #expect(abs(Double(cycles) / 2000e6 - seconds) < 1e-8 * Double(runs) + 1e-9)
  }

  @Test func systemCallsAreTraps() throws {
    let (machine, direct) = try reports("direct", calls: 1000, pauses: Self.settling)
    try checkSums(machine, direct)
    let none = try reports("direct", calls: 0).machine
    func vector(_ report: [String: Any]) -> Int {
      (report["vectors"] as? [String: Int])?["128"] ?? 0
    }
    #expect(vector(machine) - vector(none) == 1000)
    let traps = try #require((direct["traps"] as? [String: Int])?["systemCall"])
    // The rest are those that ran in the translator: the first ones, and what followed a deadline.
    #expect((900...vector(machine)).contains(traps))
    #expect(switches(machine, from: "direct", reason: "systemCall") == traps)
    #expect(direct["stubs"] as? Int == 1 && direct["stubs_lost"] as? Int == 0)
    #expect(direct["declined"] as? Int == 0)
  }

  @Test func pageFaultsAreTrapsAndMapPages() throws {
    let (machine, direct) = try reports("direct", faults: 1001, pauses: Self.settling)
    try checkSums(machine, direct)
    let traps = try #require((direct["traps"] as? [String: Int])?["pageFault"])
    #expect((900...1010).contains(traps))
    #expect(switches(machine, from: "direct", reason: "fault") == traps)
    let calls = try reports("direct", calls: 1000, pauses: Self.settling).direct
    let mapped = try #require(direct["pages_mapped"] as? Int)
    let others = try #require(calls["pages_mapped"] as? Int)
    #expect((900...1010).contains(mapped - others))
  }

  /// The machine looks after itself now and then; direct execution has to be interrupted for that.
  @Test func aLoopIsRarelyInterrupted() throws {
    let (machine, direct) = try reports("direct", pauses: 30_000, options: ["--mhz", "1000"])
    let preemptions = (direct["traps"] as? [String: Int])?["preempted"] ?? 0
    let time = try #require(direct["cycles"] as? Int) / 1_000_000
    #expect(time > 100 && preemptions <= time / 20 + 3, "\(preemptions) in \(time) ms")
    #expect(switches(machine, from: "direct", reason: "deadline") <= time / 20 + 3)
  }

  /// A page with a CPUID runs directly, but for the CPUID.
  @Test func breakpointsStopBeforeCPUID() throws {
    let (machine, direct) = try reports("direct", leaves: 4000)
    try checkSums(machine, direct)
    let guarded = try #require((direct["traps"] as? [String: Int])?["guarded"])
    // Until there are breakpoints, the translator is left alone for some milliseconds.
    #expect((1500...4000).contains(guarded))
    #expect(switches(machine, from: "direct", reason: "guarded") == guarded)
    #expect(switches(machine, from: "direct", reason: "code") < 200)
  }

  /// Code in one page with more CPUIDs than there are breakpoints is translated, and looked at ever more rarely.
  @Test func aLoopBesideCPUIDIsLeftAlone() throws {
    let (machine, _) = try reports("direct", besides: 30_000, options: ["--mhz", "1000"])
    let engine = try #require((machine["engines"] as? [String: [String: Any]])?["direct"])
    let time = try #require(engine["host_seconds"] as? Double) * 1000
    let tries = switches(machine, from: "direct", reason: "code")
    #expect(time > 100 && Double(tries) < time / 25 + 60, "\(tries) in \(time) ms")
  }

  /// The policy is asked by the host's time, however many cycles the guest's processor would take for the code.
  @Test func codeOfManyCyclesIsNotAskedAboutMoreOften() throws {
    let (machine, direct) = try reports("adaptive", roots: 20_000, options: ["--mhz", "1000"])
    let declined = try #require(direct["declined"] as? Int)
    let cycles = try #require(machine["cycles"] as? Int)
    #expect(cycles > 500_000_000 && declined < cycles / 1_500_000, "\(declined) in \(cycles)")
  }

  /// Linux's 7Bh for data is another segment to a 64-bit host.
  @Test(.enabled(if: Guests.arePresent, "make guests fetches them"))
  func repairsOfSelectorsAreCounted() throws {
    let (machine, direct) = try reports(
      "direct", loads: 1000, pauses: Self.settling, options: ["--kernel", Guests.kernel])
    try checkSums(machine, direct)
    let repairs = try #require(direct["selector_repairs"] as? Int)
    #expect((900...1000).contains(repairs))
    let without = try reports("direct", calls: 1000).direct
    #expect(without["selector_repairs"] as? Int == 0)
  }

  /// The embedded guest's data selector is the host's code selector: code that loads it may read at once, and write
  /// after a repair.
  @Test(arguments: ["direct", "adaptive", "translator"])
  func theHostsCodeSelectorMayBeTheGuestsForData(engine: String) throws {
    let direct = try reports(engine, loads: 1000, pauses: Self.settling).direct
    if engine == "direct" {
      #expect((900...1000).contains(direct["selector_repairs"] as? Int ?? 0))
    }
  }

  /// The policy of the adaptive engine declines where the traps come too often, and does not where none come.
  @Test func declinesAreCounted() throws {
    let (machine, direct) = try reports("adaptive", calls: 1000)
    try checkSums(machine, direct)
    #expect(direct["declined"] as? Int ?? 0 > 10)
  }
}
