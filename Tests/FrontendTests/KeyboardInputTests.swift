import Devices
import Testing

@testable import Frontend

/// The usage of a key, by the table that is tested.
private func usage(_ key: Key) -> Int { HostKeys.usage(key) ?? -1 }

@Suite struct KeyboardInputTests {
  @Test func everyKeyOfTheGuestHasAPlaceOnTheHost() {
    for key in Key.allCases {
      #expect(HostKeys.usage(key).flatMap(HostKeys.key) == key, "\(key)")
    }
    #expect(HostKeys.key(usage: 0x04) == .a)
    #expect(HostKeys.key(usage: 0x27) == .digit0)
    #expect(HostKeys.key(usage: 0x32) == .backslash)  // the ISO keyboards' key in its place
    #expect(HostKeys.key(usage: 0x48) == .pause)
    #expect(HostKeys.key(usage: 0x63) == .keypadPeriod)
    #expect(HostKeys.key(usage: 0xE6) == .rightAlt)
    #expect(HostKeys.key(usage: 0x68) == nil)
    #expect(HostKeys.key(usage: -1) == nil)
  }

  @Test func keysAreSentOnce() {
    var input = KeyboardInput(releaseKeys: .standard)
    #expect(input.press(usage: usage(.a)) == [.press(.a)])
    #expect(input.press(usage: usage(.a)) == [])
    #expect(input.release(usage: usage(.a)) == [.release(.a)])
    #expect(input.release(usage: usage(.a)) == [])
    #expect(input.press(usage: 0x1FF) == [])
  }

  @Test func shortcutsReleaseTheModifiersInTheGuest() {
    var input = KeyboardInput(releaseKeys: .standard)
    #expect(input.press(usage: usage(.rightControl)) == [.press(.rightControl)])
    #expect(input.press(usage: usage(.leftAlt)) == [.press(.leftAlt)])
    #expect(
      input.press(usage: usage(.f)) == [
        .release(.leftAlt), .release(.rightControl), .shortcut(.fullscreen),
      ])
    #expect(input.release(usage: usage(.f)) == [])
    // A second one while the modifiers are held.
    #expect(input.press(usage: usage(.o)) == [.shortcut(.overlay)])
    #expect(input.release(usage: usage(.o)) == [])
    #expect(input.release(usage: usage(.leftAlt)) == [])
    #expect(input.release(usage: usage(.rightControl)) == [])
    #expect(input.press(usage: usage(.f)) == [.press(.f)])
  }

  @Test func otherKeysWithTheModifiersAreTheGuests() {
    var input = KeyboardInput(releaseKeys: .standard)
    _ = input.press(usage: usage(.leftControl))
    _ = input.press(usage: usage(.leftAlt))
    #expect(input.press(usage: usage(.f1)) == [.press(.f1)])
    #expect(input.release(usage: usage(.f1)) == [.release(.f1)])
    #expect(input.press(usage: usage(.delete)) == [.press(.delete)])
    #expect(input.release(usage: usage(.delete)) == [.release(.delete)])
    // Not a tap: another key was pressed.
    #expect(input.release(usage: usage(.leftAlt)) == [.release(.leftAlt)])
    #expect(input.release(usage: usage(.leftControl)) == [.release(.leftControl)])
    // AltGr is not Alt.
    _ = input.press(usage: usage(.leftControl))
    _ = input.press(usage: usage(.rightAlt))
    #expect(input.press(usage: usage(.f)) == [.press(.f)])
  }

  @Test func aTapOfTheReleaseKeysReleasesTheMouse() {
    var input = KeyboardInput(releaseKeys: .standard)
    _ = input.press(usage: usage(.leftAlt))
    _ = input.press(usage: usage(.leftControl))
    #expect(input.release(usage: usage(.leftControl)) == [.release(.leftControl)])
    #expect(input.release(usage: usage(.leftAlt)) == [.release(.leftAlt), .shortcut(.release)])
    // One of them alone is no tap.
    _ = input.press(usage: usage(.leftAlt))
    #expect(input.release(usage: usage(.leftAlt)) == [.release(.leftAlt)])
  }

  @Test func aSingleReleaseKeyIsTheWindowsAlone() throws {
    let keys = try #require(ReleaseKeys("right-ctrl"))
    #expect(keys.description == "Right Ctrl")
    var input = KeyboardInput(releaseKeys: keys)
    #expect(input.press(usage: usage(.rightControl)) == [])
    #expect(input.press(usage: usage(.p)) == [.shortcut(.pause)])
    #expect(input.release(usage: usage(.p)) == [])
    #expect(input.release(usage: usage(.rightControl)) == [])
    #expect(input.press(usage: usage(.rightControl)) == [])
    #expect(input.release(usage: usage(.rightControl)) == [.shortcut(.release)])
    #expect(input.press(usage: usage(.leftControl)) == [.press(.leftControl)])
  }

  @Test func nothingSticksWhenTheFocusIsLost() {
    var input = KeyboardInput(releaseKeys: .standard)
    for key in [Key.leftShift, .a, .right] { _ = input.press(usage: usage(key)) }
    #expect(input.loseFocus() == [.release(.right), .release(.a), .release(.leftShift)])
    #expect(input.release(usage: usage(.a)) == [])
    #expect(input.press(usage: usage(.a)) == [.press(.a)])
  }

  @Test func everyPressedKeyIsReleasedWhateverHappens() {
    var random = SystemRandomNumberGenerator()
    for keys in ["ctrl+alt", "right-ctrl", "shift+super", "menu"] {
      var input = KeyboardInput(releaseKeys: ReleaseKeys(keys) ?? .standard)
      var guest: Set<Key> = []
      func follow(_ actions: [KeyboardInput.Action]) {
        for action in actions {
          switch action {
          case .press(let key): #expect(guest.insert(key).inserted)
          case .release(let key): #expect(guest.remove(key) != nil)
          case .shortcut: break
          }
        }
      }
      for _ in 0..<5000 {
        let key = usage(Key.allCases.randomElement(using: &random) ?? .a)
        switch UInt8.random(in: 0..<20, using: &random) {
        case 0: follow(input.loseFocus())
        case 1...9: follow(input.release(usage: key))
        default: follow(input.press(usage: key))
        }
      }
      follow(input.loseFocus())
      #expect(guest.isEmpty)
    }
  }

  @Test(arguments: ["", "ctrl+", "ctrl+ctrl", "ctrl+left-ctrl", "hyper", "ctrl alt"])
  func releaseKeysAreChecked(text: String) { #expect(ReleaseKeys(text) == nil) }
}
