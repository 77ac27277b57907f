import Bus

/// A parallel port without a printer (IBM PS/2 Hardware Interface Technical Reference, "Parallel Port").
///
/// Ports: offset 0 = data, 1 = status, 2 = control. The status lines float high, which reads as a printer
/// that is busy and out of paper.
public final class ParallelPort: PortDevice, Resettable {
  /// Bits 3-6 high, bit 7 (busy) inverted, bits 0-2 unused.
  private static let unconnected: UInt8 = 0x7F

  private var data: UInt8 = 0
  private var control: UInt8 = 0x0C

  public init() {}

  public func reset() {
    data = 0
    control = 0x0C
  }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    switch offset {
    case 0: return control & 0x20 != 0 ? 0xFF : UInt32(data)  // input floats
    case 1: return UInt32(Self.unconnected)
    case 2: return UInt32(control | 0xC0)
    default: return 0xFF
    }
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    switch offset {
    case 0: data = UInt8(truncatingIfNeeded: value)
    case 2: control = UInt8(truncatingIfNeeded: value & 0x3F)
    default: break
    }
  }
}
