/// Something about the user's input that keeps a run from starting. The command line prints `message` as one
/// line and exits with `status`.
public struct InputError: Error, Equatable, CustomStringConvertible {
  /// The exit statuses of bad input, from `sysexits.h`.
  public enum Kind: Int32, Sendable {
    /// A command line that makes no sense.
    case usage = 64
    /// An input file whose contents are not what they should be.
    case badData = 65
    /// An input file that is not there or cannot be read.
    case noInput = 66
    /// A service of the host that the run needs is missing.
    case unavailable = 69
    /// An output file that cannot be created.
    case cannotCreate = 73
  }

  public let kind: Kind
  public let message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  public var status: Int32 { kind.rawValue }
  public var description: String { message }
}
