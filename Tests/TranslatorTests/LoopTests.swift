import CHost
import Testing

@testable import CPU
@testable import Interpreter
@testable import Translator

/// Small loops, which are followed by copies of themselves, and jumps whose targets are in tables, which are copied to
/// those that lead to them: all registers and counts are as under the interpreter wherever they are left.
@Suite struct LoopTests {
  private static let data = FloatingPointMachine.data
  private static let scratch = data + 0x800
  private static let table = data + 0x1000

  private static func little(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }

  /// Something that does not touch EBX, ECX and EBP.
  private static func step(_ random: inout FloatingPointGenerator, place: UInt32) -> [UInt8] {
    let number = UInt32.random(in: 0..<64, using: &random) * 4
    let choices: [[UInt8]] = [
      [0x01, 0xD0],  // add eax, edx
      [0x11, 0xC6],  // adc esi, eax
      [0x31, 0xF2],  // xor edx, esi
      [0x47],  // inc edi
      [0x8D, 0x54, 0x0A, 0x05],  // lea edx, [edx+ecx+5]
      [0x03, 0x05] + little(scratch + number),  // add eax, [...]
      [0x29, 0x05] + little(scratch + number),  // sub [...], eax
      [0x0F, 0xB6, 0x35] + little(scratch + number),  // movzx esi, byte [...]
      [0x50, 0x5E],  // push eax; pop esi
      [0xD1, 0xC2],  // rol edx, 1
      [0xC7, 0x05] + little(scratch + number) + [7, 0, 0, 0],  // mov dword [...], 7
      [0xD8, 0x05] + little(scratch + number),  // fadd dword [...]
      [0xD8, 0x83] + little(scratch + number),  // fadd dword [ebx+...]
      [0xD9, 0xE0],  // fchs
      [0x66, 0x0F, 0xFE, 0x05] + little(scratch + number & ~15),  // paddd xmm0, [...]
    ]
    // Code that changes the constant of an instruction before it, now and then.
    if random.chance(2) { return [0xB8, 1, 0, 0, 0, 0xFE, 0x05] + little(place + 1) }
    return choices.randomElement(using: &random)!
  }

