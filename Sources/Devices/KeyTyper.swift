import Bus

/// One character as keys of the US layout.
public struct KeyStroke: Equatable, Sendable {
  public var key: Key
  public var shift = false
  public var control = false

  public init(_ key: Key, shift: Bool = false, control: Bool = false) {
    self.key = key
    self.shift = shift
    self.control = control
  }

  /// The stroke that types `character` on a US keyboard; nil when there is none. Control characters are
  /// typed with the Control key, except Backspace, Tab, Enter and Escape.
  public init?(typing character: Character) {
    guard let ascii = character.isNewline ? 10 : character.asciiValue else { return nil }
    switch ascii {
    case 0x08, 0x7F: self.init(.backspace)
    case 0x09: self.init(.tab)
    case 0x0A, 0x0D: self.init(.enter)
    case 0x1B: self.init(.escape)
    case 0x01...0x1A:
      guard let letter = KeyStroke(typing: Character(UnicodeScalar(ascii + 0x60))) else {
        return nil
      }
      self.init(letter.key, control: true)
    default:
      if let key = Self.plain[character] {
        self.init(key)
      } else if let key = Self.shifted[character] {
        self.init(key, shift: true)
      } else {
        return nil
      }
    }
  }

  private static let letters: [Key] = [
    .a, .b, .c, .d, .e, .f, .g, .h, .i, .j, .k, .l, .m, .n, .o, .p, .q, .r, .s, .t, .u, .v, .w, .x,
    .y, .z,
  ]
  private static let symbols: [Key] = [
    .digit0, .digit1, .digit2, .digit3, .digit4, .digit5, .digit6, .digit7, .digit8, .digit9,
    .grave, .minus, .equal, .backslash, .leftBracket, .rightBracket, .semicolon, .apostrophe,
    .comma, .period, .slash,
  ]
  private static let plain = Dictionary(
    uniqueKeysWithValues: zip("abcdefghijklmnopqrstuvwxyz0123456789`-=\\[];',./", letters + symbols)
      + [(Character(" "), Key.space)])
  private static let shifted = Dictionary(
    uniqueKeysWithValues: zip(
      "ABCDEFGHIJKLMNOPQRSTUVWXYZ)!@#$%^&*(~_+|{}:\"<>?", letters + symbols))

  /// The keys in order of pressing; they are released in the opposite order.
  public var keys: [Key] {
    (control ? [.leftControl] : []) + (shift ? [.leftShift] : []) + [key]
  }
}

/// Types text on the keyboard, no faster than the guest takes it.
public final class KeyTyper: Resettable {
  private let queue: EventQueue
  private let controller: KeyboardController8042
  private var waiting: [KeyStroke] = []
  private var event: EventID?

  public init(queue: EventQueue, controller: KeyboardController8042) {
    self.queue = queue
    self.controller = controller
  }

  public func reset() {
    waiting = []
    if let event { queue.cancel(event) }
    event = nil
  }

  /// Whether everything has been typed.
  public var isIdle: Bool { waiting.isEmpty }

  /// Queues text; characters that the US layout lacks are left out.
  public func type(_ text: String) {
    waiting += text.compactMap { KeyStroke(typing: $0) }
    schedule()
  }

  /// One stroke every 20 ms at most.
  private func schedule() {
    guard event == nil, !waiting.isEmpty else { return }
    event = queue.schedule(after: max(queue.frequency / 50, 1)) { [unowned self] in
      event = nil
      if !controller.isKeyboardBusy {
        let keys = waiting.removeFirst().keys
        keys.forEach(controller.pressKey)
        keys.reversed().forEach(controller.releaseKey)
      }
      schedule()
    }
  }
}
