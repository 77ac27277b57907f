import Bus
import Testing

@testable import Devices

final class KeyboardFixture {
  let clock = TestClock()
  let lines = TestLines()
  let gate = A20Gate()
  let controller: KeyboardController8042

  init() {
    controller = KeyboardController8042(
      queue: clock.queue, keyboardInterrupt: lines.line(1), mouseInterrupt: lines.line(12),
      gate: gate)
  }

  func command(_ value: UInt8, _ argument: UInt8? = nil) {
    controller.write(4, value)
    if let argument { controller.write(0, argument) }
  }
  func toMouse(_ value: UInt8) { command(0xD4, value) }

  /// Everything that comes within 100 ms, and whether each byte came from the mouse.
  func drain() -> (bytes: [UInt8], fromMouse: [Bool]) {
    var bytes: [UInt8] = []
    var fromMouse: [Bool] = []
    for _ in 0..<1000 {
      clock.advance(microseconds: 100)
      let status = controller.read(4)
      guard status & 1 != 0 else { continue }
      fromMouse.append(status & 0x20 != 0)
      bytes.append(controller.read(0))
    }
    return (bytes, fromMouse)
  }
  var bytes: [UInt8] { drain().bytes }
}

@Test func keyboardControllerPassesItsSelfTests() {
  let f = KeyboardFixture()
  f.command(0xAA)
  #expect(f.controller.read(4) & 0x05 == 0x05)
  #expect(f.controller.read(0) == 0x55)
  #expect(f.controller.read(4) & 0x01 == 0)
  f.command(0xAB)
  #expect(f.controller.read(0) == 0)
  f.command(0xA9)
  #expect(f.controller.read(0) == 0)
  f.command(0x60, 0x74)
  f.command(0x20)
  #expect(f.controller.read(0) == 0x74)
  f.command(0xA8)
  f.command(0xAE)
  f.command(0x20)
  #expect(f.controller.read(0) == 0x44)
  f.command(0xD3, 0xA5)
  #expect(f.controller.read(4) & 0x21 == 0x21)
  #expect(f.controller.read(0) == 0xA5)
  f.command(0x65, 0x11)
  f.command(0x25)
  #expect(f.controller.read(0) == 0x11)
}

@Test func keyboardAnswersItsCommands() {
  let f = KeyboardFixture()
  f.controller.write(0, 0xFF)
  #expect(f.bytes == [0xFA, 0xAA])
  f.controller.write(0, 0xF2)
  #expect(f.bytes == [0xFA, 0xAB, 0x41])  // 83h as translated
  f.command(0x60, 0x05)
  f.controller.write(0, 0xF2)
  #expect(f.bytes == [0xFA, 0xAB, 0x83])
  f.controller.write(0, 0xEE)
  #expect(f.bytes == [0xEE])
  f.controller.write(0, 0xED)
  f.controller.write(0, 0x05)
  #expect(f.bytes == [0xFA, 0xFA])
  #expect(f.controller.keyboardLEDs == 5)
  f.controller.write(0, 0xF0)
  f.controller.write(0, 0x00)
  #expect(f.bytes == [0xFA, 0xFA, 0x02])
  f.controller.write(0, 0x12)
  #expect(f.bytes == [0xFE])
  f.controller.write(0, 0xFE)
  #expect(f.bytes == [0xFE])
}

@Test func keysArriveTranslatedWithInterrupts() {
  let f = KeyboardFixture()
  f.controller.pressKey(.a)
  f.clock.advance(microseconds: 1000)
  #expect(f.lines.levels[1])
  #expect(f.controller.read(0) == 0x1E)
  #expect(!f.lines.levels[1])
  f.controller.releaseKey(.a)
  f.controller.pressKey(.up)
  f.controller.releaseKey(.up)
  #expect(f.bytes == [0x9E, 0xE0, 0x48, 0xE0, 0xC8])
  f.controller.pressKey(.pause)
  #expect(f.bytes == [0xE1, 0x1D, 0x45, 0xE1, 0x9D, 0xC5])
  f.controller.pressKey(.printScreen)
  f.controller.releaseKey(.printScreen)
  #expect(f.bytes == [0xE0, 0x2A, 0xE0, 0x37, 0xE0, 0xB7, 0xE0, 0xAA])
  f.controller.pressKey(.f7)
  f.controller.releaseKey(.f7)
  #expect(f.bytes == [0x41, 0xC1])
}

