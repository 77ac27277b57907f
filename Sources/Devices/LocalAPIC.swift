import Bus

/// The local APIC of the one processor (SDM vol. 3, chapter 10), with the 8259s on LINT0.
///
/// A page of memory, registers 16 bytes apart, accessed as doublewords. As the processor's interrupt controller
/// it passes the 8259s' interrupts on while LINT0 is in ExtINT mode or the APIC is switched off.
public final class LocalAPIC: MemoryMappedDevice, InterruptController, Resettable {
  /// Input clock of the timer, before its divider, in hertz.
  public static let timerHertz: UInt64 = 100_000_000

  private enum Register {
    static let id: UInt32 = 0x02
    static let version: UInt32 = 0x03
    static let taskPriority: UInt32 = 0x08
    static let processorPriority: UInt32 = 0x0A
    static let endOfInterrupt: UInt32 = 0x0B
    static let logicalDestination: UInt32 = 0x0D
    static let destinationFormat: UInt32 = 0x0E
    static let spurious: UInt32 = 0x0F
    static let inService: UInt32 = 0x10
    static let triggerMode: UInt32 = 0x18
    static let requested: UInt32 = 0x20
    static let errors: UInt32 = 0x28
    static let commandLow: UInt32 = 0x30
    static let commandHigh: UInt32 = 0x31
    static let localVectors: UInt32 = 0x32
    static let initialCount: UInt32 = 0x38
    static let currentCount: UInt32 = 0x39
    static let divider: UInt32 = 0x3E
  }

  /// The local vector table's entries, in order of their registers.
  private enum Local: Int, CaseIterable {
    case timer, thermal, performance, lint0, lint1, error

    /// Writable bits.
    var mask: UInt32 {
      switch self {
      case .timer: 0x3_00FF
      case .thermal, .performance: 0x1_07FF
      case .lint0, .lint1: 0x1_A7FF
      case .error: 0x1_00FF
      }
    }
  }

  /// How an interrupt is delivered: bits 10-8 of table entries and commands.
  enum DeliveryMode: UInt32 {
    case fixed = 0
    case lowestPriority = 1
    case systemManagement = 2
    case nonMaskable = 4
    case initialize = 5
    case startUp = 6
    case external = 7
  }

  private static let masked: UInt32 = 0x1_0000
  private static let periodic: UInt32 = 0x2_0000
  private static let isEnabledBit: UInt64 = 1 << 11
  /// After a reset: at the usual address, enabled, the bootstrap processor's.
  private static let resetBase: UInt64 = 0xFEE0_0900

  /// The processor's INTR input, told of every change.
  public var requestChanged: (Bool) -> Void = { _ in }
  /// The processor's NMI input, told of every request.
  public var nonMaskableRequested: () -> Void = {}
  /// Told the vector when a level-triggered interrupt has been served.
  public var levelServed: (UInt8) -> Void = { _ in }
  /// Told the address of the registers, nil while the APIC is switched off.
  public var baseChanged: (UInt32?) -> Void = { _ in }

  private let queue: EventQueue
  private let external: any InterruptController

  /// Expiries of the timer that were delivered.
  public private(set) var timerInterrupts: UInt64 = 0
  /// IA32_APIC_BASE.
  public private(set) var base = LocalAPIC.resetBase
  private var id: UInt32 = 0
  private var taskPriority: UInt8 = 0
  private var logicalDestination: UInt32 = 0
  private var destinationFormat: UInt32 = ~0
  private var spurious: UInt32 = 0xFF
  private var requested = VectorSet()
  private var inService = VectorSet()
  private var levels = VectorSet()
  private var errors: UInt32 = 0
  private var pendingErrors: UInt32 = 0
  private var command: UInt64 = 0
  private var locals = [UInt32](repeating: 0, count: Local.allCases.count)
  private var lint0 = false
  private var output = false

  private var initialCount: UInt32 = 0
  private var dividerBits: UInt32 = 0
  /// The timer's tick (of the undivided clock) at which the count began.
  private var countStart: UInt64 = 0
  private var timerEvent: EventID?

