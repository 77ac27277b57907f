import Machine
import Roms
import Statistics
import SystemROMs
import Testing

/// Counters of the report against a ROM that does each thing as often as it is told.
@Suite struct CounterROMTests {
  /// What `counting.S` is to do.
  struct Work {
    var marks: UInt32 = 0
    var localTicks: UInt32 = 0
    var ticks: UInt32 = 0
    var faults: UInt32 = 0
    var calls: UInt32 = 0
    /// Instructions of each call.
    var work: UInt32 = 4
    var identifications: UInt32 = 0
    var changes: UInt32 = 0
    var functions: UInt32 = 0
    var links: UInt32 = 0

    fileprivate var parameters: [UInt32] {
      [
        marks, localTicks, ticks, faults, calls, work, identifications, changes, functions, links,
      ]
    }
  }

  private func report(
    _ work: Work, engine: String = "translator",
    configure: (inout MachineConfiguration) -> Void = { _ in }
  ) throws -> Report {
    var image = ROM.counting.image
    let marker = Array("parameters: ".utf8)
    let place = try #require(
      (0..<image.count - 64).first { image[$0..<$0 + marker.count].elementsEqual(marker) })
    for (index, value) in work.parameters.enumerated() {
      for byte in 0..<4 {
        image[place + marker.count + index * 4 + byte] = UInt8(
          truncatingIfNeeded: value >> UInt32(byte * 8))
      }
    }
    var configuration = MachineConfiguration()
    configuration.memory = 16 << 20
    configuration.debugExit = true
    configuration.timeLimit = 60
    configuration.startTime = MachineConfiguration.fixedStartTime
    configure(&configuration)
    let machine = try Machine(
      configuration: configuration, image: ROMLoader.load(rom: image, name: "counting"),
      console: try Console(serial: .capture, debug: .capture, readsInput: false), engine: engine)
    #expect(machine.run() == .debugExit(33))
    return machine.report(boot: "rom", hashesState: false)
  }

  private static let engines = ["interpreter", "translator"]

  @Test(arguments: engines) func faultsAndChangesOfRingAreExact(engine: String) throws {
    let none = try report(Work(), engine: engine)
    #expect(none.vectors.isEmpty && none.user == .init() && none.marks == 0)
    let some = try report(Work(faults: 1234, calls: 321, work: 1000), engine: engine)
    let vectors = some.vectors.map { [UInt64($0.vector), $0.count] }
    #expect(vectors == [[14, 1234], [64, 321]])
    #expect(some.user.instructions == 321 * 1000)
    // More work costs nothing but itself: as many instructions and cycles on top as the loop has.
    let more = try report(Work(faults: 1234, calls: 321, work: 3000), engine: engine)
    #expect(more.user.instructions == 321 * 3000)
    #expect(more.kernel == some.kernel)
    #expect(more.cycles - some.cycles == more.user.cycles - some.user.cycles)
    for report in [none, some, more] {
      #expect(report.instructions == report.user.instructions + report.kernel.instructions)
      #expect(report.cycles == report.user.cycles + report.kernel.cycles)
      #expect(report.idleCycles == 0)
    }
  }

  @Test(arguments: engines) func ticksAndHaltsAreExact(engine: String) throws {
    let report = try report(Work(localTicks: 70, ticks: 90), engine: engine)
    #expect(report.vectors.map { [UInt64($0.vector), $0.count] } == [[80, 70], [81, 90]])
    #expect(report.devices["apic"] == .init(reads: 0, writes: 70 + 5 + 90 + 1, irqs: 70))
    #expect(report.devices["ioapic"] == .init(reads: 1, writes: 6, irqs: 0))
    #expect(report.devices["pit"] == .init(reads: 0, writes: 3, irqs: 90))
    // 100,000 periods of the timer's 100 MHz are a millisecond, 4096 of the 8254's 3.43 ms.
    let all = Double(report.cycles) / 200e6
    #expect(abs(all - (0.070 + 90 * 4096 / 1_193_182)) < 0.01, "\(all)")
    #expect(report.cycles == report.kernel.cycles + report.idleCycles)
    #expect(report.idleCycles > report.cycles * 95 / 100)
    let exits = try #require(report.engines.first { $0.name == engine }?.exits)
    // Events of other devices wake the machine as well.
    #expect(exits["halted"] ?? 0 >= 160, "\(exits)")
  }

  /// Each mark makes the engine return, and so does the end.
  @Test(arguments: engines) func exitsAreExact(engine: String) throws {
    let report = try report(Work(marks: 500), engine: engine)
    #expect(report.marks == 500 && report.unbalancedMarks == 0 && report.regions.isEmpty)
    let usage = try #require(report.engines.first)
    #expect(usage.name == engine && report.engines.count == 1)
    #expect(usage.exits["stopped"] == 501)
    #expect(usage.entries == usage.exits.values.reduce(0, +))
    #expect(usage.instructions == report.instructions && usage.cycles == report.cycles)
  }

  /// Function by function: eight calls until it is translated, of which the first seven find no translation.
  @Test func translationsAndLookupsAreExact() throws {
    let some = try #require(try report(Work(functions: 100)).translator)
    let more = try #require(try report(Work(functions: 300)).translator)
    #expect(more.blocks - some.blocks == 200)
    #expect(more.guestBytes - some.guestBytes == 200 * 6)
    #expect(more.hostBytes - some.hostBytes > 200 * 20)
    #expect(more.lookups - some.lookups == 200 * 8)
    #expect(more.misses - some.misses == 200 * 7)
    #expect(more.chained == some.chained)
    #expect(more.invalidations == 0 && more.evictions == 0)
  }

  /// Jumps to what has a translation of its own already.
  @Test func linksAreExact() throws {
    let some = try #require(try report(Work(links: 30)).translator)
    let more = try #require(try report(Work(links: 60)).translator)
    #expect(more.chained - some.chained == 30, "\(some) \(more)")
  }

  @Test func invalidationsAreExact() throws {
    let some = try #require(try report(Work(changes: 30)).translator)
    let more = try #require(try report(Work(changes: 50)).translator)
    #expect(more.invalidations - some.invalidations == 20)
    #expect(more.blocks - some.blocks == 20)
    #expect(more.guestBytes - some.guestBytes == 20 * 6)
  }

  @Test func calloutsAreExact() throws {
    let some = try #require(try report(Work(identifications: 1000)).translator)
    let more = try #require(try report(Work(identifications: 3000)).translator)
    // The first entries of a block are interpreted.
    #expect(some.callouts["cpuid"] == 1000 - 7)
    #expect(more.callouts["cpuid"] == 3000 - 7)
    #expect(more.callouts["pusha"] == some.callouts["pusha"])
  }

  /// A cache of 128 KiB is emptied once per 128 KiB of code.
  @Test(arguments: [8000, 16_000]) func evictionsFollowFromTheCode(functions: UInt32) throws {
    let counts = try #require(
      try report(Work(functions: functions), configure: { $0.translator.codeCache = 128 << 10 })
        .translator)
    let fills = Double(counts.hostBytes) / Double(128 << 10)
    #expect(counts.evictions > 2 && abs(fills - Double(counts.evictions)) < 1.2, "\(counts)")
    let whole = try #require(try report(Work(functions: functions)).translator)
    #expect(whole.evictions == 0)
  }
}
