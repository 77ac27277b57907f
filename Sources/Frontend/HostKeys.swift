import Devices

/// The keys of the host by their place on the keyboard: USB usages (HID Usage Tables, page 7), as SDL numbers
/// them. What is printed on a key is the guest's affair.
enum HostKeys {
  /// The guest's key in the place of a host key; nil if a PC keyboard of 104 keys does not have it.
  static func key(usage: Int) -> Key? { table[usage] }

  /// The usage of a key.
  static func usage(_ key: Key) -> Int? { table.first { $0.value == key && $0.key != 0x32 }?.key }

  private static let table: [Int: Key] = {
    var table: [Int: Key] = [:]
    let rows: [(Int, [Key])] = [
      (
        0x04,
        [
          .a, .b, .c, .d, .e, .f, .g, .h, .i, .j, .k, .l, .m, .n, .o, .p, .q, .r, .s, .t, .u, .v,
          .w, .x, .y, .z, .digit1, .digit2, .digit3, .digit4, .digit5, .digit6, .digit7, .digit8,
          .digit9, .digit0, .enter, .escape, .backspace, .tab, .space, .minus, .equal,
          .leftBracket, .rightBracket, .backslash, .backslash, .semicolon, .apostrophe, .grave,
          .comma, .period, .slash, .capsLock, .f1, .f2, .f3, .f4, .f5, .f6, .f7, .f8, .f9, .f10,
          .f11, .f12, .printScreen, .scrollLock, .pause, .insert, .home, .pageUp, .delete, .end,
          .pageDown, .right, .left, .down, .up, .numLock, .keypadDivide, .keypadMultiply,
          .keypadMinus, .keypadPlus, .keypadEnter, .keypad1, .keypad2, .keypad3, .keypad4,
          .keypad5, .keypad6, .keypad7, .keypad8, .keypad9, .keypad0, .keypadPeriod,
          .isoBackslash, .menu,
        ]
      ),
      (
        0xE0,
        [
          .leftControl, .leftShift, .leftAlt, .leftMeta, .rightControl, .rightShift, .rightAlt,
          .rightMeta,
        ]
      ),
    ]
    for (first, keys) in rows {
      for (index, key) in keys.enumerated() { table[first + index] = key }
    }
    return table
  }()
}

/// The modifier keys that address the window instead of the guest: alone they release the mouse, with another
/// key they are a shortcut.
public struct ReleaseKeys: Sendable, Equatable, CustomStringConvertible {
  /// One of each group must be down.
  let groups: [Set<Key>]
  /// As it is shown.
  public let description: String

  private static let names: [(name: String, shown: String, keys: Set<Key>)] = [
    ("ctrl", "Ctrl", [.leftControl, .rightControl]), ("alt", "Alt", [.leftAlt]),
    ("shift", "Shift", [.leftShift, .rightShift]), ("super", "Super", [.leftMeta, .rightMeta]),
    ("left-ctrl", "Left Ctrl", [.leftControl]), ("right-ctrl", "Right Ctrl", [.rightControl]),
    ("left-shift", "Left Shift", [.leftShift]), ("right-shift", "Right Shift", [.rightShift]),
    ("right-alt", "Right Alt", [.rightAlt]), ("menu", "Menu", [.menu]),
  ]

  /// Names of modifiers with `+` between them.
  /// - Returns: nil if there is an unknown one.
  public init?(_ text: String) {
    var groups: [Set<Key>] = []
    var shown: [String] = []
    for part in text.lowercased().split(separator: "+", omittingEmptySubsequences: false) {
      guard let known = Self.names.first(where: { $0.name == part }),
        groups.allSatisfy({ $0.isDisjoint(with: known.keys) })
      else { return nil }
      groups.append(known.keys)
      shown.append(known.shown)
    }
    self.groups = groups
    description = shown.joined(separator: "+")
  }

  /// Ctrl and the left Alt key; the right one is AltGr.
  public static let standard = ReleaseKeys("ctrl+alt")!

  /// What may be given.
  public static var choices: String { names.map(\.name).joined(separator: ", ") }

  var all: Set<Key> { groups.reduce(into: []) { $0.formUnion($1) } }

