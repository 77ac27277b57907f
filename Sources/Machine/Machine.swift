import Bus
import CPU
import Host
import Interpreter
import Memory
import Statistics

/// A whole PC: processor, memory, devices, one engine and the clock that drives them.
///
/// The loop: run the engine up to the next event's time, run the events that are due, and when the processor
/// is halted move the clock to the next event (`--clock cycles`) or wait for it (`--clock host`). Everything
/// that depends on the host (input, signals, the time limit) is looked at between two runs only, and never
/// changes what the guest computes.
public final class Machine {
  public let configuration: MachineConfiguration
  public let console: Console
  public let processor: Processor
  public let memory: PhysicalMemory
  public let ports: PortBus
  public let events: EventQueue
  let pc: PC
  /// The engine in use; another one may take over between two of its runs.
  private(set) var engine: any Engine
  private(set) var engines: Engines
  private let image: BootImage
  private let drives: DriveSet

  /// Why the run has ended; nil while it goes on.
  public internal(set) var ending: Ending?
  private var resetRequested = false
  private var script: InputScript
  private var matcher = TextMatcher("")
  private var escapes = EscapeFilter()
  private var inputOpen: Bool
  /// Where `--type` goes: to where the guest showed the text that was waited for.
  private var typesOnKeyboard: Bool
  /// A guest that polls for input, as boot loaders do, is taken to wait at this cycle.
  private var typeAt: UInt64 = .max
  let tracer: Tracer
  private var debugger: RemoteDebugger?

  // Measurements.
  /// What each engine did that was used, in the order of their first use.
  private(set) var engineUsage: [EngineUsage] = []
  private var current = 0
  private(set) var wallNanoseconds: UInt64 = 0
  private(set) var idleCycles: UInt64 = 0
  private(set) var catchUpCycles: UInt64 = 0
  private(set) var resets: UInt64 = 0
  /// Host time in events outside the engine, and in waiting for time to pass or for input.
  private(set) var eventTime = AccessTime()
  private(set) var waitingTime = AccessTime()

  private var pacer: Pacer
  private var sliceEnd: UInt64 = 0
  private let sliceCycles: UInt64
  /// The same where the end of a slice interrupts, which costs as much as 60 microseconds of execution.
  private let longSliceCycles: UInt64
  private var sliceLength: SliceLength
  private static let longestSlice: UInt64 = 1 << 26
  private var nextHousekeeping: UInt64 = 0
  /// The window, if there is one, and when it wants to hear something.
  var panelState: PanelState?
  private var nextPublication: UInt64 = 0
  private var start: UInt64 = 0
  /// Where `advance` wants the engine to return.
  private var pauseAt: UInt64 = .max

  /// Told every byte written to port E9h when not nil.
  public var debugOutput: ((UInt8) -> Void)?

  /// What to do as soon as the engine has returned.
  private var boundaryActions: [() -> Void] = []
  /// What the guest has marked.
  var regions = Regions()
  /// Told each region of interest that has ended: its number and what happened in it.
  var regionEnded: ((UInt8, Comparison.GuestRun) -> Void)?

  /// How the run goes, if somebody wants to know.
  var course: Course?
  /// Where the time goes, if somebody wants to know.
  var profiler: Profiler?

  private var cpu: CPU { processor.cpu }