  /// Loops of 1 to 3 blocks that are left at their end or in the middle, again and again.
  private static func program(_ random: inout FloatingPointGenerator) -> [UInt8] {
    var code: [UInt8] = [0x31, 0xDB]  // xor ebx, ebx
    let outer = code.count
    // mov ecx, [ebx+data]; add ebx, 4
    code += [0x8B, 0x8B] + little(data) + [0x83, 0xC3, 0x04]
    let inner = code.count
    var exits: [Int] = []
    func jump(_ condition: UInt8, to target: Int) {
      code += [0x0F, 0x80 | condition]
      code += little(UInt32(bitPattern: Int32(target - code.count - 4)))
    }
    for block in 0..<Int.random(in: 1...3, using: &random) {
      if block > 0 {
        if random.chance(50) { code += [0x84, 0xC0] }  // test al, al
        jump(UInt8.random(in: 0..<16, using: &random), to: 0)
        exits.append(code.count)
      }
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        code += step(&random, place: FloatingPointMachine.code + UInt32(code.count))
      }
    }
    code += [0x49]  // dec ecx
    jump(5, to: inner)
    for exit in exits {
      code.replaceSubrange(
        exit - 4..<exit, with: little(UInt32(bitPattern: Int32(code.count - exit))))
    }
    code += [0x81, 0xFB] + little(2000)  // cmp ebx, 2000
    jump(2, to: outer)
    return code + [0xF4]
  }

  private static func machine(
    _ program: [UInt8], translated: Bool, seed: UInt64
  ) throws -> FloatingPointMachine {
    let machine = try FloatingPointMachine(translated: translated)
    var random = FloatingPointGenerator(state: seed)
    machine.memory.writeBytes(program, at: FloatingPointMachine.code)
    for offset in stride(from: 0, to: UInt32(0x800), by: 4) {
      machine.store(UInt32.random(in: 1...40, using: &random), at: data + offset)
      machine.store(UInt32.random(in: 0..<100, using: &random), at: scratch + offset)
    }
    return machine
  }

  /// Runs both to the same moments, and counts what the translator has made.
  private static func compare(
    _ program: [UInt8], seed: UInt64, prepare: (FloatingPointMachine) -> Void = { _ in }
  ) throws -> Translator? {
    let one = try machine(program, translated: false, seed: seed)
    let two = try machine(program, translated: true, seed: seed)
    prepare(one)
    prepare(two)
    if let difference = FloatingPointMachine.firstDifference(
      one, two, seed: seed, limit: 300_000, step: 10_000)
    {
      let bytes = program.map { String($0, radix: 16) }.joined(separator: " ")
      Issue.record("\(difference), \(bytes)")
      return nil
    }
    #expect(
      one.memory.readBytes(at: data, count: FloatingPointMachine.dataSize)
        == two.memory.readBytes(at: data, count: FloatingPointMachine.dataSize), "seed \(seed)")
    return two.translator
  }

  @Test(arguments: 0..<4 as Range<UInt64>)
  func loopsAreLeftAnywhere(chunk: UInt64) throws {
    var copied = 0
    var deferred = 0
    for seed in chunk * 100..<chunk * 100 + 100 {
      var random = FloatingPointGenerator(state: seed)
      let translator = try Self.compare(Self.program(&random), seed: seed)
      if translator?.translations.contains(where: { $0.advanceBefore != 0 }) ?? false {
        copied += 1
      }
      if translator?.translations.contains(where: { $0.inheritsPointers }) ?? false {
        deferred += 1
      }
    }
    #expect(copied > 15, "only \(copied) of 100 programs had copies of loops")
    #expect(deferred > 0)
  }

  /// One iteration is checked, up to seven more are taken off the budget at once.
  @Test func aLoopIsFollowedByCopies() throws {
    // mov ecx, 100000; add eax, ecx; dec ecx; jnz
    let machine = try FloatingPointMachine(translated: true)
    machine.run([0xB9] + Self.little(100_000) + [0x01, 0xC8, 0x49, 0x75, 0xFB, 0xF4])
    let translator = try #require(machine.translator)
    let copies = translator.translations.filter { $0.eip == FloatingPointMachine.code + 5 }
    #expect(copies.count == 8)
    #expect(copies.map { $0.isChecked } == [true] + [Bool](repeating: false, count: 7))
    #expect(machine.cpu.pointee.instructions == 2 + 3 * 100_000)
  }

  /// The test at the end of a loop is translated before the loop has run once; the loop does not go there and back.
  @Test func aLoopEnteredAtItsEndHasItsOwnTest() throws {
    let machine = try FloatingPointMachine(translated: true)
    // xor ebx, ebx; mov edi, 20; first: xor ecx, ecx; jmp test
    // body: add eax, ecx; dec ecx; test ebx, ebx; jnz out; test: test ecx, ecx; jnz body
    // out: dec edi; jg first; js end; mov ecx, 100000; jmp test; end: hlt
    machine.run(
      [0x31, 0xDB, 0xBF] + Self.little(20) + [0x31, 0xC9, 0xEB, 7]
        + [0x01, 0xC8, 0x49, 0x85, 0xDB, 0x75, 4, 0x85, 0xC9, 0x75, 0xF5]
        + [0x4F, 0x7F, 0xEE, 0x78, 7, 0xB9] + Self.little(100_000) + [0xEB, 0xF0, 0xF4])
    let body = FloatingPointMachine.code + 11
    let translator = try #require(machine.translator)
    // Where the test lies elsewhere it is no loop to be copied.
    #expect(translator.translations.filter { $0.eip == body }.count == 8)
    #expect(machine.cpu.pointee.instructions == 131 + 6 * 100_000)
  }

  /// What a conditional jump skips every time is laid out elsewhere, and the loop is one run of code.
  @Test func likelyTargetsFollowTheirJumps() throws {
    // mov ecx, 50000; xor eax, eax; next: test eax, eax; jz over; inc edx (12 times); over: dec ecx; jnz next
    let machine = try FloatingPointMachine(translated: true)
    let skipped = [UInt8](repeating: 0x42, count: 12)
    machine.run(
      [0xB9] + Self.little(50_000) + [0x31, 0xC0, 0x85, 0xC0, 0x74, 12] + skipped
        + [0x49, 0x75, 0xED, 0xF4])
    let translator = try #require(machine.translator)
    let next = FloatingPointMachine.code + 7
    let places = translator.translations.map { $0.eip }
    // DEC leaves the carry flag alone, so that the check of the budget has no cheap place.
    let loop = [UInt32](repeating: next + 16, count: 16).enumerated().map {
      $1 - UInt32($0 % 2) * 16
    }
    #expect(places.suffix(16) == loop[...])
    #expect(machine.cpu.pointee.instructions == 3 + 4 * 50_000)
  }

  /// An interpreter's operations jump through a table, each from a place of its own.
  @Test func jumpsThroughTablesAreCopied() throws {
    let code = FloatingPointMachine.code
    var bytes: [UInt8] = [0xBB] + Self.little(Self.data)  // mov ebx, data
    bytes += [0xB9] + Self.little(5000)  // mov ecx, 5000
    let next = bytes.count
    bytes += [0x8B, 0x03, 0x83, 0xE0, 0x0C]  // mov eax, [ebx]; and eax, 12
    bytes += [0xFF, 0xA0] + Self.little(Self.table)  // jmp [eax+table]
    var targets: [UInt32] = []
    for operation: [UInt8] in [[0x46], [0x01, 0xF2], [0x31, 0xD6], [0x83, 0xC2, 0x07]] {
      targets.append(code + UInt32(bytes.count))
      // add ebx, 4; cmp ebx, data + 800h; jae over; jmp next; over: mov ebx, data; dec ecx; jnz next; hlt
      bytes += operation + [0x83, 0xC3, 0x04, 0x81, 0xFB] + Self.little(Self.data + 0x800)
      bytes += [0x73, 5, 0xE9] + Self.little(UInt32(bitPattern: Int32(next - bytes.count - 7)))
      bytes += [0xBB] + Self.little(Self.data) + [0x49, 0x0F, 0x85]
      bytes += Self.little(UInt32(bitPattern: Int32(next - bytes.count - 4))) + [0xF4]
    }
    let translator = try #require(
      try Self.compare(bytes, seed: 5) { machine in
        for (number, target) in targets.enumerated() {
          machine.store(target, at: Self.table + UInt32(number) * 4)
        }
      })
    let jumps = translator.translations.filter { $0.eip == code + UInt32(next) }
    #expect(jumps.count > 1)
  }
}

