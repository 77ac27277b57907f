import CPU
import Host
import Statistics

/// Attributes the guest's cycles and the host's time to address spaces, privilege levels and functions.
///
/// Sampled, it has the engine return about every `interval` guest cycles and charges what has passed to the place
/// where the guest is: it costs nothing in between, works with every engine, and is the same in every run with
/// `--clock cycles`. Exact, it charges every block; that runs on the interpreter.
final class Profiler {
  struct Place: Hashable {
    /// CR3: the address space.
    var space: UInt32
    var isUser: Bool
    var address: UInt32
  }

  struct Weight {
    var cycles: UInt64 = 0
    var nanoseconds: UInt64 = 0
    var samples: UInt64 = 0
  }

  private let interval: UInt64
  private let isExact: Bool
  private unowned let processor: Processor
  private(set) var weights: [Place: Weight] = [:]
  private(set) var idle = Weight()
  private var lastCycles: UInt64 = 0
  private var lastIdle: UInt64 = 0
  private var lastNanoseconds: UInt64 = 0
  private var current: Place?
  private var random: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// The cycle at which the engine should return next.
  private(set) var next: UInt64 = 0

  init(interval: UInt64, isExact: Bool, processor: Processor) {
    self.interval = interval
    self.isExact = isExact
    self.processor = processor
  }

  private var place: Place {
    let cpu = processor.cpu
    return Place(
      space: cpu.pointee.cr3 & ~0xFFF, isUser: cpu.pointee.cpl == 3,
      address: cpu.cs.pointee.base &+ cpu.pointee.eip)
  }

  /// Nothing is charged at the moment.
  private(set) var isPaused = false

  /// Nothing is charged until `resume`.
  func hold() {
    isPaused = true
    next = .max
  }

  /// What passes from now on is nobody's.
  func pause(idleCycles: UInt64) {
    guard !isPaused else { return }
    charge(to: isExact ? current ?? place : place, idleCycles: idleCycles)
    hold()
  }

  /// Charges again what passes from now on.
  func resume(idleCycles: UInt64) {
    isPaused = false
    current = nil
    lastIdle = idleCycles
    start()
  }

  func start() {
    guard !isPaused else { return }
    lastNanoseconds = HostClock.nanoseconds
    lastCycles = processor.cpu.pointee.cycles
    scheduleNext()
  }

  /// A sample is taken after half to one and a half intervals, so that no loop of the guest stays in step.
  private func scheduleNext() {
    guard !isExact else { return next = .max }
    random ^= random << 13
    random ^= random >> 7
    random ^= random << 17
    next = processor.cpu.pointee.cycles &+ interval / 2 &+ random % max(interval, 1)
  }

  /// The engine has returned, or the run is over: time to sample?
  func pass(idleCycles: UInt64, isOver: Bool = false) {
    guard !isPaused, isOver || processor.cpu.pointee.cycles >= next else { return }
    charge(to: isExact ? current ?? place : place, idleCycles: idleCycles)
    scheduleNext()
  }

  /// The clock was moved while the guest was halted: that is nobody's time.
  func passIdle(idleCycles: UInt64) {
    guard !isPaused else { return }
    let now = HostClock.nanoseconds
    idle.cycles &+= idleCycles &- lastIdle
    lastCycles &+= idleCycles &- lastIdle
    lastIdle = idleCycles
    if isExact {
      idle.nanoseconds &+= now &- lastNanoseconds
      lastNanoseconds = now
    }
    if next < .max { next = max(next, processor.cpu.pointee.cycles) }
  }

  /// A block begins; what has passed belongs to the one before.
  func enterBlock(idleCycles: UInt64) {
    guard !isPaused else { return }
    if let current { charge(to: current, idleCycles: idleCycles) }
    current = place
  }

  private func charge(to place: Place, idleCycles: UInt64) {
    let cycles = processor.cpu.pointee.cycles
    let now = HostClock.nanoseconds
    weights[place, default: Weight()].cycles &+= cycles &- lastCycles &- (idleCycles &- lastIdle)
    idle.cycles &+= idleCycles &- lastIdle
    weights[place, default: Weight()].nanoseconds &+= now &- lastNanoseconds
    weights[place, default: Weight()].samples &+= 1
    lastCycles = cycles
    lastIdle = idleCycles
    lastNanoseconds = now
  }
}

extension Machine {
  /// Profiles the run that is about to begin.
  /// - Parameters:
  ///   - interval: guest cycles between samples.
  ///   - isExact: whether to charge every block, which runs on the interpreter.
  public func startProfile(interval: UInt64, isExact: Bool) {
    let profiler = Profiler(interval: interval, isExact: isExact, processor: processor)
    self.profiler = profiler
    guard isExact else { return }
    let previous = engine.traceBlock
    engine.traceBlock = { [unowned self, unowned profiler] address in
      profiler.enterBlock(idleCycles: idleCycles)
      previous?(address)
    }
  }

  /// What the profile says; nil without one.
  public func profile(symbols: Symbols) -> Profile? {
    guard let profiler else { return nil }
    var profile = Profile()
    for (place, weight) in profiler.weights {
      let function =
        symbols.name(of: place.address) ?? "\(hexadecimal(place.address & ~0xFFF))+"
      profile.add(
        .init(
          space: "cr3:\(hexadecimal(place.space))", mode: place.isUser ? "user" : "kernel",
          function: function),
        cycles: weight.cycles, nanoseconds: weight.nanoseconds, samples: weight.samples)
    }
    if profiler.idle.cycles > 0 {
      profile.add(
        .init(space: "", mode: "idle", function: ""), cycles: profiler.idle.cycles,
        nanoseconds: profiler.idle.nanoseconds, samples: 0)
    }
    return profile
  }
}
