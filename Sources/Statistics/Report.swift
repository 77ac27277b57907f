/// What a run did, as `--stats` prints it: a table for people and JSON for scripts. The JSON schema is
/// described in docs/report.md; its name changes when a field changes its meaning.
public struct Report: Sendable, Equatable {
  /// The version of the JSON schema.
  public static let schema = "switchback-report-1"

  /// The computer that the run was measured on.
  public struct Host: Sendable, Equatable {
    public var cpu: String
    public var kernel: String
    public var cores: Int
    public init(cpu: String, kernel: String, cores: Int) {
      self.cpu = cpu
      self.kernel = kernel
      self.cores = cores
    }
  }

  /// The machine that was simulated.
  public struct Guest: Sendable, Equatable {
    /// RAM in bytes.
    public var memory: UInt64
    /// What was booted: "linux", "multiboot", "rom" or "demo".
    public var boot: String
    /// "cycles" or "host".
    public var clock: String
    /// Guest cycles per microsecond of virtual time.
    public var mhz: UInt64
    /// Name and version of the timing model that the cycles come from.
    public var timing: String
    public init(memory: UInt64, boot: String, clock: String, mhz: UInt64, timing: String) {
      self.memory = memory
      self.boot = boot
      self.clock = clock
      self.mhz = mhz
      self.timing = timing
    }
  }

  /// What one engine did.
  public struct Engine: Sendable, Equatable {
    public var name: String
    public var instructions: UInt64
    public var cycles: UInt64
    /// Host time spent in the engine.
    public var hostSeconds: Double
    public var entries: UInt64
    /// How often it returned, by reason.
    public var exits: [String: UInt64]
    public init(
      name: String, instructions: UInt64 = 0, cycles: UInt64 = 0, hostSeconds: Double = 0,
      entries: UInt64 = 0, exits: [String: UInt64] = [:]
    ) {
      self.name = name
      self.instructions = instructions
      self.cycles = cycles
      self.hostSeconds = hostSeconds
      self.entries = entries
      self.exits = exits
    }
  }

  /// Accesses to one device by the processor, and interrupts that it raised.
  public struct Device: Sendable, Equatable {
    public var reads: UInt64
    public var writes: UInt64
    public var irqs: UInt64
    public init(reads: UInt64 = 0, writes: UInt64 = 0, irqs: UInt64 = 0) {
      self.reads = reads
      self.writes = writes
      self.irqs = irqs
    }
  }

  /// Cycles and instructions at CPL 3 or below it.
  public struct Mode: Sendable, Equatable {
    public var cycles: UInt64
    public var instructions: UInt64
    public init(cycles: UInt64 = 0, instructions: UInt64 = 0) {
      self.cycles = cycles
      self.instructions = instructions
    }
  }

  /// A measured comparison with the same work done natively.
  public struct Slowdown: Sendable, Equatable {
    public var nativeSeconds: Double
    public var guestSeconds: Double
    public var method: String
    public init(nativeSeconds: Double, guestSeconds: Double, method: String) {
      self.nativeSeconds = nativeSeconds
      self.guestSeconds = guestSeconds
      self.method = method
    }
    /// Guest time over native time.
    public var factor: Double { nativeSeconds > 0 ? guestSeconds / nativeSeconds : 0 }
  }

