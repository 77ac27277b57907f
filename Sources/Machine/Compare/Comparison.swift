import Host
import Statistics

/// Runs an i386 Linux program natively and in a guest, checks that both do the same, and tells how much longer
/// the guest takes. The guest is a Linux kernel, or the embedded one (roms/linux/embedded) for static programs.
///
/// A native run precedes each run in the guest while the guest stands still, so that both meet the same host.
public struct Comparison: Sendable {
  /// What is measured.
  public enum Scope: Sendable {
    /// All of the program, from before it is started to after its end.
    case program
    /// The region of interest that it marks (benchmarks/include/switchback.h). It prints lines like the benchmark
    /// programs, `END name work checksum seconds`: the last word is the native time and is not compared.
    case region
  }

  /// The program.
  public var program: String
  /// The arguments of each command that is measured, one after the other in the same guest.
  public var commands: [[String]] = [[]]
  public var scope = Scope.program
  /// File to use as standard input; empty input if nil.
  public var input: String?
  /// Files and directories of the host that the guest gets at the same paths.
  public var extraFiles: [String] = []
  /// Directories with libraries that are not among the host's.
  public var libraryPath: [String] = []
  /// Measured runs of each command; an unmeasured one precedes them if there are several.
  public var repetitions = 3
  /// A kernel and what to call it in messages; the embedded guest if nil.
  public var kernel: (name: String, bytes: [UInt8])?
  public var configuration = MachineConfiguration()
  /// Guest cycles between samples of a profile of the measured runs (0: every block, on the interpreter); none if nil.
  public var profileInterval: UInt64?
  /// Names of functions for the profile.
  public var symbols = Symbols()

  public init(program: String, kernel: (name: String, bytes: [UInt8])?) {
    self.program = program
    self.kernel = kernel
    configuration.memory = 512 << 20
    configuration.startTime = MachineConfiguration.fixedStartTime
  }

  /// One measured run in the guest.
  public struct GuestRun: Sendable {
    /// Host time.
    public var seconds = 0.0
    public var cycles: UInt64 = 0
    public var idleCycles: UInt64 = 0
    public var user = Report.Mode()
    public var kernel = Report.Mode()
    public init() {}
  }

  /// The runs of one command under one engine.
  public struct CommandResult: Sendable {
    public var arguments: [String]
    public var runs: [GuestRun] = []
    /// The native runs between the guest's.
    public var native: [NativeProcess.Result] = []
    /// Why there is no number, if there is none.
    public var failure: String?
    public var seconds: Sample { Sample(runs.map(\.seconds)) }
    public var nativeSeconds: Sample { Sample(native.map(\.seconds)) }
  }

  /// The runs under one engine.
  public struct EngineResult: Sendable {
    public var engine: String
    public var commands: [CommandResult]
    /// Host time from power-on to the first run.
    public var bootSeconds: Double
    /// What the machine did altogether.
    public var report: Report
    public var course = Course()
    /// Where the measured runs spent their time, if that was asked for.
    public var profile: Profile?
  }

  public struct Result: Sendable {
    public var engines: [EngineResult]
    /// All native runs.
    public var native: [NativeProcess.Result] {
      engines.flatMap { $0.commands.flatMap(\.native) }
    }
    public var nativeSeconds: Sample { Sample(native.map(\.seconds)) }
  }

  /// The answers differ, or the guest failed: there is no number then.
  public struct Mismatch: Error, CustomStringConvertible {
    public var description: String
  }

  static let directory = "/tmp"
  var totalRuns: Int { repetitions > 1 ? repetitions + 1 : 1 }

  func environment(_ files: ProgramFiles) -> [String] {
    var result = ["PATH=/usr/bin:/bin", "HOME=/", "LC_ALL=C"]
    if !files.libraryDirectories.isEmpty {
      result.append("LD_LIBRARY_PATH=" + files.libraryDirectories.joined(separator: ":"))
    }
    return result
  }

  func checkedFiles() throws(InputError) -> ProgramFiles {
    let files = try ProgramFiles(program: program, libraryPath: libraryPath)
    guard kernel != nil || files.isStatic else {
      throw InputError(
        .usage, "\(program): a dynamic program needs a Linux guest: name its kernel with --kernel")
    }
    return files
  }

  /// Compares one command; nothing that fails goes unsaid.
  /// - Parameters:
  ///   - engines: names of engines, each of which gets a guest of its own.
  ///   - progress: told what is being done.
  /// - Throws: `InputError` for bad input, `Mismatch` if the guest does not do what the host does.
  public func run(engines: [String], progress: (String) -> Void) throws -> Result {
    let files = try checkedFiles()
    progress("running natively")
    let native = Native(comparison: self, files: files)
    try native.run(0)
    var results: [EngineResult] = []
    for engine in engines {
      progress("running in the guest under the \(engine)")
      let result = try runInGuest(engine: engine, files: files, native: native) { _, _ in }
      if let failure = result.commands.compactMap(\.failure).first {
        throw Mismatch(description: "\(engine): \(failure)")
      }
      results.append(result)
    }
    return Result(engines: results)
  }

