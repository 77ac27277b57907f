extension Report {
  /// What happened in a region of interest, all its passes together.
  public struct Region: Sendable, Equatable {
    /// Passes that have ended.
    public var count: UInt64 = 0
    public var hostSeconds = 0.0
    public var cycles: UInt64 = 0
    public var idleCycles: UInt64 = 0
    public var user = Mode()
    public var kernel = Mode()
    public init() {}
  }
}

extension Report.Region {
  func json(_ seconds: (UInt64) -> Double) -> JSONValue {
    .object([
      "count": .integer(count), "host_seconds": .number(hostSeconds),
      "virtual_seconds": .number(seconds(cycles)), "cycles": .integer(cycles),
      "user": user.json, "kernel": kernel.json,
      "idle": .object(["cycles": .integer(idleCycles)]),
    ])
  }

  func text(_ seconds: (UInt64) -> Double) -> String {
    "\(grouped(count)) times, \(fixed(hostSeconds, 6)) s of the host, \(fixed(seconds(cycles), 6)) s of the guest, "
      + "\(grouped(user.instructions)) user and \(grouped(kernel.instructions)) kernel instructions"
  }
}