  /// Builds the machine and loads the image.
  /// - Throws: `InputError` if the host cannot provide the memory.
  public init(
    configuration: MachineConfiguration, image: BootImage, console: Console,
    script: InputScript = InputScript(), engine engineName: String? = nil,
    drives: DriveSet = DriveSet()
  ) throws(InputError) {
    self.configuration = configuration
    self.drives = drives
    self.console = console
    self.image = image
    self.script = script
    inputOpen = console.readsInput
    typesOnKeyboard = configuration.typesOnKeyboard
    guard
      let memory = try? PhysicalMemory(
        ramSize: UInt32(configuration.memory), deviceMemorySize: PC.videoMemorySize)
    else {
      throw InputError(
        .unavailable, "the host has no \(configuration.memory >> 20) MiB of address space to spare")
    }
    self.memory = memory
    ports = PortBus()
    processor = Processor(memory: memory, ports: ports)
    let cpu = processor.cpu
    let frequency = configuration.mhz * 1_000_000
    events = EventQueue(frequency: frequency, clock: { cpu.now })
    // Ten milliseconds of virtual time, so that a slice stays short at any frequency.
    sliceCycles = min(max(frequency / 100, 10_000), 4_000_000)
    // Nobody waits for a machine without the host's clock.
    longSliceCycles = max(sliceCycles, frequency / (configuration.clock == .host ? 200 : 50))
    pacer = Pacer(frequency: frequency)
    // By the host's clock, the guest is to see it go on each millisecond.
    sliceLength = SliceLength(
      largest: configuration.clock == .host ? frequency / 1000 : Self.longestSlice)
    tracer = Tracer(kinds: configuration.trace)

    let relay = Relay()
    do {
      pc = try PC(
        processor: processor, memory: memory, ports: ports, events: events,
        startTime: configuration.startTime ?? HostClock.secondsSince1970,
        configuration: configuration, image: image, drives: drives,
        signals: relay.signals(debugExit: configuration.debugExit))
    } catch { throw InputError(.unavailable, "the machine cannot be wired: \(error)") }
    engines = Engines(processor: processor, configuration: configuration)
    engine = try engines.engine(engineName)
    engineUsage = [EngineUsage(name: engine.name)]
    memory.mapChanged = { cpu.flushTLB(includingGlobal: true) }
    for rom in image.roms { memory.mapROM(rom.bytes, at: rom.address) }
    relay.machine = self
    pc.typer.layout = configuration.keyboardLayout
    if let text = script.awaited { matcher = TextMatcher(text) }
    events.deadlineChanged = { [unowned self] in eventsMoved($0) }
    tracer.attach(to: self)
    processor.mark = { [unowned self] mark in atNextBoundary { [unowned self] in self.mark(mark) } }
    restart()
  }

  /// Carries what devices ask for to the machine, which does not exist yet when they are wired.
  private final class Relay {
    weak var machine: Machine?

    func signals(debugExit: Bool) -> PC.Signals {
      PC.Signals(
        serialOutput: { [self] byte in
          machine?.console.writeSerial(byte)
          machine?.watch(byte, typingOnKeyboard: false)
        },
        debugOutput: { [self] byte in
          machine?.console.writeDebug(byte)
          machine?.debugOutput?(byte)
          machine?.watch(byte)
        },
        serial2Output: { [self] in machine?.console.writeSerial2($0) },
        firmwareOutput: { [self] in machine?.console.writeFirmware($0) },
        powerOff: { [self] in machine?.end(.powerOff) },
        reset: { [self] in machine?.requestReset() },
        debugExit: debugExit ? { [self] in machine?.end(.debugExit($0)) } : nil)
    }
  }

  // MARK: Starting over

  /// Resets everything and loads the image again, as after power-on.
  private func restart() {
    resetRequested = false
    pc.reset()
    processor.reset()
    for segment in image.segments { memory.writeBytes(segment.bytes, at: segment.address) }
    if case .flat(let entry) = image.entry { cpu.start(at: entry) }
  }

  func requestReset() {
    resetRequested = true
    stopEngine()
  }

  /// Ends the run at the next instruction boundary; the first reason counts.
  public func end(_ reason: Ending) {
    if ending == nil { ending = reason }
    stopEngine()
  }

  /// Makes the engine return at the next instruction boundary and does something there, where all counters are exact.
  func atNextBoundary(_ action: @escaping () -> Void) {
    boundaryActions.append(action)
    stopEngine()
  }

  private func stopEngine() { cpu.pointee.stop |= UInt32(STOP_EXIT.rawValue) }

  // MARK: The loop

