import Host
import Statistics

extension Comparison.EngineResult {
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
    for result in engines {
      let run = result.typical
      let total = max(Double(run.cycles), 1)
      let instructions = run.user.instructions &+ run.kernel.instructions
      table.row(
        result.engine, fixed(result.seconds.median * 1000, 2), percent(result.seconds.spread),
        fixed(result.factor, 2),
        percent(Double(run.user.cycles) / total), percent(Double(run.kernel.cycles) / total),
        percent(Double(run.idleCycles) / total), grouped(instructions),
        fixed(run.seconds > 0 ? Double(instructions) / run.seconds / 1e6 : 0, 1))
    }
    return text + table.text
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

  private func engineJSON(_ result: Comparison.EngineResult, mhz: UInt64) -> JSONValue {
    let run = result.typical
    func seconds(_ cycles: UInt64) -> JSONValue {
      .number(Double(cycles) / (Double(max(mhz, 1)) * 1e6))
    }
    return .object([
      "boot_seconds": .number(result.bootSeconds),
      "seconds": result.seconds.json,
      "slowdown": .object([
        "native_seconds": .number(result.nativeSeconds.median),
        "guest_seconds": .number(result.seconds.median),
        "factor": .number(result.factor),
        "method": .string(Self.method),
      ]),
      "virtual_seconds": seconds(run.cycles),
      "time": .object([
        "user": seconds(run.user.cycles), "kernel": seconds(run.kernel.cycles),
        "idle": seconds(run.idleCycles),
      ]),
      "instructions": .object([
        "user": .integer(run.user.instructions), "kernel": .integer(run.kernel.instructions),
      ]),
      // One engine runs all of it until there are several to switch between.
      "mix": .object([.init(result.engine, .number(1))]),
    ])
  }

  private func percent(_ part: Double) -> String { "\(fixed(part * 100, 1)) %" }
}
