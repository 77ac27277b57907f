import Bus
import Testing

@testable import Devices

private final class Fixture {
  let clock = TestClock()
  let vga: VGA

  init(memorySize: Int = 1 << 20) {
    vga = VGA(queue: clock.queue, memorySize: memorySize)
  }

  func set(_ port: UInt16, _ index: UInt8, _ value: UInt8) {
    vga.writePort(
      offset: port - 0x3B0, width: .word, value: UInt32(index) | UInt32(value) << 8)
  }
  func get(_ port: UInt16, _ index: UInt8) -> UInt8 {
    vga.write(port - 0x3B0, index)
    return vga.read(port - 0x3B0 + 1)
  }
  func attribute(_ index: UInt8, _ value: UInt8) {
    _ = vga.read(0x2A)
    vga.write(0x10, index)
    vga.write(0x10, value)
    vga.write(0x10, 0x20)
  }
  func poke(_ address: UInt32, _ value: UInt8) {
    vga.writeMemory(offset: address - 0xA0000, width: .byte, value: UInt32(value))
  }
  func peek(_ address: UInt32) -> UInt8 {
    UInt8(truncatingIfNeeded: vga.readMemory(offset: address - 0xA0000, width: .byte))
  }
  var frame: VideoFrame {
    var frame = VideoFrame()
    vga.render(into: &frame)
    return frame
  }

  /// The registers of a standard graphics mode.
  func graphicsMode(
    miscellaneous: UInt8, sequencer: [UInt8], crtc: [UInt8], graphics: [UInt8], attributeMode: UInt8
  ) {
    vga.clearMemory()
    vga.write(0x12, miscellaneous)
    for (index, value) in sequencer.enumerated() { set(0x3C4, UInt8(index), value) }
    set(0x3D4, 0x11, 0)
    for (index, value) in crtc.enumerated() { set(0x3D4, UInt8(index), value) }
    for (index, value) in graphics.enumerated() { set(0x3CE, UInt8(index), value) }
    for index in 0..<16 as Range<UInt8> { attribute(index, index) }
    attribute(0x10, attributeMode)
    for index in 0..<256 {
      vga.write(0x18, UInt8(index))
      for shift in [0, 2, 4] { vga.write(0x19, UInt8(((index * 4) >> shift) & 0x3F)) }
    }
  }

  /// 640x480, 16 colours.
  func mode12() {
    graphicsMode(
      miscellaneous: 0xE3, sequencer: [3, 1, 0x0F, 0, 6],
      crtc: [
        0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0x0B, 0x3E, 0x00, 0x40, 0, 0, 0, 0, 0, 0, 0xEA, 0x0C,
        0xDF, 0x28, 0x00, 0xE7, 0x04, 0xE3, 0xFF,
      ], graphics: [0, 0, 0, 0, 0, 0, 5, 0x0F, 0xFF], attributeMode: 0x01)
  }
  /// 320x200, 256 colours.
  func mode13() {
    graphicsMode(
      miscellaneous: 0x63, sequencer: [3, 1, 0x0F, 0, 0x0E],
      crtc: [
        0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0xBF, 0x1F, 0x00, 0x41, 0, 0, 0, 0, 0, 0, 0x9C, 0x0E,
        0x8F, 0x28, 0x40, 0x96, 0xB9, 0xA3, 0xFF,
      ], graphics: [0, 0, 0, 0, 0, 0x40, 5, 0x0F, 0xFF], attributeMode: 0x41)
  }
  /// 320x200, 4 colours as on the CGA.
  func mode4() {
    graphicsMode(
      miscellaneous: 0x63, sequencer: [3, 9, 0x03, 0, 2],
      crtc: [
        0x2D, 0x27, 0x28, 0x90, 0x2B, 0x80, 0xBF, 0x1F, 0x00, 0xC1, 0, 0, 0, 0, 0, 0, 0x9C, 0x0E,
        0x8F, 0x14, 0x00, 0x96, 0xB9, 0xA2, 0xFF,
      ], graphics: [0, 0, 0, 0, 0, 0x30, 0x0F, 0x00, 0xFF], attributeMode: 0x01)
  }
}

