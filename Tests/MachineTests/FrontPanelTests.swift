import CPU
import Devices
import Host
import Roms
import Synchronization
import Testing

@testable import Machine

@Suite struct FrontPanelTests {
  private func demonstration(
    engine: String? = nil, _ change: (inout MachineConfiguration) -> Void = { _ in }
  ) throws -> Machine {
    var configuration = MachineConfiguration()
    configuration.memory = MachineConfiguration.smallestMemory
    configuration.timeLimit = 120
    configuration.startTime = MachineConfiguration.fixedStartTime
    change(&configuration)
    return try Machine(
      configuration: configuration, image: .demonstration(),
      console: Console(serial: .capture, debug: .capture, readsInput: false), engine: engine)
  }

  /// Those that count alike; direct execution does not count.
  private static let engines = ["interpreter", "translator"]

  /// Whatever engine runs when, the guest does the same.
  @Test func enginesTakeOverAtAnyTime() throws {
    let plain = try demonstration()
    #expect(plain.run() == .powerOff)
    let expected = plain.report(boot: "", hashesState: true)
    for seed in [1, 2] as [UInt64] {
      let switching = try demonstration()
      var random = TestRandom(seed: seed)
      var cycle: UInt64 = 0
      while switching.ending == nil {
        cycle += UInt64(random.below(seed == 1 ? 400_000 : 8_000_000))
        switching.advance(to: cycle)
        switching.selectEngine(Self.engines[random.below(2)])
      }
      let report = switching.report(boot: "", hashesState: true)
      #expect(report.stateHash == expected.stateHash)
      #expect(report.instructions == expected.instructions && report.cycles == expected.cycles)
      #expect(report.engines.count == 2)
      #expect(report.engines.reduce(0) { $0 + $1.instructions } == expected.instructions)
      #expect(report.engines.allSatisfy { $0.instructions > 0 })
    }
  }

  /// The two engines that direct execution switches between are told apart, and their times add up.
  @Test func theMixTellsDirectExecutionFromTheTranslator() throws {
    let machine = try demonstration(engine: "direct")
    let panel = try FrontPanel()
    machine.attach(panel)
    #expect(machine.run() == .powerOff)
    machine.panelState?.nextStatus = 0
    machine.publish(.max / 2)
    let work = panel.status.work
    let usage = try #require(machine.engineUsage.first)
    #expect(work.reduce(0) { $0 + $1.nanoseconds } == usage.nanoseconds)
    #expect(work.reduce(0) { $0 + $1.instructions } == usage.instructions)
    #expect(work.first?.name == "translator")
  }

  /// A window that watches a run changes nothing of it.
  @Test func beingWatchedChangesNothing() throws {
    let plain = try demonstration()
    _ = plain.run()
    let watched = try demonstration()
    let panel = try FrontPanel()
    watched.attach(panel)
    let mirror = try #require(
      panel.showUpdate { VideoMirror($0, frequency: panel.status.frequency) })
    var cycle: UInt64 = 0
    while watched.ending == nil {
      cycle += 1_000_000
      watched.advance(to: cycle)
      _ = panel.showUpdate { mirror.apply($0) }
    }
    #expect(
      watched.report(boot: "", hashesState: true).stateHash
        == plain.report(boot: "", hashesState: true).stateHash)
    // The mirror has seen the end.
    watched.panelState?.picture = nil
    watched.panelState?.nextPicture = 0
    _ = panel.showUpdate { _ in }
    watched.publish(.max / 2)
    #expect(panel.showUpdate { mirror.apply($0) } != nil)
    var frame = VideoFrame()
    mirror.render(into: &frame)
    #expect(frame == watched.pc.screen)
    #expect(panel.status.instructions > 0 && panel.status.work.count == 1)
    #expect(panel.status.activity["pit"] ?? 0 > 0)
  }

  @Test func commandsAreObeyedFromAnotherThread() throws {
    let panel = try FrontPanel()
    let outcome = ThreadResult()
    try HostThread.start(name: "machine") {
      do {
        let machine = try Self().demonstration { $0.clock = .host }
        machine.attach(panel)
        outcome.set("\(machine.run())")
      } catch { outcome.set("\(error)") }
    }
    func wait(_ condition: () -> Bool) -> Bool {
      for _ in 0..<3000 {
        if condition() { return true }
        HostClock.sleep(until: HostClock.nanoseconds &+ 10_000_000)
      }
      return false
    }
    #expect(wait { panel.status.instructions > 0 })
    panel.send(.pause(true))
    #expect(wait { panel.status.state == .paused })
    let cycles = panel.status.cycles
    HostClock.sleep(until: HostClock.nanoseconds &+ 250_000_000)
    #expect(panel.status.cycles == cycles)
    panel.send(.engine("translator"))
    panel.send(.pause(false))
    #expect(wait { panel.status.engine == "translator" && panel.status.cycles > cycles })
    panel.send(.engine("no such engine"))
    panel.send(.reset)
    #expect(wait { panel.status.state == .running })
    // Without ACPI the machine goes off at once, with ACPI the guest is told.
    panel.send(.powerButton)
    panel.send(.end(.closed))
    #expect(wait { outcome.get() != nil })
    #expect(["closed", "powerOff"].contains(outcome.get()))
  }

  /// A processor that nothing can wake leaves its last picture in the window until a reset or the end.
  @Test func aHaltForEverWaitsForTheWindow() throws {
    var rom = [UInt8](repeating: 0x90, count: 0x10000)
    rom.replaceSubrange(0xFFF0..<0xFFF2, with: [0xFA, 0xF4])  // cli; hlt
    var configuration = MachineConfiguration()
    configuration.memory = MachineConfiguration.smallestMemory
    configuration.timeLimit = 0.5
    let machine = try Machine(
      configuration: configuration, image: ROMLoader.load(rom: rom, name: "rom"),
      console: Console(serial: .none, debug: .none, readsInput: false))
    let panel = try FrontPanel()
    machine.attach(panel)
    #expect(machine.run() == .timeLimit)
    #expect(panel.status.state == .halted)
  }

  /// The window sleeps while nothing changes and is woken by what does.
  @Test func newsEndAWait() throws {
    let panel = try FrontPanel()
    let wakes = Atomic<Int>(0)
    panel.wakeWindow(by: { wakes.add(1, ordering: .relaxed) })
    var waits = 0
    panel.awaitNews(toneHertz: 0) {
      waits += 1
      panel.publish(FrontPanel.Status())
      #expect(wakes.load(ordering: .relaxed) == 0)
      panel.publish(toneHertz: 440)
      panel.publish(toneHertz: 880)
    }
    #expect(waits == 1)
    #expect(wakes.load(ordering: .relaxed) == 1)
    // What came before the wait would be missed in it.
    panel.awaitNews(toneHertz: 440) { waits += 1 }
    #expect(waits == 1)
    // Nobody waits.
    panel.publish(toneHertz: 0)
    #expect(wakes.load(ordering: .relaxed) == 1)

    let machine = try demonstration()
    machine.attach(panel)
    panel.awaitNews(toneHertz: 0) {
      waits += 1
      #expect(machine.run() == .powerOff)
    }
    #expect(waits == 1)
    #expect(panel.showUpdate { _ in true } == true)
    panel.awaitNews(toneHertz: 0) {
      waits += 1
      panel.wakeWindow()
    }
    #expect(waits == 2)
    #expect(wakes.load(ordering: .relaxed) == 2)
  }
}

private final class ThreadResult: Sendable {
  private let text = Mutex<String?>(nil)
  func set(_ value: String) { text.withLock { $0 = value } }
  func get() -> String? { text.withLock { $0 } }
}
