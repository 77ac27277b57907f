import Host
import Statistics

extension Comparison {
  /// The initial RAM disk, or the embedded guest's module: the program, its files and the job.
  func ramDisk(_ files: ProgramFiles) throws(InputError) -> [UInt8] {
    var disk = InitialRamdisk()
    for directory in ["dev", "proc", "sys", "tmp", "switchback"] { disk.addDirectory(directory) }
    disk.addCharacterDevice("dev/console", major: 5, minor: 1)
    disk.addCharacterDevice("dev/null", major: 1, minor: 3)
    if kernel != nil { disk.addFile("init", GuestInit.image, permissions: 0o755) }
    for file in files.files { disk.addFile(file.path, file.contents, permissions: 0o755) }
    var inputPath = "/dev/null"
    if let input {
      inputPath = "/switchback/stdin"
      disk.addFile(inputPath, try Self.read(input))
    }
    for path in extraFiles { try Self.add(path, to: &disk) }
    func list(_ words: [String]) -> [String] { [String(words.count)] + words }
    let lists = commands.map { list([files.path] + $0) }
    let words =
      [String(totalRuns)] + lists[0] + list(environment(files)) + [inputPath, Self.directory]
      + [String(configuration.mhz), String(configuration.startTime ?? 0)]
      + [String(commands.count - 1)] + lists.dropFirst().flatMap { $0 }
    var job: [UInt8] = []
    for word in words { job += Array(word.utf8) + [0] }
    guard job.count < 262_144, words.count < 4000 else {
      throw InputError(.usage, "the program's arguments are too long")
    }
    disk.addFile("switchback/job", job)
    return disk.bytes
  }