@Test func keyboardScanCodeSetsDiffer() {
  let f = KeyboardFixture()
  f.command(0x60, 0x05)
  f.controller.pressKey(.escape)
  f.controller.releaseKey(.escape)
  #expect(f.bytes == [0x76, 0xF0, 0x76])
  f.controller.write(0, 0xF0)
  f.controller.write(0, 0x01)
  #expect(f.bytes == [0xFA, 0xFA])
  f.controller.pressKey(.rightControl)
  f.controller.releaseKey(.rightControl)
  #expect(f.bytes == [0xE0, 0x1D, 0xE0, 0x9D])
  f.controller.write(0, 0xF0)
  f.controller.write(0, 0x03)
  #expect(f.bytes == [0xFA, 0xFA])
  f.controller.pressKey(.escape)
  f.controller.releaseKey(.escape)
  #expect(f.bytes == [0x08, 0xF0, 0x08])
}

@Test func keyCodesAreUniqueInEverySet() {
  for codes in [
    Key.allCases.map(\.set1.make), Key.allCases.map(\.set2.make), Key.allCases.map(\.set3.make),
  ] {
    #expect(Set(codes).count == codes.count)
  }
  for key in Key.allCases { #expect(key.set1.make.allSatisfy { $0 < 0x80 || $0 >= 0x9D }) }
}

@Test func keyboardDisabledSendsNothing() {
  let f = KeyboardFixture()
  f.controller.write(0, 0xF5)
  #expect(f.bytes == [0xFA])
  f.controller.pressKey(.a)
  f.controller.releaseKey(.a)
  #expect(f.bytes == [])
  f.controller.write(0, 0xF4)
  #expect(f.bytes == [0xFA])
  f.command(0xAD)
  f.controller.pressKey(.b)
  f.controller.releaseKey(.b)
  #expect(f.bytes == [])
  f.command(0xAE)
  #expect(f.bytes == [0x30, 0xB0])
}

@Test func heldKeysRepeat() {
  let f = KeyboardFixture()
  f.controller.write(0, 0xF3)
  f.controller.write(0, 0x00)  // 250 ms, 30 per second
  #expect(f.bytes == [0xFA, 0xFA])
  f.controller.pressKey(.x)
  var count = 0
  for _ in 0..<10_000 {
    f.clock.advance(microseconds: 100)
    if f.controller.read(4) & 1 != 0 {
      #expect(f.controller.read(0) == 0x2D)
      count += 1
    }
  }
  #expect(count == 1 + 23)
  f.controller.releaseKey(.x)
  #expect(f.bytes == [0xAD])
}

@Test func keyboardBufferOverruns() {
  let f = KeyboardFixture()
  f.command(0x60, 0x15)  // interface off, so that everything stays in the keyboard
  for _ in 0..<20 {
    f.controller.pressKey(.a)
    f.controller.releaseKey(.a)
  }
  f.command(0x60, 0x05)
  let bytes = f.bytes
  #expect(bytes.count == 16)
  #expect(bytes.last == 0x00)
}

@Test func outputPortResetsAndGatesA20() {
  let f = KeyboardFixture()
  var resets = 0
  f.controller.resetRequested = { resets += 1 }
  f.command(0xD0)
  #expect(f.controller.read(0) & 3 == 3)
  f.command(0xD1, 0xDD)
  #expect(!f.gate.isOpen)
  f.command(0xDF)
  #expect(f.gate.isOpen)
  f.command(0xFF)
  #expect(resets == 0)
  f.command(0xFE)
  #expect(resets == 1)
  f.command(0xD1, 0xDE)
  #expect(resets == 2)
}

@Test func port92GatesA20AndResets() {
  let gate = A20Gate(openAtReset: false)
  var changes: [Bool] = []
  gate.changed = { changes.append($0) }
  let port = SystemControlPortA(gate: gate)
  var resets = 0
  port.resetRequested = { resets += 1 }
  port.write(0, 0x02)
  #expect(port.read(0) == 0x02)
  gate.set(false)
  #expect(port.read(0) == 0x00)
  port.write(0, 0x03)
  port.write(0, 0x03)
  #expect(resets == 1)
  #expect(changes == [true, false, true])
}

@Test func mouseAnswersAndStreams() {
  let f = KeyboardFixture()
  f.command(0x60, 0x47)
  f.toMouse(0xFF)
  let answer = f.drain()
  #expect(answer.bytes == [0xFA, 0xAA, 0x00])
  #expect(answer.fromMouse == [true, true, true])
  #expect(f.lines.edges[12] == 3)
  f.controller.moveMouse(dx: 1, dy: 1, buttons: 0)
  #expect(f.bytes == [])  // not reporting yet
  f.toMouse(0xF4)
  #expect(f.bytes == [0xFA])
  f.controller.moveMouse(dx: 5, dy: 3, buttons: 1)
  #expect(f.bytes == [0x29, 5, 0xFD])
  f.controller.moveMouse(dx: -300, dy: 0, buttons: 0)
  #expect(f.bytes == [0x18, 0x01, 0, 0x18, 0xD3, 0])
  f.toMouse(0xE9)
  #expect(f.bytes == [0xFA, 0x20, 2, 100])
  f.toMouse(0xF3)
  f.toMouse(77)
  #expect(f.bytes == [0xFE])
}

@Test(arguments: [([200, 100, 80], 3), ([200, 200, 80], 4)] as [([UInt8], UInt8)])
func mouseWheelProtocols(rates: [UInt8], identity: UInt8) {
  let f = KeyboardFixture()
  f.command(0x60, 0x47)
  for rate in rates {
    f.toMouse(0xF3)
    #expect(f.bytes == [0xFA])
    f.toMouse(rate)
    #expect(f.bytes == [0xFA])
  }
  f.toMouse(0xF2)
  #expect(f.bytes == [0xFA, identity])
  f.toMouse(0xF4)
  #expect(f.bytes == [0xFA])
  f.controller.moveMouse(dx: 0, dy: 0, wheel: -2, buttons: 0x08)
  #expect(f.bytes == [0x08, 0, 0, identity == 4 ? 0x1E : 0xFE])
}

@Test func mouseKeepsShortClicksApart() {
  let f = KeyboardFixture()
  f.command(0x60, 0x47)
  f.toMouse(0xF4)
  _ = f.bytes
  f.controller.moveMouse(dx: 0, dy: 0, buttons: 1)
  f.controller.moveMouse(dx: 0, dy: 0, buttons: 0)
  #expect(f.bytes == [0x09, 0, 0, 0x08, 0, 0])
}

@Test func mouseRemoteAndWrapModes() {
  let f = KeyboardFixture()
  f.command(0x60, 0x47)
  f.toMouse(0xF0)
  #expect(f.bytes == [0xFA])
  f.controller.moveMouse(dx: 2, dy: -2, buttons: 4)
  #expect(f.bytes == [])
  f.toMouse(0xEB)
  #expect(f.bytes == [0xFA, 0x0C, 2, 2])
  f.toMouse(0xEE)
  #expect(f.bytes == [0xFA])
  f.toMouse(0x42)
  #expect(f.bytes == [0x42])
  f.toMouse(0xEC)
  #expect(f.bytes == [0xFA])
}

@Test func strokesCoverPrintableASCII() {
  for code in 0x20..<0x7F as Range<UInt8> {
    #expect(KeyStroke(typing: Character(UnicodeScalar(code))) != nil)
  }
  #expect(KeyStroke(typing: "A") == KeyStroke(.a, shift: true))
  #expect(KeyStroke(typing: "\n") == KeyStroke(.enter))
  #expect(KeyStroke(typing: "\r\n") == KeyStroke(.enter))
  #expect(KeyStroke(typing: "\u{3}") == KeyStroke(.c, control: true))
  #expect(KeyStroke(typing: "é") == nil)
}

@Test func typerSendsTextInOrder() {
  let f = KeyboardFixture()
  let typer = KeyTyper(queue: f.clock.queue, controller: f.controller)
  typer.type("a?é")
  #expect(f.bytes == [0x1E, 0x9E, 0x2A, 0x35, 0xB5, 0xAA])
  #expect(typer.isIdle)
}

/// Keys hammered while nobody reads them: many presses are lost, but no key stays down.
@Test func aStormOfKeysLeavesNoneDown() {
  let f = KeyboardFixture()
  _ = f.bytes
  let typer = KeyTyper(queue: f.clock.queue, controller: f.controller)
  let keys: [Key] = [.a, .right, .leftShift, .x, .f1]
  for index in 0..<1000 {
    typer.press(keys[index % 5])
    typer.release(keys[index % 5])
  }
  typer.press(.q)
  typer.release(.q)
  var down: Set<UInt8> = []
  var count = 0
  while !typer.isIdle || f.controller.read(4) & 1 != 0 {
    for byte in f.bytes where byte != 0xE0 {
      count += 1
      if byte < 0x80 { down.insert(byte) } else { down.remove(byte & 0x7F) }
    }
  }
  #expect(down.isEmpty)
  #expect(count > 200 && count < 1000)
}