@Test func vgaStartsInTextModeAndShowsText() {
  let f = Fixture()
  #expect(f.vga.textScreen == [String](repeating: "", count: 25))
  for (index, byte) in "Hello".utf8.enumerated() {
    f.poke(0xB8000 + UInt32(80 + index) * 2, byte)
  }
  f.poke(0xB8000 + 24 * 160, 0xC9)
  #expect(f.vga.textScreen[1] == "Hello")
  #expect(f.vga.textScreen[24] == "╔")
  #expect(f.peek(0xB8000 + 160) == 0x48)
  #expect(f.peek(0xB8000 + 161) == 0x07)
  #expect(f.peek(0xA0000) == 0xFF)  // outside the window
  #expect(f.vga.textCursor.map { [$0.column, $0.row] } == [0, 0])
  f.set(0x3D4, 0x0F, 85)
  #expect(f.vga.textCursor.map { [$0.column, $0.row] } == [5, 1])
  let generation = f.vga.generation
  f.set(0x3D4, 0x0D, 80)  // scrolled by a row
  #expect(f.vga.generation != generation)
  #expect(f.vga.textScreen[0] == "Hello")
  f.set(0x3D4, 0x0F, 80 + 7)  // blanks before the cursor count
  #expect(f.vga.textScreen[0] == "Hello  ")
}

@Test func vgaRegistersReadBack() {
  let f = Fixture()
  for (port, masks) in [
    (0x3C4, [0x03, 0x3D, 0x0F, 0x3F, 0x0E]),
    (0x3CE, [0x0F, 0x0F, 0x0F, 0x1F, 0x03, 0x7B, 0x0F, 0x0F, 0xFF]),
  ] as [(UInt16, [UInt8])] {
    for (index, mask) in masks.enumerated() {
      f.set(port, UInt8(index), 0xFF)
      #expect(f.get(port, UInt8(index)) == mask)
    }
  }
  f.set(0x3D4, 0, 0x12)  // protected
  #expect(f.get(0x3D4, 0) == 0x5F)
  f.set(0x3D4, 7, 0x00)  // but the line-compare bit
  #expect(f.get(0x3D4, 7) == 0x0F)
  f.set(0x3D4, 0x11, 0x0E)
  f.set(0x3D4, 0, 0x12)
  #expect(f.get(0x3D4, 0) == 0x12)
  #expect(f.vga.read(0x1C) == 0x67)
  f.vga.write(0x12, 0x66)  // monochrome addresses
  #expect(f.vga.read(0x25) == 0xFF)
  f.vga.write(0x04, 0)
  #expect(f.vga.read(0x05) == 0x12)
}

@Test func vgaAttributeControllerAlternatesIndexAndData() {
  let f = Fixture()
  f.attribute(0x11, 0x15)
  _ = f.vga.read(0x2A)
  f.vga.write(0x10, 0x31)
  #expect(f.vga.read(0x11) == 0x15)
  f.vga.write(0x10, 0x16)
  #expect(f.vga.read(0x11) == 0x16)
  _ = f.vga.read(0x2A)
  f.vga.write(0x10, 0x23)
  f.vga.write(0x10, 0x2A)  // the palette is in use
  #expect(f.vga.read(0x11) == 0x03)
  f.attribute(0x03, 0x2A)
  _ = f.vga.read(0x2A)
  f.vga.write(0x10, 0x23)
  #expect(f.vga.read(0x11) == 0x2A)
}

@Test func vgaPaletteCountsThroughComponents() {
  let f = Fixture()
  f.vga.write(0x18, 10)
  for value in [1, 2, 3, 0xFF, 5, 6] as [UInt8] { f.vga.write(0x19, value) }
  #expect(f.vga.read(0x18) == 12)
  f.vga.write(0x17, 10)
  #expect(f.vga.read(0x17) == 3)
  #expect((0..<6).map { _ in f.vga.read(0x19) } == [1, 2, 3, 0x3F, 5, 6])
}

