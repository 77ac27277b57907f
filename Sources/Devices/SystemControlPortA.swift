import Bus

/// Port 92h of the PS/2: bit 0 = fast reset, bit 1 = address line 20.
public final class SystemControlPortA: PortDevice, Resettable {
  /// Told when the guest raises the fast-reset bit.
  public var resetRequested: () -> Void = {}

  private let gate: A20Gate
  private var control: UInt8 = 0

  public init(gate: A20Gate) {
    self.gate = gate
  }

  public func reset() { control = 0 }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    guard offset == 0 else { return 0xFF }
    return UInt32(control) | (gate.isOpen ? 2 : 0)
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    guard offset == 0 else { return }
    let rises = value & 1 != 0 && control & 1 == 0
    // Bits 6-7 light the disk LED and bit 3 locks the password on the PS/2; they only read back.
    control = UInt8(truncatingIfNeeded: value) & 0xC9
    gate.set(value & 2 != 0)
    if rises { resetRequested() }
  }
}
