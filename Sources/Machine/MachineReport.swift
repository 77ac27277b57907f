import CPU
import Host
import Statistics
import Switching
import Translator

extension Machine {
  /// What the run did so far.
  /// - Parameter hashesState: whether to compute the digest of all RAM, which takes a moment.
  public func report(boot: String, hashesState: Bool) -> Report {
    let host = HostInfo.current
    let state = processor.cpu.pointee
    var report = Report(
      host: .init(cpu: host.cpu, kernel: host.kernel, cores: host.cores),
      guest: .init(
        memory: configuration.memory, boot: boot, clock: configuration.clock.rawValue,
        mhz: configuration.mhz, timing: configuration.timing.rawValue))
    report.ending = ending?.description ?? "running"
    report.status = ending?.status ?? 0
    report.wallSeconds = Double(wallNanoseconds) / 1e9
    report.virtualSeconds = Double(state.cycles) / (Double(configuration.mhz) * 1e6)
    report.instructions = state.instructions
    report.cycles = state.cycles
    report.user = .init(cycles: state.modes.1.cycles, instructions: state.modes.1.instructions)
    report.kernel = .init(cycles: state.modes.0.cycles, instructions: state.modes.0.instructions)
    report.idleCycles = idleCycles
    report.catchUpCycles = catchUpCycles
    report.engines = engineUsage.map {
      .init(
        name: $0.name, instructions: $0.instructions, cycles: $0.cycles,
        hostSeconds: Double($0.nanoseconds) / 1e9, entries: $0.entries, exits: $0.exits)
    }
    if let translator {
      let statistics = translator.statistics
      report.translator = .init(
        blocks: statistics.blocks, guestBytes: statistics.guestBytes,
        hostBytes: statistics.hostBytes, seconds: Double(statistics.nanoseconds) / 1e9,
        evictions: statistics.evictions, invalidations: statistics.invalidations,
        chained: statistics.chained, lookups: statistics.lookups, misses: statistics.misses,
        callouts: translator.callouts)
    }
    for engine in engines.made.values {
      if let switcher = engine as? Switcher { add(switcher, to: &report) }
    }
    report.memory = [("resets", resets), ("host_resident_bytes", HostInfo.residentBytes)]
    if ports.time.clock != nil {
      let hostNanoseconds = engineUsage.reduce(0) { $0 &+ $1.nanoseconds }
      let devices = ports.time.nanoseconds &+ memory.deviceTime.nanoseconds
      let translation = report.translator?.seconds ?? 0
      report.hostTime = .init(
        execution: max(0, Double(hostNanoseconds &- devices) / 1e9 - translation),
        translation: translation, devices: Double(devices) / 1e9,
        events: Double(eventTime.nanoseconds) / 1e9,
        waiting: Double(waitingTime.nanoseconds) / 1e9, whole: report.wallSeconds)
    }
    report.vectors = tracer.vectorCounts.enumerated().filter { $0.element > 0 }
      .map { (UInt8($0.offset), $0.element) }
    if let model = memory.cacheModel {
      report.caches = model.counts.map {
        .init(
          name: $0.name, kernelAccesses: $0.kernel.accesses, kernelMisses: $0.kernel.misses,
          userAccesses: $0.user.accesses, userMisses: $0.user.misses)
      }
      report.stallCycles = (kernel: model.stalls[0], user: model.stalls[1])
    }
    report.marks = regions.marks
    report.unbalancedMarks = regions.unbalanced
    report.regions = regions.totals
    var devices: [String: Report.Device] = [:]
    for (name, count) in ports.counts {
      devices[name, default: .init()].reads += count.reads
      devices[name, default: .init()].writes += count.writes
    }
    for (name, count) in memory.deviceCounts {
      devices[name, default: .init()].reads += count.reads
      devices[name, default: .init()].writes += count.writes
    }
    for (name, count) in pc.interruptCounts { devices[name, default: .init()].irqs += count }
    report.devices = devices
    if hashesState { report.stateHash = hexadecimal(stateHash) }
    return report
  }
}

extension Machine {
  /// Host nanoseconds in the engines, in the order of `Course.Part`.
  var timeByPart: [UInt64] {
    var times: [String: UInt64] = [:]
    for item in work { times[item.name] = item.nanoseconds }
    let translating = translator?.statistics.nanoseconds ?? 0
    let translated = times["translator"] ?? 0
    return [
      times["direct"] ?? 0, translated - min(translating, translated), min(translating, translated),
      times["interpreter"] ?? 0,
    ]
  }

  /// The course with the reasons for which engines were left: switches where there were any, else exits.
  var finishedCourse: Course {
    var result = course ?? Course()
    let report = report(boot: "", hashesState: false)
    for change in report.switches {
      result.reasons["to \(change.to): \(change.reason)", default: 0] &+= change.count
    }
    if report.switches.isEmpty {
      for (reason, count) in report.engines.flatMap({ $0.exits }) {
        result.reasons["exit: \(reason)", default: 0] &+= count
      }
    }
    return result
  }

  /// The translator, if there is one.
  var translator: Translator? {
    engines.made.values.lazy.compactMap { $0 as? Translator ?? ($0 as? Switcher)?.translator }.first
  }

  /// Why the engine that was asked for executes nothing directly; nil if it does or was not asked to.
  public var whyNotDirect: String? { (engine as? Switcher)?.whyNot }

  private func add(_ switcher: Switcher, to report: inout Report) {
    for (reason, count) in switcher.statistics.decisions {
      report.decisions[reason.rawValue] = count
    }
    report.switches = switcher.statistics.switches.map {
      .init(
        from: $0.key.from.rawValue, to: $0.key.to.rawValue, reason: $0.key.reason,
        count: $0.value)
    }.sorted { ($0.from, $0.reason) < ($1.from, $1.reason) }
    var direct = Report.Direct()
    direct.whyNot = switcher.whyNot
    direct.declined = switcher.statistics.declined
    if let statistics = switcher.directStatistics {
      direct.sandboxes = statistics.sandboxes
      direct.sandboxesLost = statistics.sandboxesLost
      direct.instructions = statistics.instructions
      direct.cycles = statistics.cycles
      direct.hostSeconds = Double(statistics.nanoseconds) / 1e9
      direct.entries = statistics.entries
      direct.runs = statistics.runs
      direct.runLengths = statistics.runLengths
      for (kind, count) in statistics.traps { direct.traps[kind.rawValue] = count }
      direct.pagesMapped = statistics.pagesMapped
      direct.selectorRepairs = statistics.selectorRepairs
    }
    report.direct = direct
  }
}
