import CPU
import DirectExecution
import Host
import Interpreter
import Memory
import Translator

/// Runs ring-3 code directly when `Admission` says it may and the policy says it should, and everything else in
/// the translator. Both questions are asked again at every entry to ring 3 and after every trap.
public final class Switcher: Engine {
  public let name: String

  public let translator: Translator
  private let interpreter: Interpreter
  private let processor: Processor
  private let cpu: CPU
  /// Nil when direct execution is not possible or not wanted.
  public private(set) var direct: DirectEngine?
  /// Why there is no direct execution.
  public private(set) var whyNot: String?
  private var policy: any SwitchingPolicy

  /// What direct execution did, also if it has ended.
  public var directStatistics: DirectStatistics? { direct?.statistics ?? lastStatistics }
  private var lastStatistics: DirectStatistics?

  public private(set) var statistics = SwitchingStatistics()
  private var current = SwitchingStatistics.EngineName.translator
  /// The address space that has just run directly: its next entry to ring 3 is to be seen. Without one, the
  /// translator runs on through entries to ring 3, and is asked from time to time.
  private var watchesEntries = false
  /// What is left up to this cycle is too short for direct execution.
  private var tooShort: UInt64 = 0
  /// Up to which host time an address space stays in the translator because of unfit code.
  private var respite: (space: UInt32, end: UInt64) = (0, 0)
  private var losses = 0

  /// - Parameters:
  ///   - direct: nil to run everything in the translator, for the reason `whyNot`.
  public init(
    name: String, processor: Processor, translator: Translator, direct: DirectEngine?,
    whyNot: String?, policy: any SwitchingPolicy
  ) {
    self.name = name
    self.processor = processor
    self.translator = translator
    self.direct = direct
    self.whyNot = whyNot
    self.policy = policy
    interpreter = translator.interpreter
    cpu = processor.cpu
  }

  // MARK: Engine

  public var recentBlocks: [UInt32] { translator.recentBlocks }
  public var traceBlock: ((UInt32) -> Void)? {
    get { translator.traceBlock }
    set { translator.traceBlock = newValue }
  }
  public func dropDecodedCode() { translator.dropDecodedCode() }
  public var mustBeInterrupted: Bool { direct != nil && watchesEntries }

  public func run() -> Exit {
    // The machine may go on with the translator alone.
    defer { translator.stopsAtUserCode = false }
    while true {
      if cpu.pointee.cycles >= cpu.pointee.deadline { return .deadline }
      if mayRunDirectly() {
        if let failure = runDirectly() { return .failed(failure) }
      } else {
        let exit = runTranslated()
        if exit != .userCode && exit != .deadline { return exit }
      }
    }
  }

  // MARK: Choosing

  private func mayRunDirectly() -> Bool {
    guard direct != nil else { return false }
    if cpu.pointee.cycles < tooShort || isInRespite { return false }
    // What waits for the instruction boundary comes first; watchers see every block.
    guard cpu.pointee.stop == 0, !interpreter.single, traceBlock == nil,
      processor.breakpoints.isEmpty
    else { return false }
    let reason = Admission.evaluate(VirtualState(cpu))
    statistics.decisions[reason, default: 0] &+= 1
    guard reason == .direct else { return false }
    guard policy.prefersDirect(cpu.pointee.cr3) else {
      statistics.declined &+= 1
      watchesEntries = false
      return false
    }
    return true
  }

  // MARK: Running

  private var isInRespite: Bool {
    respite.end != 0 && cpu.pointee.cr3 == respite.space && HostClock.nanoseconds < respite.end
  }

