import Bus

/// Port 61h: timer counter 2's gate, the speaker, and status bits (82371SB, "NMI Status and Control").
public final class SystemControlPortB: PortDevice, Resettable {
  private let timer: IntervalTimer8254
  private var control: UInt8 = 0

  /// Told the frequency of the tone that starts on the speaker, in hertz, or 0 for silence.
  public var toneChanged: (UInt32) -> Void = { _ in }
  private var tone: UInt32 = 0

  public init(timer: IntervalTimer8254) {
    self.timer = timer
    timer.counter2Changed = { [unowned self] in updateTone() }
  }

  /// The speaker sounds while it is connected to the timer and that makes a square wave.
  private func updateTone() {
    var hertz: UInt32 = 0
    if control & 3 == 3, let period = timer.counter2SquareWavePeriod {
      // A higher one than this, as programs set to make a pause, is not to be heard.
      let exact = UInt32(clamping: Int64(IntervalTimer8254.hertz) / max(period, 1))
      hertz = exact <= 20_000 ? exact : 0
    }
    guard hertz != tone else { return }
    tone = hertz
    toneChanged(hertz)
  }

  public func reset() {
    control = 0
    timer.counter2Gate = false
    updateTone()
  }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    guard offset == 0 else { return 0xFF }
    return UInt32(control) | (timer.refreshToggle ? 0x10 : 0) | (timer.counter2Output ? 0x20 : 0)
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    guard offset == 0 else { return }
    // Bits 0-3: gate, speaker data, parity and I/O-check disable; the rest is read-only.
    control = UInt8(truncatingIfNeeded: value) & 0x0F
    timer.counter2Gate = control & 1 != 0
    updateTone()
  }
}
