import Testing

@testable import CPU
@testable import Interpreter
@testable import Translator

/// What only happens in long runs of translated code, or costs many cycles.
@Suite struct LongRunTests {
  private static func little(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }

  /// Calls three hundred thousand levels deep, more than the stack of host return addresses holds.
  @Test func callsMayNestDeeply() throws {
    let levels: UInt32 = 300_000
    let machine = try FloatingPointMachine(translated: true)
    let program =
      [0xBC] + Self.little(0x3F_0000)  // mov esp, 3F0000h
      + [0xB9] + Self.little(levels)  // mov ecx, levels
      + [0x31, 0xC0]  // xor eax, eax
      + [0xE8, 0x01, 0, 0, 0, 0xF4]  // call f; hlt
      + [0x49, 0x74, 0x06]  // f: dec ecx; jz over
      + [0xE8, 0xF8, 0xFF, 0xFF, 0xFF]  // call f
      + [0x40, 0xC3]  // inc eax; over: ret
    machine.run(program)
    #expect(machine.cpu.pointee.halted != 0)
    #expect(machine.cpu.eax == levels - 1 && machine.cpu.esp == 0x3F_0000)
    #expect(machine.cpu.pointee.instructions == 5 + UInt64(levels) * 5 - 2)
    let signals = try #require(machine.translator).statistics.signals
    #expect(signals < 2000, "calls are not ended by signals one by one")
  }

  /// Blocks of more cycles than an immediate operand can take off the budget, in a loop with copies and without.
  @Test(arguments: [1, 2, 9]) func blocksMayTakeManyCycles(divisions: Int) throws {
    // xor edx, edx; div esi; add eax, ebx
    let body: [UInt8] = [0x31, 0xD2, 0xF7, 0xF6, 0x01, 0xD8]
    var loop = [[UInt8]](repeating: body, count: divisions).flatMap { $0 }
    loop += [0x49, 0x0F, 0x85]  // dec ecx; jnz
    var program: [UInt8] = [0xBE] + Self.little(3)  // mov esi, 3
    program += [0xBB] + Self.little(1_000_003)  // mov ebx, 1000003
    program += [0xB9] + Self.little(200_000)  // mov ecx, 200000
    program += loop + Self.little(UInt32(bitPattern: -Int32(loop.count + 4))) + [0xF4]
    let machines = try [false, true].map {
      try FloatingPointMachine(translated: $0, timing: .pentium)
    }
    for machine in machines { machine.memory.writeBytes(program, at: FloatingPointMachine.code) }
    let difference = FloatingPointMachine.firstDifference(
      machines[0], machines[1], seed: UInt64(divisions), limit: 100_000_000, step: 3_000_000)
    #expect(difference == nil)
    let cycles = machines[1].cpu.pointee.cycles
    #expect(cycles > UInt64(divisions) * 200_000 * 30)
    #expect(machines[1].cpu.pointee.instructions == 3 + 200_000 * UInt64(3 * divisions + 2) + 1)
  }
}
