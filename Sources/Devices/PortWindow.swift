import Bus

/// Gives a device that decodes several separate port ranges a second range: accesses to the window reach
/// the device with `base` added to the offset (the 8042 at 60h and 64h, for one).
public final class PortWindow: PortDevice {
  private let device: any PortDevice
  private let base: UInt16

  /// - Parameters:
  ///   - device: the device that answers.
  ///   - base: the device's offset of the first port of the window.
  public init(_ device: any PortDevice, base: UInt16) {
    self.device = device
    self.base = base
  }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    device.readPort(offset: base &+ offset, width: width)
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    device.writePort(offset: base &+ offset, width: width, value: value)
  }
}
