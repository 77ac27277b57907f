import Bus
import Host

/// Where the guest's serial line and debug port go, and where its input comes from.
public final class Console {
  /// A place for what the guest prints.
  public enum Destination: Sendable, Equatable {
    case none
    case standardOutput
    case file(String)
    /// Kept in memory, for tests and for `compare`.
    case capture
  }

  private let serial: Sink
  private let serial2: Sink
  private let debug: Sink
  private let firmware: Sink
  /// Whether standard input is the serial line's input.
  let readsInput: Bool

  private final class Sink {
    let output: HostOutput?
    var captured: [UInt8]?
    init(_ destination: Destination, shared: HostOutput) throws(HostError) {
      switch destination {
      case .none: output = nil
      case .standardOutput: output = shared
      case .file(let path): output = try HostOutput(path: path)
      case .capture:
        output = nil
        captured = []
      }
    }
    func write(_ byte: UInt8) {
      output?.write(byte)
      captured?.append(byte)
    }
  }

  /// - Throws: an error if a file cannot be created; it is before the run then.
  public init(
    serial: Destination, serial2: Destination = .none, debug: Destination,
    firmware: Destination = .none, readsInput: Bool
  ) throws(HostError) {
    let shared = HostOutput.standardOutput()
    self.serial = try Sink(serial, shared: shared)
    self.serial2 = try Sink(serial2, shared: shared)
    self.debug = try Sink(debug, shared: shared)
    self.firmware = try Sink(firmware, shared: shared)
    self.readsInput = readsInput
  }

  func writeSerial(_ byte: UInt8) { serial.write(byte) }
  func writeSerial2(_ byte: UInt8) { serial2.write(byte) }
  func writeDebug(_ byte: UInt8) { debug.write(byte) }
  func writeFirmware(_ byte: UInt8) { firmware.write(byte) }

  /// What went to a `capture` destination of the serial line.
  public var capturedSerial: [UInt8] { serial.captured ?? [] }
  /// What went to a `capture` destination of the second serial line.
  public var capturedSerial2: [UInt8] { serial2.captured ?? [] }
  /// What went to a `capture` destination of port E9h.
  public var capturedDebug: [UInt8] { debug.captured ?? [] }

  /// Hands everything to the host.
  public func flush() {
    serial.output?.flush()
    serial2.output?.flush()
    debug.output?.flush()
    firmware.output?.flush()
  }
}

/// Finds the key sequence Ctrl-A x in the user's input, as QEMU's console has it. Ctrl-A twice is one Ctrl-A.
struct EscapeFilter {
  private var escaped = false

  /// - Returns: the bytes for the guest, and whether the user asked for the end.
  mutating func filter(_ bytes: [UInt8]) -> (bytes: [UInt8], quit: Bool) {
    var result: [UInt8] = []
    for byte in bytes {
      if escaped {
        escaped = false
        if byte == UInt8(ascii: "x") { return (result, true) }
        if byte == 1 { result.append(byte) }
      } else if byte == 1 {
        escaped = true
      } else {
        result.append(byte)
      }
    }
    return (result, false)
  }
}
