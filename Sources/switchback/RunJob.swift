import Host
import Machine

/// What `run` does once everything has been read and checked: all of it values, since with a window it happens
/// on another thread than the reading.
struct RunJob: Sendable {
  var configuration: MachineConfiguration
  var image: BootImage
  var drives: DriveSpecification
  var script: InputScript
  var engine: String?
  var serial: Console.Destination
  var serial2: Console.Destination
  var profiling: ProfileOptions
  var symbols: Symbols
  var debugcon: Console.Destination
  var biosLog: Console.Destination
  var traceFile: String?
  var gdb: DebugAddress?
  var printsReport: Bool
  var statsPath: String?
  var screenshot: String?

  /// Builds the machine, runs it to its end, writes what was asked for.
  /// - Parameter panel: of the window that shows it.
  /// - Returns: the exit status.
  func run(panel: FrontPanel?) throws -> Int32 {
    let drives = try DriveSet(drives)
    let usesInput = serial == .standardOutput
    let console: Console
    do {
      console = try Console(
        serial: serial, serial2: serial2, debug: debugcon, firmware: biosLog, readsInput: usesInput)
    } catch { throw InputError(.cannotCreate, "\(error)") }
    let pc = try Machine(
      configuration: configuration, image: image, console: console, script: script,
      engine: engine ?? Engines.usual(configuration), drives: drives)
    if let engine, let reason = pc.whyNotDirect {
      Switchback.complain("--engine \(engine): no direct execution: \(reason)")
    }
    if let panel { pc.attach(panel) }
    if let traceFile {
      do { try pc.traceTo(path: traceFile) } catch {
        throw InputError(.cannotCreate, "--trace-file: \(error)")
      }
    }
    profiling.start(pc)
    if printsReport || statsPath != nil { pc.measureHostTime() }
    if let gdb {
      do {
        let listener = try HostListener(host: gdb.host, port: gdb.port)
        writeToStandardError("switchback: GDB may connect to \(gdb.host):\(listener.port)\n")
        pc.attachDebugger(listener)
      } catch { throw InputError(.unavailable, "--gdb: \(error)") }
    }
    let terminal = usesInput ? RawTerminal() : nil
    let ending = pc.run()
    _ = consume terminal
    for problem in pc.finishDrives() { Switchback.complain(problem) }

    explain(ending)
    if printsReport || statsPath != nil {
      let report = pc.report(boot: image.kind, hashesState: true)
      if printsReport { writeToStandardError(report.table) }
      if let statsPath {
        let text = statsPath.hasSuffix(".json") ? report.json.text : report.table
        try Files.write(text, to: statsPath, option: "--stats")
      }
    }
    try profiling.write(pc, symbols: symbols)
    if let screenshot { try Files.write(pc.screenshot(), to: screenshot, option: "--screenshot") }
    return ending.status
  }

  /// Says why the run ended where that is not what the user asked for.
  private func explain(_ ending: Ending) {
    switch ending {
    case .tripleFault(let dump):
      writeToStandardError("switchback: triple fault\n" + dump)
    case .halted, .timeLimit, .cycleLimit, .failed:
      Switchback.complain("the run ended: \(ending.description)")
    case .powerOff, .reset, .debugExit, .untilReached, .quit, .closed, .displayLost, .signal: break
    }
  }
}
