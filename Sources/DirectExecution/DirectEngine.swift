import CHost
import CPU
import Host
import Memory

/// Runs ring-3 code of the guest on the host's processor until it traps.
///
/// It never emulates anything: it maps pages, and gives everything else back with the precise state before the
/// instruction, for another engine to execute. Whether a state may run here is not its question (`Admission`).
public final class DirectEngine {
  /// Why `run` returned.
  public enum Outcome: Equatable, Sendable {
    /// The clock has reached the deadline, or is so close that a run is not worth it.
    case deadline
    /// The instruction at EIP must be executed by another engine.
    case handOver(TrapKind)
    /// A fault is to be delivered.
    case fault(Fault)
    /// Something waits for the next instruction boundary.
    case attention
    /// No sandbox can be started any more.
    case unavailable(String)
    /// The state of the guest is lost.
    case failed(String)
  }

  private let cpu: CPU
  private let spaces: AddressSpaces
  /// Guest cycles per microsecond.
  private let mhz: UInt64
  private let hostCyclesPerMicrosecond: UInt64

  public private(set) var statistics = DirectStatistics()
  /// Traps and host nanoseconds of the last `run`, for the policy.
  public private(set) var lastTraps: UInt64 = 0
  /// Those that only mapped pages, which stay mapped.
  public private(set) var lastMappings: UInt64 = 0
  public private(set) var lastNanoseconds: UInt64 = 0

  /// Shorter runs cost more than they bring.
  private static let shortestRun: UInt64 = 20_000

  /// Starts a sandbox and ends it again to see whether the host allows that.
  /// - Parameters:
  ///   - mhz: guest cycles per microsecond of virtual time.
  ///   - failingStep: a step of the sandbox's start to let fail, for tests.
  public init(processor: Processor, mhz: UInt64, failingStep: UInt32 = 0) throws(SandboxError) {
    cpu = processor.cpu
    self.mhz = mhz
    hostCyclesPerMicrosecond = UInt64(HostInfo.hertz / 1e6)
    try HostCheck.run(failingStep: failingStep)
    spaces = try AddressSpaces(cpu: cpu)
    let names = spaces.names
    processor.guestSelector = { names.guest[$0] }
  }

  /// Process ids of the sandboxes that are alive.
  public var processes: [Int32] { spaces.processes }

  // MARK: Running

  /// After a run of an address space that has ended with `code`, and not at a system call: host nanoseconds for which it
  /// should be left to another engine.
  public func respite(_ root: UInt32, leavesPage: Bool) -> UInt64 {
    spaces.existing(root)?.respite(leavesPage: leavesPage) ?? 0
  }

  /// Runs from the current state, which must be admissible, with nothing waiting to be attended to.
  public func run() -> Outcome {
    lastTraps = 0
    lastMappings = 0
    lastNanoseconds = 0
    statistics.entries &+= 1
    guard isWorthARun else { return .deadline }
    let space: AddressSpace
    do throws(SandboxError) {
      space = try spaces.current()
    } catch { return .unavailable("\(error)") }
    defer {
      statistics.pagesMapped = spaces.mapped
      statistics.sandboxes = spaces.started
      statistics.sandboxesLost = spaces.lost
    }
    if space.isUnfit(cpu.cs.pointee.base &+ cpu.pointee.eip) { return .handOver(.code) }
    guard let frame = space.sandbox.frame else { return condemn(space) }
    if let (linear, access) = space.awaited {
      // Most likely the guest's kernel has mapped it: the access would trap once more.
      space.awaited = nil
      _ = spaces.map(space, linear, for: access)
    }
    load(frame, space)
    while true {
      let (outcome, isStored) = runOnce(space)
      guard let outcome else { continue }
      if !isStored, !finish(space) { return condemn(space) }
      return outcome
    }
  }

  /// Whether the deadline is far enough.
  private var isWorthARun: Bool {
    cpu.pointee.cycles < cpu.pointee.deadline
      && cpu.pointee.deadline &- cpu.pointee.cycles > Self.shortestRun &* mhz / 1000
  }

