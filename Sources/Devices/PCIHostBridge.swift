import Bus

/// Configuration mechanism #1 (PCI 2.1, 3.7.4.1) and the 82441FX host bridge of bus 0.
///
/// Ports CF8h-CFFh: offset 0 = address (32-bit accesses only), 1 = reset control (8-bit accesses), 4-7 = data.
public final class PCIHostBridge: PortDevice, Resettable {
  /// The host bridge's own configuration space (8086:1237, device 0 function 0).
  public let function: PCIFunction

  /// Told when the guest resets the machine through port CF9h.
  public var resetRequested: () -> Void = {}
  /// Told when one of the PAM registers 59h-5Fh or SMRAM control 72h was written: (offset, value).
  public var memoryAttributeWritten: (Int, UInt8) -> Void = { _, _ in }

  private var functions = [PCIFunction?](repeating: nil, count: 256)
  private var address: UInt32 = 0
  private var resetControl: UInt8 = 0

  public init() {
    function = PCIFunction(vendor: 0x8086, device: 0x1237, classCode: 0x060000, revision: 2)
    function.define(0x04, word: 0x0006, writable: 0x0100)
    function.define(0x06, word: 0x0280)
    // By its subsystem SeaBIOS knows the board with a firmware configuration device.
    function.define(0x2C, word: 0x1AF4)
    function.define(0x2E, word: 0x1100)
    for offset in 0x50...0x58 { function.define(offset, 0, writable: 0xFF) }
    for offset in 0x59...0x5F { function.define(offset, 0, writable: 0xFF) }
    for offset in 0x60...0x71 { function.define(offset, 0, writable: 0xFF) }
    function.define(0x72, 0x02, writable: 0x7F)
    function.registerWritten = { [unowned self] offset in
      if (0x59...0x5F).contains(offset) || offset == 0x72 {
        memoryAttributeWritten(offset, function.read(offset))
      }
    }
    functions[0] = function
  }

  /// Puts a function on bus 0.
  public func attach(_ function: PCIFunction, device: Int, function number: Int) {
    precondition((0..<32).contains(device) && (0..<8).contains(number), "no such PCI function")
    functions[device * 8 + number] = function
  }

  public func reset() {
    address = 0
    resetControl = 0
    for function in functions { function?.reset() }
  }

  /// The addressed function, on bus 0 and only with the enable bit.
  private var selected: PCIFunction? {
    guard address & 0x80FF_0000 == 0x8000_0000 else { return nil }
    return functions[Int(address >> 8 & 0xFF)]
  }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    if offset == 0 && width == .dword { return address }
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    switch offset {
    case 1: return UInt32(resetControl)
    case 4...7: return UInt32(selected?.read(Int(address & 0xFC) + Int(offset - 4)) ?? 0xFF)
    default: return 0xFF
    }
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    if offset == 0 && width == .dword {
      address = value & 0x80FF_FFFC
      return
    }
    switch offset {
    case 1 where width == .byte:
      let rises = value & 4 != 0 && resetControl & 4 == 0
      resetControl = UInt8(truncatingIfNeeded: value) & 0x06
      if rises {
        resetControl = 0
        resetRequested()
      }
    case 4...7:
      let width = min(width.rawValue, 8 - Int(offset))
      selected?.write(Int(address & 0xFC) + Int(offset - 4), width: width, value: value)
    default: break
    }
  }
}