  public var host: Host
  public var guest: Guest
  /// Why the run ended, as one phrase, and the exit status.
  public var ending = ""
  public var status: Int32 = 0
  public var wallSeconds = 0.0
  public var virtualSeconds = 0.0
  public var instructions: UInt64 = 0
  public var cycles: UInt64 = 0
  /// A digest of processor state and memory at the end; equal for equal runs with `--clock cycles`.
  public var stateHash: String?
  public var engines: [Engine] = []
  public var user = Mode()
  public var kernel = Mode()
  /// Cycles in which the processor was halted.
  public var idleCycles: UInt64 = 0
  /// Cycles by which the clock was set forward to keep up with the host's (`--clock host`).
  public var catchUpCycles: UInt64 = 0
  /// Named counters of the memory system, in the order to show.
  public var memory: [(name: String, count: UInt64)] = []
  public var devices: [String: Device] = [:]
  /// What the translator did, if it took part.
  public var translator: Translator?
  /// Evaluations of the decision algorithm by outcome.
  public var decisions: [String: UInt64] = [:]
  public var switches: [Switch] = []
  /// What direct execution did, if it was asked for.
  public var direct: Direct?
  public var slowdown: Slowdown?
  /// The parts of the wall time, if they were measured.
  public var hostTime: HostTime?
  /// What the cache model saw, if there was one, and the cycles that it would have cost.
  public var caches: [Cache] = []
  public var stallCycles: (kernel: UInt64, user: UInt64) = (0, 0)
  /// Exceptions, interrupts and INT n delivered, by vector; those that occurred, in order.
  public var vectors: [(vector: UInt8, count: UInt64)] = []
  /// Marks by the guest, those without a partner, and the regions of interest between them.
  public var marks: UInt64 = 0
  public var unbalancedMarks: UInt64 = 0
  public var regions: [UInt8: Region] = [:]

  public init(host: Host, guest: Guest) {
    self.host = host
    self.guest = guest
  }

  public static func == (a: Report, b: Report) -> Bool { a.json == b.json }

  private func seconds(_ cycles: UInt64) -> Double {
    guest.mhz > 0 ? Double(cycles) / (Double(guest.mhz) * 1e6) : 0
  }
}

// MARK: - JSON

extension Report {
  /// The report in schema `switchback-report-1`.
  public var json: JSONValue {
    .object([
      "schema": .string(Self.schema),
      "host": .object([
        "cpu": .string(host.cpu), "kernel": .string(host.kernel),
        "cores": .integer(UInt64(max(0, host.cores))),
      ]),
      "guest": .object([
        "memory": .integer(guest.memory), "boot": .string(guest.boot),
        "clock": .string(guest.clock), "mhz": .integer(guest.mhz),
        "timing": .string(guest.timing),
      ]),
      "ending": .object([
        "reason": .string(ending), "status": .integer(UInt64(max(0, status))),
      ]),
      "wall_seconds": .number(wallSeconds),
      "virtual_seconds": .number(virtualSeconds),
      "instructions": .integer(instructions),
      "cycles": .integer(cycles),
      "state_hash": stateHash.map(JSONValue.string),
      "engines": .object(engines.map { .init($0.name, $0.json) }),
      "time": .object([
        "user": .number(seconds(user.cycles)), "kernel": .number(seconds(kernel.cycles)),
        "idle": .number(seconds(idleCycles)), "catch_up": .number(seconds(catchUpCycles)),
      ]),
      "modes": .object([
        "user": user.json, "kernel": kernel.json,
        "idle": .object(["cycles": .integer(idleCycles)]),
      ]),
      "decisions": .object(
        decisions.sorted { $0.key < $1.key }.map { .init($0.key, .integer($0.value)) }),
      "switches": .array(switches.map(\.json)),
      "translator": translator.map(\.json),
      "direct": direct.map(\.json),
      "memory": .object(memory.map { .init($0.name, .integer($0.count)) }),
      "host_time": hostTime.map(\.json),
      "caches": caches.isEmpty ? nil : cachesJSON,
      "vectors": .object(vectors.map { .init("\($0.vector)", .integer($0.count)) }),
      "devices": .object(
        devices.sorted { $0.key < $1.key }.map { .init($0.key, $0.value.json) }),
      "slowdown": slowdown.map(\.json),
      "marks": marks > 0
        ? .object(["count": .integer(marks), "unbalanced": .integer(unbalancedMarks)]) : nil,
      "regions": regions.isEmpty
        ? nil
        : .object(
          regions.sorted { $0.key < $1.key }.map { .init("\($0.key)", $0.value.json(seconds)) }),
    ])
  }
}

extension Report.Engine {
  var json: JSONValue {
    .object([
      "instructions": .integer(instructions), "cycles": .integer(cycles),
      "host_seconds": .number(hostSeconds), "entries": .integer(entries),
      "exits": .object(
        exits.sorted { $0.key < $1.key }.map { .init($0.key, .integer($0.value)) }),
    ])
  }
}

extension Report.Device {
  var json: JSONValue {
    .object(["reads": .integer(reads), "writes": .integer(writes), "irqs": .integer(irqs)])
  }
}