@Test func vgaStatusFollowsTheBeam() {
  let f = Fixture()
  // Mode 3: 449 lines of 900 dots at 28.322 MHz, about 70 frames a second.
  var retraces = 0
  var displayEnds = 0
  var last: UInt8 = 0
  for _ in 0..<100_000 {
    let status = f.vga.read(0x2A)
    if status & ~last & 8 != 0 { retraces += 1 }
    if status & ~last & 1 != 0 { displayEnds += 1 }
    last = status
    f.clock.advance(microseconds: 1)
  }
  #expect(retraces == 7)
  #expect((7 * 395...7 * 405).contains(displayEnds))
}

@Test func vgaWriteModes() {
  let f = Fixture()
  f.mode12()
  f.set(0x3C4, 2, 0x05)
  f.poke(0xA0000, 0xF0)
  #expect(Array(f.vga.memory[0..<4]) == [0xF0, 0, 0xF0, 0])
  #expect(f.peek(0xA0000) == 0xF0)
  f.set(0x3C4, 2, 0x0F)
  // Mode 1 copies the latches.
  f.set(0x3CE, 5, 1)
  f.poke(0xA0001, 0xFF)
  #expect(Array(f.vga.memory[4..<8]) == [0xF0, 0, 0xF0, 0])
  // Mode 2 takes a colour, under the bit mask.
  f.set(0x3CE, 5, 2)
  f.set(0x3CE, 8, 0x0F)
  f.poke(0xA0001, 0x0A)
  #expect(Array(f.vga.memory[4..<8]) == [0xF0, 0x0F, 0xF0, 0x0F])
  // Mode 3: set/reset's colour where data and bit mask are set.
  f.set(0x3CE, 5, 3)
  f.set(0x3CE, 0, 0x03)
  f.set(0x3CE, 8, 0x3C)
  _ = f.peek(0xA0001)
  f.poke(0xA0001, 0xF0)
  #expect(Array(f.vga.memory[4..<8]) == [0xF0, 0x3F, 0xC0, 0x0F])
  // Mode 0 with rotation, function and set/reset.
  f.set(0x3CE, 5, 0)
  f.set(0x3CE, 8, 0xFF)
  f.set(0x3CE, 1, 0x01)
  f.set(0x3CE, 0, 0x01)
  f.set(0x3CE, 3, 0x1C)  // XOR, rotate by 4
  _ = f.peek(0xA0001)
  f.poke(0xA0001, 0x0F)
  #expect(Array(f.vga.memory[4..<8]) == [0x0F, 0xCF, 0x30, 0xFF])
  // Read mode 1 compares colours.
  f.set(0x3CE, 5, 8)
  f.set(0x3CE, 2, 0x0B)
  f.set(0x3CE, 7, 0x0F)
  #expect(f.peek(0xA0001) == 0x0F)
  f.set(0x3CE, 7, 0x04)
  #expect(f.peek(0xA0001) == 0xCF)
}

@Test func vgaDrawsSixteenColours() {
  let f = Fixture()
  f.mode12()
  f.set(0x3C4, 2, 0x09)
  f.poke(0xA0000 + 80 * 479 + 79, 0x01)
  let frame = f.frame
  #expect([frame.width, frame.height] == [640, 480])
  // Colour 9: components 36, 9, 2 of 63.
  #expect(frame.pixels.last == 0xFF08_2492)
  #expect(frame.pixels[0] == 0xFF00_0000)
  f.poke(0xA0000, 0)
  #expect(f.frame.pixels.count == 640 * 480)
}

@Test func vgaDraws256ColoursChainedAndUnchained() {
  let f = Fixture()
  f.mode13()
  f.poke(0xA0000 + 320 * 199 + 319, 9)
  #expect(f.peek(0xA0000 + 320 * 199 + 319) == 9)
  let frame = f.frame
  #expect([frame.width, frame.height] == [320, 200])
  #expect(frame.pixels.last == 0xFF08_2492)
  // Mode X: unchained, byte addresses.
  f.set(0x3C4, 4, 6)
  f.set(0x3D4, 0x14, 0)
  f.set(0x3D4, 0x17, 0xE3)
  f.set(0x3C4, 2, 0x02)
  f.poke(0xA0000 + 80, 9)
  #expect(f.frame.pixels[321] == frame.pixels.last)
}

