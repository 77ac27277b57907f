import Machine
import Roms
import SystemROMs
import Testing

/// The torture ROM with other seeds, on interpreter and translator side by side, under every choice that decides
/// what is translated and when it stops.
@Suite struct TortureTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var seed: UInt32
    var codeCache = 64 << 20
    var threshold: UInt32 = 8
    var interval: UInt64 = 100_000
    var rounds: UInt32 = 6000
    var testDescription: String {
      "seed \(seed), \(codeCache >> 10)K, threshold \(threshold), interval \(interval)"
    }
  }

  /// The image with another seed and length; both lie behind each other in its data.
  private static func image(seed: UInt32, rounds: UInt32) throws -> [UInt8] {
    let rom = try #require(ROM.systemTests.first { $0.name == "torture" })
    var image = rom.image
    let magic: [UInt8] = [0xD5, 0xEE, 0xE5, 0x70]
    let place = try #require(
      (0..<image.count - 8).first { Array(image[$0..<$0 + 4]) == magic })
    for (offset, value) in [(0, seed), (4, rounds)] {
      for byte in 0..<4 {
        image[place + offset + byte] = UInt8(truncatingIfNeeded: value >> UInt32(byte * 8))
      }
    }
    return image
  }

  @Test(arguments: [
    Case(seed: 1), Case(seed: 2, threshold: 0), Case(seed: 3, codeCache: 128 << 10),
    Case(seed: 4, codeCache: 128 << 10, threshold: 0), Case(seed: 5, interval: 3000),
    Case(seed: 6, threshold: 1, interval: 2500), Case(seed: 7, threshold: 2),
    Case(seed: 8, threshold: 0, rounds: 20_000),
  ]) func translatorAgreesWithTheInterpreter(item: Case) throws {
    var configuration = MachineConfiguration()
    configuration.memory = 64 << 20
    configuration.debugExit = true
    configuration.cycleLimit = 2_000_000_000
    configuration.translator.codeCache = item.codeCache
    configuration.translator.threshold = item.threshold
    let image = try Self.image(seed: item.seed, rounds: item.rounds)
    var lockstep = Lockstep(
      configuration: configuration, image: try ROMLoader.load(rom: image, name: "torture"))
    lockstep.sides = (.interpreter, .translator)
    lockstep.interval = item.interval
    switch try lockstep.run() {
    case .equal(let ending, let instructions, _, _):
      #expect(ending == .debugExit(1))
      #expect(instructions > 10_000_000)
    case .different(let text): Issue.record("\(text)")
    }
  }
}
