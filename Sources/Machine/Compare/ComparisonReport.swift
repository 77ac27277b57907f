import Host
import Statistics

extension Comparison.CommandResult {
  /// Guest time over the time of the native runs between, by their medians.
  public var factor: Double {
    nativeSeconds.median > 0 ? seconds.median / nativeSeconds.median : 0
  }

  /// The run with the median time.
  public var typical: Comparison.GuestRun {
    runs.sorted { $0.seconds < $1.seconds }[runs.count / 2]
  }
}

extension Comparison.Result {
  /// How the times were taken, for the reports.
  public static let method =
    "host time from before fork to after wait, native and guest runs in turn on one processor, "
    + "median over median, equal output and status"

  /// The result for people.
  public func table(program: String, mhz: UInt64) -> String {
    let median = native[native.count / 2]
    var text = "program      \(program)\n"
    text +=
      "native       \(fixed(nativeSeconds.median * 1000, 2)) ms, spread "
      + "\(percent(nativeSeconds.spread)), \(Comparison.describe(status: median.status)), "
      + "\(median.standardOutput.count) bytes of output\n\n"
    var table = TextTable(rightAligned: [1, 2, 3, 4, 5, 6, 7, 8])
    table.row(
      "engine", "guest ms", "spread", "factor", "user", "kernel", "idle", "instructions", "MIPS")
    for engine in engines {
      let result = engine.commands[0]
      let run = result.typical
      let total = max(Double(run.cycles), 1)
      let instructions = run.user.instructions &+ run.kernel.instructions
      table.row(
        engine.engine, fixed(result.seconds.median * 1000, 2), percent(result.seconds.spread),
        fixed(result.factor, 2),
        percent(Double(run.user.cycles) / total), percent(Double(run.kernel.cycles) / total),
        percent(Double(run.idleCycles) / total), grouped(instructions),
        fixed(run.seconds > 0 ? Double(instructions) / run.seconds / 1e6 : 0, 1))
    }
    return text + table.text
  }

  /// The result as one row of a bench, to be drawn like one.
  public func benchReport(program: String) -> BenchReport {
    let host = HostInfo.current
    var report = BenchReport(
      host: .init(cpu: host.cpu, kernel: host.kernel, cores: host.cores), method: Self.method,
      repetitions: engines.first?.commands[0].runs.count ?? 0, columns: engines.map(\.engine))
    var row = BenchReport.Row(program: program, suite: "overhead")
    for engine in engines {
      let command = engine.commands[0]
      row.cells[engine.engine] = .init(
        work: 1, native: command.nativeSeconds, guest: command.seconds, failure: command.failure)
    }
    report.rows = [row]
    return report
  }

  /// The result in schema `switchback-compare-1`.
  public func json(program: String, arguments: [String], mhz: UInt64, kernel: String) -> JSONValue {
    let host = HostInfo.current
    return .object([
      "schema": .string("switchback-compare-1"),
      "host": .object([
        "cpu": .string(host.cpu), "kernel": .string(host.kernel),
        "cores": .integer(UInt64(host.cores)),
      ]),
      "program": .string(program),
      "arguments": .array(arguments.map(JSONValue.string)),
      "guest_kernel": .string(kernel),
      "method": .string(Self.method),
      "status": .integer(UInt64(native[0].status)),
      "output_bytes": .integer(UInt64(native[0].standardOutput.count)),
      "native": .object([
        "seconds": nativeSeconds.json,
        "user_seconds": Sample(native.map(\.userSeconds)).json,
        "system_seconds": Sample(native.map(\.systemSeconds)).json,
      ]),
      "engines": .object(engines.map { .init($0.engine, engineJSON($0, mhz: mhz)) }),
    ])
  }

  private func engineJSON(_ engine: Comparison.EngineResult, mhz: UInt64) -> JSONValue {
    let result = engine.commands[0]
    let run = result.typical
    func seconds(_ cycles: UInt64) -> JSONValue {
      .number(Double(cycles) / (Double(max(mhz, 1)) * 1e6))
    }
    return .object([
      "boot_seconds": .number(engine.bootSeconds),
      "seconds": result.seconds.json,
      "native_spread": .number(result.nativeSeconds.spread),
      "slowdown": .object([
        "native_seconds": .number(result.nativeSeconds.median),
        "guest_seconds": .number(result.seconds.median),
        "factor": .number(result.factor),
        "method": .string(Self.method),
      ]),
      "virtual_seconds": seconds(run.cycles),
      "all_virtual_seconds": seconds(result.runs.reduce(0) { $0 &+ $1.cycles }),
      "time": .object([
        "user": seconds(run.user.cycles), "kernel": seconds(run.kernel.cycles),
        "idle": seconds(run.idleCycles),
      ]),
      "instructions": .object([
        "user": .integer(run.user.instructions), "kernel": .integer(run.kernel.instructions),
      ]),
      "mix": mix(engine.report),
      "machine": engine.report.json,
    ])
  }

  /// The share of the instructions that each engine executed; those of direct execution are estimated.
  private func mix(_ report: Report) -> JSONValue {
    let total = max(Double(report.engines.reduce(0) { $0 &+ $1.instructions }), 1)
    guard let direct = report.direct, direct.whyNot == nil else {
      return .object(
        report.engines.filter { $0.instructions > 0 }.map {
          .init($0.name, .number(Double($0.instructions) / total))
        })
    }
    let share = min(Double(direct.instructions) / total, 1)
    return .object(["direct": .number(share), "translator": .number(1 - share)])
  }

  private func percent(_ part: Double) -> String { "\(fixed(part * 100, 1)) %" }
}
