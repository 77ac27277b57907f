import Bus
import Testing

@testable import Machine

/// Random accesses to every port and every piece of device memory of a whole machine.
@Suite struct DeviceFuzzTests {
  /// Where devices are, besides which anything is tried.
  private static let ports: [ClosedRange<UInt16>] = [
    0x000...0x3FF, 0x0CF8...0x0CFF, 0x1CE...0x1D0, 0x3B0...0x3DF, 0x3F0...0x3FF, 0x402...0x402,
    0x4D0...0x4D1, 0x510...0x51B, 0x600...0x63F, 0xC000...0xC07F,
  ]
  private static let memory: [ClosedRange<UInt32>] = [
    0xA_0000...0xB_FFFF, 0xC_0000...0xF_FFFF, 0xE000_0000...0xE0FF_FFFF,
    0xFEBF_0000...0xFEBF_FFFF, 0xFEC0_0000...0xFEC0_0FFF, 0xFED0_0000...0xFED0_0FFF,
    0xFEE0_0000...0xFEE0_0FFF,
  ]

  private struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state
    }
  }

  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func nothingBreaksTheMachine(seed: UInt64) throws {
    var configuration = MachineConfiguration()
    configuration.memory = 16 << 20
    configuration.startTime = MachineConfiguration.fixedStartTime
    let machine = try Machine(
      configuration: configuration,
      image: ROMLoader.load(rom: [UInt8](repeating: 0xF4, count: 0x10000), name: "rom"),
      console: Console(serial: .none, debug: .none, readsInput: false))
    var random = Random(state: seed &* 0x9E37_79B9_7F4A_7C15)
    var frame = machine.pc.screen
    for step in 0..<300_000 {
      let bits = random.next()
      let width = AccessWidth.allCases[Int(bits & 0xFF) % 3]
      // Small values and single bits mean more to devices than noise.
      var value = UInt32(truncatingIfNeeded: bits >> 32)
      if bits & 0x100 != 0 { value >>= value & 31 }
      if bits & 0x600 == 0 {
        let range = Self.memory[Int(bits >> 11 & 0xFF) % Self.memory.count]
        let size = width.rawValue
        var address = UInt32.random(in: range, using: &random) & ~UInt32(size - 1)
        if bits & 0x1000_0000 != 0 { address &= ~0xFF }
        if bits & 0x8000 != 0 {
          machine.memory.write(physical: UInt64(address), size: size, UInt64(value))
        } else {
          _ = machine.memory.read(physical: UInt64(address), size: size)
        }
      } else {
        let range = Self.ports[Int(bits >> 11 & 0xFF) % Self.ports.count]
        let port =
          bits & 0xF0_0000 == 0
          ? UInt16(truncatingIfNeeded: value) : UInt16.random(in: range, using: &random)
        if bits & 0x8000 != 0 {
          machine.ports.write(port, width: width, value: value)
        } else {
          _ = machine.ports.read(port, width: width)
        }
      }
      if bits & 0xFF00_0000 == 0 {
        machine.processor.cpu.pointee.cycles &+= UInt64(value & 0x1FFF)
        machine.events.runDue()
      }
      if step % 50_000 == 0 {
        frame = machine.pc.screen
        #expect(frame.pixels.count == frame.width * frame.height)
        _ = machine.pc.screenText
        machine.pc.reset()
      }
    }
    #expect(machine.events.nextTime > 0)
  }
}
