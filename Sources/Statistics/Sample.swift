import Glibc

/// Repeated measurements of one quantity.
public struct Sample: Sendable, Equatable {
  /// The measurements in ascending order.
  public let sorted: [Double]

  public init(_ values: [Double]) { sorted = values.sorted() }

  /// The middle value (the mean of the two middle ones); 0 for no values.
  public var median: Double {
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  public var smallest: Double { sorted.first ?? 0 }
  public var largest: Double { sorted.last ?? 0 }

  /// Largest minus smallest, as a part of the median; 0 where the median is 0.
  public var spread: Double { median > 0 ? (largest - smallest) / median : 0 }

  /// `{median, min, max, spread, values}`.
  public var json: JSONValue {
    .object([
      "median": .number(median), "min": .number(smallest), "max": .number(largest),
      "spread": .number(spread), "values": .array(sorted.map(JSONValue.number)),
    ])
  }
}

/// The geometric mean of positive values; 0 if there are none.
public func geometricMean(_ values: [Double]) -> Double {
  guard !values.isEmpty, values.allSatisfy({ $0 > 0 }) else { return 0 }
  return exp(values.reduce(0) { $0 + log($1) } / Double(values.count))
}
