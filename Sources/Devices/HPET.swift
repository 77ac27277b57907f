import Bus

/// A high precision event timer (IA-PC HPET specification 1.0a): a counter of 64 bits at 100 MHz and three
/// comparators, each periodic if asked.
///
/// A kilobyte of memory; registers of 64 bits, accessed as doublewords. In legacy replacement comparators 0
/// and 1 drive the lines of the 8254 and of the real-time clock, whose own outputs (`legacyInput`) are cut off.
public final class HPET: MemoryMappedDevice, Resettable {
  /// The counter's clock.
  public static let hertz: UInt64 = 100_000_000
  /// Femtoseconds a tick.
  private static let period: UInt64 = 1_000_000_000_000_000 / hertz
  /// Inputs of the I/O APIC that a comparator can be routed to.
  private static let routes: UInt64 = 0x00F0_0000
  private static let timerCount = 3
  /// What the ACPI table says about the block: Intel's, three comparators of 64 bits, legacy replacement,
  /// revision 1.
  static let identification: UInt32 = 0x8086_A201

  private enum Configuration {
    static let level: UInt64 = 1 << 1
    static let interrupts: UInt64 = 1 << 2
    static let periodic: UInt64 = 1 << 3
    static let setsValue: UInt64 = 1 << 6
    static let is32Bit: UInt64 = 1 << 8
    static let writable: UInt64 = level | interrupts | periodic | setsValue | is32Bit | 0x1F << 9
    /// Can be periodic, has 64 bits.
    static let capabilities: UInt64 = 1 << 4 | 1 << 5 | routes << 32
  }

  private struct Comparator {
    var configuration = Configuration.capabilities
    var value = UInt64.max
    var period: UInt64 = 0
    var event: EventID?
    /// The line that an edge-triggered interrupt left asserted.
    var heldLine: Int?

    var isPeriodic: Bool { configuration & Configuration.periodic != 0 }
    var isLevel: Bool { configuration & Configuration.level != 0 }
    var interrupts: Bool { configuration & Configuration.interrupts != 0 }
    var mask: UInt64 { configuration & Configuration.is32Bit != 0 ? 0xFFFF_FFFF : .max }
  }

  private let queue: EventQueue
  private let wires: any InterruptSink
  private var comparators = [Comparator](repeating: Comparator(), count: HPET.timerCount)
  private var control: UInt64 = 0
  private var status: UInt64 = 0
  /// The counter's value while it stands still; what it was at tick zero while it runs.
  private var base: UInt64 = 0
  /// Levels of the 8254's and the clock's outputs.
  private var legacyLevels: (timer: Bool, clock: Bool) = (false, false)

  /// - Parameters:
  ///   - queue: the virtual clock.
  ///   - wires: ISA lines 0-15 and the I/O APIC's further inputs.
  public init(queue: EventQueue, wires: any InterruptSink) {
    self.queue = queue
    self.wires = wires
  }

  public func reset() {
    lower(status)
    for index in comparators.indices {
      cancel(index)
      release(index)
      comparators[index] = Comparator()
    }
    control = 0
    status = 0
    base = 0
    showLegacyLevels()
  }

  // MARK: Legacy replacement

  /// Where the 8254 (line 0) and the real-time clock (line 8) are connected.
  public var legacyInput: any InterruptSink { LegacyInput(self) }

  private var replacesLegacy: Bool { control & 2 != 0 }

  fileprivate func setLegacy(_ line: Int, _ level: Bool) {
    if line == 0 { legacyLevels.timer = level } else { legacyLevels.clock = level }
    if !replacesLegacy { wires.setLine(line, asserted: level) }
  }

  private func showLegacyLevels() {
    wires.setLine(0, asserted: !replacesLegacy && legacyLevels.timer)
    wires.setLine(8, asserted: !replacesLegacy && legacyLevels.clock)
  }

  // MARK: Counting

  private var ticks: UInt64 { queue.ticks(hertz: Self.hertz) }
  private var isRunning: Bool { control & 1 != 0 }
  private var counter: UInt64 { isRunning ? base &+ ticks : base }

  private func cancel(_ index: Int) {
    if let event = comparators[index].event { queue.cancel(event) }
    comparators[index].event = nil
  }

  /// Schedules the next match of a comparator.
  private func arm(_ index: Int) {
    cancel(index)
    let comparator = comparators[index]
    guard isRunning, comparator.interrupts else { return }
    var distance = (comparator.value &- counter) & comparator.mask
    // A match now is past; the next is a round of the counter away.
    if distance == 0 { distance = comparator.mask }
    let (tick, overflow) = ticks.addingReportingOverflow(distance)
    // Never, as far as anybody will see.
    guard !overflow, tick < 1 << 62 else { return }
    comparators[index].event = queue.schedule(at: queue.cycle(ofTick: tick, hertz: Self.hertz)) {
      [unowned self] in
      comparators[index].event = nil
      match(index)
    }
  }

  private func match(_ index: Int) {
    if comparators[index].isPeriodic, comparators[index].period > 0 {
      // Periods shorter than a step of the clock come together.
      let missed =
        ((counter &- comparators[index].value) & comparators[index].mask)
        / comparators[index].period
      comparators[index].value &+= (missed &+ 1) &* comparators[index].period
      comparators[index].value &= comparators[index].mask
    }
    raise(index)
    arm(index)
  }

