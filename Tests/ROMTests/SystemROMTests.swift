import Machine
import Roms
import SystemROMs
import Testing

/// Our own guest code on our own machine.
@Suite struct SystemROMTests {
  /// What a ROM printed and how its run ended.
  struct Run {
    var ending: Ending
    var lines: [Substring]
    var serial: String
  }

  func run(
    _ rom: ROM, engine: String = "interpreter", cachesBlocks: Bool = true,
    cycleLimit: UInt64 = 2_000_000_000
  ) throws -> Run {
    var configuration = MachineConfiguration()
    configuration.memory = 64 << 20
    configuration.debugExit = true
    configuration.cachesBlocks = cachesBlocks
    // Uncached decoding is slow: a slow processor waits less for the serial line.
    if !cachesBlocks { configuration.mhz = 4 }
    configuration.cycleLimit = cycleLimit
    configuration.timeLimit = 120
    configuration.startTime = MachineConfiguration.fixedStartTime
    let console = try Console(serial: .capture, debug: .capture, readsInput: false)
    let machine = try Machine(
      configuration: configuration, image: ROMLoader.load(rom: rom.image, name: rom.name),
      console: console, engine: engine)
    let ending = machine.run()
    let debug = String(decoding: console.capturedDebug, as: UTF8.self)
    let serial = String(decoding: console.capturedSerial, as: UTF8.self)
    return Run(ending: ending, lines: debug.split(separator: "\n"), serial: serial)
  }

  @Test(arguments: ROM.systemTests, Engines.available)
  func everyCheckPasses(rom: ROM, engine: String) throws {
    let run = try run(rom, engine: engine)
    for line in run.lines.dropLast() where !line.hasPrefix("ok ") {
      Issue.record("\(rom.name): \(line)")
    }
    #expect(run.lines.last == "\(run.lines.count - 1) passed, 0 failed")
    #expect(run.ending == .debugExit(1))
    #expect(run.serial.split(separator: "\n") == run.lines)
  }

  @Test(arguments: ROM.systemTests)
  func everyCheckPassesWithoutTheBlockCache(rom: ROM) throws {
    let run = try run(rom, cachesBlocks: false)
    #expect(run.lines.last?.hasSuffix(" 0 failed") == true)
    #expect(run.ending == .debugExit(1))
  }

  /// The processor's state at every comparison, the counts and all memory in the end.
  @Test(arguments: ROM.systemTests)
  func translatorAgreesWithTheInterpreter(rom: ROM) throws {
    var configuration = MachineConfiguration()
    configuration.memory = 64 << 20
    configuration.debugExit = true
    configuration.cycleLimit = 2_000_000_000
    var lockstep = Lockstep(
      configuration: configuration, image: try ROMLoader.load(rom: rom.image, name: rom.name))
    lockstep.sides = (.interpreter, .translator)
    switch try lockstep.run() {
    case .equal(let ending, _, _, _): #expect(ending == .debugExit(1))
    case .different(let text): Issue.record("\(rom.name): \(text)")
    }
  }

  @Test(arguments: Engines.available)
  func demonstrationEndsByItself(engine: String) throws {
    let run = try run(.demo, engine: engine)
    #expect(run.ending == .powerOff)
    for line in [
      "demo: real mode", "demo: protected mode", "demo: paging", "demo: ring 3",
      "demo: task sieve: 78498 primes below 1000000 ok", "demo: task crc: crc-32 C0F68319 ok",
      "demo: task mandelbrot: 41576 iterations ok", "demo: task rogue: ended by exception 13",
      "demo: task pi: 152 digits of pi ok", "demo: task wave: 60 frames, 5 ticks apart ok",
      "demo: all tasks done",
    ] {
      #expect(run.serial.contains(line + "\r\n"), "\(line)")
    }
  }
}
