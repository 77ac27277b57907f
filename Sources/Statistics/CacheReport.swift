extension Report {
  /// Accesses to a modelled cache and those that missed.
  public struct Cache: Sendable, Equatable {
    /// "l1i", "l1d", "l2" or "tlb".
    public var name: String
    public var kernelAccesses: UInt64
    public var kernelMisses: UInt64
    public var userAccesses: UInt64
    public var userMisses: UInt64
    public init(
      name: String, kernelAccesses: UInt64, kernelMisses: UInt64, userAccesses: UInt64,
      userMisses: UInt64
    ) {
      self.name = name
      self.kernelAccesses = kernelAccesses
      self.kernelMisses = kernelMisses
      self.userAccesses = userAccesses
      self.userMisses = userMisses
    }
  }

  var cachesJSON: JSONValue {
    func counts(_ accesses: UInt64, _ misses: UInt64) -> JSONValue {
      .object(["accesses": .integer(accesses), "misses": .integer(misses)])
    }
    return .object(
      caches.map {
        .init(
          $0.name,
          .object([
            "user": counts($0.userAccesses, $0.userMisses),
            "kernel": counts($0.kernelAccesses, $0.kernelMisses),
          ]))
      } + [
        .init(
          "stall_cycles",
          .object(["user": .integer(stallCycles.user), "kernel": .integer(stallCycles.kernel)]))
      ])
  }
}

extension Report.Cache {
  var text: String {
    func part(_ mode: String, _ accesses: UInt64, _ misses: UInt64) -> String {
      let rate = accesses > 0 ? Double(misses) * 100 / Double(accesses) : 0
      return "\(mode) \(grouped(misses)) misses in \(grouped(accesses)) (\(fixed(rate, 2)) %)"
    }
    return part("user", userAccesses, userMisses) + ", "
      + part("kernel", kernelAccesses, kernelMisses)
  }
}
