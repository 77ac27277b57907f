import CHost
import ISA
import Memory
import Testing

@testable import CPU
@testable import Interpreter
@testable import Translator

/// Floating-point code under the translator does what it does under the interpreter.
@Suite struct TranslatedFloatingPointTests {
  private static let rows = InstructionTable.shared.rows.filter {
    !$0.attributes.isDisjoint(with: [.x87, .mmx, .sse]) && $0.operation != .ldmxcsr
      && $0.operation != .maskmovq && $0.operation != .maskmovdqu
  }

  private static func little(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }

  /// A floating-point instruction on registers or on memory near EBX.
  private static func sample(
    _ random: inout FloatingPointGenerator, segments: [SegmentIndex]
  ) -> [UInt8]? {
    guard let row = rows.randomElement(using: &random) else { return nil }
    var constraints = EncodingConstraints()
    constraints.registers = 0b0100_0101
    constraints.base = 3
    constraints.segments = segments
    constraints.prefixes = [.segmentOverride]
    var displacement = Int32.random(in: 0..<0x400, using: &random)
    if row.attributes.contains(.aligned) { displacement &= ~15 }
    constraints.displacement = displacement...displacement
    return row.sampleEncoding(using: &random, constraints: constraints)
  }

  /// Something that is not floating-point code.
  private static func other(
    _ random: inout FloatingPointGenerator, setsTaskSwitched: Bool
  ) -> [UInt8] {
    let choices: [[UInt8]] = [
      [0x83, 0xC3, 0x10],  // add ebx, 16
      [0x83, 0xEB, 0x10],  // sub ebx, 16
      [0x8D, 0x5B, 0x20],  // lea ebx, [ebx+32]
      [0xBB] + little(FloatingPointMachine.data + 0x800),  // mov ebx, data + 800h
      [0x01, 0xD0],  // add eax, edx
      [0x11, 0xC6],  // adc esi, eax
      [0x39, 0xF0],  // cmp eax, esi
      [0x50, 0x5E],  // push eax; pop esi
      [0x60, 0x61],  // pusha; popa
      [0x0F, 0xA2, 0xBB] + little(FloatingPointMachine.data + 0x800)
        + [0x8B, 0x0D] + little(0x4200),  // cpuid; mov ebx, ...; mov ecx, [4200h]
      [0x8C, 0xD8, 0x8E, 0xC0],  // mov eax, ds; mov es, eax
      [0xCD, 0x30],  // int 30h
      [0xEB, 0x00],  // jmp over nothing
      [0x0F, 0xAE, 0x15]  // ldmxcsr
        + little(FloatingPointMachine.controls + UInt32.random(in: 0..<16, using: &random) * 4),
      [0x0F, 0xAE, 0x05] + little(0x2_2000) + [0xD8, 0xC1, 0x0F, 0xAE, 0x0D] + little(0x2_2000),
    ]
    if setsTaskSwitched, random.chance(10) {
      return [0x0F, 0x20, 0xC0, 0x83, 0xC8, 0x08, 0x0F, 0x22, 0xC0]  // mov cr0, cr0 | 8
    }
    return choices.randomElement(using: &random)!
  }

  /// A loop of random instructions.
  private static func program(_ random: inout FloatingPointGenerator, kind: UInt64) -> [UInt8] {
    var code: [UInt8] = [0xBB] + little(FloatingPointMachine.data + 0x800)
    code += [0xB9] + little(400)
    let start = code.count
    code += [0x89, 0x0D] + little(0x4200)  // mov [4200h], ecx
    let segments: [SegmentIndex] = kind & 1 != 0 ? [.ds, .fs] : [.ds]
    for _ in 0..<Int.random(in: 4...50, using: &random) {
      if random.chance(25) {
        code += other(&random, setsTaskSwitched: kind & 2 != 0)
      } else if let bytes = sample(&random, segments: segments) {
        code += bytes
      }
    }
    code += [0x49, 0x0F, 0x85]  // dec ecx; jnz start
    code += little(UInt32(bitPattern: Int32(start - code.count - 4)))
    return code + [0xF4]
  }

