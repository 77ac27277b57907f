import Host
import Testing

@testable import Machine

@Suite struct RemotePacketTests {
  private func events(_ bytes: [UInt8]) -> [RemotePacketReader.Event] {
    var reader = RemotePacketReader()
    return bytes.compactMap { reader.feed($0) }
  }

  @Test func packetsAreFramedAndChecked() {
    #expect(RemotePacketReader.frame("OK") == Array("$OK#9a".utf8))
    #expect(
      events(Array("+$OK#9a\u{3}$m0,1#fa".utf8)) == [
        .packet(Array("OK".utf8)), .interrupt, .packet(Array("m0,1".utf8)),
      ])
    #expect(events(Array("$OK#9b$OK#zz".utf8)) == [.damaged, .damaged])
    // 7Dh 03h stands for 23h.
    #expect(events([0x24, 0x58, 0x7D, 0x03, 0x23] + Array("d8".utf8)) == [.packet([0x58, 0x23])])
  }

  @Test func numbersAreHexadecimal() {
    #expect(RemoteText.bytes("00fFa5") == [0x00, 0xFF, 0xA5])
    #expect(RemoteText.bytes("0") == nil)
    #expect(RemoteText.bytes("0g") == nil)
    #expect(RemoteText.number("ffffffffc1000000") == 0xC100_0000)
    #expect(RemoteText.number("-1") == nil)
  }
}

@Suite struct RemoteDebuggerTests {
  /// A machine with `inc eax` in an endless loop at 7C00h, real mode.
  private func machine(_ engine: String) throws -> (Machine, RemoteDebugger) {
    var rom = [UInt8](repeating: 0x90, count: 0x10000)
    rom.replaceSubrange(0..<4, with: [0x66, 0x40, 0xEB, 0xFC])
    rom.replaceSubrange(0xFFF0..<0xFFF5, with: [0xEA, 0x00, 0x00, 0x00, 0xF0])
    var configuration = MachineConfiguration()
    configuration.memory = 64 << 20
    configuration.startTime = 0
    let machine = try Machine(
      configuration: configuration, image: try ROMLoader.load(rom: rom, name: "test"),
      console: Console(serial: .capture, debug: .capture, readsInput: false), engine: engine)
    let listener = try HostListener(host: "127.0.0.1", port: 0)
    return (machine, RemoteDebugger(machine, listener: listener))
  }

  private func ask(_ debugger: RemoteDebugger, _ text: String) -> String {
    debugger.answer(text, Array(text.utf8)).reply
  }

  @Test(arguments: Engines.available) func breakpointsStopAndStepsStep(engine: String) throws {
    let (machine, debugger) = try machine(engine)
    #expect(ask(debugger, "Z1,f0000,1") == "OK")
    machine.advance(to: 10_000)
    #expect(machine.processor.breakpoints.isHit)
    #expect(machine.processor.cpu.pointee.eip == 0)
    #expect(machine.processor.cpu.eax == 0)
    // On, once round the loop.
    machine.processor.breakpoints.isHit = false
    machine.processor.breakpoints.passed = 0xF_0000
    machine.advance(to: 10_000)
    #expect(machine.processor.breakpoints.isHit)
    #expect(machine.processor.cpu.eax == 1)
    machine.processor.breakpoints.isHit = false
    machine.processor.breakpoints.passed = 0xF_0000
    machine.stepOne()
    #expect(machine.processor.cpu.eax == 2 && machine.processor.cpu.pointee.eip == 2)
    machine.stepOne()
    #expect(machine.processor.cpu.pointee.eip == 0)
    #expect(ask(debugger, "z1,f0000,1") == "OK")
    machine.advance(to: 10_000)
    #expect(!machine.processor.breakpoints.isHit)
  }

  @Test func registersAndMemory() throws {
    let (machine, debugger) = try machine("interpreter")
    defer { withExtendedLifetime(machine) {} }
    #expect(ask(debugger, "P0=78563412") == "OK")
    #expect(ask(debugger, "p0") == "78563412")
    #expect(machine.processor.cpu.eax == 0x1234_5678)
    #expect(ask(debugger, "pff") == "E01")
    #expect(ask(debugger, "M1000,3:010203") == "OK")
    #expect(ask(debugger, "mfff,5") == "0001020300")
    #expect(debugger.answer("", Array("X1001,1:".utf8) + [0x7F]).reply == "")
    let binary = Array("X1001,1:".utf8) + [0x7F]
    #expect(debugger.answer("X1001,1:\u{7F}", binary).reply == "OK")
    #expect(ask(debugger, "m1001,1") == "7f")
    let all = ask(debugger, "g")
    #expect(
      all.count == (0..<RemoteRegisters.count).reduce(0) { $0 + RemoteRegisters.size($1) } * 2)
    #expect(ask(debugger, "G" + all) == "OK")
    #expect(ask(debugger, "g") == all)
    let description = ask(debugger, "qXfer:features:read:target.xml:0,4000")
    #expect(description.hasPrefix("l<?xml"))
    #expect(description.split(separator: "<reg ").count - 1 == RemoteRegisters.count)
    #expect(ask(debugger, "qSupported:x").contains("PacketSize"))
    #expect(ask(debugger, "vMustReplyEmpty") == "")
  }

  @Test func survivesAnyPacket() throws {
    let (machine, debugger) = try machine("interpreter")
    // The debugger does not keep its machine alive.
    defer { withExtendedLifetime(machine) {} }
    var random = TestRandom(seed: 11)
    let starts = [
      "m", "M", "X", "Z0", "z1", "p", "P", "G", "c", "s", "C", "vCont;", "qXfer:", "q", "H",
    ]
    let alphabet = Array("0123456789abcdef,:;=#x-".utf8)
    for _ in 0..<3000 {
      let text =
        starts[random.below(starts.count)]
        + String(
          decoding: (0..<random.below(24)).map { _ in alphabet[random.below(alphabet.count)] },
          as: UTF8.self)
      _ = debugger.answer(text, Array(text.utf8))
    }
  }
}
