import ISA
import Testing

@testable import CPU
@testable import Interpreter
@testable import Memory

/// A small deterministic generator (SplitMix64), so that a failing seed can be run again.
private struct Generator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Whatever a guest executes, the simulator neither crashes nor hangs.
@Suite struct RandomCodeTests {
  /// Opcodes of the system half, drawn more often than chance would.
  private static let systemOpcodes: [[UInt8]] = [
    [0x0F, 0x00], [0x0F, 0x01], [0x0F, 0x02], [0x0F, 0x03], [0x0F, 0x06], [0x0F, 0x20],
    [0x0F, 0x21], [0x0F, 0x22, 0xC0], [0x0F, 0x22, 0xE0], [0x0F, 0x23], [0x0F, 0x30], [0x0F, 0x32],
    [0x0F, 0x34], [0x0F, 0x35], [0x0F, 0xA1], [0x0F, 0xB2], [0x0F, 0xB4], [0x63], [0x8C],
    [0x8E], [0x9A], [0x9C], [0x9D], [0xC4], [0xC5], [0xCA], [0xCB], [0xCC], [0xCD], [0xCE],
    [0xCF], [0xEA], [0xF1], [0xFA], [0xFB], [0xFF, 0x1D], [0xFF, 0x2D], [0x6C], [0xF3, 0x6D],
    [0x6E], [0xF3, 0x6F], [0x06], [0x07], [0x16], [0x17], [0x1E], [0x1F], [0x66], [0x67],
  ]

  private enum Mode: CaseIterable { case real, virtual8086, supervisor, user, noise }

  @Test(arguments: 0..<60 as Range<UInt64>)
  func survives(_ seed: UInt64) {
    var random = Generator(state: seed)
    let machine = TestMachine()
    let cpu = machine.cpu
    let mode = Mode.allCases[Int(seed) % Mode.allCases.count]
    switch mode {
    case .real: machine.enterReal()
    case .virtual8086: machine.enterVirtual8086(iopl: UInt32.random(in: 0...3, using: &random))
    case .supervisor: break
    case .user: machine.enter(level: 3)
    case .noise:
      // Descriptors, tasks and gates of noise, but for the code segment that is running.
      for address in stride(from: TestMachine.gdt + 0x18, to: 0x6100, by: 4) {
        machine.poke32(address, UInt32.random(in: 0 ... .max, using: &random))
      }
    }
    cpu.setEFLAGS(
      (cpu.eflags & ~EFLAGS.arithmetic) | (UInt32(random.next() & 1) << 8)
        | (UInt32(random.next() & 1) << 14))
    let interpreter = Interpreter(processor: machine.processor, timing: .unit, cacheSize: 1 << 20)
    for _ in 0..<30 {
      var code: [UInt8] = []
      while code.count < 64 {
        if Bool.random(using: &random) {
          code += Self.systemOpcodes.randomElement(using: &random)!
        }
        let random64 = random.next()
        for i in 0..<UInt64.random(in: 1...5, using: &random) {
          code.append(UInt8(truncatingIfNeeded: random64 >> (i * 8)))
        }
      }
      for i in 0..<8 as Range<UInt8> where i != 4 {
        // Small values are selectors, addresses and MSR numbers; big ones reach every limit.
        let value = UInt32(truncatingIfNeeded: random.next())
        cpu[gpr: i] = value >> [0, 8, 16, 24][Int(random.next() & 3)]
      }
      machine.processor.memory.writeBytes(
        code, at: (cpu.cs.pointee.base &+ cpu.pointee.eip) & 0xFF_FFFF)
      cpu.pointee.halted = 0
      cpu.pointee.stop = UInt32(STOP_ATTENTION.rawValue)
      cpu.pointee.deadline = cpu.pointee.cycles + 200
      _ = interpreter.run()
    }
    #expect(cpu.pointee.cpl <= 3)
  }
}
