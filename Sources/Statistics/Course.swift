/// How a run went: what the host's time in the engines was spent on while it lasted, and why engines were left.
public struct Course: Sendable, Equatable {
  /// What host time is spent on, in the order of a point's shares.
  public enum Part: String, CaseIterable, Sendable {
    case direct, translated, translating, interpreted
  }

  public struct Point: Sendable, Equatable {
    /// Host seconds in the engines up to here.
    public var seconds: Double
    /// Parts of the time since the point before, in the order of `Part`; 1 together.
    public var shares: [Double]
    public init(seconds: Double, shares: [Double]) {
      self.seconds = seconds
      self.shares = shares
    }
  }

  public struct Program: Sendable, Equatable {
    public var name: String
    /// Host seconds in the engines when it was first begun.
    public var seconds: Double
  }

  public private(set) var points: [Point] = []
  public private(set) var programs: [Program] = []
  /// How often engines were left, by reason.
  public var reasons: [String: UInt64] = [:]

  /// More points than this are merged, two into one: a plot has no more room.
  static let capacity = 512
  private var interval: UInt64 = 5_000_000
  /// Nanoseconds by part at the last point.
  private var last = [UInt64](repeating: 0, count: Part.allCases.count)

  public init() {}

  /// Takes note of the time spent so far.
  /// - Parameter nanoseconds: since the start, in the order of `Part`.
  public mutating func record(_ nanoseconds: [UInt64]) {
    let spent = zip(nanoseconds, last).map { $0 >= $1 ? $0 - $1 : 0 }
    let sum = spent.reduce(0, +)
    guard sum >= interval else { return }
    last = nanoseconds
    points.append(
      Point(
        seconds: Double(nanoseconds.reduce(0, +)) / 1e9,
        shares: spent.map { Double($0) / Double(sum) }))
    if points.count > Self.capacity { coarsen() }
  }

  /// A program begins.
  public mutating func begin(_ name: String, _ nanoseconds: [UInt64]) {
    programs.append(.init(name: name, seconds: Double(nanoseconds.reduce(0, +)) / 1e9))
  }

  private mutating func coarsen() {
    interval *= 2
    var result: [Point] = []
    var start = 0.0
    for index in stride(from: 0, to: points.count - 1, by: 2) {
      let (a, b) = (points[index], points[index + 1])
      let weight = (a.seconds - start) / max(b.seconds - start, 1e-12)
      let shares = zip(a.shares, b.shares).map { $0 * weight + $1 * (1 - weight) }
      result.append(Point(seconds: b.seconds, shares: shares))
      start = b.seconds
    }
    points = result + points.suffix(points.count % 2)
  }

  /// Another run comes after this one.
  public mutating func append(_ other: Course) {
    let offset = points.last?.seconds ?? 0
    points += other.points.map { Point(seconds: $0.seconds + offset, shares: $0.shares) }
    programs += other.programs.map { Program(name: $0.name, seconds: $0.seconds + offset) }
    reasons.merge(other.reasons, uniquingKeysWith: &+)
    while points.count > Self.capacity { coarsen() }
  }

  var json: JSONValue {
    .object([
      "parts": .array(Part.allCases.map { .string($0.rawValue) }),
      "points": .array(
        points.map { .array([.number($0.seconds)] + $0.shares.map(JSONValue.number)) }),
      "programs": .array(
        programs.map { .object(["program": .string($0.name), "seconds": .number($0.seconds)]) }),
      "reasons": .object(
        reasons.sorted { $0.key < $1.key }.map { .init($0.key, .integer($0.value)) }),
    ])
  }
}
