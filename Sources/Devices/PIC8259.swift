import Bus

/// One 8259A programmable interrupt controller (Intel 8259A data sheet). Ports: offset 0 = ICW1, OCW2,
/// OCW3 / IRR, ISR, poll; offset 1 = ICW2-4, OCW1 (mask).
public final class InterruptController8259: PortDevice, Resettable {
  /// The INT output. Told of every change, and of a new edge while a further request is pending.
  public var outputChanged: (Bool) -> Void = { _ in }

  /// Interrupt request register.
  public private(set) var requested: UInt8 = 0
  /// In-service register.
  public private(set) var inService: UInt8 = 0
  /// Interrupt mask register.
  public private(set) var mask: UInt8 = 0
  /// The INT output as it is now.
  public private(set) var output = false
  /// Inputs that are level triggered (ELCR); ICW1's LTIM makes all of them so.
  var levelTriggered: UInt8 = 0 {
    didSet { refreshLevelInputs() }
  }

  private enum Expect {
    case ready, icw2, icw3, icw4
  }

  private let isPrimary: Bool
  private var lines: UInt8 = 0
  private var expect = Expect.ready
  private var needsICW4 = false
  private var isSingle = false
  private var allLevel = false
  private var vectorBase: UInt8 = 0
  private var cascade: UInt8 = 0
  private var autoEOI = false
  private var rotateOnAutoEOI = false
  private var specialFullyNested = false
  private var specialMask = false
  private var readsInService = false
  private var pollPending = false
  /// The input of lowest priority; the one after it has the highest.
  private var lowest: UInt8 = 7

  /// - Parameter isPrimary: whether a second chip hangs on input 2 (matters for the special fully nested
  ///   mode only).
  public init(isPrimary: Bool = false) {
    self.isPrimary = isPrimary
  }

  /// Power-on state. The inputs keep their levels, since those belong to the devices.
  public func reset() {
    initialize()
    expect = .ready
    vectorBase = 0
    cascade = 0
    allLevel = false
    isSingle = false
    needsICW4 = false
    mask = 0xFF
    update()
  }

  private func initialize() {
    requested = 0
    inService = 0
    mask = 0
    lowest = 7
    autoEOI = false
    rotateOnAutoEOI = false
    specialFullyNested = false
    specialMask = false
    readsInService = false
    pollPending = false
    refreshLevelInputs()
  }

  private var levels: UInt8 { allLevel ? 0xFF : levelTriggered }

  private func refreshLevelInputs() {
    requested = (requested & ~levels) | (lines & levels)
    update()
  }

  /// Drives input `line` (0-7). As on the chip, a request that goes away before it is acknowledged is lost,
  /// in edge mode too.
  public func setLine(_ line: Int, asserted: Bool) {
    guard (0..<8).contains(line) else { return }
    let bit = UInt8(1) << UInt8(line)
    let old = lines
    if asserted {
      lines |= bit
      if (levels | ~old) & bit != 0 { requested |= bit }
    } else {
      lines &= ~bit
      requested &= ~bit
    }
    update()
  }

  /// The input that would be acknowledged now.
  private func highestRequest() -> UInt8? {
    let candidates = requested & ~mask
    guard candidates != 0 else { return nil }
    var blocking = inService
    if specialMask { blocking &= ~mask }
    if specialFullyNested && isPrimary { blocking &= ~0x04 }
    for step in UInt8(1)...8 {
      let line = (lowest &+ step) & 7
      let bit = UInt8(1) << line
      if blocking & bit != 0 { return nil }
      if candidates & bit != 0 { return line }
    }
    return nil
  }

  private func update() {
    let now = highestRequest() != nil
    guard now != output else { return }
    output = now
    outputChanged(now)
  }

  /// The interrupt-acknowledge cycle.
  /// - Returns: the vector and the input; when the request has gone, nil and the vector of input 7.
  func acknowledge() -> (vector: UInt8, line: UInt8?) {
    // INT falls with the acknowledge, so that a chip above sees a new edge for a further request.
    if output {
      output = false
      outputChanged(false)
    }
    let line = accept()
    return (vectorBase | (line ?? 7), line)
  }

