import Testing

@testable import Devices

@Suite struct KeyLayoutTests {
  @Test(arguments: KeyLayout.allCases) func everyASCIICharacterCanBeTyped(layout: KeyLayout) throws
  {
    for code in (0x20...0x7E as ClosedRange<UInt8>) {
      let character = Character(UnicodeScalar(code))
      let strokes = try #require(layout.strokes(typing: character), "\(character) in \(layout)")
      #expect(!strokes.isEmpty && strokes.count <= 2)
    }
    #expect(layout.strokes(typing: "\n") == [KeyStroke(.enter)])
    #expect(layout.strokes(typing: "世") == nil)
  }

  @Test func lettersAreWhereTheLayoutHasThem() {
    #expect(KeyLayout.de.strokes(typing: "z") == [KeyStroke(.y)])
    #expect(KeyLayout.fr.strokes(typing: "A") == [KeyStroke(.q, shift: true)])
    #expect(KeyLayout.fr.strokes(typing: "1") == [KeyStroke(.digit1, shift: true)])
    #expect(KeyLayout.de.strokes(typing: "@") == [KeyStroke(.q, altGr: true)])
    #expect(KeyLayout.uk.strokes(typing: "\\") == [KeyStroke(.isoBackslash)])
    // Control goes with the letter's key.
    #expect(KeyLayout.fr.strokes(typing: "\u{1}") == [KeyStroke(.q, control: true)])
    #expect(KeyLayout.us.strokes(typing: "ä") == nil)
  }

  @Test func deadKeysChangeTheNextLetterOrStandForThemselves() {
    #expect(KeyLayout.de.strokes(typing: "^") == [KeyStroke(.grave), KeyStroke(.space)])
    #expect(KeyLayout.de.strokes(typing: "é") == [KeyStroke(.equal), KeyStroke(.e)])
    #expect(
      KeyLayout.de.strokes(typing: "À")
        == [KeyStroke(.equal, shift: true), KeyStroke(.a, shift: true)])
    // A key of its own comes first.
    #expect(KeyLayout.fr.strokes(typing: "é") == [KeyStroke(.digit2)])
    #expect(KeyLayout.fr.strokes(typing: "^") == [KeyStroke(.digit9, altGr: true)])
    #expect(
      KeyLayout.fr.strokes(typing: "ë") == [KeyStroke(.leftBracket, shift: true), KeyStroke(.e)])
  }

  @Test func altGrIsTheRightAltKey() {
    let f = KeyboardFixture()
    _ = f.bytes
    let typer = KeyTyper(queue: f.clock.queue, controller: f.controller)
    typer.layout = .de
    typer.type("{")
    #expect(f.bytes == [0xE0, 0x38, 0x08, 0x88, 0xE0, 0xB8])
  }
}
