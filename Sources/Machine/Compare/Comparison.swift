import Host
import Statistics

/// Runs an i386 Linux program natively and in a guest, checks that both do the same, and tells how much longer
/// the guest takes. The guest is a Linux kernel, or the embedded one (roms/linux/embedded) for static programs.
///
/// A native run precedes each run in the guest while the guest stands still, so that both meet the same host.
public struct Comparison: Sendable {
  /// The program and its arguments.
  public var program: String
  public var arguments: [String] = []
  /// File to use as standard input; empty input if nil.
  public var input: String?
  /// Files and directories of the host that the guest gets at the same paths.
  public var extraFiles: [String] = []
  /// Measured runs; an unmeasured one precedes them if there are several.
  public var repetitions = 3
  /// A kernel and what to call it in messages; the embedded guest if nil.
  public var kernel: (name: String, bytes: [UInt8])?
  public var configuration = MachineConfiguration()

  public init(program: String, kernel: (name: String, bytes: [UInt8])?) {
    self.program = program
    self.kernel = kernel
    configuration.memory = 512 << 20
    configuration.startTime = MachineConfiguration.fixedStartTime
  }

  /// What a run of the program did, the same natively and in the guest if all is well.
  struct Outcome: Equatable {
    var status: UInt32
    var output: [UInt8]
    var error: [UInt8]

    /// The bit that says that a core was dumped depends on limits, not on the program.
    static func == (a: Outcome, b: Outcome) -> Bool {
      a.status & ~0x80 == b.status & ~0x80 && a.output == b.output && a.error == b.error
    }
  }

  /// One measured run in the guest.
  public struct GuestRun: Sendable {
    /// Host time between the markers.
    public var seconds = 0.0
    public var cycles: UInt64 = 0
    public var idleCycles: UInt64 = 0
    public var user = Report.Mode()
    public var kernel = Report.Mode()
  }

  /// The runs under one engine.
  public struct EngineResult: Sendable {
    public var engine: String
    public var runs: [GuestRun]
    /// The native runs between the guest's.
    public var native: [NativeProcess.Result]
    /// Host time from power-on to the first run.
    public var bootSeconds: Double
    public var seconds: Sample { Sample(runs.map(\.seconds)) }
    public var nativeSeconds: Sample { Sample(native.map(\.seconds)) }
  }

  public struct Result: Sendable {
    public var engines: [EngineResult]
    /// All native runs.
    public var native: [NativeProcess.Result] { engines.flatMap(\.native) }
    public var nativeSeconds: Sample { Sample(native.map(\.seconds)) }
  }

  /// The answers differ, or the guest failed: there is no number then.
  public struct Mismatch: Error, CustomStringConvertible {
    public var description: String
  }

  private static let directory = "/tmp"

  private func environment(_ files: ProgramFiles) -> [String] {
    var result = ["PATH=/usr/bin:/bin", "HOME=/", "LC_ALL=C"]
    if !files.libraryDirectories.isEmpty {
      result.append("LD_LIBRARY_PATH=" + files.libraryDirectories.joined(separator: ":"))
    }
    return result
  }

  private var totalRuns: Int { repetitions > 1 ? repetitions + 1 : 1 }

  /// - Parameters:
  ///   - engines: names of engines, each of which gets a guest of its own.
  ///   - progress: told what is being done.
  /// - Throws: `InputError` for bad input, `Mismatch` if the guest does not do what the host does.
  public func run(engines: [String], progress: (String) -> Void) throws -> Result {
    let files = try ProgramFiles(program: program)
    guard kernel != nil || files.isStatic else {
      throw InputError(
        .usage, "\(program): a dynamic program needs a Linux guest: name its kernel with --kernel")
    }
    progress("running natively")
    let native = Native(comparison: self, files: files)
    try native.run()
    let disk = try ramDisk(files)
    var results: [EngineResult] = []
    for engine in engines {
      progress("running in the guest under the \(engine)")
      results.append(try runInGuest(engine: engine, disk: disk, native: native))
    }
    return Result(engines: results)
  }

  // MARK: Native

  /// Runs the program natively whenever asked, and knows what it does.
  private final class Native {
    private let comparison: Comparison
    private let files: ProgramFiles
    private(set) var expected: Outcome?

    init(comparison: Comparison, files: ProgramFiles) {
      self.comparison = comparison
      self.files = files
    }

    @discardableResult func run() throws -> NativeProcess.Result {
      let run: NativeProcess.Result
      do {
        run = try NativeProcess.run(
          files.path, arguments: [files.path] + comparison.arguments,
          environment: comparison.environment(files), input: comparison.input ?? "/dev/null",
          directory: Comparison.directory)
      } catch { throw InputError(.unavailable, "the host cannot run it: \(error)") }
      let outcome = Outcome(
        status: run.status, output: run.standardOutput, error: run.standardError)
      if let expected, expected != outcome {
        throw Mismatch(
          description:
            "\(comparison.program) does not do the same twice natively, so nothing can be compared: "
            + Comparison.difference(expected, outcome, names: ("first", "later")))
      }
      expected = outcome
      return run
    }
  }

  // MARK: Guest

