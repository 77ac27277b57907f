import Testing

@testable import Switching

/// The policy on synthetic programs: what it costs at most and what it finds.
@Suite struct PolicyTests {
  /// A program that traps after every `run` nanoseconds of its own work.
  struct Workload {
    var run: UInt64
    /// Time of the same work in the translator over its time natively.
    var slowdown = 1.0
    var trapDirect: UInt64 = 15_000
    var trapTranslated: UInt64 = 1_000
  }

  /// Time that the work takes under the policy, in the translator alone, and directly alone.
  func simulate(_ work: Workload, total: UInt64, space: UInt32 = 1, policy: inout RentOrBuy)
    -> (policy: UInt64, translated: UInt64, direct: UInt64, ranDirectly: UInt64)
  {
    var time: UInt64 = 0
    var translatedOnly: UInt64 = 0
    var directOnly: UInt64 = 0
    var ranDirectly: UInt64 = 0
    var done: UInt64 = 0
    while done < total {
      // The timer ends a run of more than 4 ms.
      let native = min(work.run, 4_000_000)
      let translated = UInt64(Double(native) * work.slowdown)
      done += native
      translatedOnly += translated + work.trapTranslated
      directOnly += native + work.trapDirect
      if policy.prefersDirect(space) {
        time += native + work.trapDirect
        ranDirectly += native
        policy.ranDirectly(space, nanoseconds: native, traps: 1)
      } else {
        time += translated + work.trapTranslated
        policy.ranTranslated(space, nanoseconds: translated, exits: 1)
      }
    }
    return (time, translatedOnly, directOnly, ranDirectly)
  }

  @Test(
    arguments: [1_000, 5_000, 20_000, 60_000, 100_000, 200_000, 400_000, 1_000_000] as [UInt64])
  func neverMuchSlowerThanTheTranslatorAlone(run: UInt64) {
    for slowdown in [1.0, 1.05, 1.3, 2] {
      var policy = RentOrBuy()
      let result = simulate(
        Workload(run: run, slowdown: slowdown), total: 2_000_000_000, policy: &policy)
      #expect(
        Double(result.policy) <= 1.1 * Double(result.translated), "run \(run), \(slowdown)")
    }
  }

  @Test func longRunsGoDirect() {
    var policy = RentOrBuy()
    let work = Workload(run: 100_000_000, slowdown: 1.3)
    let result = simulate(work, total: 1_000_000_000, policy: &policy)
    #expect(result.ranDirectly > 950_000_000)
    #expect(Double(result.policy) < 1.03 * Double(result.direct))
  }

  @Test func shortLivedProgramsStayInTheTranslator() {
    var policy = RentOrBuy()
    let result = simulate(Workload(run: 200_000), total: 800_000, policy: &policy)
    #expect(result.ranDirectly == 0)
  }

  @Test func programsThatTrapOftenStayInTheTranslator() {
    var policy = RentOrBuy()
    let result = simulate(Workload(run: 5_000), total: 1_000_000_000, policy: &policy)
    #expect(result.ranDirectly == 0)
  }

  /// A program that computes for a while and then makes system calls is taken back soon.
  @Test func aChangeOfPhaseIsNoticed() {
    var policy = RentOrBuy()
    _ = simulate(Workload(run: 100_000_000, slowdown: 1.3), total: 500_000_000, policy: &policy)
    let went = policy.prefersDirect(1)
    #expect(went)
    let phase = simulate(Workload(run: 5_000), total: 100_000_000, policy: &policy)
    let stays = policy.prefersDirect(1)
    #expect(!stays)
    #expect(phase.ranDirectly < 2_000_000)
    #expect(Double(phase.policy) < 1.1 * Double(phase.translated))
  }

  /// A program that first faults all its memory in and then computes is noticed within few milliseconds, also
  /// where another one has failed before.
  @Test func theEndOfABadPhaseIsNoticed() {
    var policy = RentOrBuy()
    _ = simulate(Workload(run: 2_000, slowdown: 1.3), total: 50_000_000, policy: &policy)
    let work = Workload(run: 100_000_000, slowdown: 1.3)
    let phase = simulate(work, total: 100_000_000, policy: &policy)
    #expect(phase.ranDirectly > 90_000_000)
  }

  /// Each try that fails doubles the price; one that has paid makes the next cheap again.
  @Test func triesThatFailBecomeRare() {
    var policy = RentOrBuy()
    func time(toTry limit: UInt64) -> UInt64 {
      var time: UInt64 = 0
      while time < limit, !policy.prefersDirect(1) {
        policy.ranTranslated(1, nanoseconds: 500_000, exits: 0)
        time += 500_000
      }
      return time
    }
    for price in [1, 2, 4, 8, 16, 16] as [UInt64] {
      #expect(time(toTry: 1_000_000_000) == price * 1_000_000)
      var traps = 0
      while policy.prefersDirect(1) {
        policy.ranDirectly(1, nanoseconds: 1000, traps: 1)
        traps += 1
      }
      #expect(traps < 100)
    }
    _ = time(toTry: 1_000_000_000)
    policy.ranDirectly(1, nanoseconds: 100_000_000, traps: 1)
    while policy.prefersDirect(1) { policy.ranDirectly(1, nanoseconds: 1000, traps: 1) }
    #expect(time(toTry: 1_000_000_000) == 1_000_000)
  }

  @Test func addressSpacesAreJudgedOneByOne() {
    var policy = RentOrBuy()
    for _ in 0..<40 {
      _ = simulate(
        Workload(run: 4_000_000, slowdown: 1.3), total: 4_000_000, space: 1, policy: &policy)
      _ = simulate(Workload(run: 2_000), total: 400_000, space: 2, policy: &policy)
    }
    let (first, second) = (policy.prefersDirect(1), policy.prefersDirect(2))
    #expect(first && !second)
    // More address spaces than are remembered.
    for space in 100..<2000 as Range<UInt32> {
      policy.ranTranslated(space, nanoseconds: 1000, exits: 1)
    }
    let forgotten = policy.prefersDirect(1)
    #expect(!forgotten)
  }

  @Test func alwaysDirectIsAlwaysDirect() {
    var policy = AlwaysDirect()
    policy.ranDirectly(1, nanoseconds: 1, traps: 1_000_000)
    let prefers = policy.prefersDirect(1)
    #expect(prefers)
  }
}
