import Testing

@testable import CPU
@testable import Interpreter
@testable import Translator

@Suite struct TrappingAccessTests {
  @Test func instructionsAreTriedAgainAfterMoreAndMoreCalls() {
    var trapping = TrappingAccesses()
    var clock: UInt64 = 0
    var calls: UInt64 = 0
    func callsUntilTrial() -> UInt64 {
      let start = calls
      for _ in 0..<100 {
        clock += 1 << 20
        calls += 1 << 15
        #expect(trapping.contains(0x5000) && trapping.mustLook(at: clock))
        let translations = trapping.expire(at: clock) { $0 == 3 ? calls : 0 }
        #expect(!trapping.mustLook(at: clock + 1 << 19))
        if translations == [7] { break }
        #expect(translations.isEmpty)
      }
      #expect(!trapping.contains(0x5000))
      return calls - start
    }
    func insert() {
      trapping.insert(0x5000, row: 3, calls: calls, clock: clock)
      trapping.note(translation: 7, of: 0x5000)
    }
    for calls in [1 << 16, 1 << 17, 1 << 18, 1 << 19] as [UInt64] {
      insert()
      #expect(callsUntilTrial() == calls)
    }
    // It did well for a while.
    clock += 1 << 22
    insert()
    #expect(callsUntilTrial() == 1 << 16)
  }

  /// A store that first goes where there is nothing, then two million times into memory.
  @Test func aStoreThatMetADeviceIsFastElsewhere() throws {
    func little(_ value: UInt32) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
    let machine = try FloatingPointMachine(translated: true)
    let data = FloatingPointMachine.data
    machine.run(
      [0xBB] + little(0x80_0000)  // mov ebx, 800000h
        + [0xB9] + little(2000)  // mov ecx, 2000
        + [0x89, 0x03, 0x49, 0x75, 0xFB]  // next: mov [ebx], eax; dec ecx; jnz next
        + [0x81, 0xFB] + little(data) + [0x74, 12]  // cmp ebx, data; je over
        + [0xBB] + little(data)  // mov ebx, data
        + [0xB9] + little(2_000_000)  // mov ecx, 2000000
        + [0xEB, 0xE7, 0xF4])  // jmp next; over: hlt
    let translator = try #require(machine.translator)
    let calls = try #require(translator.callouts["mov"])
    #expect(calls > 1000 && calls < 1_000_000)
    #expect(machine.cpu.pointee.instructions == 2 + 2000 * 3 + 5 + 2_000_000 * 3 + 3)
  }
}
