import Bus

/// A PS/2 keyboard: scan code sets 1-3, LEDs, typematic repeat, the commands of the IBM PS/2 keyboard.
final class PS2Keyboard {
  /// Caps Lock, Num Lock and Scroll Lock lights (bits 2, 1, 0).
  private(set) var leds: UInt8 = 0
  /// Told when there is something to send.
  var outputReady: () -> Void = {}

  private static let bufferSize = 16

  private let queue: EventQueue
  private var answers: [UInt8] = []
  private var keys: [UInt8] = []
  private var lastSent: UInt8 = 0
  private var isScanning = true
  private var scanCodeSet: UInt8 = 2
  private var typematic: UInt8 = 0x2B
  private var expectsArgumentOf: UInt8?
  private var repeating: Key?
  private var repeatEvent: EventID?

  init(queue: EventQueue) {
    self.queue = queue
  }

  func reset() {
    answers = []
    leds = 0
    expectsArgumentOf = nil
    setDefaults()
    isScanning = true
  }

  private func setDefaults() {
    keys = []
    scanCodeSet = 2
    typematic = 0x2B
    stopRepeat()
  }

  var hasOutput: Bool { !answers.isEmpty || !keys.isEmpty }
  /// Scan codes that wait for the host.
  var hasKeys: Bool { !keys.isEmpty }

  func nextByte() -> UInt8? {
    if !answers.isEmpty {
      lastSent = answers.removeFirst()
    } else if !keys.isEmpty {
      lastSent = keys.removeFirst()
    } else {
      return nil
    }
    return lastSent
  }

  // MARK: Keys

  func press(_ key: Key) {
    guard isScanning else { return }
    send(codes(key).make)
    stopRepeat()
    guard key != .pause else { return }
    repeating = key
    // Delay: bits 6-5, in quarters of a second.
    scheduleRepeat(after: queue.frequency / 4 * (UInt64(typematic >> 5 & 3) + 1))
  }

  func release(_ key: Key) {
    if repeating == key { stopRepeat() }
    guard isScanning else { return }
    send(codes(key).release)
  }

  private func codes(_ key: Key) -> (make: [UInt8], release: [UInt8]) {
    switch scanCodeSet {
    case 1: key.set1
    case 3: key.set3
    default: key.set2
    }
  }

  private func send(_ bytes: [UInt8]) {
    guard !bytes.isEmpty else { return }
    if keys.count + bytes.count > Self.bufferSize {
      // The overrun code takes the last place; the key is lost.
      keys = keys.prefix(Self.bufferSize - 1) + [scanCodeSet == 1 ? 0xFF : 0x00]
    } else {
      keys += bytes
    }
    outputReady()
  }

  private func stopRepeat() {
    repeating = nil
    if let repeatEvent { queue.cancel(repeatEvent) }
    repeatEvent = nil
  }

  private func scheduleRepeat(after cycles: UInt64) {
    repeatEvent = queue.schedule(after: max(cycles, 1)) { [unowned self] in
      repeatEvent = nil
      guard let key = repeating, isScanning else { return }
      if keys.isEmpty { send(codes(key).make) }
      // Period: (8 + bits 2-0) * 2^(bits 4-3) / 240 s.
      let period = (8 + UInt64(typematic & 7)) << UInt64(typematic >> 3 & 3)
      scheduleRepeat(after: queue.frequency / 240 * period)
    }
  }

  // MARK: Commands

  private func answer(_ bytes: UInt8...) {
    answers += bytes
    outputReady()
  }

  func receive(_ byte: UInt8) {
    if let command = expectsArgumentOf, byte < 0xED {
      expectsArgumentOf = nil
      receiveArgument(byte, of: command)
      return
    }
    expectsArgumentOf = nil
    switch byte {
    case 0xED, 0xF0, 0xF3, 0xFB, 0xFC, 0xFD:
      expectsArgumentOf = byte
      answer(0xFA)
    case 0xEE: answer(0xEE)
    case 0xF2: answer(0xFA, 0xAB, 0x83)
    case 0xF4:
      isScanning = true
      keys = []
      answer(0xFA)
    case 0xF5:
      setDefaults()
      isScanning = false
      answer(0xFA)
    case 0xF6:
      setDefaults()
      answer(0xFA)
    case 0xF7...0xFA: answer(0xFA)  // key types of set 3: all keys make, break and repeat
    case 0xFE: answer(lastSent)
    case 0xFF:
      reset()
      answer(0xFA, 0xAA)
    default: answer(0xFE)
    }
  }

  private func receiveArgument(_ byte: UInt8, of command: UInt8) {
    switch command {
    case 0xED:
      leds = byte & 7
      answer(0xFA)
    case 0xF0 where byte == 0: answer(0xFA, scanCodeSet)
    case 0xF0 where byte > 3:
      expectsArgumentOf = 0xF0
      answer(0xFE)
    case 0xF0:
      scanCodeSet = byte
      keys = []
      answer(0xFA)
    case 0xF3:
      typematic = byte & 0x7F
      answer(0xFA)
    default:
      // A list of keys of set 3; it ends with the next command.
      expectsArgumentOf = command
      answer(0xFA)
    }
  }
}