  /// Moves the highest request into service; nil when there is none.
  private func accept() -> UInt8? {
    defer { update() }
    guard let line = highestRequest() else { return nil }
    let bit = UInt8(1) << line
    if levels & bit == 0 { requested &= ~bit }
    if autoEOI {
      if rotateOnAutoEOI { lowest = line }
    } else {
      inService |= bit
    }
    return line
  }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    if pollPending {
      pollPending = false
      if output {
        output = false
        outputChanged(false)
      }
      return accept().map { UInt32($0) | 0x80 } ?? 0x07
    }
    switch offset {
    case 0: return UInt32(readsInService ? inService : requested)
    case 1: return UInt32(mask)
    default: return 0xFF
    }
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    let value = UInt8(truncatingIfNeeded: value)
    switch offset {
    case 0 where value & 0x10 != 0: writeICW1(value)
    case 0 where value & 0x08 != 0: writeOCW3(value)
    case 0: writeOCW2(value)
    case 1: writeData(value)
    default: break
    }
  }

  private func writeICW1(_ value: UInt8) {
    needsICW4 = value & 0x01 != 0
    isSingle = value & 0x02 != 0
    allLevel = value & 0x08 != 0
    expect = .icw2
    initialize()
    update()
  }

  private func writeData(_ value: UInt8) {
    switch expect {
    case .icw2:
      vectorBase = value & 0xF8
      expect = !isSingle ? .icw3 : needsICW4 ? .icw4 : .ready
    case .icw3:
      cascade = value
      expect = needsICW4 ? .icw4 : .ready
    case .icw4:
      autoEOI = value & 0x02 != 0
      specialFullyNested = value & 0x10 != 0
      expect = .ready
    case .ready:
      mask = value
    }
    update()
  }

  private func writeOCW3(_ value: UInt8) {
    if value & 0x40 != 0 { specialMask = value & 0x20 != 0 }
    if value & 0x04 != 0 {
      pollPending = true
    } else if value & 0x02 != 0 {
      readsInService = value & 0x01 != 0
    }
    update()
  }

  private func writeOCW2(_ value: UInt8) {
    let level = value & 0x07
    switch value >> 5 {
    case 0b000: rotateOnAutoEOI = false
    case 0b100: rotateOnAutoEOI = true
    case 0b001: _ = endHighest()
    case 0b101: if let line = endHighest() { lowest = line }
    case 0b011: inService &= ~(1 << level)
    case 0b111:
      inService &= ~(1 << level)
      lowest = level
    case 0b110: lowest = level
    default: break  // 010: no operation
    }
    update()
  }

  /// Non-specific end of interrupt. In special mask mode the masked levels are left alone.
  private func endHighest() -> UInt8? {
    let candidates = specialMask ? inService & ~mask : inService
    for step in UInt8(1)...8 {
      let line = (lowest &+ step) & 7
      if candidates & (1 << line) != 0 {
        inService &= ~(1 << line)
        return line
      }
    }
    return nil
  }
}

/// The PC/AT's two 8259As: lines 0-7 on the primary, 8-15 on the secondary, which drives line 2.
///
/// Ports: `primary` at 20h-21h, `secondary` at A0h-A1h, `edgeLevelControl` (ELCR) at 4D0h-4D1h.
public final class PICPair: InterruptSink, InterruptController, Resettable {
  public let primary = InterruptController8259(isPrimary: true)
  public let secondary = InterruptController8259()
  /// The two edge/level control registers of the PIIX (offsets 0 and 1). Lines 0, 1, 2, 8 and 13 are always
  /// edge triggered.
  public let edgeLevelControl: any PortDevice

  /// The INTR pin of the processor; told of every change.
  public var interruptRequestChanged: (Bool) -> Void = { _ in }

  /// Counts of acknowledged interrupts by line; the spurious ones are not among them.
  public private(set) var acknowledged = [UInt64](repeating: 0, count: 16)
  /// Acknowledge cycles that found no request.
  public private(set) var spurious: UInt64 = 0

  public init() {
    let control = EdgeLevelControl(primary: primary, secondary: secondary)
    edgeLevelControl = control
    primary.outputChanged = { [unowned self] in interruptRequestChanged($0) }
    secondary.outputChanged = { [unowned primary] in primary.setLine(2, asserted: $0) }
    reset()
  }

  /// The level of the INTR pin.
  public var interruptRequest: Bool { primary.output }

  /// Makes the lines of `mask` level triggered and the others edge triggered, as a firmware does for PCI and
  /// the SCI. Lines 0, 1, 2, 8 and 13 stay edge triggered.
  public func setLevelTriggered(_ mask: UInt16) {
    edgeLevelControl.writePort(offset: 0, width: .word, value: UInt32(mask))
  }

  public func reset() {
    (edgeLevelControl as? any Resettable)?.reset()
    secondary.reset()
    primary.reset()
  }

  public func setLine(_ line: Int, asserted: Bool) {
    switch line {
    case 0, 1, 3...7: primary.setLine(line, asserted: asserted)
    case 2: secondary.setLine(1, asserted: asserted)  // the XT's IRQ2 pin is the AT's IRQ9
    case 8...15: secondary.setLine(line - 8, asserted: asserted)
    default: break
    }
  }

  public func acknowledge() -> UInt8 {
    let (vector, line) = primary.acknowledge()
    guard line == 2 else {
      count(line.map { Int($0) })
      return vector
    }
    let (secondVector, secondLine) = secondary.acknowledge()
    count(secondLine.map { Int($0) + 8 })
    return secondVector
  }

  private func count(_ line: Int?) {
    if let line { acknowledged[line] &+= 1 } else { spurious &+= 1 }
  }
}

/// ELCR: one bit per line, 1 = level triggered (82371SB data sheet, "Edge/Level Control Registers").
private final class EdgeLevelControl: PortDevice, Resettable {
  private let primary: InterruptController8259
  private let secondary: InterruptController8259

  init(primary: InterruptController8259, secondary: InterruptController8259) {
    self.primary = primary
    self.secondary = secondary
  }

  func reset() {
    primary.levelTriggered = 0
    secondary.levelTriggered = 0
  }

  func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    switch offset {
    case 0: return UInt32(primary.levelTriggered)
    case 1: return UInt32(secondary.levelTriggered)
    default: return 0xFF
    }
  }

  func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    switch offset {
    case 0: primary.levelTriggered = UInt8(truncatingIfNeeded: value) & 0xF8
    case 1: secondary.levelTriggered = UInt8(truncatingIfNeeded: value) & 0xDE
    default: break
    }
  }
}