  /// - Parameters:
  ///   - queue: the virtual clock.
  ///   - external: the 8259s, whose INT output is `setExternalRequest`.
  public init(queue: EventQueue, external: any InterruptController) {
    self.queue = queue
    self.external = external
    resetRegisters()
  }

  public func reset() {
    resetRegisters()
    setBase(Self.resetBase)
    update()
  }

  private func resetRegisters() {
    id = 0
    taskPriority = 0
    logicalDestination = 0
    destinationFormat = ~0
    spurious = 0xFF
    requested = VectorSet()
    inService = VectorSet()
    levels = VectorSet()
    errors = 0
    pendingErrors = 0
    command = 0
    locals = [UInt32](repeating: Self.masked, count: Local.allCases.count)
    // As a firmware leaves it, so that systems without one get the 8259s' interrupts.
    locals[Local.lint0.rawValue] = DeliveryMode.external.rawValue << 8
    initialCount = 0
    dividerBits = 0
    cancelTimer()
  }

  // MARK: Wires

  /// Whether IA32_APIC_BASE enables the APIC.
  public var isOn: Bool { base & Self.isEnabledBit != 0 }
  private var isSoftwareEnabled: Bool { spurious & 0x100 != 0 }

  /// Writes IA32_APIC_BASE. Switching the APIC off resets it.
  public func setBase(_ value: UInt64) {
    let wasOn = isOn
    base = value & ~0xFFF | value & Self.isEnabledBit | 0x100
    if wasOn && !isOn { resetRegisters() }
    baseChanged(isOn ? UInt32(truncatingIfNeeded: base & ~0xFFF) : nil)
    update()
  }

  /// The 8259s' INT output.
  public func setExternalRequest(_ asserted: Bool) {
    let rises = asserted && !lint0
    lint0 = asserted
    if rises && isOn && !passesExternal { deliver(local: .lint0) }
    update()
  }

  /// Whether LINT0 goes through to the processor.
  private var passesExternal: Bool {
    guard isOn else { return true }
    let entry = locals[Local.lint0.rawValue]
    return entry & Self.masked == 0 && mode(entry) == .external
  }

  private func mode(_ entry: UInt32) -> DeliveryMode? { DeliveryMode(rawValue: entry >> 8 & 7) }

  private func deliver(local: Local) {
    let entry = locals[local.rawValue]
    guard entry & Self.masked == 0 else { return }
    switch mode(entry) {
    case .fixed:
      accept(
        vector: UInt8(truncatingIfNeeded: entry),
        isLevel: (local == .lint0 || local == .lint1) && entry & 0x8000 != 0)
    case .nonMaskable: nonMaskableRequested()
    default: break
    }
  }

  // MARK: Accepting and acknowledging

  /// Whether a message with this destination is for this APIC. SDM vol. 3, 10.6.2.
  private func isAddressed(_ destination: UInt8, isLogical: Bool) -> Bool {
    guard isLogical else { return destination == 0xFF || UInt32(destination) == id >> 24 }
    let own = UInt8(truncatingIfNeeded: logicalDestination >> 24)
    if destinationFormat >> 28 == 0xF { return destination & own != 0 }
    return (destination >> 4 == own >> 4 || destination >> 4 == 0xF) && destination & own & 15 != 0
  }

  /// Takes a message from the I/O APIC.
  /// - Returns: whether it was accepted.
  func receive(
    vector: UInt8, mode: DeliveryMode, destination: UInt8, isLogical: Bool, isLevel: Bool
  ) -> Bool {
    guard isOn, isAddressed(destination, isLogical: isLogical) else { return false }
    switch mode {
    case .fixed, .lowestPriority:
      guard isSoftwareEnabled else { return false }
      accept(vector: vector, isLevel: isLevel)
    case .nonMaskable: nonMaskableRequested()
    default: return false
    }
    return true
  }

  private func accept(vector: UInt8, isLevel: Bool) {
    guard vector >= 16 else {
      reportError(0x40)
      return
    }
    requested.insert(vector)
    if isLevel { levels.insert(vector) } else { levels.remove(vector) }
    update()
  }

