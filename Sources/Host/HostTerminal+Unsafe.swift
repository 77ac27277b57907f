import CHost
import Glibc

/// Signals that ask the process to end.
public enum HostSignals {
  /// Catches SIGINT, SIGTERM, SIGHUP, SIGPIPE and SIGUSR1 from now on.
  public static func catchAll() { switchback_catch_signals() }
  /// The first signal caught, or nil.
  public static var caught: Int32? {
    let number = switchback_caught_signal()
    return number == 0 ? nil : number
  }

  /// The number of SIGUSR1, by which the user presses the power button, since the last call.
  public static func takePowerButtonPresses() -> Int32 { switchback_take_power_presses() }
}

/// The terminal on standard input, in raw mode for the life of the value, so that every key reaches the guest.
public struct RawTerminal: ~Copyable {
  /// - Returns: nil if standard input is not a terminal.
  public init?() {
    guard isatty(STDIN_FILENO) == 1, switchback_raw_terminal(STDIN_FILENO) == 0 else { return nil }
  }
  deinit { switchback_restore_terminal() }
}

/// Standard input without blocking.
public enum HostInput {
  /// What a look at standard input found.
  public enum Event: Equatable {
    case nothing
    case bytes([UInt8])
    case end
  }

  /// Waits up to `nanoseconds` for input (0: not at all) and reads at most `limit` bytes of it. A signal or the
  /// waker ends the wait.
  public static func read(limit: Int, nanoseconds: UInt64, waker: HostWaker? = nil) -> Event {
    let ready = switchback_wait_readable(STDIN_FILENO, waker?.descriptor ?? -1, nanoseconds)
    guard ready > 0 else { return .nothing }
    if ready & 2 != 0 { waker?.clear() }
    guard ready & 1 != 0 else { return .nothing }
    var failed = false
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      let n = Glibc.read(STDIN_FILENO, buffer.baseAddress, limit)
      failed = n < 0 && (errno == EINTR || errno == EAGAIN)
      count = max(0, n)
    }
    if failed { return .nothing }
    return bytes.isEmpty ? .end : .bytes(bytes)
  }
}

/// A stream of bytes to a file descriptor, collected in a buffer.
public final class HostOutput {
  private let descriptor: Int32
  private let closes: Bool
  private var buffer: [UInt8] = []

  /// Standard output.
  public static func standardOutput() -> HostOutput {
    HostOutput(descriptor: STDOUT_FILENO, closes: false)
  }

  /// Creates or replaces the file at `path`.
  public convenience init(path: String) throws(HostError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw HostError("write \(path)") }
    self.init(descriptor: descriptor, closes: true)
  }

  private init(descriptor: Int32, closes: Bool) {
    self.descriptor = descriptor
    self.closes = closes
  }

  deinit {
    flush()
    if closes { close(descriptor) }
  }

  public func write(_ byte: UInt8) {
    buffer.append(byte)
    if buffer.count >= 1 << 14 { flush() }
  }

  public func write(_ text: String) {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= 1 << 14 { flush() }
  }

  /// Hands what is buffered to the host; what it does not take (a closed pipe, a full disk) is lost.
  public func flush() {
    var offset = 0
    while offset < buffer.count {
      let n = buffer.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress! + offset, $0.count - offset)
      }
      if n < 0 && errno == EINTR && switchback_caught_signal() == 0 { continue }
      if n <= 0 { break }
      offset += n
    }
    buffer.removeAll(keepingCapacity: true)
  }
}

/// Writes `text` to standard error, unbuffered.
public func writeToStandardError(_ text: String) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let n = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    guard n > 0 else { return }
    bytes = bytes.dropFirst(n)
  }
}