@Test func vgaDrawsCGAGraphicsFromTwoBanks() {
  let f = Fixture()
  f.mode4()
  f.poke(0xB8000, 0b1100_0000)
  f.poke(0xB8001, 0b0000_0010)
  f.poke(0xBA000, 0b0010_0000)
  #expect(f.peek(0xB8001) == 0b0000_0010)
  let frame = f.frame
  #expect([frame.width, frame.height] == [320, 200])
  let blank = frame.pixels[1]
  #expect(frame.pixels[0] != blank)
  #expect(frame.pixels[7] != blank)
  #expect(frame.pixels[320 + 1] == frame.pixels[7])
  #expect(frame.pixels.filter { $0 != blank }.count == 3)
}

@Test func vgaDrawsTextWithFontAttributesAndCursor() {
  let f = Fixture()
  f.poke(0xB8000 + 2, 0xDB)
  f.poke(0xB8000 + 3, 0x1E)  // yellow on blue
  let frame = f.frame
  #expect([frame.width, frame.height] == [720, 400])
  #expect(frame.pixels[9 + 5] == 0xFF55_FFFF)
  #expect(frame.pixels[9 + 8] == 0xFF55_FFFF)  // line graphics fill the ninth column
  #expect(frame.pixels[720 * 13] == 0xFFAA_AAAA)  // the cursor
  #expect(frame.pixels[0] == 0xFF00_0000)
  var again = frame
  #expect(f.vga.render(into: &again).isEmpty)
  f.clock.advance(microseconds: 120_000)
  #expect(!f.vga.render(into: &again).isEmpty)
  #expect(again.pixels[720 * 13] == 0xFF00_0000)  // blinked off
  f.vga.write(0x14, 1)
  f.vga.write(0x15, 0x20)  // screen off
  #expect(Set(f.frame.pixels) == [0xFF00_0000])
}

@Test func vgaFontHasAGlyphForEveryPrintableCharacter() {
  var seen: Set<[UInt8]> = []
  for character in 0x21...0x7E as ClosedRange<UInt8> {
    #expect(VGAFont.glyph(character).count == 16)
    #expect(seen.insert(VGAFont.glyph(character)).inserted, "\(character)")
  }
  for character in 0...255 as ClosedRange<UInt8> {
    #expect(VGAFont.glyph(character).count == 16)
    _ = CodePage437.character(character)
  }
  #expect(CodePage437.character(0xFF) == " ")
  #expect(CodePage437.character(0xE1) == "ß")
}

@Test func bochsDisplaySetsLinearModes() {
  let f = Fixture()
  let ports = f.vga.displayInterface
  func set(_ index: UInt32, _ value: UInt32) {
    ports.writePort(offset: 0, width: .word, value: index)
    ports.writePort(offset: 1, width: .word, value: value)
  }
  func get(_ index: UInt32) -> UInt32 {
    ports.writePort(offset: 0, width: .word, value: index)
    return ports.readPort(offset: 1, width: .word)
  }
  #expect(get(0) == 0xB0C5)
  #expect(get(10) == 16)
  set(1, 320)
  set(2, 240)
  set(3, 32)
  set(4, 0x41)
  #expect(get(6) == 320)
  #expect(get(7) == (1 << 20) / 1280)
  let memory = f.vga.linearFramebuffer
  memory.writeMemory(offset: 307_196, width: .dword, value: 0x0012_3456)
  let frame = f.frame
  #expect([frame.width, frame.height] == [320, 240])
  #expect(frame.pixels.last == 0xFF56_3412)
  set(5, 1)  // the bank of the last rows through the window
  #expect(f.peek(0xA0000) == 0)
  set(5, 4)
  #expect(f.peek(0xA0000 + 45_052) == 0x56)
  set(9, 600)  // beyond memory
  #expect(get(9) == 0)
  set(9, 1)
  #expect(f.frame.pixels[320 * 239 - 1] == 0xFF56_3412)
  set(4, 0)
  #expect(f.vga.isTextMode)
  set(1, 2560)
  set(2, 1600)
  set(4, 0x41)  // needs 16 MiB
  #expect(get(4) & 1 == 0)
}

