import CPU
import Devices
import Host
import Switching

/// What a machine keeps for its front panel.
struct PanelState {
  /// Host nanoseconds from one picture to the next at least, and between two sets of counters.
  static let pictureInterval: UInt64 = 16_000_000
  static let statusInterval: UInt64 = 100_000_000

  let panel: FrontPanel
  var state = FrontPanel.State.running
  /// The `pictureNumber` that was published last.
  var picture: UInt64?
  var nextPicture: UInt64 = 0
  var nextStatus: UInt64 = 0
}

extension Machine {
  /// Lets a window show and command the machine.
  public func attach(_ panel: FrontPanel) {
    panelState = PanelState(panel: panel)
    pc.toneChanged = { panel.publish(toneHertz: $0) }
    publish(HostClock.nanoseconds)
  }

  /// Publishes what is due at this host time.
  /// - Returns: when to come back.
  @discardableResult
  func publish(_ now: UInt64) -> UInt64 {
    guard var state = panelState else { return .max }
    if now >= state.nextStatus {
      state.nextStatus = now &+ PanelState.statusInterval
      state.panel.publish(status(now, state.state))
    }
    if now >= state.nextPicture, state.panel.wantsUpdate {
      let number = pc.vga.pictureNumber
      if number != state.picture || pc.vga.hasUntrackedWrites {
        state.picture = number
        state.panel.publish(pc.vga.takeUpdate())
      }
      state.nextPicture = now &+ PanelState.pictureInterval
    }
    panelState = state
    return min(state.nextStatus, max(state.nextPicture, now &+ 1_000_000))
  }

  /// Whether the picture may have changed since it was published.
  var isPicturePending: Bool {
    panelState?.picture != pc.vga.pictureNumber || pc.vga.hasUntrackedWrites
  }

  private func status(_ now: UInt64, _ state: FrontPanel.State) -> FrontPanel.Status {
    let cpu = processor.cpu.pointee
    var status = FrontPanel.Status()
    status.state = state
    status.engine = engine.name
    status.nanoseconds = now
    status.mhz = configuration.mhz
    status.frequency = events.frequency
    status.cycles = cpu.cycles
    status.idleCycles = idleCycles
    status.catchUpCycles = catchUpCycles
    status.instructions = cpu.instructions
    status.work = work
    status.exits = engineUsage.reduce(0) { $0 &+ $1.entries }
    for engine in engines.made.values {
      // Direct execution is left and entered within one run of the switcher.
      if let direct = (engine as? Switcher)?.directStatistics { status.exits &+= direct.runs }
    }
    for (name, count) in ports.counts { status.activity[name] = count.reads &+ count.writes }
    for (name, count) in memory.deviceCounts {
      status.activity[name, default: 0] &+= count.reads &+ count.writes
    }
    status.takesPlaces = pc.pointer.isAbsolute
    status.keyboardLights = pc.keyboard.keyboardLEDs
    return status
  }

  /// What was executed how: the switcher's runs are those of the two engines that it chooses between.
  var work: [FrontPanel.EngineWork] {
    var names = ["interpreter", "translator", "direct"].map {
      FrontPanel.EngineWork(name: $0, instructions: 0, nanoseconds: 0)
    }
    for usage in engineUsage {
      guard let switcher = engines.made[usage.name] as? Switcher else {
        let index = usage.name == "interpreter" ? 0 : 1
        names[index].instructions &+= usage.instructions
        names[index].nanoseconds &+= usage.nanoseconds
        continue
      }
      let direct = switcher.directStatistics
      let nanoseconds = min(direct?.nanoseconds ?? 0, usage.nanoseconds)
      let instructions = min(direct?.instructions ?? 0, usage.instructions)
      names[1].instructions &+= usage.instructions &- instructions
      names[1].nanoseconds &+= usage.nanoseconds &- nanoseconds
      names[2].instructions &+= instructions
      names[2].nanoseconds &+= nanoseconds
    }
    return names.filter { $0.nanoseconds > 0 }
  }

  /// Obeys what the window has asked for.
  func obeyPanel() {
    guard let state = panelState else { return }
    for command in state.panel.takeCommands() { obey(command) }
    while let now = panelState?.state, now != .running, ending == nil { standStill() }
  }

  private func obey(_ command: FrontPanel.Command) {
    switch command {
    case .press(let key): pc.typer.press(key)
    case .release(let key): pc.typer.release(key)
    case .type(let text): pc.typer.type(text)
    case .mouse(let dx, let dy, let wheel, let buttons):
      pc.keyboard.moveMouse(dx: dx, dy: dy, wheel: wheel, buttons: buttons)
    case .pointer(let x, let y, let wheel, let buttons):
      pc.pointer.move(x: x, y: y, wheel: wheel, buttons: buttons)
    case .pause(let pauses):
      if panelState?.state != .halted { enter(pauses ? .paused : .running) }
    case .reset:
      requestReset()
      enter(.running)
    case .powerButton: pc.pressPowerButton()
    case .engine(let name): selectEngine(name)
    case .end(let ending): end(ending)
    }
  }

  /// The processor is halted for ever: with a window its last picture stays until somebody resets the machine or
  /// closes the window.
  func haltForEver() {
    guard panelState != nil else { return end(.halted) }
    enter(.halted)
    while panelState?.state == .halted, ending == nil { standStill() }
  }

  private func enter(_ state: FrontPanel.State) {
    guard panelState?.state != state else { return }
    panelState?.state = state
    panelState?.nextStatus = 0
    // Host time goes on, the guest's does not.
    if state == .running { clockWasStopped() }
  }

  /// One moment in which the guest does not run.
  private func standStill() {
    guard let panel = panelState?.panel else { return }
    publish(HostClock.nanoseconds)
    HostClock.sleep(nanoseconds: 50_000_000, waker: panel.waker)
    _ = mustEnd()
    for command in panel.takeCommands() { obey(command) }
  }
}
