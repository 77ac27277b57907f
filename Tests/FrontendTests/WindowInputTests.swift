import Foundation
import Host
import Machine
import Roms
import SystemROMs
import Testing

@testable import Devices
@testable import Frontend

/// What the guest of the window's tests has told, as bytes from the keyboard and from the mouse.
struct Received {
  var keyboard: [UInt8] = []
  var mouse: [UInt8] = []

  init(_ serial: String) {
    for line in serial.split(separator: "\n") where line.utf8.count == 3 {
      guard let value = UInt8(line.dropFirst(), radix: 16) else { continue }
      if line.hasPrefix("k") { keyboard.append(value) }
      if line.hasPrefix("m") { mouse.append(value) }
    }
  }

  /// The text that set 1 scan codes mean to a guest with a US keyboard.
  var text: String {
    var result = ""
    var isShifted = false
    let characters = (0x20...0x7E as ClosedRange<UInt8>).map { Character(UnicodeScalar($0)) }
    for code in keyboard {
      if code & 0x7F == 0x2A || code & 0x7F == 0x36 {
        isShifted = code < 0x80
      } else if code == 0x1C {
        result.append("\n")
      } else if let character = characters.first(where: {
        let stroke = KeyStroke(typing: $0)
        return stroke?.shift == isShifted && stroke?.key.set1.make == [code]
      }) {
        result.append(character)
      }
    }
    return result
  }
}

@Suite(.serialized, .enabled(if: XServer.isInstalled, "scripts/setup.sh installs Xvfb and xdotool"))
struct WindowInputTests {
  private func start(
    _ arguments: [String] = [], on server: XServer, environment: [String: String] = [:]
  ) throws -> WindowedRun {
    let run = try WindowedRun(
      ["--rom", "window.rom", "--scale", "1"] + arguments, on: server, environment: environment)
    #expect(try eventually { run.serial.contains("ready") })
    _ = try run.window()
    try run.focus()
    return run
  }

  /// X names of the keys; the keypad's are those without Num Lock. Modifiers are key codes, because xdotool
  /// presses the modifier that a name means besides.
  private static let names: [(Key, String)] =
    zip(
      [
        .a, .b, .c, .d, .e, .f, .g, .h, .i, .j, .k, .l, .m, .n, .o, .p, .q, .r, .s, .t, .u, .v,
        .w, .x, .y, .z,
      ] as [Key], "abcdefghijklmnopqrstuvwxyz".map(String.init)
    ).map { ($0, $1) }
    + zip(
      [
        .digit0, .digit1, .digit2, .digit3, .digit4, .digit5, .digit6, .digit7, .digit8, .digit9,
      ] as [Key], "0123456789".map(String.init)
    ).map { ($0, $1) } + [
      (.grave, "grave"), (.minus, "minus"), (.equal, "equal"), (.backslash, "backslash"),
      (.leftBracket, "bracketleft"), (.rightBracket, "bracketright"), (.semicolon, "semicolon"),
      (.apostrophe, "apostrophe"), (.comma, "comma"), (.period, "period"), (.slash, "slash"),
      (.isoBackslash, "94"), (.backspace, "BackSpace"), (.tab, "Tab"), (.enter, "Return"),
      (.space, "space"), (.escape, "Escape"), (.capsLock, "Caps_Lock"), (.leftShift, "50"),
      (.leftControl, "37"), (.leftAlt, "64"), (.leftMeta, "133"),
      (.rightShift, "62"), (.rightControl, "105"), (.rightAlt, "108"),
      (.rightMeta, "134"), (.menu, "Menu"), (.f1, "F1"), (.f2, "F2"), (.f3, "F3"),
      (.f4, "F4"), (.f5, "F5"), (.f6, "F6"), (.f7, "F7"), (.f8, "F8"), (.f9, "F9"),
      (.f10, "F10"), (.f11, "F11"), (.f12, "F12"), (.insert, "Insert"), (.home, "Home"),
      (.pageUp, "Prior"), (.delete, "Delete"), (.end, "End"), (.pageDown, "Next"), (.up, "Up"),
      (.left, "Left"), (.down, "Down"), (.right, "Right"), (.numLock, "Num_Lock"),
      (.keypadDivide, "KP_Divide"), (.keypadMultiply, "KP_Multiply"),
      (.keypadMinus, "KP_Subtract"), (.keypadPlus, "KP_Add"), (.keypadEnter, "KP_Enter"),
      (.keypadPeriod, "KP_Delete"), (.keypad0, "KP_Insert"), (.keypad1, "KP_End"),
      (.keypad2, "KP_Down"), (.keypad3, "KP_Next"), (.keypad4, "KP_Left"), (.keypad5, "KP_Begin"),
      (.keypad6, "KP_Right"), (.keypad7, "KP_Home"), (.keypad8, "KP_Up"), (.keypad9, "KP_Prior"),
      (.scrollLock, "Scroll_Lock"), (.printScreen, "Print"), (.pause, "Pause"),
    ]