  /// One run between two traps.
  /// - Returns: what to do, nil to go on in the same frame; and whether the guest's state is complete already.
  private func runOnce(_ space: AddressSpace) -> (Outcome?, Bool) {
    guard isWorthARun else { return (.deadline, false) }
    let start = HostClock.nanoseconds
    let left = cpu.pointee.deadline &- cpu.pointee.cycles
    let time = min(left, mhz &* 1_000_000) &* 1000 / mhz
    let code = space.sandbox.work()
    guard code == 0 else { return (mappingsFailed(space, code), false) }
    guard space.sandbox.run(until: start &+ time) else {
      let nanoseconds = HostClock.nanoseconds &- start
      charge(nanoseconds)
      statistics.record(run: nanoseconds, trap: space.sandbox.wasKilled ? .lost : .escape)
      return (vanished(space), true)
    }
    spaces.hasRun(space)
    selectorsAreKnown = true
    let nanoseconds = HostClock.nanoseconds &- start
    charge(nanoseconds)
    space.nanosecondsSinceCode &+= nanoseconds
    guard let frame = space.sandbox.frame else {
      statistics.record(run: nanoseconds, trap: .escape)
      return (condemn(space), true)
    }
    let trap = Trap.decode(
      frame, signal: space.sandbox.signal, codeSegment: codeSegment, cpu: cpu,
      isGuard: space.isGuard)
    let (kind, outcome) = act(on: trap, space)
    statistics.record(run: nanoseconds, trap: kind)
    return (outcome, false)
  }

  private func act(on trap: Trap, _ space: AddressSpace) -> (TrapKind, Outcome?) {
    switch trap {
    // It may have been meant for a run that had just ended by itself: then the deadline is another one by now.
    case .preempted: return (.preempted, nil)
    case .handOver(.protection) where segmentsChanged(space):
      return (.protection, repairSegments(space))
    case .handOver(let kind): return (kind, .handOver(kind))
    case .singleStep:
      cpu.pointee.debugTriggered |= 1 << 14  // DR6.BS
      cpu.requestAttention()
      return (.debug, .attention)
    case .escape: return (.escape, .fault(.generalProtection(0)))
    case .pageFault(let linear, let access):
      if segmentsChanged(space) { return (.pageFault, repairSegments(space)) }
      do throws(Fault) {
        switch access {
        case .read: try cpu.probeRead(linear, 1, user: true)
        case .write: try cpu.probeWrite(linear, 1, user: true)
        case .fetch: _ = try cpu.translateFetch(linear)
        }
      } catch {
        space.awaited = (linear, access)
        return (.pageFault, .fault(error))
      }
      if spaces.map(space, linear, for: access) {
        lastMappings &+= 1
        return (.mapped, nil)
      }
      let kind = access == .fetch ? TrapKind.code : .pageFault
      if access == .fetch { space.markUnfit(linear) }
      return (kind, .handOver(kind))
    }
  }

  /// Host time becomes guest time.
  private func charge(_ nanoseconds: UInt64) {
    let cycles = nanoseconds &* mhz / 1000
    let instructions = nanoseconds &* hostCyclesPerMicrosecond / 1000
    cpu.pointee.cycles &+= max(cycles, 1)
    cpu.pointee.instructions &+= instructions
    statistics.cycles &+= cycles
    statistics.instructions &+= instructions
    lastTraps &+= 1
    lastNanoseconds &+= nanoseconds
  }

  // MARK: Sandboxes that end

  /// The host has refused a mapping, or the process has died while the guest was stopped: the state is
  /// complete, so nothing is lost.
  private func mappingsFailed(_ space: AddressSpace, _ code: Int32) -> Outcome {
    if finish(space) {
      spaces.drop(space)
      return .handOver(.lost)
    }
    return condemn(space)
  }

  /// The process has died, or does not answer, in the middle of a run.
  private func vanished(_ space: AddressSpace) -> Outcome {
    // Whoever killed it from outside took the state of a guest that is not to blame.
    if space.sandbox.wasKilled {
      spaces.drop(space)
      return .failed("a sandbox process was killed while it ran guest code")
    }
    return condemn(space)
  }

