import Bus

/// The 8254 programmable interval timer (Intel 8254 data sheet), clocked at 1.193182 MHz.
///
/// Ports: offsets 0-2 = counters, 3 = control word. Nothing ticks: a counter's value and output are computed
/// from the virtual time that has passed since it was loaded, so there is no drift. Only counter 0's output
/// changes are scheduled, since they drive an interrupt line.
public final class IntervalTimer8254: PortDevice, Resettable {
  /// The input clock in hertz.
  public static let hertz: UInt64 = 1_193_182

  private let queue: EventQueue
  private let interrupt: InterruptLine
  private var counters: [TimerCounter]
  private var event: EventID?

  /// - Parameters:
  ///   - queue: the virtual clock.
  ///   - interrupt: driven by counter 0's output (IRQ 0).
  public init(queue: EventQueue, interrupt: InterruptLine) {
    self.queue = queue
    self.interrupt = interrupt
    counters = Self.initialCounters()
  }

  private static func initialCounters() -> [TimerCounter] {
    (0..<3).map { TimerCounter(gate: $0 != 2) }
  }

  public func reset() {
    counters = Self.initialCounters()
    if let event { queue.cancel(event) }
    event = nil
    interrupt.set(false)
  }

  /// Half the range of Int64 leaves room for every sum of a time and some counts.
  private var now: Int64 { Int64(min(queue.ticks(hertz: Self.hertz), UInt64(Int64.max / 2))) }

  /// The output of counter 2, which port 61h shows and the speaker sounds.
  public var counter2Output: Bool { counters[2].output(at: now) }

  /// The gate of counter 2, bit 0 of port 61h.
  public var counter2Gate: Bool {
    get { counters[2].gate }
    set { counters[2].setGate(newValue, at: now) }
  }

  /// The reload value of counter 2 (2-65536) while it makes a square wave, for a sounding speaker.
  public var counter2SquareWavePeriod: Int64? {
    counters[2].mode == 3 ? counters[2].reloadPeriod : nil
  }

  /// Told after counter 2 may have changed its frequency.
  public var counter2Changed: () -> Void = {}

  /// Whether the DRAM refresh of counter 1 (one in 15 us, as the BIOS programs it) has an odd number.
  public var refreshToggle: Bool { (now / 18) & 1 != 0 }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    guard offset < 3 else { return 0xFF }
    return UInt32(counters[Int(offset)].readByte(at: now))
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    let value = UInt8(truncatingIfNeeded: value)
    switch offset {
    case 0...2:
      counters[Int(offset)].writeByte(value, at: now)
      if offset == 0 { followCounter0(from: now) }
      if offset == 2 { counter2Changed() }
    case 3: writeControl(value)
    default: break
    }
  }

  private func writeControl(_ value: UInt8) {
    let tick = now
    let select = Int(value >> 6)
    if select == 3 {
      for i in 0..<3 where value & (2 << UInt8(i)) != 0 {
        if value & 0x20 == 0 { counters[i].latchCount(at: tick) }
        if value & 0x10 == 0 { counters[i].latchStatus(at: tick) }
      }
    } else if value & 0x30 == 0 {
      counters[select].latchCount(at: tick)
    } else {
      counters[select].setControl(value & 0x3F)
      if select == 0 { followCounter0(from: tick) }
      if select == 2 { counter2Changed() }
    }
  }

  /// Puts counter 0's output on the interrupt line and schedules its next change after `tick`.
  private func followCounter0(from tick: Int64) {
    if let event { queue.cancel(event) }
    event = nil
    interrupt.set(counters[0].output(at: tick))
    guard let next = counters[0].nextOutputChange(after: tick) else { return }
    event = queue.schedule(at: queue.cycle(ofTick: UInt64(next), hertz: Self.hertz)) {
      [unowned self] in
      event = nil
      followCounter0(from: next)
    }
  }
}
