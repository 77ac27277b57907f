import Glibc

/// The host's monotonic clock. Only the machine's pacing and the reports read it; devices never do.
public enum HostClock {
  /// Nanoseconds since an arbitrary point, never going back.
  public static var nanoseconds: UInt64 { read(CLOCK_MONOTONIC) }

  /// The date, in seconds since 1970-01-01 00:00 UTC.
  public static var secondsSince1970: Int64 { Int64(read(CLOCK_REALTIME) / 1_000_000_000) }

  /// Nanoseconds of CPU time that this thread has used.
  public static var threadNanoseconds: UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }

  /// Sleeps until the monotonic clock reads `nanoseconds`, or less if a signal arrives.
  public static func sleep(until nanoseconds: UInt64) {
    var time = timespec(
      tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    _ = clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &time, nil)
  }

  private static func read(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}