@Test(arguments: 1...4 as ClosedRange<UInt64>)
func vgaSurvivesRandomRegistersAndMemory(seed: UInt64) {
  let f = Fixture(memorySize: 1 << 18)
  var random = TestRandom(seed: seed)
  var frame = VideoFrame()
  let ports = f.vga.displayInterface
  for _ in 0..<25 {
    for _ in 0..<30 {
      let port = [0x3C4, 0x3CE, 0x3D4, 0x3C0, 0x3B4].randomElement(using: &random)! as UInt16
      f.set(
        port, UInt8.random(in: 0..<28, using: &random), UInt8.random(in: 0...255, using: &random))
    }
    for _ in 0..<4 {
      ports.writePort(
        offset: UInt16.random(in: 0..<3, using: &random), width: .word,
        value: UInt32.random(in: 0..<12, using: &random) << UInt32.random(in: 0..<8, using: &random)
      )
    }
    for _ in 0..<100 {
      let offset = UInt32.random(in: 0..<0x20000, using: &random)
      f.vga.writeMemory(
        offset: offset, width: .dword, value: .random(in: 0...(.max), using: &random))
      _ = f.vga.readMemory(offset: offset ^ 0x55, width: .dword)
    }
    _ = f.vga.readMemory(offset: .max, width: .dword)
    f.vga.writeMemory(offset: .max, width: .dword, value: 0)
    _ = f.vga.linearFramebuffer.readMemory(offset: .max, width: .dword)
    f.vga.linearFramebuffer.writeMemory(offset: .max - 1, width: .dword, value: 0)
    f.clock.advance(microseconds: 1000)
    f.vga.render(into: &frame)
    #expect(frame.pixels.count == frame.width * frame.height)
    _ = f.vga.textScreen
    _ = f.vga.textCursor
  }
}

@Test func vgaTextPansSplitsAndScrollsByLines() {
  let f = Fixture()
  // A full block at the start of rows 0 and 1, at the end of the second screen's row.
  f.poke(0xB8000 + 160, 0xDB)
  let plain = f.frame
  let lit = plain.pixels[720 * 16]
  #expect(lit == 0xFFAA_AAAA)
  #expect(plain.pixels[720 * 31 + 8] == lit)
  f.set(0x3D4, 8, 3)  // preset row scan: three lines up
  #expect(f.frame.pixels[720 * 13] == lit)
  #expect(f.frame.pixels[720 * 29] != lit)
  f.set(0x3D4, 8, 0)
  f.attribute(0x13, 0x02)  // three dots to the left
  #expect(f.frame.pixels[720 * 16 + 5] == lit)
  #expect(f.frame.pixels[720 * 16 + 6] != lit)
  f.attribute(0x13, 0x08)
  // From line 200 on, address 0 again.
  f.set(0x3D4, 0x18, 199)
  f.set(0x3D4, 0x07, 0x0F)
  f.set(0x3D4, 0x09, 0x0F)
  f.set(0x3D4, 0x0D, 80)
  let split = f.frame
  #expect(split.pixels[0] == lit)
  #expect(split.pixels[720 * 215] != lit)
  #expect(split.pixels[720 * 216] == lit)
  #expect(f.vga.textScreen[0] == "█")
  #expect(f.vga.textScreen[14] == "█")
}

@Test func vgaCountsWritesOfTheProcessorItself() {
  let f = Fixture()
  var tracked = 0
  f.vga.trackWrites = { tracked += 1 }
  var frame = f.frame
  f.vga.render(into: &frame)
  #expect(f.vga.render(into: &frame).isEmpty)
  let number = f.vga.pictureNumber
  _ = f.vga.takeUpdate()
  f.vga.framebufferWritten(0x1_0000..<0x2_0000)
  #expect(f.vga.pictureNumber != number)
  _ = f.vga.takeUpdate()
  #expect(tracked == 1)
  _ = f.vga.takeUpdate()
  #expect(tracked == 1)
  #expect(!f.vga.render(into: &frame).isEmpty)
  f.vga.framebufferWritten(0x1_0000..<0x2_0000)
  f.vga.isDirty = false
  #expect(!f.vga.render(into: &frame).isEmpty)
  #expect(tracked == 2)
}