  /// Runs until there is a reason to end.
  public func run() -> Ending {
    start = HostClock.nanoseconds
    pacer.begin(cycles: cpu.pointee.cycles, nanoseconds: start)
    sliceEnd = cpu.pointee.cycles &+ sliceCycles
    profiler?.start()
    if configuration.startsPaused { debugger?.waitForDebugger() }
    while ending == nil {
      step()
      if processor.breakpoints.isHit { debugger?.reportBreakpoint() }
    }
    profiler?.pass(idleCycles: idleCycles, isOver: true)
    if let ending { debugger?.reportEnd(status: ending.status) }
    console.flush()
    wallNanoseconds &+= HostClock.nanoseconds &- start
    return ending ?? .quit
  }

  /// Runs to the first instruction boundary at which the clock is not before `cycle`, or to the end.
  func advance(to cycle: UInt64) {
    if start == 0 {
      start = HostClock.nanoseconds
      sliceEnd = cpu.pointee.cycles &+ sliceCycles
    }
    pauseAt = cycle
    while ending == nil && cpu.pointee.cycles < cycle && !processor.breakpoints.isHit { step() }
    pauseAt = .max
  }

  /// Runs the engine once; it returns after a block when it steps blocks.
  func stepEngine() {
    if start == 0 {
      start = HostClock.nanoseconds
      sliceEnd = cpu.pointee.cycles &+ sliceCycles
    }
    if ending == nil { step() }
  }

  private func step() {
    setDeadline(events.nextTime)
    let before = HostClock.nanoseconds
    let (instructions, cycles) = (cpu.pointee.instructions, cpu.pointee.cycles)
    let exit = engine.run()
    let after = HostClock.nanoseconds
    engineUsage[current].add(
      exit, nanoseconds: after &- before,
      instructions: cpu.pointee.instructions &- instructions,
      cycles: cpu.pointee.cycles &- cycles)
    profiler?.pass(idleCycles: idleCycles)
    if !boundaryActions.isEmpty {
      let actions = boundaryActions
      boundaryActions = []
      for action in actions { action() }
    }
    if cpu.pointee.cycles >= events.nextTime { runDueEvents() }
    switch exit {
    case .deadline, .stopped, .userCode: break
    case .halted: if ending == nil && !resetRequested { idle() }
    case .shutdown: end(.tripleFault(dump: dump()))
    case .failed(let reason): end(.failed(reason))
    }
    if cpu.pointee.cycles >= sliceEnd { endSlice() }
    if after >= nextHousekeeping {
      nextHousekeeping = after &+ 5_000_000
      attendToHost()
    }
    if let state = panelState {
      if after >= nextPublication { nextPublication = publish(after) }
      if state.panel.isAsking { obeyPanel() }
    }
    if let limit = configuration.cycleLimit, cpu.pointee.cycles >= limit { end(.cycleLimit) }
    if resetRequested && ending == nil {
      resets &+= 1
      if configuration.endsOnReset { return end(.reset) }
      restart()
    }
  }

  private func runDueEvents() {
    let begin = eventTime.begin()
    events.runDue()
    eventTime.end(begin)
  }

  /// Measures the host time of devices, events and waiting from now on.
  public func measureHostTime() {
    let clock = { HostClock.nanoseconds }
    ports.time.clock = clock
    memory.deviceTime.clock = clock
    eventTime.clock = clock
    waitingTime.clock = clock
  }

  private func setDeadline(_ eventTime: UInt64) {
    cpu.pointee.deadline = min(
      eventTime, sliceEnd, pauseAt, configuration.cycleLimit ?? .max, profiler?.next ?? .max)
  }

  /// An event was scheduled or cancelled, perhaps by a device in the middle of a run.
  private func eventsMoved(_ first: UInt64) {
    setDeadline(first)
    cpu.requestAttention()
  }