  @Test func everyKeyArrives() throws {
    #expect(Set(Self.names.map(\.0)) == Set(Key.allCases))
    let server = try XServer()
    let run = try start(on: server)
    try server.run("/usr/bin/xdotool", ["key", "--delay", "25"] + Self.names.map(\.1))
    let expected = Self.names.map { $0.0.set1.make + $0.0.set1.release }
    let count = expected.reduce(0) { $0 + $1.count }
    #expect(try eventually { Received(run.serial).keyboard.count >= count })
    var rest = Received(run.serial).keyboard[...]
    for ((key, name), codes) in zip(Self.names, expected) {
      #expect(Array(rest.prefix(codes.count)) == codes, "\(key) \(name)")
      rest = rest.dropFirst(codes.count)
    }
    #expect(rest.isEmpty)
    try run.key("ctrl+alt+w")
    #expect(run.status() == 0)
  }

  @Test func typedAndPastedTextArrives() throws {
    let server = try XServer()
    let run = try start(on: server)
    let characters = String(
      (0x20...0x7E as ClosedRange<UInt8>).map { Character(UnicodeScalar($0)) })
    try server.run("/usr/bin/xdotool", ["type", "--delay", "30", characters])
    #expect(try eventually { Received(run.serial).text.count >= 95 })
    #expect(Received(run.serial).text == characters)
    // xclip keeps serving the selection in the background.
    let text = "echo \"A + b\" | tr a-z A-Z > /tmp/{1,2}\n"
    try server.run(
      "/bin/sh", ["-c", "printf '%s' \"$0\" | xclip -selection clipboard >/dev/null 2>&1", text])
    try run.key("ctrl+alt+v")
    #expect(try eventually { Received(run.serial).text.hasSuffix("\n") })
    #expect(Received(run.serial).text == characters + text)
    run.interrupt()
    #expect(run.status() == 130)
  }

  @Test func nothingIsLostOrStuckInAStormOfKeys() throws {
    let server = try XServer()
    let run = try start(on: server)
    let keys = ["a", "Right", "Shift_L", "Print", "x"]
    try server.run(
      "/usr/bin/xdotool",
      ["key", "--delay", "0"] + (0..<400).map { keys[$0 % keys.count] } + ["Escape"])
    #expect(try eventually { Received(run.serial).keyboard.last == 0x81 })
    #expect(Received(run.serial).keyboard.filter { $0 == 0x1E }.count <= 80)
    // Every key that went down came up again.
    var down: Set<UInt8> = []
    for code in Received(run.serial).keyboard where code != 0xE0 {
      if code < 0x80 { down.insert(code) } else { down.remove(code & 0x7F) }
    }
    #expect(down.isEmpty)
    // A key that is held while another window takes the keyboard.
    try server.xdotool("keydown", "q")
    #expect(try eventually { Received(run.serial).keyboard.contains(0x10) })
    try server.run("/bin/sh", ["-c", "xdotool windowfocus $(xdotool search --maxdepth 0 '.*')"])
    #expect(try eventually { Received(run.serial).keyboard.contains(0x90) })
    try server.xdotool("keyup", "q")
    run.interrupt()
    #expect(run.status() == 130)
  }

