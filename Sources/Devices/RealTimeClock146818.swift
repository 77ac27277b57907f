import Bus

/// The MC146818 real-time clock with its 128 bytes of battery-backed memory (Motorola MC146818 data sheet).
///
/// Ports: offset 0 = index (bit 7 masks the NMI), 1 = data. Time starts at a given date and follows the
/// virtual clock; the registers hold raw bytes that count as the chip counts them, in BCD or binary, 12 or
/// 24 hours.
public final class RealTimeClock146818: PortDevice, Resettable {
  /// The time base in hertz.
  public static let hertz: UInt64 = 32_768

  /// Ticks before the end of an update at which UIP rises: 244 us of warning and 1984 us of update.
  private static let updateTicks: UInt64 = 8 + 65

  private enum Register {
    static let seconds = 0
    static let secondsAlarm = 1
    static let minutes = 2
    static let minutesAlarm = 3
    static let hours = 4
    static let hoursAlarm = 5
    static let weekday = 6
    static let day = 7
    static let month = 8
    static let year = 9
    static let a = 10
    static let b = 11
    static let c = 12
    static let d = 13
    static let century = 0x32
  }

  /// Told of bit 7 of the index port: true while NMIs are masked.
  public var nmiMaskChanged: (Bool) -> Void = { _ in }
  /// Whether NMIs are masked.
  public private(set) var isNMIMasked = false

  private let queue: EventQueue
  private let interrupt: InterruptLine
  private var bytes = [UInt8](repeating: 0, count: 128)
  private var index: UInt8 = 0

  /// The tick at which the divider chain was at zero.
  private var dividerStart: UInt64 = 0
  /// The tick at which the running second ends.
  private var secondEnd: UInt64 = 0
  private var secondEvent: EventID?
  private var periodicEvent: EventID?
  /// Since when no periodic edge has been seen.
  private var periodicSeen: UInt64 = 0

  /// - Parameters:
  ///   - queue: the virtual clock.
  ///   - interrupt: IRQ 8.
  ///   - startEpoch: the date now, in seconds since 1970-01-01 00:00 (negative before).
  public init(queue: EventQueue, interrupt: InterruptLine, startEpoch: Int64) {
    self.queue = queue
    self.interrupt = interrupt
    bytes[Register.a] = 0x26
    bytes[Register.b] = 0x02
    bytes[Register.d] = 0x80
    setDate(epoch: startEpoch)
    restartDivider(untilFirstUpdate: Self.hertz)
  }

  /// What the RESET pin does: time, memory and modes stay, interrupts are off.
  public func reset() {
    bytes[Register.b] &= 0x87
    bytes[Register.c] = 0
    index = 0
    setNMIMask(false)
    rearmPeriodic()
    updateInterrupt()
  }

  private var tick: UInt64 { queue.ticks(hertz: Self.hertz) }

  // MARK: Configuration by the machine

  /// A byte of the memory (or register) as the guest would read it, without side effects.
  public subscript(_ address: Int) -> UInt8 {
    get { bytes[address & 0x7F] }
    set { bytes[address & 0x7F] = newValue }
  }

  /// Writes what the firmware expects to find about a machine with `memory` bytes of RAM: base and extended
  /// sizes, equipment (FPU, VGA, PS/2 mouse) and the checksum of 10h-2Dh.
  public func configure(memory: UInt64) {
    let extendedKiB = min((max(memory, 1 << 20) - (1 << 20)) >> 10, 0xFFFF)
    let above16MiB = min((max(memory, 16 << 20) - (16 << 20)) >> 16, 0xFFFF)
    setWord(0x15, 640)
    setWord(0x17, UInt16(extendedKiB))
    setWord(0x30, UInt16(extendedKiB))
    setWord(0x34, UInt16(above16MiB))
    bytes[0x14] = 0x06
    updateChecksum()
  }

  /// Writes the boot order as SeaBIOS and Bochs' BIOS read it: up to three devices, 1 = floppy, 2 = disk,
  /// 3 = CD. Floppies without the signature AA55h are booted as well.
  public func configure(bootOrder codes: [UInt8]) {
    func code(_ place: Int) -> UInt8 { place < codes.count ? codes[place] & 15 : 0 }
    bytes[0x3D] = code(0) | code(1) << 4
    bytes[0x38] = 1 | code(2) << 4
  }