  private func endSlice() {
    let now = cpu.pointee.cycles
    let isLong = engine.mustBeInterrupted
    sliceEnd = now &+ (isLong ? longSliceCycles : sliceCycles)
    if configuration.clock == .host {
      switch pacer.lag(cycles: now, nanoseconds: HostClock.nanoseconds) {
      case .behind(let cycles):
        cpu.pointee.cycles &+= cycles
        catchUpCycles &+= cycles
      case .ahead(let nanoseconds):
        waitForInput(nanoseconds: nanoseconds)
      case .none: break
      }
    } else {
      watchScreen()
      // Looks at the screen are at times of the guest's.
      if script.awaited != nil || script.toType != nil { return }
    }
    let usage = engineUsage[current]
    sliceLength.learn(cycles: usage.cycles, nanoseconds: usage.nanoseconds)
    let least = configuration.clock == .host ? 0 : sliceCycles
    let length = isLong ? longSliceCycles : max(sliceLength.cycles, least)
    sliceEnd = cpu.pointee.cycles &+ length
  }

  // MARK: Idle

  /// The processor is halted: lets time pass up to the next event.
  private func idle() {
    guard cpu.pointee.eflags & EFLAGS.if != 0 else { return haltForEver() }
    watchScreen()
    if script.toType != nil { return typeNext() }
    let now = cpu.pointee.cycles
    let target = min(events.nextTime, configuration.cycleLimit ?? .max)
    guard target > now else { return }
    if configuration.clock == .host || target == .max {
      guard target < .max || inputOpen || panelState != nil else { return end(.halted) }
      console.flush()
      let deadline = target == .max ? nil : pacer.nanoseconds(ofCycle: target)
      let current = HostClock.nanoseconds
      // Wake up now and then to look at signals and limits.
      var wait = min(deadline.map { $0 > current ? $0 - current : 0 } ?? .max, 50_000_000)
      if panelState != nil {
        // A picture that came too soon after the last one must not wait for the guest.
        nextPublication = publish(current)
        // Without one there is nothing to see but what blinks.
        let look = isPicturePending ? nextPublication : max(nextPublication, current &+ 33_000_000)
        wait = min(wait, look > current ? look - current : 0)
      }
      if wait > 0 { waitForInput(nanoseconds: wait) }
      let reached = min(target, pacer.cycle(atNanoseconds: HostClock.nanoseconds))
      guard reached > now, configuration.clock == .host else { return }
      idleCycles &+= reached - now
      cpu.pointee.cycles = reached
    } else {
      idleCycles &+= target - now
      cpu.pointee.cycles = target
    }
    profiler?.passIdle(idleCycles: idleCycles)
    if cpu.pointee.cycles >= events.nextTime { runDueEvents() }
  }

  // MARK: The host's side

  private func attendToHost() {
    if course != nil { course?.record(timeByPart) }
    console.flush()
    if configuration.clock == .host { watchScreen() }
    guard !mustEnd() else { return }
    debugger?.poll()
    waitForInput(nanoseconds: 0)
  }

  /// Ends the run on a signal or when its time is up.
  /// - Returns: whether it has ended.
  func mustEnd() -> Bool {
    if let signal = HostSignals.caught { end(.signal(signal)) }
    for _ in 0..<HostSignals.takePowerButtonPresses() { pressPowerButton() }
    if let limit = configuration.timeLimit,
      Double(HostClock.nanoseconds &- start) >= limit * 1e9
    {
      end(.timeLimit)
    }
    return ending != nil
  }

  /// Sleeps, but takes input as soon as there is some.
  private func waitForInput(nanoseconds: UInt64) {
    let begin = waitingTime.begin()
    defer { waitingTime.end(begin) }
    guard inputOpen, pc.serial1.pendingInput < 4096 else {
      guard nanoseconds > 0 else { return }
      if let panel = panelState?.panel {
        HostClock.sleep(nanoseconds: nanoseconds, waker: panel.waker)
      } else {
        HostClock.sleep(until: HostClock.nanoseconds &+ nanoseconds)
      }
      return
    }
    switch HostInput.read(
      limit: 1024, nanoseconds: min(nanoseconds, 1_000_000_000), waker: panelState?.panel.waker)
    {
    case .nothing: break
    case .end: inputOpen = false
    case .bytes(let bytes):
      let (forGuest, quit) = escapes.filter(bytes)
      pc.serial1.receive(forGuest)
      if quit { end(.quit) }
    }
  }