@Suite struct ColdAccessTests {
  /// Sixteen traps in close order, then handler calls, then as many traps as the calls have cost.
  @Test func instructionsAreTriedAgainForWhatTheyHaveCost() {
    var cold = ColdAccesses()
    var instructions: UInt64 = 1000
    var calls: UInt64 = 0
    func traps(until limit: Int = 10_000) -> Int {
      for count in 1...limit {
        instructions += 100
        let advice = cold.note(
          0x5000, row: 3, calls: calls, instructions: instructions, clock: 0)
        if advice == .callHandler { return count }
        #expect(advice == (count > 3 ? .mapAround : .map))
      }
      return limit
    }
    #expect(traps() == 17)
    #expect(cold.contains(0x5000) && !cold.contains(0x5001))
    cold.note(translation: 7, of: 0x5000)
    func isExpired(at clock: UInt64) -> Bool {
      cold.isExpired(at: clock, calls: { $0 == 3 ? calls : 0 })
    }
    #expect(!isExpired(at: 0x8000))
    calls = 1 << 13
    #expect(!isExpired(at: 0x8001))  // It has just looked.
    #expect(isExpired(at: 0x1_0000))
    let translations = cold.expire(calls: { _ in calls })
    #expect(translations == [7])
    #expect(!cold.contains(0x5000))
    // 8192 calls are worth 32 pages.
    #expect(traps() == 33)
    // Few calls, but much time.
    #expect(isExpired(at: 1 << 26))
    _ = cold.expire(calls: { _ in calls })
    #expect(traps() == 17)
  }

  /// Traps far from each other are what any program has.
  @Test func rareTrapsAreMapped() {
    var cold = ColdAccesses()
    for number in 1...1000 as ClosedRange<UInt64> {
      let advice = cold.note(0x5000, row: 3, calls: 0, instructions: number * 300, clock: 0)
      #expect(advice == .map)
    }
  }
}
