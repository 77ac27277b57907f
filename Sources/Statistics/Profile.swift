/// Where a guest's cycles and the host's time went, by address space, mode and function.
public struct Profile: Sendable {
  public struct Key: Sendable, Hashable {
    /// The address space, empty when the processor was halted.
    public var space: String
    /// "user", "kernel" or "idle".
    public var mode: String
    public var function: String
    public init(space: String, mode: String, function: String) {
      self.space = space
      self.mode = mode
      self.function = function
    }
  }

  public struct Weight: Sendable, Equatable {
    public var cycles: UInt64 = 0
    public var nanoseconds: UInt64 = 0
    public var samples: UInt64 = 0
  }

  public private(set) var weights: [Key: Weight] = [:]

  public init() {}

  public mutating func add(_ key: Key, cycles: UInt64, nanoseconds: UInt64, samples: UInt64) {
    weights[key, default: Weight()].cycles &+= cycles
    weights[key, default: Weight()].nanoseconds &+= nanoseconds
    weights[key, default: Weight()].samples &+= samples
  }

  /// All of it together.
  public var total: Weight { sum { _ in true } }

  public func sum(where isIncluded: (Key) -> Bool) -> Weight {
    weights.reduce(into: Weight()) { sum, entry in
      guard isIncluded(entry.key) else { return }
      sum.cycles &+= entry.value.cycles
      sum.nanoseconds &+= entry.value.nanoseconds
      sum.samples &+= entry.value.samples
    }
  }

  /// Heaviest first; equal ones by name, so that equal runs give equal text.
  private var sorted: [(key: Key, value: Weight)] {
    weights.sorted {
      $0.value.cycles != $1.value.cycles
        ? $0.value.cycles > $1.value.cycles
        : ($0.key.space, $0.key.mode, $0.key.function)
          < ($1.key.space, $1.key.mode, $1.key.function)
    }
  }

  /// One line a place, `space;mode;function cycles`: what flame-graph tools read.
  public var folded: String {
    sorted.filter { $0.value.cycles > 0 }.map { key, weight in
      let stack = [key.space, key.mode, key.function].filter { !$0.isEmpty }
        .map { $0.replacing(";", with: ":").replacing(" ", with: "_") }
      return stack.joined(separator: ";") + " \(weight.cycles)\n"
    }.joined()
  }

  /// The places by weight. `ns/cycle` shows where the host is slow: compare it with the last line's.
  public var table: String {
    var table = TextTable(rightAligned: [0, 1, 2, 3, 4])
    table.row("cycles", "share", "host ms", "share", "ns/cycle", "space", "mode", "function")
    let total = total
    func add(_ weight: Weight, _ names: [String]) {
      func share(_ part: UInt64, _ whole: UInt64) -> String {
        whole > 0 ? "\(fixed(Double(part) * 100 / Double(whole), 2)) %" : "-"
      }
      table.row(
        [
          grouped(weight.cycles), share(weight.cycles, total.cycles),
          fixed(Double(weight.nanoseconds) / 1e6, 3), share(weight.nanoseconds, total.nanoseconds),
          weight.cycles > 0
            ? fixed(Double(weight.nanoseconds) / Double(weight.cycles), 3) : "-",
        ] + names)
    }
    for (key, weight) in sorted { add(weight, [key.space, key.mode, key.function]) }
    for mode in ["user", "kernel", "idle"] {
      add(sum { $0.mode == mode }, ["", mode, "all"])
    }
    add(total, ["", "", "all"])
    return table.text
  }
}