  private func reportError(_ bit: UInt32) {
    pendingErrors |= bit
    let entry = locals[Local.error.rawValue]
    let vector = UInt8(truncatingIfNeeded: entry)
    // An illegal vector here would report itself for ever.
    if entry & Self.masked == 0, vector >= 16 { accept(vector: vector, isLevel: false) }
  }

  private var processorPriority: UInt8 {
    let serving = inService.highest ?? 0
    return taskPriority >> 4 >= serving >> 4 ? taskPriority : serving & 0xF0
  }

  /// The vector that would be delivered now.
  private var pending: UInt8? {
    guard isOn, isSoftwareEnabled, let vector = requested.highest,
      vector >> 4 > processorPriority >> 4
    else { return nil }
    return vector
  }

  private func update() {
    let now = pending != nil || lint0 && passesExternal
    guard now != output else { return }
    output = now
    requestChanged(now)
  }

  public func acknowledge() -> UInt8 {
    defer { update() }
    if let vector = pending {
      requested.remove(vector)
      inService.insert(vector)
      return vector
    }
    if lint0 && passesExternal { return external.acknowledge() }
    return UInt8(truncatingIfNeeded: spurious)
  }

  private func endInterrupt() {
    guard let vector = inService.highest else { return }
    inService.remove(vector)
    if levels.contains(vector) { levelServed(vector) }
    update()
  }

  // MARK: Timer

  private var timerDivider: UInt64 {
    let code = dividerBits & 3 | dividerBits >> 1 & 4
    return code == 7 ? 1 : 2 << UInt64(code)
  }

  private var isPeriodic: Bool { locals[Local.timer.rawValue] & Self.periodic != 0 }

  private var elapsedCounts: UInt64 {
    (queue.ticks(hertz: Self.timerHertz) &- countStart) / timerDivider
  }

  private var currentCount: UInt32 {
    guard initialCount != 0 else { return 0 }
    let elapsed = elapsedCounts
    if isPeriodic { return initialCount - UInt32(elapsed % UInt64(initialCount)) }
    return elapsed >= initialCount ? 0 : initialCount - UInt32(elapsed)
  }

  private func cancelTimer() {
    if let timerEvent { queue.cancel(timerEvent) }
    timerEvent = nil
  }

  /// Schedules the next expiry if it would interrupt.
  private func armTimer() {
    cancelTimer()
    guard initialCount != 0, locals[Local.timer.rawValue] & Self.masked == 0 else { return }
    let period = UInt64(initialCount)
    let elapsed = elapsedCounts
    guard isPeriodic || elapsed < period else { return }
    let expiry = countStart &+ (elapsed / period &+ 1) &* period &* timerDivider
    // A period of a few cycles would leave the processor no time to run.
    let earliest = queue.now &+ (isPeriodic ? 500 : 1)
    let time = max(queue.cycle(ofTick: expiry, hertz: Self.timerHertz), earliest)
    timerEvent = queue.schedule(at: time) { [unowned self] in
      timerEvent = nil
      timerInterrupts &+= 1
      deliver(local: .timer)
      if isPeriodic { armTimer() }
    }
  }

  private func startCount(_ value: UInt32) {
    initialCount = value
    countStart = queue.ticks(hertz: Self.timerHertz)
    armTimer()
  }

  // MARK: Registers

  public func readMemory(offset: UInt32, width: AccessWidth) -> UInt32 {
    let shift = (offset & 3) * 8
    return offset & 0xF < 4 ? read(offset >> 4) >> shift : 0
  }

  private func read(_ register: UInt32) -> UInt32 {
    switch register {
    case Register.id: return id
    case Register.version: return 0x0005_0014
    case Register.taskPriority: return UInt32(taskPriority)
    case Register.processorPriority: return UInt32(processorPriority)
    case Register.logicalDestination: return logicalDestination
    case Register.destinationFormat: return destinationFormat
    case Register.spurious: return spurious
    case Register.inService..<Register.inService + 8: return inService.word(register & 7)
    case Register.triggerMode..<Register.triggerMode + 8: return levels.word(register & 7)
    case Register.requested..<Register.requested + 8: return requested.word(register & 7)
    case Register.errors: return errors
    case Register.commandLow: return UInt32(truncatingIfNeeded: command)
    case Register.commandHigh: return UInt32(command >> 32)
    case Register.localVectors..<Register.localVectors + 6:
      return locals[Int(register - Register.localVectors)]
    case Register.initialCount: return initialCount
    case Register.currentCount: return currentCount
    case Register.divider: return dividerBits
    default: return 0
    }
  }

