import Testing

@testable import Machine

@Suite struct TextMatcherTests {
  @Test(arguments: [
    ("login:", "debian login: ", true), ("aab", "aaab", true), ("abab", "abaabab", true),
    ("abc", "ab", false), ("", "", true), ("x", "", false),
  ]) func findsTheTextWhereverItIs(text: String, stream: String, found: Bool) {
    #expect(TextMatcher.contains(text, in: stream.utf8) == found)
  }

  @Test func agreesWithSearchingOnRandomStreams() {
    var random = TestRandom(seed: 5)
    for _ in 0..<500 {
      let stream = random.bytes(40).map { $0 & 1 }
      let pattern = Array(random.bytes(1 + random.below(6)).map { $0 & 1 })
      let expected = (0...(40 - pattern.count)).contains {
        Array(stream[$0..<($0 + pattern.count)]) == pattern
      }
      let text = String(decoding: pattern, as: UTF8.self)
      #expect(TextMatcher.contains(text, in: stream) == expected)
    }
  }
}

@Suite struct InputScriptTests {
  @Test func stepsFollowTheGivenOrder() {
    var script = InputScript([.waitFor("login"), .type("root\n"), .waitFor("# ")])
    #expect(script.awaited == "login" && script.toType == nil)
    var over = script.advance()
    #expect(!over && script.awaited == nil && script.toType == "root\n")
    over = script.advance()
    #expect(!over && script.awaited == "# ")
    over = script.advance()
    #expect(over)
  }

  @Test func aScriptThatEndsWithTypingDoesNotEndTheRun() {
    var script = InputScript([.waitFor("#"), .type("poweroff\n")])
    let ends = [script.advance(), script.advance()]
    #expect(ends == [false, false])
    #expect(script.awaited == nil && script.toType == nil)
  }

  @Test(arguments: [
    ("a\\n", "a\n"), ("\\x41\\\\", "A\\"), ("\\t\\r\\e", "\t\r\u{1B}"), ("\\q", nil), ("\\", nil),
    ("\\x4", nil), ("\\xzz", nil),
  ]) func escapes(text: String, expected: String?) {
    #expect(InputScript.unescape(text) == expected)
  }

  @Test func controlAXQuits() {
    var filter = EscapeFilter()
    var result = filter.filter([65, 1])
    #expect(result == ([65], false))
    result = filter.filter([1, 66])
    #expect(result == ([1, 66], false))
    result = filter.filter([1, 120, 67])
    #expect(result == ([], true))
  }
}

@Suite struct PacerTests {
  @Test func saysHowFarTheClocksAreApart() {
    var pacer = Pacer(frequency: 100_000_000)
    pacer.begin(cycles: 1000, nanoseconds: 5_000_000)
    #expect(pacer.cycle(atNanoseconds: 6_000_000) == 101_000)
    #expect(pacer.nanoseconds(ofCycle: 101_000) == 6_000_000)
    let lags = [51_000, 301_000, 101_000].map { pacer.lag(cycles: $0, nanoseconds: 6_000_000) }
    #expect(lags == [.behind(50_000), .ahead(2_000_000), .none])
  }

  /// Whoever measures 10 ms sees several jumps, even if the host has not let the process run for 60 ms.
  @Test func lostTimeIsMadeUpForInSteps() {
    var pacer = Pacer(frequency: 100_000_000)
    pacer.begin(cycles: 0, nanoseconds: 0)
    var time: UInt64 = 60_000_000
    var cycles: UInt64 = 0
    var skips: [UInt64] = []
    while case .behind(let skip) = pacer.lag(cycles: cycles, nanoseconds: time) {
      skips.append(skip)
      // A millisecond in which the processor executes a tenth of what the clock wants.
      cycles += skip + 10_000
      time += 1_000_000
      guard skips.count < 100 else { break }
    }
    #expect(skips[0] == 375_000 && skips.allSatisfy { $0 <= 375_000 })
    // In the end it is as far behind as one slice is long.
    #expect(skips.last == 90_000 && skips.filter { $0 > 90_000 }.count < 60)
    #expect(cycles + 90_000 == pacer.cycle(atNanoseconds: time))
  }

  @Test func aStoppedProcessDoesNotMakeTheGuestRace() {
    var pacer = Pacer(frequency: 100_000_000)
    pacer.begin(cycles: 0, nanoseconds: 0)
    let lags = [60_000_000_000, 60_001_000_000].map { pacer.lag(cycles: 0, nanoseconds: $0) }
    #expect(lags == [.none, .behind(100_000)])
  }

  @Test func aSliceTakesAMillisecondOfTheHost() {
    var slice = SliceLength(largest: 10_000_000)
    #expect(slice.cycles == 100_000)
    // A fiftieth of what the clock would want.
    slice.learn(cycles: 200_000, nanoseconds: 1_000_000)
    #expect(slice.cycles == 200_000)
    slice.learn(cycles: 210_200_000, nanoseconds: 101_000_000)
    #expect(slice.cycles == 2_100_000)
    // Never more than the largest, and nothing from next to nothing or from another engine.
    slice.learn(cycles: 410_200_000, nanoseconds: 102_000_000)
    #expect(slice.cycles == 10_000_000)
    slice.learn(cycles: 410_200_010, nanoseconds: 103_000_000)
    slice.learn(cycles: 5000, nanoseconds: 10_000)
    #expect(slice.cycles == 10_000_000)
    slice.learn(cycles: 6000, nanoseconds: 10_000_000)
    #expect(slice.cycles == 1000)
  }
}

@Suite struct ELFFileTests {
  @Test func rejectsOtherFiles() {
    #expect(throws: ELFFile.Problem.self) { try ELFFile([]) }
    #expect(throws: ELFFile.Problem.self) { try ELFFile(Array("#!/bin/sh\n".utf8)) }
    var wide = SampleKernels.elf(segments: [], entry: 0)
    wide[4] = 2
    let error = #expect(throws: ELFFile.Problem.self) { try ELFFile(wide) }
    #expect(error?.message == "not a 32-bit x86 ELF file")
  }
}
