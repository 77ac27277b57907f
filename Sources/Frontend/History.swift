import Machine

/// What happened between two sets of counters.
struct Rates: Equatable {
  struct Share: Equatable {
    var name: String
    /// Of host time, 0...1.
    var share: Double
  }

  var seconds = 0.0
  /// Host time by engine; the rest up to 1 is idle.
  var mix: [Share] = []
  /// Guest instructions a second of host time, while an engine ran.
  var instructionsPerSecond = 0.0
  var exitsPerSecond = 0.0
  /// Virtual time over host time.
  var speed = 0.0
  /// Names of the devices that the guest has used.
  var active: Set<String> = []

  /// Host time in engines, 0...1.
  var busy: Double { mix.reduce(0) { $0 + $1.share } }

  /// About how much slower than native guest code runs: host cycles for each of its instructions, where a
  /// native processor is taken to need one.
  /// - Parameter hertz: the host's clock.
  func slowdown(hertz: Double) -> Double? {
    busy > 0.05 && instructionsPerSecond > 0 ? hertz / instructionsPerSecond : nil
  }

  init() {}

  init(from old: FrontPanel.Status, to new: FrontPanel.Status) {
    let elapsed = Double(new.nanoseconds &- old.nanoseconds)
    guard new.nanoseconds > old.nanoseconds else { return }
    seconds = elapsed / 1e9
    var time = 0.0
    for work in new.work {
      let before = old.work.first { $0.name == work.name }
      let nanoseconds = Double(work.nanoseconds &- (before?.nanoseconds ?? 0))
      time += nanoseconds
      if nanoseconds > 0 {
        mix.append(Share(name: work.name, share: min(1, nanoseconds / elapsed)))
      }
    }
    let instructions = Double(new.instructions &- old.instructions)
    instructionsPerSecond = time > 0 ? instructions * 1e9 / time : 0
    exitsPerSecond = Double(new.exits &- old.exits) / seconds
    speed =
      new.frequency > 0
      ? Double(new.cycles &- old.cycles) / Double(new.frequency) / seconds : 0
    for (name, count) in new.activity where count != old.activity[name] ?? 0 {
      active.insert(name)
    }
  }
}

/// The last minute, in samples of half a second.
struct History {
  static let interval: UInt64 = 500_000_000
  static let capacity = 124

  /// Oldest first.
  private(set) var samples: [Rates] = []
  /// What happened between the last two sets of counters.
  private(set) var latest = Rates()
  private var previous: FrontPanel.Status?
  private var sampleStart: FrontPanel.Status?

  /// Takes the counters if they are new.
  /// - Returns: whether they are.
  mutating func add(_ status: FrontPanel.Status) -> Bool {
    guard status.nanoseconds != previous?.nanoseconds else { return false }
    if let previous { latest = Rates(from: previous, to: status) }
    previous = status
    guard let start = sampleStart else {
      sampleStart = status
      return true
    }
    if status.nanoseconds &- start.nanoseconds >= Self.interval {
      samples.append(Rates(from: start, to: status))
      if samples.count > Self.capacity { samples.removeFirst() }
      sampleStart = status
    }
    return true
  }

  /// The last half second or what there is of it.
  var recent: Rates { samples.last ?? latest }
}