  @Test func theMouseIsCapturedAndReleased() throws {
    let server = try XServer()
    let run = try start(on: server)
    let place = try run.geometry()
    func move(_ x: Int, _ y: Int) throws {
      try server.xdotool("mousemove_relative", "--", "\(x)", "\(y)")
      usleep(60_000)
    }
    /// Sum of the movements, and the buttons' states in their order.
    func mouse() -> (x: Int, y: Int, buttons: [UInt8]) {
      let bytes = Received(run.serial).mouse
      var result = (x: 0, y: 0, buttons: [UInt8]())
      for start in stride(from: 0, to: bytes.count - bytes.count % 3, by: 3) {
        let flags = bytes[start]
        #expect(flags & 8 != 0)
        result.x += Int(bytes[start + 1]) - (flags & 0x10 != 0 ? 256 : 0)
        result.y += Int(bytes[start + 2]) - (flags & 0x20 != 0 ? 256 : 0)
        if result.buttons.last ?? 0 != flags & 7 { result.buttons.append(flags & 7) }
      }
      return result
    }
    try server.xdotool("mousemove", "\(place.x + 100)", "\(place.y + 100)")
    try move(10, 10)
    #expect(Received(run.serial).mouse.isEmpty)
    try server.xdotool("click", "1")
    try server.run("/usr/bin/xdotool", ["search", "--sync", "--name", "Ctrl.Alt releases"])
    usleep(100_000)
    #expect(Received(run.serial).mouse.isEmpty, "the click that captures is not the guest's")
    for _ in 0..<20 { try move(40, -15) }  // further than the screen reaches
    #expect(try eventually { mouse().x >= 800 })
    #expect(mouse().x == 800 && mouse().y == 300)
    for button in ["1", "2", "3"] { try server.xdotool("click", button) }
    #expect(try eventually { mouse().buttons == [1, 0, 4, 0, 2, 0] })
    try run.key("ctrl+alt+g")
    #expect(
      try eventually { try server.xdotool("search", "--name", "Ctrl.Alt releases").isEmpty })
    let before = Received(run.serial).mouse
    try move(5, 5)
    try server.xdotool("mousemove", "5", "5", "click", "1")
    usleep(100_000)
    #expect(Received(run.serial).mouse == before)
    run.interrupt()
    #expect(run.status() == 130)
  }

  @Test func theSpeakerSounds() throws {
    let server = try XServer()
    let sound = try Scratch()
    let run = try start(
      on: server,
      environment: [
        "SDL_AUDIODRIVER": "disk", "SDL_DISKAUDIOFILE": "\(sound.path)/sound",
        "SDL_DISKAUDIODELAY": "1",
      ])
    try run.key("F11")
    #expect(
      try eventually {
        (try? HostFile.contents(of: "\(sound.path)/sound").count) ?? 0 > 44_100
      })
    try run.key("F12")
    try run.key("ctrl+alt+w")
    #expect(run.status() == 0)
    let bytes = try HostFile.contents(of: "\(sound.path)/sound", limit: 1 << 30)
    let samples = (0..<22_050).map {
      Int16(truncatingIfNeeded: Int(bytes[$0 * 2]) | Int(bytes[$0 * 2 + 1]) << 8)
    }
    #expect(samples.max() ?? 0 > 1000)
    let rising = zip(samples, samples.dropFirst()).filter { $0 < 0 && $1 >= 0 }.count
    #expect((215...225).contains(rising), "half a second of 440 Hz")
  }
}