  /// Recomputes the checksum of 10h-2Dh, after configuration bytes were set.
  public func updateChecksum() {
    let sum = bytes[0x10...0x2D].reduce(UInt16(0)) { $0 &+ UInt16($1) }
    bytes[0x2E] = UInt8(sum >> 8)
    bytes[0x2F] = UInt8(truncatingIfNeeded: sum)
  }

  private func setWord(_ address: Int, _ value: UInt16) {
    bytes[address] = UInt8(truncatingIfNeeded: value)
    bytes[address + 1] = UInt8(value >> 8)
  }

  // MARK: Number formats

  private var isBinary: Bool { bytes[Register.b] & 0x04 != 0 }
  private var is24Hours: Bool { bytes[Register.b] & 0x02 != 0 }

  private func encode(_ value: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: isBinary ? value : (value / 10 % 10) << 4 | value % 10)
  }

  private func decode(_ byte: UInt8) -> Int {
    isBinary ? Int(byte) : Int(byte >> 4) * 10 + Int(byte & 15)
  }

  private var hour: Int {
    get {
      let byte = bytes[Register.hours]
      if is24Hours { return decode(byte) }
      return decode(byte & 0x7F) % 12 + (byte & 0x80 != 0 ? 12 : 0)
    }
    set {
      if is24Hours {
        bytes[Register.hours] = encode(newValue)
      } else {
        bytes[Register.hours] =
          encode(newValue % 12 == 0 ? 12 : newValue % 12) | (newValue >= 12 ? 0x80 : 0)
      }
    }
  }

  /// Sets the time registers from a number of seconds since 1970.
  private func setDate(epoch: Int64) {
    // Proleptic Gregorian date from a day number (days counted from 0000-03-01).
    let clamped = min(max(epoch, -62_000_000_000), 250_000_000_000)
    let dayNumber = clamped.floorDivided(by: 86_400)
    let second = Int(clamped - dayNumber * 86_400)
    let shifted = dayNumber + 719_468
    let era = shifted.floorDivided(by: 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)

    bytes[Register.seconds] = encode(second % 60)
    bytes[Register.minutes] = encode(second / 60 % 60)
    hour = second / 3600
    bytes[Register.weekday] = encode(
      Int((dayNumber + 4) - (dayNumber + 4).floorDivided(by: 7) * 7) + 1)
    bytes[Register.day] = encode(Int(day))
    bytes[Register.month] = encode(Int(month))
    bytes[Register.year] = encode(Int(year % 100))
    bytes[Register.century] = encode(Int(year / 100 % 100))
  }

  // MARK: Counting

  /// Only the 32.768 kHz divider runs; every other setting holds it.
  private var isRunning: Bool { bytes[Register.a] & 0x70 == 0x20 }
  private var isHeld: Bool { bytes[Register.b] & 0x80 != 0 }

  private func restartDivider(untilFirstUpdate ticks: UInt64) {
    if let secondEvent { queue.cancel(secondEvent) }
    secondEvent = nil
    dividerStart = tick
    periodicSeen = dividerStart
    secondEnd = dividerStart &+ ticks
    if isRunning { scheduleSecond() }
    rearmPeriodic()
  }

  private func scheduleSecond() {
    secondEvent = queue.schedule(at: queue.cycle(ofTick: secondEnd, hertz: Self.hertz)) {
      [unowned self] in
      secondEnd &+= Self.hertz
      scheduleSecond()
      if !isHeld { endUpdate() }
    }
  }

  private func endUpdate() {
    countSecond()
    bytes[Register.c] |= 0x10
    let matches = [
      (Register.secondsAlarm, Register.seconds), (Register.minutesAlarm, Register.minutes),
      (Register.hoursAlarm, Register.hours),
    ].allSatisfy { bytes[$0] >= 0xC0 || bytes[$0] == bytes[$1] }
    if matches { bytes[Register.c] |= 0x20 }
    updateInterrupt()
  }

  /// Adds one to a register that counts from `first` to `last`; true on overflow.
  private func count(_ register: Int, _ first: Int, _ last: Int) -> Bool {
    let value = decode(bytes[register])
    bytes[register] = encode(value >= last ? first : value + 1)
    return value >= last
  }

  private func countSecond() {
    guard count(Register.seconds, 0, 59), count(Register.minutes, 0, 59) else { return }
    let h = hour
    hour = h >= 23 ? 0 : h + 1
    guard h >= 23 else { return }
    _ = count(Register.weekday, 1, 7)
    let isLeap = decode(bytes[Register.year]) % 4 == 0
    let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    let month = min(max(decode(bytes[Register.month]), 1), 12)
    guard count(Register.day, 1, lengths[month - 1]), count(Register.month, 1, 12),
      count(Register.year, 0, 99)
    else { return }
    _ = count(Register.century, 0, 99)
  }

  private var updateInProgress: Bool {
    isRunning && !isHeld && tick &+ Self.updateTicks >= secondEnd
  }

  // MARK: Periodic interrupt

  /// Ticks per period; nil when switched off.
  private var periodicTicks: UInt64? {
    switch bytes[Register.a] & 15 {
    case 0: nil
    case 1: 128
    case 2: 256
    case let rate: 1 << UInt64(rate - 1)
    }
  }

  private func notePeriodic() {
    guard isRunning, let period = periodicTicks else { return }
    let now = tick
    if (now &- dividerStart) / period > (periodicSeen &- dividerStart) / period {
      bytes[Register.c] |= 0x40
    }
    periodicSeen = now
  }

  /// Schedules the next periodic interrupt if the guest waits for one.
  private func rearmPeriodic() {
    if let periodicEvent { queue.cancel(periodicEvent) }
    periodicEvent = nil
    guard isRunning, let period = periodicTicks, bytes[Register.b] & 0x40 != 0,
      bytes[Register.c] & 0x40 == 0
    else { return }
    let elapsed = tick &- dividerStart
    let next = dividerStart &+ (elapsed / period &+ 1) &* period
    periodicEvent = queue.schedule(at: queue.cycle(ofTick: next, hertz: Self.hertz)) {
      [unowned self] in
      periodicEvent = nil
      notePeriodic()
      updateInterrupt()
    }
  }

  private func updateInterrupt() {
    let isPending = bytes[Register.c] & bytes[Register.b] & 0x70 != 0
    bytes[Register.c] = bytes[Register.c] & 0x70 | (isPending ? 0x80 : 0)
    interrupt.set(isPending)
  }

  // MARK: Ports

  private func setNMIMask(_ masked: Bool) {
    guard masked != isNMIMasked else { return }
    isNMIMasked = masked
    nmiMaskChanged(masked)
  }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    guard offset == 1 else { return 0xFF }  // the index is write-only
    switch Int(index) {
    case Register.a: return UInt32(bytes[Register.a]) | (updateInProgress ? 0x80 : 0)
    case Register.c:
      notePeriodic()
      updateInterrupt()
      let value = bytes[Register.c]
      bytes[Register.c] = 0
      interrupt.set(false)
      rearmPeriodic()
      return UInt32(value)
    default: return UInt32(bytes[Int(index)])
    }
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    let value = UInt8(truncatingIfNeeded: value)
    switch offset {
    case 0:
      index = value & 0x7F
      setNMIMask(value & 0x80 != 0)
    case 1: writeRegister(value)
    default: break
    }
  }

  private func writeRegister(_ value: UInt8) {
    switch Int(index) {
    case Register.a:
      let wasRunning = isRunning
      notePeriodic()
      bytes[Register.a] = value & 0x7F
      if isRunning == wasRunning {
        rearmPeriodic()
      } else {
        // The first update comes half a second after the divider starts.
        restartDivider(untilFirstUpdate: Self.hertz / 2)
      }
    case Register.b:
      notePeriodic()
      bytes[Register.b] = value & 0x80 != 0 ? value & ~0x10 : value
      rearmPeriodic()
      updateInterrupt()
    case Register.c, Register.d: break
    default: bytes[Int(index)] = value
    }
  }
}

extension Int64 {
  fileprivate func floorDivided(by divisor: Int64) -> Int64 {
    let (q, r) = quotientAndRemainder(dividingBy: divisor)
    return r < 0 ? q - 1 : q
  }
}