  /// Measures all commands under one engine. A command that fails has a `failure` instead of runs; those after one
  /// that ended the guest get another guest.
  /// - Parameter progress: told the command's number and the runs of it that are over.
  public func measure(engine: String, progress: (Int, Int) -> Void) throws -> EngineResult {
    let files = try checkedFiles()
    var rest = self
    var done: EngineResult?
    while true {
      let first = commands.count - rest.commands.count
      let native = Native(comparison: rest, files: files)
      var part = try rest.runInGuest(engine: engine, files: files, native: native) {
        progress(first + $0, $1)
      }
      let reached =
        part.commands.firstIndex { $0.runs.isEmpty && $0.failure == nil } ?? part.commands.count
      part.commands.removeLast(part.commands.count - reached)
      done?.commands += part.commands
      done?.course.append(part.course)
      if done == nil { done = part }
      rest.commands.removeFirst(reached)
      if rest.commands.isEmpty || reached == 0 { return done ?? part }
    }
  }
}

// MARK: - What a run does

extension Comparison {
  /// What a run of the program did, the same natively and in the guest if all is well.
  struct Outcome: Equatable {
    var status: UInt32
    var output: [UInt8]
    var error: [UInt8]

    /// The bit that says that a core was dumped depends on limits, not on the program.
    static func == (a: Outcome, b: Outcome) -> Bool {
      a.status & ~0x80 == b.status & ~0x80 && a.output == b.output && a.error == b.error
    }

    /// Separates the times at the ends of the `END` lines from the rest.
    /// - Returns: their sum in seconds, nil if there are none.
    mutating func takeTimes() -> Double? {
      var total: Double?
      let lines = output.split(separator: 10, omittingEmptySubsequences: false).map { line in
        guard line.starts(with: "END ".utf8), let blank = line.lastIndex(of: 32),
          let seconds = Double(String(decoding: line[(blank + 1)...], as: UTF8.self))
        else { return line }
        total = (total ?? 0) + seconds
        return line[..<blank]
      }
      output = Array(lines.joined(separator: [10]))
      return total
    }
  }

  /// Runs the program natively whenever asked, and knows what each command does.
  final class Native {
    private let comparison: Comparison
    private let files: ProgramFiles
    private(set) var expected: [Int: Outcome] = [:]

    init(comparison: Comparison, files: ProgramFiles) {
      self.comparison = comparison
      self.files = files
    }

    @discardableResult func run(_ command: Int) throws -> NativeProcess.Result {
      var run: NativeProcess.Result
      do {
        run = try NativeProcess.run(
          files.path, arguments: [files.path] + comparison.commands[command],
          environment: comparison.environment(files), input: comparison.input ?? "/dev/null",
          directory: Comparison.directory, timeLimit: comparison.configuration.timeLimit)
      } catch { throw InputError(.unavailable, "the host cannot run it: \(error)") }
      if run.timedOut {
        throw Mismatch(description: "natively: not over in time")
      }
      var outcome = Outcome(
        status: run.status, output: run.standardOutput, error: run.standardError)
      if comparison.scope == .region {
        guard let seconds = outcome.takeTimes(), run.status == 0 else {
          throw Mismatch(
            description: "natively: \(Comparison.describe(status: run.status)), no region marked")
        }
        run.seconds = seconds
      }
      if let expected = expected[command], expected != outcome {
        throw Mismatch(
          description:
            "\(comparison.program) does not do the same twice natively, so nothing can be compared: "
            + Comparison.difference(expected, outcome, names: ("first", "later")))
      }
      expected[command] = outcome
      return run
    }
  }

  static func describe(status: UInt32) -> String {
    status & 0x7F == 0 ? "exit status \((status >> 8) & 0xFF)" : "signal \(status & 0x7F)"
  }

  static func difference(_ a: Outcome, _ b: Outcome, names: (String, String)) -> String {
    if a.status & ~0x80 != b.status & ~0x80 {
      return "\(names.0) \(describe(status: a.status)), \(names.1) \(describe(status: b.status))"
        + excerpt(b.error)
    }
    let (stream, x, y) =
      a.output != b.output
      ? ("standard output", a.output, b.output)
      : ("standard error", a.error, b.error)
    let offset = zip(x, y).prefix { $0 == $1 }.count
    func part(_ bytes: [UInt8]) -> String {
      let text = String(decoding: bytes.dropFirst(offset).prefix(40), as: UTF8.self)
      return text.isEmpty ? "the end" : text.debugDescription
    }
    return "\(stream) differs at byte \(offset): \(names.0) has \(part(x)), \(names.1) \(part(y))"
  }

  private static func excerpt(_ bytes: [UInt8]) -> String {
    bytes.isEmpty
      ? "" : " (" + String(decoding: bytes.prefix(200), as: UTF8.self).debugDescription + ")"
  }
}