  public func writeMemory(offset: UInt32, width: AccessWidth, value: UInt32) {
    // Anything but an aligned doubleword is undefined.
    guard width == .dword, offset & 0xF == 0 else { return }
    write(offset >> 4, value)
  }

  private func write(_ register: UInt32, _ value: UInt32) {
    switch register {
    case Register.id: id = value & 0xFF00_0000
    case Register.taskPriority: taskPriority = UInt8(truncatingIfNeeded: value)
    case Register.endOfInterrupt: endInterrupt()
    case Register.logicalDestination: logicalDestination = value & 0xFF00_0000
    case Register.destinationFormat: destinationFormat = value | 0x0FFF_FFFF
    case Register.spurious:
      spurious = value & 0x3FF
      if !isSoftwareEnabled {
        for index in locals.indices { locals[index] |= Self.masked }
        armTimer()
      }
    case Register.errors:
      errors = pendingErrors
      pendingErrors = 0
    case Register.commandLow:
      command = command & ~0xFFFF_FFFF | UInt64(value & 0x000C_CFFF)
      sendCommand()
    case Register.commandHigh:
      command = command & 0xFFFF_FFFF | UInt64(value & 0xFF00_0000) << 32
    case Register.localVectors..<Register.localVectors + 6:
      writeLocal(Int(register - Register.localVectors), value)
    case Register.initialCount: startCount(value)
    case Register.divider:
      dividerBits = value & 0xB
      armTimer()
    default: break
    }
    update()
  }

  private func writeLocal(_ index: Int, _ value: UInt32) {
    guard let local = Local(rawValue: index) else { return }
    locals[index] = value & local.mask | (isSoftwareEnabled ? 0 : Self.masked)
    if local == .timer { armTimer() }
  }

  /// An interprocessor interrupt: the only processor can send itself one. SDM vol. 3, 10.6.1.
  private func sendCommand() {
    let low = UInt32(truncatingIfNeeded: command)
    switch low >> 18 & 3 {
    case 0:
      guard isAddressed(UInt8(command >> 56), isLogical: low & 0x800 != 0) else { return }
    case 3: return
    default: break
    }
    switch mode(low) {
    case .fixed, .lowestPriority: accept(vector: UInt8(truncatingIfNeeded: low), isLevel: false)
    case .nonMaskable: nonMaskableRequested()
    default: break
    }
  }
}

/// A set of interrupt vectors.
private struct VectorSet {
  private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  private subscript(_ index: UInt8) -> UInt64 {
    get {
      switch index {
      case 0: words.0
      case 1: words.1
      case 2: words.2
      default: words.3
      }
    }
    set {
      switch index {
      case 0: words.0 = newValue
      case 1: words.1 = newValue
      case 2: words.2 = newValue
      default: words.3 = newValue
      }
    }
  }

  mutating func insert(_ vector: UInt8) { self[vector >> 6] |= 1 << UInt64(vector & 63) }
  mutating func remove(_ vector: UInt8) { self[vector >> 6] &= ~(1 << UInt64(vector & 63)) }
  func contains(_ vector: UInt8) -> Bool { self[vector >> 6] >> UInt64(vector & 63) & 1 != 0 }

  /// The highest member.
  var highest: UInt8? {
    for index in stride(from: 3, through: 0, by: -1) as StrideThrough<Int> {
      let word = self[UInt8(index)]
      if word != 0 { return UInt8(index * 64 + 63 - word.leadingZeroBitCount) }
    }
    return nil
  }

  /// Vectors `index * 32` to `index * 32 + 31` as bits.
  func word(_ index: UInt32) -> UInt32 {
    UInt32(truncatingIfNeeded: self[UInt8(index >> 1)] >> UInt64((index & 1) * 32))
  }
}
