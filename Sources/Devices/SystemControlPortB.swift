import Bus

/// Port 61h: timer counter 2's gate, the speaker, and status bits (82371SB, "NMI Status and Control").
public final class SystemControlPortB: PortDevice, Resettable {
  private let timer: IntervalTimer8254
  private var control: UInt8 = 0

  /// Told when the speaker is connected to the timer (true) or silenced.
  public var speakerChanged: (Bool) -> Void = { _ in }

  public init(timer: IntervalTimer8254) {
    self.timer = timer
  }

  public func reset() {
    control = 0
    timer.counter2Gate = false
    speakerChanged(false)
  }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    guard offset == 0 else { return 0xFF }
    return UInt32(control) | (timer.refreshToggle ? 0x10 : 0) | (timer.counter2Output ? 0x20 : 0)
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    guard offset == 0 else { return }
    let wasSounding = control & 3 == 3
    // Bits 0-3: gate, speaker data, parity and I/O-check disable; the rest is read-only.
    control = UInt8(truncatingIfNeeded: value) & 0x0F
    timer.counter2Gate = control & 1 != 0
    if (control & 3 == 3) != wasSounding { speakerChanged(!wasSounding) }
  }
}
