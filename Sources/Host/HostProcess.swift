import Glibc

/// This process.
public enum HostProcess {
  /// Ends the process at once, without the clean-up of libraries.
  public static func exitNow(_ status: Int32) -> Never { _exit(status) }
}
