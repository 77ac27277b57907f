import Glibc

/// A call to the host's kernel that failed.
public struct HostError: Error, Equatable, CustomStringConvertible {
  /// What was attempted, as a phrase: "map 256 MiB of guest memory".
  public let operation: String
  /// The `errno` of the failure.
  public let code: Int32

  public init(_ operation: String, code: Int32 = errno) {
    self.operation = operation
    self.code = code
  }

  public var description: String { "cannot \(operation): \(String(cString: strerror(code)))" }
}
