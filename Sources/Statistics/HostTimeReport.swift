extension Report {
  /// The parts of a run's wall time, in seconds.
  public struct HostTime: Sendable, Equatable {
    /// In the engine, without what follows: guest code and its faults.
    public var execution: Double
    public var translation: Double
    /// In devices that the guest accessed.
    public var devices: Double
    /// In devices whose time had come.
    public var events: Double
    /// For time to pass or for input.
    public var waiting: Double
    /// All of it.
    public var whole: Double
    public init(
      execution: Double, translation: Double, devices: Double, events: Double, waiting: Double,
      whole: Double
    ) {
      self.execution = execution
      self.translation = translation
      self.devices = devices
      self.events = events
      self.waiting = waiting
      self.whole = whole
    }

    /// What no part accounts for: the loop around the engine.
    public var other: Double {
      max(0, whole - execution - translation - devices - events - waiting)
    }

    private var parts: [(name: String, seconds: Double)] {
      [
        ("execution", execution), ("translation", translation), ("devices", devices),
        ("events", events), ("waiting", waiting), ("other", other),
      ]
    }

    var json: JSONValue { .object(parts.map { .init($0.name, .number($0.seconds)) }) }

    var text: String {
      parts.map {
        "\($0.name) \(fixed(whole > 0 ? $0.seconds * 100 / whole : 0, 1)) %"
      }.joined(separator: ", ")
    }
  }
}