  private static func add(_ path: String, to disk: inout InitialRamdisk) throws(InputError) {
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

  private static func read(_ path: String) throws(InputError) -> [UInt8] {
    do throws(HostError) {
      return try HostFile.contents(of: path, limit: 1 << 30)
    } catch { throw InputError(.noInput, "\(error)") }
  }

  /// Runs the commands in one guest until all are done or it ends.
  /// - Returns: a result for each command; the first without runs and without a failure was not reached.
  func runInGuest(
    engine: String, files: ProgramFiles, native: Native, progress: (Int, Int) -> Void
  ) throws -> EngineResult {
    let image = try KernelLoader.load(
      kernel: kernel?.bytes ?? GuestInit.embeddedKernel,
      name: kernel?.name ?? "the embedded guest", initrd: try ramDisk(files), initrdName: "initrd",
      commandLine: "console=ttyS0 quiet panic=1 rdinit=/init nokaslr cryptomgr.notests",
      configuration: configuration)
    var configuration = configuration
    configuration.endsOnReset = true
    configuration.directWithCycles = true
    let console = try Console(serial: .capture, debug: .none, readsInput: false)
    let machine = try Machine(
      configuration: configuration, image: image, console: console, engine: engine)
    return try withoutActuallyEscaping(progress) { progress in
      let monitor = Monitor(self, machine: machine, native: native, progress: progress)
      machine.debugOutput = { [unowned monitor] in monitor.feed($0) }
      machine.regionEnded = { [unowned monitor] _, run in monitor.regionEnded(run) }
      defer {
        machine.debugOutput = nil
        machine.regionEnded = nil
      }
      let start = HostClock.nanoseconds
      machine.course = Course()
      if let interval = profileInterval {
        machine.startProfile(interval: interval, isExact: interval == 0)
        machine.profiler?.hold()
      }
      let ending = machine.run()
      if let error = monitor.error { throw error }
      if !monitor.isDone, monitor.command < commands.count {
        var message = "the guest ended before the program did: \(ending.description)"
        let tail = String(decoding: console.capturedSerial.suffix(2000), as: UTF8.self)
        if !tail.isEmpty { message += "\n" + tail }
        monitor.fail(message)
      }
      return EngineResult(
        engine: engine, commands: monitor.results.map { withoutWarmUp($0) },
        bootSeconds: Double((monitor.firstStart ?? start) &- start) / 1e9,
        report: machine.report(boot: kernel == nil ? "embedded" : "linux", hashesState: false),
        course: machine.finishedCourse, profile: machine.profile(symbols: symbols))
    }
  }

  private func withoutWarmUp(_ result: CommandResult) -> CommandResult {
    var result = result
    if result.failure != nil {
      result.runs = []
    } else if result.runs.count > 1 {
      result.runs.removeFirst()
      result.native.removeFirst()
    }
    return result
  }

  /// Follows the guest's reports and measures.
  private final class Monitor {
    private let comparison: Comparison
    private unowned let machine: Machine
    private let native: Native
    private let progress: (Int, Int) -> Void
    private var channel = GuestChannel()
    private var begin = Machine.Snapshot()
    private var region: GuestRun?
    private var outcome = Outcome(status: 0, output: [], error: [])
    private var runsOver = 0
    private(set) var results: [CommandResult]
    /// The command that runs.
    private(set) var command = 0
    private(set) var isDone = false
    private(set) var firstStart: UInt64?
    /// An error that no other guest would get round.
    private(set) var error: (any Error)?

    init(
      _ comparison: Comparison, machine: Machine, native: Native,
      progress: @escaping (Int, Int) -> Void
    ) {
      self.comparison = comparison
      self.machine = machine
      self.native = native
      self.progress = progress
      results = comparison.commands.map { CommandResult(arguments: $0) }
    }

    func feed(_ byte: UInt8) {
      guard error == nil, !isDone else { return }
      do throws(GuestChannel.Garbled) {
        if let message = try channel.feed(byte) { handle(message) }
      } catch { stop("the guest's reports are garbled") }
    }

    func regionEnded(_ run: GuestRun) {
      region = region.map { $0 + run } ?? run
    }

    private func handle(_ message: GuestChannel.Message) {
      switch message {
      case .ready: break
      case .started: machine.atNextBoundary { [unowned self] in start() }
      case .ended(let status):
        outcome.status = status
        machine.atNextBoundary { [unowned self] in end() }
      case .standardOutput(let bytes): outcome.output = bytes
      case .standardError(let bytes):
        outcome.error = bytes
        check()
      case .failed(let text): stop("in the guest: \(text)")
      case .done:
        isDone = true
        machine.end(.quit)
      }
    }

    private func start() {
      guard command < results.count else { return stop("the guest's reports are garbled") }
      if firstStart == nil { firstStart = HostClock.nanoseconds }
      if runsOver == 0 {
        machine.course?.begin(comparison.commands[command].first ?? "", machine.timeByPart)
      }
      do {
        results[command].native.append(try native.run(command))
      } catch let mismatch as Mismatch where comparison.scope == .region {
        fail(mismatch.description)
      } catch {
        self.error = error
        machine.end(.quit)
      }
      region = nil
      // The first run of several only warms up.
      if comparison.repetitions == 1 || runsOver > 0 {
        machine.profiler?.resume(idleCycles: machine.idleCycles)
      }
      begin = machine.snapshot()
    }

    private func end() {
      guard command < results.count else { return }
      machine.profiler?.pause(idleCycles: machine.idleCycles)
      switch comparison.scope {
      case .program: results[command].runs.append(begin.run(to: machine.snapshot()))
      case .region:
        // Why there may be none is known when the answer is.
        if let region { results[command].runs.append(region) }
      }
    }

    /// A run is over and all is known about it.
    private func check() {
      guard command < results.count else { return stop("the guest's reports are garbled") }
      if comparison.scope == .region { _ = outcome.takeTimes() }
      if let expected = native.expected[command], outcome != expected {
        fail(
          "the guest's answer is wrong: "
            + Comparison.difference(expected, outcome, names: ("native", "guest")))
        if comparison.scope == .program { machine.end(.quit) }
      }
      if comparison.scope == .region, region == nil { fail("no region was marked") }
      runsOver += 1
      progress(command, runsOver)
      guard runsOver == comparison.totalRuns else { return }
      runsOver = 0
      command += 1
    }

    /// There will be no number for the command that runs.
    func fail(_ text: String) {
      guard command < results.count, results[command].failure == nil else { return }
      results[command].failure = text
    }

    private func stop(_ text: String) {
      fail(text)
      machine.end(.quit)
    }
  }
}

extension Comparison.GuestRun {
  static func + (a: Self, b: Self) -> Self {
    func sum(_ a: Report.Mode, _ b: Report.Mode) -> Report.Mode {
      .init(cycles: a.cycles &+ b.cycles, instructions: a.instructions &+ b.instructions)
    }
    var result = Self()
    result.seconds = a.seconds + b.seconds
    result.cycles = a.cycles &+ b.cycles
    result.idleCycles = a.idleCycles &+ b.idleCycles
    result.user = sum(a.user, b.user)
    result.kernel = sum(a.kernel, b.kernel)
    return result
  }
}
