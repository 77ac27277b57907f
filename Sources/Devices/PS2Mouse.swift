import Bus

/// A PS/2 mouse: the standard protocol, the IntelliMouse (wheel) and the IntelliMouse Explorer (five
/// buttons) that drivers find by sequences of sample rates.
final class PS2Mouse {
  /// Told when there is something to send.
  var outputReady: () -> Void = {}

  private let queue: EventQueue
  private var output: [UInt8] = []
  private var lastSent: UInt8 = 0
  private var expectsArgumentOf: UInt8?
  private var isReporting = false
  private var isRemote = false
  private var isWrapping = false
  private var isScaled = false
  private var resolution: UInt8 = 2
  private var sampleRate: UInt8 = 100
  private var recentRates: [UInt8] = []
  private var identity: UInt8 = 0

  private var dx = 0
  private var dy = 0
  private var wheel = 0
  private var buttons: UInt8 = 0
  /// Button states not reported yet, oldest first, so that a short click is not lost.
  private var pendingButtons: [UInt8] = []
  private var sampleEvent: EventID?

  init(queue: EventQueue) {
    self.queue = queue
  }

  func reset() {
    output = []
    expectsArgumentOf = nil
    identity = 0
    recentRates = []
    setDefaults()
  }

  private func setDefaults() {
    isReporting = false
    isRemote = false
    isWrapping = false
    isScaled = false
    resolution = 2
    sampleRate = 100
    clearMovement()
    if let sampleEvent { queue.cancel(sampleEvent) }
    sampleEvent = nil
  }

  private func clearMovement() {
    dx = 0
    dy = 0
    wheel = 0
    buttons = pendingButtons.last ?? buttons
    pendingButtons = []
  }

  var hasOutput: Bool { !output.isEmpty }

  func nextByte() -> UInt8? {
    guard !output.isEmpty else { return nil }
    lastSent = output.removeFirst()
    return lastSent
  }

  // MARK: Movement

  /// Moves by counts, right and down positive; `wheel` is positive towards the user; `buttons`: bit 0 left,
  /// 1 right, 2 middle, 3 and 4 the side buttons.
  func move(dx: Int, dy: Int, wheel: Int, buttons: UInt8) {
    let limit = 1 << 20
    self.dx = min(max(self.dx + min(max(dx, -limit), limit), -limit), limit)
    self.dy = min(max(self.dy - min(max(dy, -limit), limit), -limit), limit)
    self.wheel = min(max(self.wheel + min(max(wheel, -limit), limit), -limit), limit)
    if buttons & 0x1F != pendingButtons.last ?? self.buttons {
      if pendingButtons.count >= 16 { pendingButtons.removeLast() }
      pendingButtons.append(buttons & 0x1F)
    }
    scheduleSample()
  }

  /// Sends a packet as if something had happened, if the last one has been read.
  func announce() {
    guard isReporting, !isRemote, !isWrapping, output.isEmpty else { return }
    send(packet())
  }

  private var hasNews: Bool { dx != 0 || dy != 0 || wheel != 0 || !pendingButtons.isEmpty }

  private func scheduleSample() {
    guard sampleEvent == nil, isReporting, !isRemote, !isWrapping, hasNews else { return }
    let period = queue.frequency / UInt64(max(sampleRate, 10))
    sampleEvent = queue.schedule(after: max(period, 1)) { [unowned self] in
      sampleEvent = nil
      guard isReporting, !isRemote, !isWrapping, hasNews else { return }
      // A host that does not read gets the sum of the movements later.
      if output.isEmpty { send(packet()) }
      scheduleSample()
    }
  }

  private func packet() -> [UInt8] {
    let x = min(max(dx, -255), 255)
    let y = min(max(dy, -255), 255)
    dx -= x
    dy -= y
    if !pendingButtons.isEmpty { buttons = pendingButtons.removeFirst() }
    var bytes = [
      0x08 | buttons & 7 | (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0),
      UInt8(truncatingIfNeeded: scaled(x)), UInt8(truncatingIfNeeded: scaled(y)),
    ]
    if identity != 0 {
      let limit = identity == 4 ? 7 : 127
      let z = min(max(wheel, -limit), limit)
      wheel -= z
      let z8 = UInt8(truncatingIfNeeded: z)
      bytes.append(identity == 4 ? z8 & 0x0F | (buttons & 0x18) << 1 : z8)
    } else {
      wheel = 0
    }
    return bytes
  }

  /// 2:1 scaling of the stream mode: small movements by a table, large ones doubled.
  private func scaled(_ value: Int) -> Int {
    guard isScaled, !isRemote else { return value }
    let magnitude = abs(value)
    let result = magnitude < 6 ? [0, 1, 1, 3, 6, 9][magnitude] : min(magnitude * 2, 255)
    return value < 0 ? -result : result
  }

  // MARK: Commands

  private func send(_ bytes: [UInt8]) {
    output += bytes
    outputReady()
  }

  func receive(_ byte: UInt8) {
    if isWrapping && byte != 0xEC && byte != 0xFF {
      send([byte])
      return
    }
    // A command ends the running packet.
    output = []
    if let command = expectsArgumentOf {
      expectsArgumentOf = nil
      receiveArgument(byte, of: command)
      return
    }
    switch byte {
    case 0xE6, 0xE7:
      isScaled = byte == 0xE7
      send([0xFA])
    case 0xE8, 0xF3:
      expectsArgumentOf = byte
      send([0xFA])
    case 0xE9: send([0xFA, status, resolution, sampleRate])
    case 0xEA, 0xF0:
      isRemote = byte == 0xF0
      clearMovement()
      send([0xFA])
    case 0xEB: send([0xFA] + packet())
    case 0xEC, 0xEE:
      isWrapping = byte == 0xEE
      clearMovement()
      send([0xFA])
    case 0xF2: send([0xFA, identity])
    case 0xF4, 0xF5:
      isReporting = byte == 0xF4
      clearMovement()
      send([0xFA])
    case 0xF6:
      setDefaults()
      send([0xFA])
    case 0xFE: send([lastSent])
    case 0xFF:
      reset()
      send([0xFA, 0xAA, 0x00])
    default: send([0xFE])
    }
  }

  private func receiveArgument(_ byte: UInt8, of command: UInt8) {
    if command == 0xE8 {
      guard byte < 4 else { return send([0xFE]) }
      resolution = byte
    } else {
      guard [10, 20, 40, 60, 80, 100, 200].contains(byte) else { return send([0xFE]) }
      sampleRate = byte
      recentRates = recentRates.suffix(2) + [byte]
      if recentRates == [200, 100, 80] { identity = 3 }
      if recentRates == [200, 200, 80] { identity = 4 }
    }
    send([0xFA])
  }

  private var status: UInt8 {
    (isRemote ? 0x40 : 0) | (isReporting ? 0x20 : 0) | (isScaled ? 0x10 : 0)
      | (buttons & 1) << 2 | (buttons & 4) >> 1 | (buttons & 2) >> 1
  }
}