  private static func prepare(
    _ machine: FloatingPointMachine, _ program: [UInt8], seed: UInt64
  ) {
    var random = FloatingPointGenerator(state: seed)
    machine.memory.writeBytes(program, at: FloatingPointMachine.code)
    for offset in stride(from: 0, to: UInt32(FloatingPointMachine.dataSize), by: 8) {
      var value = random.next()
      switch value & 7 {
      case 0...3:  // doubles
        value = Double(Int32(truncatingIfNeeded: random.next()) >> 8).bitPattern | value & 0xF8
      case 4, 5:  // two singles
        value =
          UInt64(Float(Int16(truncatingIfNeeded: value >> 20)).bitPattern) << 32
          | UInt64(Float(Int16(truncatingIfNeeded: value >> 40)).bitPattern)
      default: break
      }
      machine.store(value, at: FloatingPointMachine.data + offset)
    }
    // Words that FLDCW and its kin find: most mask everything.
    let unmasks = seed % 4 == 3
    for offset in stride(from: 0, to: UInt32(0x1400), by: 32) {
      let word = random.next()
      let mask: UInt32 = unmasks ? 0 : 0x3F
      machine.store(
        UInt32(truncatingIfNeeded: word) & 0xF40 | mask | 0x300,
        at: FloatingPointMachine.data + offset)
    }
    for n in 1..<16 as Range<UInt32> {
      let bits = UInt32(truncatingIfNeeded: random.next()) & 0xFFFF
      machine.store(unmasks ? bits : bits | 0x1F80, at: FloatingPointMachine.controls + n * 4)
    }
    if seed % 8 == 5 { machine.cpu.pointee.cr0 &= ~0x20 }  // NE
    if seed % 8 == 6 { machine.cpu.pointee.cr0 |= 8 }  // TS
    if seed % 16 == 7 { machine.cpu.pointee.cr4 &= ~0x200 }  // OSFXSR
  }