  private func runTranslated() -> Exit {
    note(.translator, "necessary")
    guard direct != nil else { return translator.run() }
    translator.stopsAtUserCode =
      watchesEntries && cpu.pointee.cycles >= tooShort && !isInRespite
    let deadline = cpu.pointee.deadline
    var end = deadline
    if !translator.stopsAtUserCode { end = min(end, cpu.pointee.cycles &+ sample) }
    cpu.pointee.deadline = end
    let start = HostClock.nanoseconds
    let cycles = cpu.pointee.cycles
    let (userCycles, stretches) = (cpu.pointee.modes.1.cycles, interpreter.userStretches)
    let exit = translator.run()
    // A device may have moved it.
    if cpu.pointee.deadline == end { cpu.pointee.deadline = deadline }
    let all = cpu.pointee.cycles &- cycles
    let nanoseconds = HostClock.nanoseconds &- start
    if exit == .deadline, end < deadline { learnSample(all, nanoseconds) }
    let user = cpu.pointee.modes.1.cycles &- userCycles
    // The time is that of several address spaces if there were changes: then it is a sample.
    if all > 0, user > 0, cpu.pointee.cpl == 3 {
      let share = min(Double(user) / Double(all), 1)
      policy.ranTranslated(
        cpu.pointee.cr3,
        nanoseconds: UInt64(Double(nanoseconds) * share),
        exits: interpreter.userStretches &- stretches &- 1)
    }
    return exit
  }

  /// Cycles in the translator after which the policy is asked: a few tenths of a millisecond of the host's time, in
  /// which code that divides all the time can do twenty times as many as other code.
  private var sample: UInt64 = 1_000_000

  private func learnSample(_ cycles: UInt64, _ nanoseconds: UInt64) {
    let wanted = cycles &* 400_000 / max(nanoseconds, 1)
    sample = min(max(wanted, 500_000), sample &* 2, 16_000_000)
  }

  /// - Returns: what makes it impossible to go on, if anything does.
  private func runDirectly() -> String? {
    guard let engine = direct else { return nil }
    note(.direct, Admission.Reason.direct.rawValue)
    let space = cpu.pointee.cr3
    watchesEntries = true
    interpreter.startAccounting()
    let outcome = engine.run()
    interpreter.account()
    // What is mapped stays mapped: most of what that cost is an investment.
    var traps = engine.lastTraps &- engine.lastMappings &* 3 / 4
    defer { policy.ranDirectly(space, nanoseconds: engine.lastNanoseconds, traps: traps) }
    switch outcome {
    case .deadline:
      note(.translator, "deadline")
      tooShort = cpu.pointee.deadline
    case .attention: note(.translator, "attention")
    case .fault(let fault):
      note(.translator, "fault")
      interpreter.deliver(fault)
      interpreter.account()
    case .handOver(let kind):
      note(.translator, kind.rawValue)
      if kind == .lost { countLoss() } else { losses = 0 }
      if kind == .code {
        let leaves = leavePage()
        // Unless it was a system call from a page that can make one in several ways, or the return from one.
        if cpu.pointee.cpl == 3, traps > 0 || !leaves {
          respite = (
            space, HostClock.nanoseconds &+ engine.respite(space, leavesPage: leaves)
          )
          if traps > 0 { traps -= 1 }
        }
      } else {
        step()
      }
    case .unavailable(let reason): giveUp(reason)
    case .failed(let reason): return reason
    }
    return nil
  }

  /// Executes code of a page that is unfit for direct execution until it leaves the page, or for some blocks.
  /// - Returns: false if it goes on in the page.
  private func leavePage() -> Bool {
    let page = cpu.pointee.eip & 0xFFFF_F000
    for _ in 0..<Self.patience {
      step()
      guard cpu.pointee.cpl == 3, cpu.pointee.stop == 0, cpu.pointee.cycles < cpu.pointee.deadline,
        cpu.pointee.eip & 0xFFFF_F000 == page
      else { return true }
    }
    return false
  }
  /// Blocks that the interpreter executes in such a page.
  private static let patience = 32

  /// Executes the block at EIP, which direct execution cannot.
  private func step() {
    guard cpu.pointee.stop == 0, cpu.pointee.cycles < cpu.pointee.deadline else { return }
    do throws(Fault) {
      interpreter.execute(try interpreter.currentBlock())
    } catch { interpreter.deliver(error) }
    interpreter.account()
  }

  /// A host on which sandboxes keep dying is none for direct execution.
  private func countLoss() {
    losses += 1
    if losses >= 8 { giveUp("the sandbox processes keep dying") }
  }

  private func giveUp(_ reason: String) {
    lastStatistics = direct?.statistics
    direct = nil
    whyNot = reason
    translator.stopsAtUserCode = false
  }

  private func note(_ engine: SwitchingStatistics.EngineName, _ reason: String) {
    guard engine != current else { return }
    statistics.switches[.init(from: current, to: engine, reason: reason), default: 0] &+= 1
    current = engine
  }
}