  /// Whether a key of each group is down.
  func areDown(_ keys: Set<Key>) -> Bool { groups.allSatisfy { !$0.isDisjoint(with: keys) } }
}

/// What a key does together with the release keys.
public enum Shortcut: CaseIterable, Sendable {
  case release, fullscreen, overlay, help, statusBar, integerScaling, pause, reset, powerButton,
    nextEngine
  case screenshot, paste, controlAltDelete, close
  case scale1, scale2, scale3, scale4

  var key: Key {
    switch self {
    case .release: .g
    case .fullscreen: .f
    case .overlay: .o
    case .help: .h
    case .statusBar: .b
    case .integerScaling: .i
    case .pause: .p
    case .reset: .r
    case .powerButton: .q
    case .nextEngine: .e
    case .screenshot: .s
    case .paste: .v
    case .controlAltDelete: .d
    case .close: .w
    case .scale1: .digit1
    case .scale2: .digit2
    case .scale3: .digit3
    case .scale4: .digit4
    }
  }

  /// The key as it is shown, and what it does.
  var explanation: (key: String, text: String)? {
    switch self {
    case .release: ("G", "release the mouse")
    case .fullscreen: ("F", "full screen")
    case .overlay: ("O", "graphs of the last minute")
    case .help: ("H", "this list")
    case .statusBar: ("B", "status bar")
    case .integerScaling: ("I", "whole-number scaling only")
    case .pause: ("P", "pause, continue")
    case .reset: ("R", "reset")
    case .powerButton: ("Q", "power button")
    case .nextEngine: ("E", "next engine")
    case .screenshot: ("S", "screenshot")
    case .paste: ("V", "type the clipboard")
    case .controlAltDelete: ("D", "send Ctrl+Alt+Del")
    case .close: ("W", "close the window")
    case .scale1: ("1-4", "window size")
    case .scale2, .scale3, .scale4: nil
    }
  }
}

/// Turns host keys into guest keys and shortcuts.
struct KeyboardInput {
  enum Action: Equatable {
    case press(Key)
    case release(Key)
    case shortcut(Shortcut)
  }

  let releaseKeys: ReleaseKeys
  /// Keys that are down on the host.
  private var down: Set<Key> = []
  /// Keys that the guest believes to be down, in the order of pressing.
  private var sent: [Key] = []
  /// The release keys are down and nothing else has been pressed since.
  private var isTap = false

  init(releaseKeys: ReleaseKeys) { self.releaseKeys = releaseKeys }

  mutating func press(usage: Int) -> [Action] {
    guard let key = HostKeys.key(usage: usage), down.insert(key).inserted else { return [] }
    let isModifier = releaseKeys.all.contains(key)
    if !isModifier, releaseKeys.areDown(down) {
      isTap = false
      // Ctrl+Alt+Del would reach the host's session on most desktops, but if it comes, it is the guest's.
      if let shortcut = Shortcut.allCases.first(where: { $0.key == key }) {
        // The guest must not see a modifier stuck behind the shortcut.
        return releaseAll() + [.shortcut(shortcut)]
      }
    }
    if isModifier {
      isTap = releaseKeys.areDown(down) && down.isSubset(of: releaseKeys.all)
      // A single release key is the window's alone.
      if releaseKeys.groups.count == 1 { return [] }
    } else {
      isTap = false
    }
    sent.append(key)
    return [.press(key)]
  }

  mutating func release(usage: Int) -> [Action] {
    guard let key = HostKeys.key(usage: usage), down.remove(key) != nil else { return [] }
    var actions: [Action] = []
    if let index = sent.firstIndex(of: key) {
      sent.remove(at: index)
      actions.append(.release(key))
    }
    if isTap, down.isDisjoint(with: releaseKeys.all) {
      isTap = false
      actions.append(.shortcut(.release))
    }
    return actions
  }

  /// The window has lost the keyboard: keys are released elsewhere from now on.
  mutating func loseFocus() -> [Action] {
    down = []
    isTap = false
    return releaseAll()
  }

  private mutating func releaseAll() -> [Action] {
    defer { sent = [] }
    return sent.reversed().map { .release($0) }
  }
}
