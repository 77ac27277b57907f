import Testing

@testable import Memory

/// Access patterns whose misses are known.
@Suite struct CacheModelTests {
  /// 1 KiB, two ways, lines of 32 bytes: 16 sets; a TLB of 4 entries, two ways; no second level to speak of.
  private static var configuration: CacheModel.Configuration {
    var result = CacheModel.Configuration()
    result.data = .init(size: 1024, ways: 2, line: 32, latency: 1)
    result.instruction = .init(size: 1024, ways: 2, line: 32, latency: 1)
    result.second = .init(size: 4096, ways: 4, line: 32, latency: 10)
    result.tlb = .init(size: 4 << 12, ways: 2, line: 4096, latency: 7)
    result.memory = 100
    return result
  }

  private func misses(_ model: CacheModel, _ name: String) -> UInt64 {
    model.counts.first { $0.name == name }!.user.misses
  }

  private func run(_ addresses: [UInt32], size: UInt32 = 4) -> CacheModel {
    let model = CacheModel(Self.configuration)
    for address in addresses {
      model.access(linear: address, physical: address, size: size, isUser: true)
    }
    return model
  }

  @Test func aSweepMissesOncePerLine() {
    let model = run((0..<256).map { $0 * 4 })
    #expect(misses(model, "l1d") == 32)
    #expect(model.counts[1].user.accesses == 256)
  }

  @Test func whatFitsMissesOnlyOnce() {
    let sweep = (0..<32).map { UInt32($0 * 32) }
    #expect(misses(run(sweep + sweep + sweep), "l1d") == 32)
  }

  /// One line more than the ways of a set, in turn: least recently used is always the wrong one.
  @Test func threeLinesInASetOfTwoAlwaysMiss() {
    let turn: [UInt32] = [0, 512, 1024]
    #expect(misses(run(turn + turn + turn + turn), "l1d") == 12)
    let two: [UInt32] = [0, 512]
    #expect(misses(run(two + two + two), "l1d") == 2)
  }

  @Test func theLeastRecentlyUsedLineGoes() {
    // 0 is used again before 1024 comes: 512 goes, 0 stays.
    #expect(misses(run([0, 512, 0, 1024, 0]), "l1d") == 3)
    #expect(misses(run([0, 512, 0, 1024, 512]), "l1d") == 4)
  }

  @Test func anAccessAcrossLinesTouchesBoth() {
    let model = run([30])
    #expect(misses(model, "l1d") == 2 && model.counts[1].user.accesses == 2)
  }

  @Test func theSecondLevelSeesTheMissesOfTheFirst() {
    // 2 KiB: too much for the first level in this order, fits the second.
    let sweep = (0..<64).map { UInt32($0 * 32) }
    let model = run(sweep + sweep)
    #expect(misses(model, "l1d") == 128)
    #expect(misses(model, "l2") == 64)
    // 128 accesses, 64 from memory, 64 from the second level, one page.
    #expect(model.stalls[1] == 128 + 64 * 100 + 64 * 10 + 7)
  }

  @Test func theTLBMissesByPages() {
    // Pages 0, 2 and 4 share a set of two.
    #expect(misses(run([0, 0x2000, 0x4000, 0, 0x2000, 0x4000]), "tlb") == 6)
    #expect(misses(run([0, 0x1000, 0x2000, 0x3000, 0, 0x1000, 0x2000, 0x3000]), "tlb") == 4)
    let model = run([0, 0x1000])
    model.flushTLB(page: 0x1234)
    for page: UInt32 in [0, 0x1000] {
      model.access(linear: page, physical: page, size: 4, isUser: true)
    }
    #expect(misses(model, "tlb") == 3)
    model.flushTLB()
    model.access(linear: 0, physical: 0, size: 4, isUser: true)
    #expect(misses(model, "tlb") == 4)
  }

  @Test func privilegeLevelsAndCodeAreCountedApart() {
    let model = CacheModel(Self.configuration)
    model.access(linear: 0, physical: 0, size: 4, isUser: false)
    model.fetch(linear: 0, physical: 0, size: 40, isUser: true)
    let counts = model.counts
    #expect(counts[0].user == .init(accesses: 2, misses: 2) && counts[0].kernel == .init())
    #expect(counts[1].kernel == .init(accesses: 1, misses: 1) && counts[1].user == .init())
    // The data access has brought the first line to the second level.
    #expect(counts[2].user == .init(accesses: 2, misses: 1))
  }

  @Test func impossibleGeometriesAreRecognized() {
    for (size, ways, line, isPossible) in [
      (1024, 2, 32, true), (1024, 3, 32, false), (1000, 2, 32, false), (1024, 0, 32, false),
      (1024, 2, 33, false), (1024, 2, 0, false), (64, 2, 32, true), (32, 2, 32, false),
    ] as [(UInt32, UInt32, UInt32, Bool)] {
      let geometry = CacheModel.Geometry(size: size, ways: ways, line: line, latency: 1)
      #expect(geometry.isPossible == isPossible)
    }
  }
}
