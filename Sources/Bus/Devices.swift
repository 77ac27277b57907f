/// The width of a port or memory-mapped access, in bytes.
public enum AccessWidth: Int, Sendable, CaseIterable {
  case byte = 1
  case word = 2
  case dword = 4

  /// All ones in the width: what a read of nothing returns.
  public var mask: UInt32 { self == .dword ? ~0 : (1 << UInt32(rawValue * 8)) - 1 }
}

/// A device with I/O ports. It sees offsets from the first port of the range it was attached at, never
/// absolute ports. Accesses wider than the device understands are split by it or by `splitIntoBytes`.
public protocol PortDevice: AnyObject {
  func readPort(offset: UInt16, width: AccessWidth) -> UInt32
  /// What the next reads of one port would give, as long as they had no effect but to take it: whole elements of
  /// `width`, at most `limit` of them. They are taken by this.
  func readAhead(offset: UInt16, width: AccessWidth, limit: Int) -> ArraySlice<UInt8>
  func writePort(offset: UInt16, width: AccessWidth, value: UInt32)
}

/// A device with memory-mapped registers or memory; offsets are from the start of its range.
public protocol MemoryMappedDevice: AnyObject {
  func readMemory(offset: UInt32, width: AccessWidth) -> UInt32
  func writeMemory(offset: UInt32, width: AccessWidth, value: UInt32)
}

/// Anything that returns to its power-on state on a machine reset.
public protocol Resettable: AnyObject {
  func reset()
}

/// An interrupt request line, driven by one device. Levels, not edges: the controller finds the edges.
public protocol InterruptSink: AnyObject {
  func setLine(_ line: Int, asserted: Bool)
}

/// One wire from a device to a controller input.
public struct InterruptLine {
  private let sink: any InterruptSink
  private let line: Int

  public init(_ sink: any InterruptSink, line: Int) {
    self.sink = sink
    self.line = line
  }

  public func set(_ asserted: Bool) { sink.setLine(line, asserted: asserted) }
  /// A rising edge followed by a falling one.
  public func pulse() {
    set(true)
    set(false)
  }
}

/// The controller that the CPU asks for a vector during the interrupt-acknowledge cycle.
public protocol InterruptController: AnyObject {
  /// The vector of the highest-priority request; the spurious one if the request has gone.
  func acknowledge() -> UInt8
}

extension PortDevice {
  /// Nothing is known ahead.
  public func readAhead(offset: UInt16, width: AccessWidth, limit: Int) -> ArraySlice<UInt8> { [] }

  /// Performs a wider read as consecutive byte reads, as the ISA bus does for 8-bit devices.
  public func readBytes(offset: UInt16, width: AccessWidth) -> UInt32 {
    (0..<UInt16(width.rawValue)).reduce(0) {
      $0 | readPort(offset: offset &+ $1, width: .byte) << (UInt32($1) * 8)
    }
  }
  /// Performs a wider write as consecutive byte writes.
  public func writeBytes(offset: UInt16, width: AccessWidth, value: UInt32) {
    for i in 0..<UInt16(width.rawValue) {
      writePort(offset: offset &+ i, width: .byte, value: (value >> (UInt32(i) * 8)) & 0xFF)
    }
  }
}
