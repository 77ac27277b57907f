import Bus

/// Keys that are pressed together.
public struct KeyStroke: Equatable, Sendable {
  public var key: Key
  public var shift = false
  public var control = false
  public var altGr = false

  public init(_ key: Key, shift: Bool = false, control: Bool = false, altGr: Bool = false) {
    self.key = key
    self.shift = shift
    self.control = control
    self.altGr = altGr
  }

  /// The stroke that types `character` on a US keyboard; nil when there is none.
  public init?(typing character: Character) {
    guard let stroke = KeyLayout.us.strokes(typing: character)?.first else { return nil }
    self = stroke
  }

  /// The keys in order of pressing; they are released in the opposite order.
  public var keys: [Key] {
    (control ? [.leftControl] : []) + (shift ? [.leftShift] : []) + (altGr ? [.rightAlt] : []) + [
      key
    ]
  }
}

/// Types text and passes on a person's keys, no faster than the guest takes them: a keyboard has room for a
/// few scan codes only, and a lost break code is a stuck key.
public final class KeyTyper: Resettable {
  private enum Item {
    case stroke(KeyStroke)
    case press(Key)
    case release(Key)

    var isStroke: Bool { if case .stroke = self { true } else { false } }

    /// The key that goes down or up; nil for a stroke, which leaves none down.
    var key: Key? {
      switch self {
      case .stroke: nil
      case .press(let key), .release(let key): key
      }
    }
  }

  /// A guest that does not read its keyboard gets no more presses than this later.
  private static let patience = 256

  private let queue: EventQueue
  private let controller: KeyboardController8042
  private var waiting: [Item] = []
  private var event: EventID?
  /// What the guest takes its keyboard for.
  public var layout = KeyLayout.us

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

  /// Queues text; characters that the layout lacks are left out.
  public func type(_ text: String) {
    waiting += text.flatMap { layout.strokes(typing: $0) ?? [] }.map(Item.stroke)
    schedule()
  }

  /// Presses a key as soon as the keyboard has room.
  public func press(_ key: Key) {
    guard waiting.count < Self.patience else { return }
    enqueue(.press(key))
  }

  /// Releases a key as soon as the keyboard has room. No key that was pressed stays without its release.
  public func release(_ key: Key) {
    let last = waiting.last { $0.key == key }
    // The press was left out, if what waits for this key ends with its release.
    if case .release? = last, waiting.count >= Self.patience { return }
    enqueue(.release(key))
  }

  private func enqueue(_ item: Item) {
    if waiting.isEmpty, !controller.isKeyboardBusy { return send(item) }
    waiting.append(item)
    schedule()
  }

  private func send(_ item: Item) {
    switch item {
    case .stroke(let stroke):
      let keys = stroke.keys
      keys.forEach(controller.pressKey)
      keys.reversed().forEach(controller.releaseKey)
    case .press(let key): controller.pressKey(key)
    case .release(let key): controller.releaseKey(key)
    }
  }

  /// Typed strokes come every 20 ms at most, keys as they are taken.
  private func schedule() {
    guard event == nil, let first = waiting.first else { return }
    let delay = queue.frequency / (first.isStroke ? 50 : 1000)
    event = queue.schedule(after: max(delay, 1)) { [unowned self] in
      event = nil
      if !controller.isKeyboardBusy { send(waiting.removeFirst()) }
      schedule()
    }
  }
}
