import CHost
import Glibc

/// Ends the wait of another thread (an `eventfd`).
public final class HostWaker: Sendable {
  let descriptor: Int32

  /// - Throws: when the process has no file descriptor left.
  public init() throws(HostError) {
    descriptor = switchback_event_descriptor()
    guard descriptor >= 0 else { throw HostError("create an event descriptor") }
  }

  deinit { close(descriptor) }

  /// The current wait, or else the next one, ends at once.
  public func wake() {
    var one: UInt64 = 1
    _ = write(descriptor, &one, 8)
  }

  /// Forgets calls of `wake` up to now.
  func clear() {
    var count: UInt64 = 0
    _ = read(descriptor, &count, 8)
  }
}

extension HostClock {
  /// Sleeps for `nanoseconds` at most, until the waker (or a signal) ends it.
  public static func sleep(nanoseconds: UInt64, waker: HostWaker) {
    if switchback_wait_readable(waker.descriptor, -1, nanoseconds) > 0 { waker.clear() }
  }
}

/// A thread of the host with a stack as large as the main thread's usually is.
public enum HostThread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Starts `body` on a new thread.
  /// - Throws: when the host refuses another thread.
  public static func start(name: String, _ body: @escaping @Sendable () -> Void) throws(HostError) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, 8 << 20)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let box = Unmanaged.passRetained(
      Body {
        name.withCString(switchback_name_thread)
        body()
      })
    let result = pthread_create(
      &thread, &attributes,
      { argument in
        Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, box.toOpaque())
    guard result == 0 else {
      box.release()
      throw HostError("start a thread", code: result)
    }
  }
}