  private func typeNext() {
    guard let text = script.toType else { return }
    type(text)
    advanceScript()
  }

  private func type(_ text: String) {
    if typesOnKeyboard {
      pc.typer.type(text)
    } else {
      // The Enter key sends a carriage return.
      pc.serial1.receive(text.utf8.map { $0 == 10 ? 13 : $0 })
    }
  }

  /// Looks for the awaited text in what the guest prints.
  private func watch(_ byte: UInt8, typingOnKeyboard: Bool? = nil) {
    guard script.awaited != nil else { return }
    matcher.feed(byte)
    if matcher.found { awaitedTextAppeared(typingOnKeyboard: typingOnKeyboard) }
  }

  private func watchScreen() {
    if script.toType != nil, cpu.pointee.cycles >= typeAt { typeNext() }
    guard let text = script.awaited, ending == nil else { return }
    if TextMatcher.contains(text, in: pc.screenText) {
      awaitedTextAppeared(typingOnKeyboard: true)
    }
  }

  private func awaitedTextAppeared(typingOnKeyboard: Bool?) {
    if let typingOnKeyboard, !configuration.typesOnKeyboard { typesOnKeyboard = typingOnKeyboard }
    advanceScript()
  }

  private func advanceScript() {
    if script.advance() { return end(.untilReached) }
    matcher = TextMatcher(script.awaited ?? "")
    typeAt = cpu.pointee.cycles &+ configuration.mhz * 1_000_000
  }
}

// MARK: Engines

extension Machine {
  /// Goes on with another engine; nothing that the guest can see changes. Not during a run of the engine.
  func selectEngine(_ name: String) {
    guard name != engine.name, let other = try? engines.engine(name) else { return }
    // The engines may share the place where it is kept.
    let trace = engine.traceBlock
    engine.traceBlock = nil
    other.traceBlock = trace
    engine = other
    if let index = engineUsage.firstIndex(where: { $0.name == other.name }) {
      current = index
    } else {
      current = engineUsage.count
      engineUsage.append(EngineUsage(name: other.name))
    }
    panelState?.nextStatus = 0
  }

  /// The engine of a name if it has been used.
  func engine(named name: String) -> (any Engine)? { engines.made[name] }
}

// MARK: Debugging

extension Machine {
  /// Lets a debugger connect while the machine runs.
  public func attachDebugger(_ listener: HostListener) {
    debugger = RemoteDebugger(self, listener: listener)
  }

  /// Executes one instruction; interrupts from outside wait unless the processor waits for one.
  func stepOne() {
    processor.holdsInterrupts = cpu.pointee.halted == 0
    advance(to: cpu.pointee.cycles &+ 1)
    processor.holdsInterrupts = false
    cpu.requestAttention()
  }

  /// The machine stood still while time went on outside.
  func clockWasStopped() {
    pacer.begin(cycles: cpu.pointee.cycles, nanoseconds: HostClock.nanoseconds)
  }
}

extension Machine {
  /// The user presses the power button: a guest with ACPI shuts itself down, another one loses its power.
  public func pressPowerButton() { pc.pressPowerButton() }

  /// Sends the trace to a file instead of standard error.
  public func traceTo(path: String) throws(HostError) { tracer.output = try HostOutput(path: path) }

  /// Puts everything that the guest wrote onto the host's disks.
  /// - Returns: a message for each image where that failed.
  public func finishDrives() -> [String] { drives.finish() }

  /// The picture on the screen as a PNG file.
  public func screenshot() -> [UInt8] {
    let frame = pc.screen
    return PNG.encode(width: frame.width, height: frame.height, pixels: frame.pixels)
  }
}
