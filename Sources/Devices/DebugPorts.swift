import Bus

/// Port E9h of Bochs: what is written goes to the host, a read returns E9h so that guests can find it.
public final class DebugConsole: PortDevice, Resettable {
  /// Receives every byte written.
  public var output: (UInt8) -> Void = { _ in }

  public init() {}
  public func reset() {}

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    return offset == 0 ? 0xE9 : 0xFF
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    if offset == 0 { output(UInt8(truncatingIfNeeded: value)) }
  }
}

/// QEMU's isa-debug-exit: a write of V ends the run with status (V * 2 + 1) & 255. Four ports wide.
public final class DebugExit: PortDevice, Resettable {
  /// Told the exit status.
  public var exit: (UInt8) -> Void = { _ in }

  public init() {}
  public func reset() {}

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 { 0 }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard offset == 0 else { return }
    exit(UInt8(truncatingIfNeeded: value &* 2 &+ 1))
  }
}

/// The power-on self-test code at port 80h; also serves the delay port EDh. Reads return the last write.
public final class POSTCode: PortDevice, Resettable {
  /// The last code written.
  public private(set) var code: UInt8 = 0
  /// Told of every code.
  public var written: (UInt8) -> Void = { _ in }

  public init() {}
  public func reset() { code = 0 }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    return offset == 0 ? UInt32(code) : 0xFF
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    guard offset == 0 else { return }
    code = UInt8(truncatingIfNeeded: value)
    written(code)
  }
}
