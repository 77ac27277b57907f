import Bus

/// The 82371SB (PIIX3) PCI-to-ISA bridge: the routing of PCI interrupts to the 8259s.
///
/// As an `InterruptSink` it takes the PCI interrupt wires, numbered device * 4 + pin (INTA = 0); get one with
/// `interruptLine`. Wires of a device rotate over the four PIRQ inputs, and shared wires are ORed.
public final class PIIX3ISABridge: InterruptSink, Resettable {
  /// The bridge's configuration space (8086:7000, device 1 function 0 of a multifunction device).
  public let function: PCIFunction

  private let controller: any InterruptSink
  private var asserted = [Bool](repeating: false, count: 128)
  /// Lines of the 8259s that this bridge holds high.
  private var driven: UInt16 = 0

  private static let routeControl = 0x60

  /// - Parameter controller: the 8259 pair.
  public init(controller: any InterruptSink) {
    self.controller = controller
    function = PCIFunction(
      vendor: 0x8086, device: 0x7000, classCode: 0x060100, isMultifunction: true)
    function.define(0x04, word: 0x0007, writable: 0x0008)
    function.define(0x06, word: 0x0200)
    function.define(0x4C, 0x4D, writable: 0xFF)
    function.define(0x4E, 0x03, writable: 0xFF)
    function.define(0x4F, 0x00, writable: 0xFF)
    for pirq in 0..<4 { function.define(Self.routeControl + pirq, 0x80, writable: 0x8F) }
    function.define(0x69, 0x02, writable: 0xFE)
    function.define(0x70, 0x80, writable: 0xEF)
    function.define(0x76, 0x0C, writable: 0x8F)
    function.define(0x77, 0x0C, writable: 0x8F)
    function.define(0x78, 0x02, writable: 0xFF)
    function.define(0xA0, 0x08, writable: 0x1F)
    for offset in 0xA2...0xAF { function.define(offset, 0, writable: 0xFF) }
    function.registerWritten = { [unowned self] offset in
      if (0x60...0x63).contains(offset) { updateRouting() }
    }
  }

  public func reset() {
    asserted = [Bool](repeating: false, count: 128)
    function.reset()
    updateRouting()
  }

  /// Routes PIRQA-PIRQD as a firmware does.
  /// - Parameter interrupts: the four lines of the 8259s.
  public func route(_ interrupts: [UInt8]) {
    for (pirq, line) in interrupts.prefix(4).enumerated() {
      function.write(Self.routeControl + pirq, line & 0x0F)
    }
  }

  /// The wire of pin `pin` (0 = INTA) of device `device` on bus 0.
  public func interruptLine(device: Int, pin: Int) -> InterruptLine {
    InterruptLine(self, line: (device & 31) * 4 + (pin & 3))
  }

  /// The PIRQ input (0-3) that a device's pin is wired to.
  public static func pirq(device: Int, pin: Int) -> Int { (pin + device + 3) & 3 }

  public func setLine(_ line: Int, asserted level: Bool) {
    guard asserted.indices.contains(line), asserted[line] != level else { return }
    asserted[line] = level
    updateRouting()
  }

  private func updateRouting() {
    var wanted: UInt16 = 0
    for (line, isAsserted) in asserted.enumerated() where isAsserted {
      let route = function.read(Self.routeControl + Self.pirq(device: line >> 2, pin: line & 3))
      // Bit 7 disconnects; lines 0-2, 8 and 13 cannot be routed to.
      if route & 0x80 == 0 && 0xDEF8 >> UInt16(route & 15) & 1 != 0 { wanted |= 1 << UInt16(route) }
    }
    let changed = wanted ^ driven
    driven = wanted
    for line in 0..<16 where changed >> UInt16(line) & 1 != 0 {
      controller.setLine(line, asserted: wanted >> UInt16(line) & 1 != 0)
    }
  }
}

/// The power-management function of the 82371AB (PIIX4), which says where the ACPI registers are.
public final class PIIX4PowerManagementFunction: Resettable {
  /// The configuration space (8086:7113, device 1 function 3).
  public let function: PCIFunction

  /// Told the first of the 64 ACPI ports, or nil while they are not decoded.
  public var baseChanged: (UInt16?) -> Void = { _ in }
  /// The first of the 64 ACPI ports; nil while they are not decoded.
  public private(set) var base: UInt16?

  public init() {
    function = PCIFunction(
      vendor: 0x8086, device: 0x7113, classCode: 0x068000, revision: 3, interruptPin: 1)
    function.define(0x06, word: 0x0280)
    function.define(0x3C, 9, writable: 0xFF)
    function.define(0x40, 0x01, writable: 0xC0)
    function.define(0x41, 0x00, writable: 0xFF)
    for offset in 0x48...0x7F { function.define(offset, 0, writable: 0xFF) }
    // APMC_EN: tells a firmware that system management mode needs no set-up (there is none).
    function.define(0x5B, 0x02, writable: 0xFF)
    function.define(0x80, 0x00, writable: 0x01)
    function.define(0x90, 0x01, writable: 0xF0)
    function.define(0x91, 0x00, writable: 0xFF)
    function.define(0xD2, 0x00, writable: 0x0F)
    function.registerWritten = { [unowned self] offset in
      if [0x40, 0x41, 0x80].contains(offset) { update() }
    }
  }

  public func reset() {
    function.reset()
    update()
  }

  /// Maps the ACPI ports as a firmware does.
  public func enable(base: UInt16) {
    function.write(0x40, width: 2, value: UInt32(base))
    function.write(0x80, 1)
  }

  private func update() {
    let address = function.read(word: 0x40) & 0xFFC0
    let new = function.read(0x80) & 1 != 0 && address != 0 ? address : nil
    guard new != base else { return }
    base = new
    baseChanged(new)
  }
}