  /// Guest code has left 32-bit mode and destroyed what it found: its sandbox ends, and it gets the fault that
  /// the way out should have raised.
  private func condemn(_ space: AddressSpace) -> Outcome {
    spaces.drop(space)
    return .fault(.generalProtection(0))
  }

  // MARK: State

  /// What the registers were loaded with for the current run: CS SS DS ES FS GS.
  private var codeSegment: UInt16 = 0
  private var stackSegment: UInt16 = 0
  private var dataSegments: (ds: UInt16, es: UInt16, fs: UInt16, gs: UInt16) = (0, 0, 0, 0)

  /// Whether the sandbox has stopped since they were loaded, and so says what they are now.
  private var selectorsAreKnown = false

  private func load(_ frame: SignalFrame, _ space: AddressSpace) {
    frame.load(cpu, signalMask: Trap.signalMask)
    loadSegments(frame, space)
    space.sandbox.setStickyFlags(cpu.pointee.eflags & (EFLAGS.nt | EFLAGS.id))
  }

  private func loadSegments(_ frame: SignalFrame, _ space: AddressSpace) {
    selectorsAreKnown = false
    space.segments.begin()
    func host(_ segment: SegmentPointer, isCode: Bool = false) -> UInt16 {
      let (selector, descriptor) = space.segments.selector(segment.pointee, isCode: isCode)
      if let descriptor { space.sandbox.add(descriptor) }
      return selector
    }
    codeSegment = host(cpu.cs, isCode: true)
    stackSegment = host(cpu.ss)
    dataSegments = (host(cpu.ds), host(cpu.es), host(cpu.fs), host(cpu.gs))
    frame.setSegments(cs: codeSegment, ss: stackSegment)
    space.sandbox.setSelectors(
      ds: dataSegments.ds, es: dataSegments.es, fs: dataSegments.fs, gs: dataSegments.gs)
  }

  private func segmentsChanged(_ space: AddressSpace) -> Bool {
    selectorsAreKnown
      && (space.sandbox.selectors != dataSegments || space.sandbox.frame?.ss != stackSegment)
  }

  /// Guest code has loaded a selector that means one thing to the guest and another to the host: loads what
  /// the guest's descriptor says and lets the code go on.
  private func repairSegments(_ space: AddressSpace) -> Outcome? {
    guard let frame = space.sandbox.frame else { return .handOver(.escape) }
    if let fault = storeSegments(space) { return .fault(fault) }
    statistics.selectorRepairs &+= 1
    loadSegments(frame, space)
    return nil
  }

  /// Gives the guest's segment registers the values that code has loaded since they were set.
  private func storeSegments(_ space: AddressSpace) -> Fault? {
    let now = space.sandbox.selectors
    let pairs: [(UInt8, UInt16, UInt16)] = [
      (SegmentNumber.ds, now.ds, dataSegments.ds), (SegmentNumber.es, now.es, dataSegments.es),
      (SegmentNumber.fs, now.fs, dataSegments.fs), (SegmentNumber.gs, now.gs, dataSegments.gs),
      (SegmentNumber.ss, space.sandbox.frame?.ss ?? stackSegment, stackSegment),
    ]
    for (number, new, old) in pairs where new != old {
      // The host's code selector may be the guest's for data: then what was loaded is what was meant.
      let selector = cpu.isFlatData(new) ? new : space.segments.meaning[new] ?? new
      do throws(Fault) {
        try cpu.loadSegment(number, selector: selector)
      } catch { return error }
    }
    return nil
  }

  /// Completes the guest's state from the frame.
  /// - Returns: whether there was one.
  private func finish(_ space: AddressSpace) -> Bool {
    guard let frame = space.sandbox.frame else { return false }
    frame.store(cpu)
    if segmentsChanged(space), let fault = storeSegments(space) {
      // The load would have faulted in the guest, some instructions ago.
      _ = fault
    }
    return true
  }
}
