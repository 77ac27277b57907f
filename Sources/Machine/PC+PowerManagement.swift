import Bus
import Devices

extension PC {
  /// Wires the ACPI registers, which the power-management function puts where the guest wants them.
  static func attach(
    _ acpi: ACPIPowerManagement, at power: PIIX4PowerManagementFunction, ports: PortBus
  ) throws {
    try ports.attach(acpi.commandPort, ports: 0xB2...0xB3, name: "acpi")
    var current: UInt16?
    power.baseChanged = { [unowned ports] base in
      if let current { ports.detach(first: current) }
      // A base on top of other ports is the guest's mistake; the registers are out of reach then.
      current = base.flatMap { base in
        let last = base.addingReportingOverflow(0x3F)
        let isFree =
          !last.overflow
          && (try? ports.attach(acpi, ports: base...last.partialValue, name: "acpi")) != nil
        return isFree ? base : nil
      }
    }
  }
}