  private func line(of index: Int) -> Int {
    if replacesLegacy && index < 2 { return index * 8 }
    return Int(comparators[index].configuration >> 9 & 0x1F)
  }

  private func isRouted(_ line: Int, _ index: Int) -> Bool {
    replacesLegacy && index < 2 || Self.routes >> UInt64(line) & 1 != 0
  }

  private func raise(_ index: Int) {
    let line = line(of: index)
    guard isRouted(line, index) else { return }
    if comparators[index].isLevel {
      status |= 1 << UInt64(index)
      wires.setLine(line, asserted: true)
    } else {
      // An 8259 forgets an edge whose line does not stay until the acknowledge, so it stays until the next one.
      release(index)
      wires.setLine(line, asserted: true)
      comparators[index].heldLine = line
    }
  }

  private func release(_ index: Int) {
    guard let line = comparators[index].heldLine else { return }
    comparators[index].heldLine = nil
    wires.setLine(line, asserted: false)
  }

  /// Takes back the level-triggered interrupts of the comparators in `mask`.
  private func lower(_ mask: UInt64) {
    for index in comparators.indices where (mask & status) >> UInt64(index) & 1 != 0 {
      status &= ~(1 << UInt64(index))
      wires.setLine(line(of: index), asserted: false)
    }
  }

  // MARK: Registers

  private func register(_ offset: UInt32) -> UInt64 {
    switch offset {
    case 0x000: return UInt64(Self.identification) | Self.period << 32
    case 0x010: return control
    case 0x020: return status
    case 0x0F0: return counter
    default:
      guard let (index, register) = comparatorRegister(offset) else { return 0 }
      switch register {
      case 0x00: return comparators[index].configuration
      case 0x08: return comparators[index].value
      default: return 0
      }
    }
  }

  private func comparatorRegister(_ offset: UInt32) -> (index: Int, register: UInt32)? {
    guard offset >= 0x100, offset < 0x100 + UInt32(Self.timerCount) * 0x20 else { return nil }
    return (Int(offset - 0x100) / 0x20, offset & 0x18)
  }

  public func readMemory(offset: UInt32, width: AccessWidth) -> UInt32 {
    let shift = UInt64(offset & 7) * 8
    return UInt32(truncatingIfNeeded: register(offset & 0x3F8) >> shift) & width.mask
  }

  public func writeMemory(offset: UInt32, width: AccessWidth, value: UInt32) {
    // Parts of registers in doublewords only.
    guard width == .dword, offset & 3 == 0 else { return }
    let isHigh = offset & 4 != 0
    let register = offset & 0x3F8
    let shift: UInt64 = isHigh ? 32 : 0
    let bits = UInt64(value) << shift
    let mask = UInt64(0xFFFF_FFFF) << shift
    switch register {
    case 0x010: if !isHigh { writeControl(bits & 3) }
    case 0x020: if !isHigh { lower(bits) }
    case 0x0F0:
      // The counter is set while it stands still.
      if !isRunning { base = base & ~mask | bits }
    default:
      guard let (index, register) = comparatorRegister(register) else { return }
      if register == 0x00 {
        if !isHigh { writeConfiguration(index, bits) }
      } else if register == 0x08 {
        writeComparator(index, bits, mask)
      }
    }
  }

  private func writeControl(_ value: UInt64) {
    if value & 1 != control & 1 {
      base = isRunning ? counter : base &- ticks
    }
    if value & 2 != control & 2 {
      lower(status)
      for index in comparators.indices { release(index) }
      control = value
      showLegacyLevels()
    }
    control = value
    for index in comparators.indices { arm(index) }
  }

  private func writeConfiguration(_ index: Int, _ value: UInt64) {
    let new = Configuration.capabilities | value & Configuration.writable
    // Another line, mode or none at all: the old one is let go.
    let wiring = Configuration.level | Configuration.interrupts | 0x1F << 9
    if (new ^ comparators[index].configuration) & wiring != 0 {
      lower(1 << UInt64(index))
      release(index)
    }
    comparators[index].configuration = new
    comparators[index].value &= comparators[index].mask
    comparators[index].period &= comparators[index].mask
    arm(index)
  }

  private func writeComparator(_ index: Int, _ bits: UInt64, _ mask: UInt64) {
    // A periodic comparator's next match can be set apart from its period.
    let setsValue = comparators[index].configuration & Configuration.setsValue != 0
    let limit = comparators[index].mask
    if !comparators[index].isPeriodic || setsValue {
      comparators[index].value = (comparators[index].value & ~mask | bits) & limit
    }
    if comparators[index].isPeriodic {
      comparators[index].period = (comparators[index].period & ~mask | bits) & limit
    }
    if mask & 1 == 0 || limit != .max || !setsValue {
      comparators[index].configuration &= ~Configuration.setsValue
    }
    arm(index)
  }
}

private final class LegacyInput: InterruptSink {
  private let timer: HPET
  init(_ timer: HPET) { self.timer = timer }
  func setLine(_ line: Int, asserted: Bool) { timer.setLegacy(line, asserted) }
}