  private func ramDisk(_ files: ProgramFiles) throws(InputError) -> [UInt8] {
    var disk = InitialRamdisk()
    for directory in ["dev", "proc", "sys", "tmp", "switchback"] { disk.addDirectory(directory) }
    disk.addCharacterDevice("dev/console", major: 5, minor: 1)
    disk.addCharacterDevice("dev/null", major: 1, minor: 3)
    if kernel != nil { disk.addFile("init", GuestInit.image, permissions: 0o755) }
    for file in files.files { disk.addFile(file.path, file.contents, permissions: 0o755) }
    var inputPath = "/dev/null"
    if let input {
      inputPath = "/switchback/stdin"
      disk.addFile(inputPath, try read(input))
    }
    for path in extraFiles { try add(path, to: &disk) }
    let variables = environment(files)
    let words =
      [String(totalRuns), String(arguments.count + 1), files.path] + arguments
      + [String(variables.count)] + variables + [inputPath, Self.directory]
      + [String(configuration.mhz), String(configuration.startTime ?? 0)]
    var job: [UInt8] = []
    for word in words { job += Array(word.utf8) + [0] }
    guard job.count < 262_144, words.count < 4000 else {
      throw InputError(.usage, "the program's arguments are too long")
    }
    disk.addFile("switchback/job", job)
    return disk.bytes
  }

  private func add(_ path: String, to disk: inout InitialRamdisk) throws(InputError) {
    guard let absolute = HostFile.absolutePath(path) else {
      throw InputError(.noInput, "--file: \(path): no such file")
    }
    if HostFile.isDirectory(absolute) {
      disk.addDirectory(absolute)
      for name in HostFile.entries(of: absolute).sorted() {
        try add("\(absolute)/\(name)", to: &disk)
      }
    } else {
      disk.addFile(
        absolute, try read(absolute),
        permissions: HostFile.isExecutable(absolute) ? 0o755 : 0o644)
    }
  }

  private func read(_ path: String) throws(InputError) -> [UInt8] {
    do throws(HostError) {
      return try HostFile.contents(of: path, limit: 1 << 30)
    } catch { throw InputError(.noInput, "\(error)") }
  }

  private func runInGuest(engine: String, disk: [UInt8], native: Native) throws -> EngineResult {
    let image = try KernelLoader.load(
      kernel: kernel?.bytes ?? GuestInit.embeddedKernel,
      name: kernel?.name ?? "the embedded guest", initrd: disk, initrdName: "initrd",
      commandLine: "console=ttyS0 quiet panic=1 rdinit=/init nokaslr cryptomgr.notests",
      configuration: configuration)
    var configuration = configuration
    configuration.endsOnReset = true
    configuration.directWithCycles = true
    let console = try Console(serial: .capture, debug: .none, readsInput: false)
    let machine = try Machine(
      configuration: configuration, image: image, console: console, engine: engine)
    let monitor = Monitor(machine: machine, native: native)
    machine.debugOutput = { [unowned monitor] in monitor.feed($0) }
    let start = HostClock.nanoseconds
    let ending = machine.run()
    if let error = monitor.nativeError { throw error }
    if let mismatch = monitor.mismatch { throw Mismatch(description: "\(engine): \(mismatch)") }
    guard monitor.isDone, monitor.runs.count == totalRuns else {
      var message = "\(engine): the guest ended before the program did: \(ending.description)"
      let tail = String(decoding: console.capturedSerial.suffix(2000), as: UTF8.self)
      if !tail.isEmpty { message += "\n" + tail }
      throw Mismatch(description: message)
    }
    var (runs, nativeRuns) = (monitor.runs, monitor.nativeRuns)
    if runs.count > 1 {
      runs.removeFirst()
      nativeRuns.removeFirst()
    }
    return EngineResult(
      engine: engine, runs: runs, native: nativeRuns,
      bootSeconds: Double((monitor.firstStart ?? start) &- start) / 1e9)
  }

  /// Follows the guest's reports and measures between the markers.
  private final class Monitor {
    private unowned let machine: Machine
    private let native: Native
    private var channel = GuestChannel()
    private var begin = Machine.Snapshot()
    private var outcome = Outcome(status: 0, output: [], error: [])
    var runs: [GuestRun] = []
    var nativeRuns: [NativeProcess.Result] = []
    var nativeError: (any Error)?
    var isDone = false
    var mismatch: String?
    var firstStart: UInt64?

    init(machine: Machine, native: Native) {
      self.machine = machine
      self.native = native
    }

    func feed(_ byte: UInt8) {
      guard mismatch == nil, !isDone else { return }
      do throws(GuestChannel.Garbled) {
        if let message = try channel.feed(byte) { handle(message) }
      } catch { fail("the guest's reports are garbled") }
    }

    private func handle(_ message: GuestChannel.Message) {
      switch message {
      case .ready: break
      case .started:
        if firstStart == nil { firstStart = HostClock.nanoseconds }
        do { nativeRuns.append(try native.run()) } catch {
          nativeError = error
          return fail("the native run failed")
        }
        begin = machine.snapshot()
      case .ended(let status):
        let end = machine.snapshot()
        outcome.status = status
        runs.append(begin.run(to: end))
      case .standardOutput(let bytes): outcome.output = bytes
      case .standardError(let bytes):
        outcome.error = bytes
        if let expected = native.expected, outcome != expected {
          fail(
            "the guest's answer is wrong: "
              + Comparison.difference(expected, outcome, names: ("native", "guest")))
        }
      case .failed(let text): fail("in the guest: \(text)")
      case .done:
        isDone = true
        machine.end(.quit)
      }
    }

    private func fail(_ text: String) {
      mismatch = text
      machine.end(.quit)
    }
  }

  // MARK: Differences

  static func describe(status: UInt32) -> String {
    status & 0x7F == 0 ? "exit status \((status >> 8) & 0xFF)" : "signal \(status & 0x7F)"
  }

  private static func difference(
    _ a: Outcome, _ b: Outcome, names: (String, String)
  ) -> String {
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