extension Report.Mode {
  var json: JSONValue {
    .object(["cycles": .integer(cycles), "instructions": .integer(instructions)])
  }
}

extension Report.Slowdown {
  var json: JSONValue {
    .object([
      "native_seconds": .number(nativeSeconds), "guest_seconds": .number(guestSeconds),
      "factor": .number(factor), "method": .string(method),
    ])
  }
}

// MARK: - Table

extension Report {
  /// The report for people.
  public var table: String {
    var table = TextTable()
    table.row("host", "\(host.cpu), \(host.cores) cores, \(host.kernel)")
    table.row(
      "guest",
      "\(guest.memory >> 20) MiB, \(guest.boot), clock \(guest.clock) at \(guest.mhz) MHz, "
        + "timing \(guest.timing)")
    table.row("ended", "\(ending), status \(status)")
    table.row("wall time", "\(fixed(wallSeconds, 3)) s")
    table.row("virtual time", "\(fixed(virtualSeconds, 3)) s")
    table.row("instructions", grouped(instructions))
    table.row("cycles", grouped(cycles))
    let busy = user.cycles &+ kernel.cycles &+ idleCycles &+ catchUpCycles
    func share(_ cycles: UInt64) -> String {
      busy > 0 ? "\(fixed(Double(cycles) * 100 / Double(busy), 1)) %" : "-"
    }
    table.row("user", "\(share(user.cycles)) (\(grouped(user.instructions)) instructions)")
    table.row("kernel", "\(share(kernel.cycles)) (\(grouped(kernel.instructions)) instructions)")
    table.row("idle", share(idleCycles))
    if catchUpCycles > 0 { table.row("catching up", share(catchUpCycles)) }
    for engine in engines {
      let rate =
        engine.hostSeconds > 0 ? Double(engine.instructions) / engine.hostSeconds / 1e6 : 0
      table.row(
        engine.name,
        "\(grouped(engine.instructions)) instructions in \(fixed(engine.hostSeconds, 3)) s "
          + "(\(fixed(rate, 1)) MIPS), \(grouped(engine.entries)) entries")
      for (reason, count) in engine.exits.sorted(by: { $0.key < $1.key }) {
        table.row("  exit \(reason)", grouped(count))
      }
    }
    translator?.addRows(to: &table)
    direct?.addRows(to: &table)
    for (reason, count) in decisions.sorted(by: { $0.key < $1.key }) {
      table.row("  decided \(reason)", grouped(count))
    }
    for change in switches {
      table.row("  \(change.from) to \(change.to): \(change.reason)", grouped(change.count))
    }
    if let hostTime { table.row("host time", hostTime.text) }
    for cache in caches { table.row(cache.name, cache.text) }
    if !caches.isEmpty {
      table.row(
        "stall cycles",
        "\(grouped(stallCycles.user)) user, \(grouped(stallCycles.kernel)) kernel (not charged)")
    }
    if !vectors.isEmpty {
      table.row(
        "vectors", vectors.map { "\($0.vector): \(grouped($0.count))" }.joined(separator: ", "))
    }
    for counter in memory where counter.count > 0 {
      table.row(counter.name.replacing("_", with: " "), grouped(counter.count))
    }
    for (name, device) in devices.sorted(by: { $0.key < $1.key })
    where device.reads | device.writes | device.irqs != 0 {
      table.row(
        name,
        "\(grouped(device.reads)) reads, \(grouped(device.writes)) writes, "
          + "\(grouped(device.irqs)) interrupts")
    }
    for (number, region) in regions.sorted(by: { $0.key < $1.key }) {
      table.row("region \(number)", region.text(seconds))
    }
    if unbalancedMarks > 0 { table.row("unbalanced marks", grouped(unbalancedMarks)) }
    if let stateHash { table.row("state hash", stateHash) }
    if let slowdown {
      table.row(
        "slowdown",
        "\(fixed(slowdown.factor, 2)) (\(fixed(slowdown.guestSeconds, 4)) s over "
          + "\(fixed(slowdown.nativeSeconds, 4)) s; \(slowdown.method))")
    }
    return table.text
  }
}