  /// Random programs: both engines agree at random moments and in the end.
  @Test(arguments: 0..<8 as Range<UInt64>)
  func enginesAgree(chunk: UInt64) throws {
    var deliveries: [UInt32: UInt32] = [7: 0, 16: 0, 0x30: 0]
    var instructions: UInt64 = 0
    var translated: UInt64 = 0
    for seed in chunk * 64..<chunk * 64 + 64 {
      let (one, two, program) = try Self.machines(seed: seed)
      guard Self.compare(one, two, seed: seed) else {
        Issue.record("\(program.map { String($0, radix: 16) }.joined(separator: " "))")
        continue
      }
      for vector in deliveries.keys { deliveries[vector]! += two.deliveries(vector) }
      instructions += two.cpu.pointee.instructions
      translated += two.translator?.statistics.instructions ?? 0
    }
    // The programs do what they are for.
    for (vector, count) in deliveries { #expect(count > 0, "vector \(vector)") }
    #expect(translated > instructions * 2 / 5, "\(translated) of \(instructions)")
  }

  private static func machines(
    seed: UInt64
  ) throws -> (FloatingPointMachine, FloatingPointMachine, [UInt8]) {
    var random = FloatingPointGenerator(state: seed)
    let program = Self.program(&random, kind: random.next())
    let one = try FloatingPointMachine(translated: false)
    let two = try FloatingPointMachine(translated: true)
    for machine in [one, two] { Self.prepare(machine, program, seed: seed) }
    return (one, two, program)
  }

  private static func compare(
    _ one: FloatingPointMachine, _ two: FloatingPointMachine, seed: UInt64
  ) -> Bool {
    if let difference = FloatingPointMachine.firstDifference(
      one, two, seed: seed, limit: 200_000, step: 20_000)
    {
      Issue.record("\(difference)")
      return false
    }
    let areas: [(UInt32, Int)] = [
      (0x4000, 0x3000), (FloatingPointMachine.data, FloatingPointMachine.dataSize),
    ]
    for (address, size) in areas {
      let memory = [one, two].map { $0.memory.readBytes(at: address, count: size) }
      guard memory[0] == memory[1] else {
        Issue.record("seed \(seed): memory differs")
        return false
      }
    }
    return true
  }

  /// `body` as the body of a loop of `count` rounds on ECX.
  private static func loop(_ count: UInt32, _ body: [UInt8]) -> [UInt8] {
    let code = [0xB9] + little(count) + body + [0x49, 0x0F, 0x85]
    return code + little(UInt32(bitPattern: -Int32(body.count + 7))) + [0xF4]
  }

  @Test func instructionsAreLowered() throws {
    let place = Self.little(FloatingPointMachine.data)
    let control = Self.little(FloatingPointMachine.data + 32)
    var body: [UInt8] = []
    for bytes: [UInt8] in [
      [0xDD, 0x05] + place,  // fld
      [0xDC, 0x0D] + place,  // fmul
      [0x64, 0xDC, 0x05] + place,  // fadd fs:
      [0xD8, 0xC0],  // fadd
      [0xD9, 0xFA],  // fsqrt
      [0xDD, 0x1D] + Self.little(FloatingPointMachine.data + 8),  // fstp
      [0xD9, 0x3D] + control,  // fnstcw
      [0xD9, 0x2D] + control,  // fldcw
      [0xDF, 0xE0],  // fnstsw
      [0x9B],  // fwait
      [0x0F, 0xFD, 0xC1],  // paddw
      [0x0F, 0x77],  // emms
      [0xF2, 0x0F, 0x10, 0x05] + place,  // movsd
      [0xF2, 0x0F, 0x59, 0xC0],  // mulsd
      [0x66, 0x0F, 0x58, 0xC8],  // addpd
      [0xF2, 0x0F, 0x2C, 0xC0],  // cvttsd2si
      [0x66, 0x0F, 0x2E, 0xC1],  // ucomisd
      [0x66, 0x0F, 0xFC, 0xD1],  // paddb
      [0x64, 0xF3, 0x0F, 0x6F, 0x1D] + place,  // movdqu fs:
      [0x0F, 0xAE, 0x1D] + control,  // stmxcsr
      [0x66, 0x0F, 0x7F, 0x0D] + Self.little(FloatingPointMachine.data + 16),  // movdqa
    ] { body += bytes }
    // FNSTCW and STMXCSR share a place: FLDCW finds the control word there.
    let machine = try FloatingPointMachine(translated: true)
    machine.store((1.5).bitPattern, at: FloatingPointMachine.data)
    machine.run(Self.loop(1000, body))
    let translator = try #require(machine.translator)
    #expect(machine.cpu.pointee.halted == 1)
    #expect(translator.callouts.isEmpty, "\(translator.callouts)")
    #expect(translator.statistics.refusals == 0)
    // The window's misses and the rounds before the loop was hot.
    #expect(translator.statistics.signals < 8)
    #expect(translator.statistics.instructions > 20_000)
  }

  /// The state is loaded when a block asks for it, which the exception handler has made possible.
  @Test(arguments: [false, true])
  func taskSwitchedIsReportedOnce(translated: Bool) throws {
    let machine = try FloatingPointMachine(translated: translated)
    let integers = Self.loop(100, [0x01, 0xC8])  // add eax, ecx
    let code = integers.dropLast() + Self.loop(50, [0xD9, 0xEB, 0xDD, 0xD8, 0x0F, 0x57, 0xC0])
    machine.cpu.pointee.cr0 |= 8
    machine.run(Array(code))
    #expect(machine.deliveries(7) == 1)
    #expect(machine.cpu.pointee.cr0 & 8 == 0)
    #expect(machine.cpu.pointee.halted == 1)
  }

  /// An unmasked x87 exception is reported before the next waiting instruction, each time, with the pointers of
  /// the one that raised it.
  @Test(arguments: [false, true])
  func pendingExceptionsAreExact(translated: Bool) throws {
    let machine = try FloatingPointMachine(translated: translated)
    machine.store(0x37B as UInt32, at: FloatingPointMachine.data)  // unmasks division by zero
    machine.store(0 as UInt64, at: FloatingPointMachine.data + 8)
    let divide: [UInt8] = [0xDC, 0x35] + Self.little(FloatingPointMachine.data + 8)
    let body: [UInt8] =
      [0xD9, 0x2D] + Self.little(FloatingPointMachine.data) + [0xD9, 0xE8] + divide
      + [0x40, 0xD9, 0xC9, 0xDB, 0xE3]  // inc eax; fxch, which meets the exception; fninit
    machine.run(Self.loop(60, body))
    #expect(machine.cpu.pointee.halted == 1)
    #expect(machine.deliveries(16) == 60)
    #expect(machine.cpu.eax == 60)
    // As FNSTENV in the handler has seen them: FIP, FCS and FOP, FDP, FDS.
    #expect(machine.load(0x6000 + 12) == FloatingPointMachine.code + 5 + 8)
    #expect(machine.load(0x6000 + 16) == 0x435_0008)
    #expect(machine.load(0x6000 + 20) == FloatingPointMachine.data + 8)
    #expect(machine.load(0x6000 + 24) & 0xFFFF == 0x10)
  }

  @Test(arguments: [false, true])
  func unmaskedVectorExceptionsAreExact(translated: Bool) throws {
    let machine = try FloatingPointMachine(translated: translated)
    machine.store(0x1D80 as UInt32, at: FloatingPointMachine.controls + 4)
    let body: [UInt8] =
      [0x0F, 0xAE, 0x15] + Self.little(FloatingPointMachine.controls + 4)
      + [0x0F, 0x57, 0xC9, 0x0F, 0x57, 0xC0]  // xorps
      + [0xF2, 0x0F, 0x2A, 0xC1]  // cvtsi2sd xmm0, ecx
      + [0xF2, 0x0F, 0x5E, 0xC1, 0x40]  // divsd xmm0, xmm1; inc eax
    machine.run(Self.loop(60, body))
    #expect(machine.cpu.pointee.halted == 1)
    #expect(machine.deliveries(19) == 60)
    #expect(machine.cpu.eax == 60)
    #expect(machine.load(0x6080) == 0x1D84)
    #expect(machine.cpu.pointee.fpu.mxcsr == 0x1F84)
  }

  /// The host's own control words are in force whenever the monitor runs.
  @Test func hostControlIsRestored() throws {
    let machine = try FloatingPointMachine(translated: true)
    machine.store(0x7F80 as UInt32, at: FloatingPointMachine.controls + 4)  // round towards zero
    machine.store(0xF7F as UInt32, at: FloatingPointMachine.data)
    let body: [UInt8] =
      [0x0F, 0xAE, 0x15] + Self.little(FloatingPointMachine.controls + 4)
      + [0xD9, 0x2D] + Self.little(FloatingPointMachine.data) + [0xD9, 0xEE, 0x0F, 0x58, 0xC1]
      + [0xDD, 0xD8]
    machine.run(Self.loop(100, body))
    #expect(machine.cpu.pointee.fpu.mxcsr & 0x6000 == 0x6000)
    #expect(machine.cpu.pointee.fpu.control == 0xF7F)
    // Both round up to the nearest.
    #expect((Double(machine.cpu.eax &+ 5) / 3).bitPattern == 0x3FFA_AAAA_AAAA_AAAB)
    #expect((Float80(machine.cpu.eax &+ 2) / 3).significandBitPattern == 0x2AAA_AAAA_AAAA_AAAB)
  }
}
