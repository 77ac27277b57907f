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
  /// The next part runs in the translator, whatever else speaks for direct execution.
  private var mustTranslate = false
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

  public func run() -> Exit {
    translator.stopsAtUserCode = direct != nil
    // The machine may go on with the translator alone.
    defer { translator.stopsAtUserCode = false }
    while true {
      if cpu.pointee.cycles >= cpu.pointee.deadline { return .deadline }
      if mayRunDirectly() {
        if let failure = runDirectly() { return .failed(failure) }
      } else {
        let exit = runTranslated()
        if exit != .userCode { return exit }
      }
    }
  }

  // MARK: Choosing

  private func mayRunDirectly() -> Bool {
    guard direct != nil else { return false }
    if mustTranslate {
      mustTranslate = false
      return false
    }
    // What waits for the instruction boundary comes first; watchers see every block.
    guard cpu.pointee.stop == 0, !interpreter.single, traceBlock == nil,
      processor.breakpoints.isEmpty
    else { return false }
    let reason = Admission.evaluate(VirtualState(cpu))
    statistics.decisions[reason, default: 0] &+= 1
    guard reason == .direct else { return false }
    guard policy.prefersDirect(cpu.pointee.cr3) else {
      statistics.declined &+= 1
      return false
    }
    return true
  }

  // MARK: Running

  private func runTranslated() -> Exit {
    note(.translator, "necessary")
    guard direct != nil, cpu.pointee.cpl == 3 else { return translator.run() }
    let space = cpu.pointee.cr3
    let start = HostClock.nanoseconds
    let cycles = cpu.pointee.cycles
    let userCycles = cpu.pointee.modes.1.cycles
    let exit = translator.run()
    let all = cpu.pointee.cycles &- cycles
    let user = cpu.pointee.modes.1.cycles &- userCycles
    if all > 0, user > 0 {
      let share = Double(user) / Double(all)
      let time = Double(HostClock.nanoseconds &- start)
      policy.ranTranslated(space, nanoseconds: UInt64(time * min(share, 1)))
    }
    return exit
  }

  /// - Returns: what makes it impossible to go on, if anything does.
  private func runDirectly() -> String? {
    guard let engine = direct else { return nil }
    note(.direct, Admission.Reason.direct.rawValue)
    let space = cpu.pointee.cr3
    interpreter.startAccounting()
    let outcome = engine.run()
    interpreter.account()
    policy.ranDirectly(
      space, nanoseconds: engine.lastNanoseconds, traps: engine.lastTraps)
    switch outcome {
    case .deadline:
      note(.translator, "deadline")
      // What is left is too short for direct execution.
      mustTranslate = true
    case .attention: note(.translator, "attention")
    case .fault(let fault):
      note(.translator, "fault")
      interpreter.deliver(fault)
      interpreter.account()
    case .handOver(let kind):
      note(.translator, kind.rawValue)
      if kind == .lost { countLoss() } else { losses = 0 }
      if kind == .code { leavePage() } else { step() }
    case .unavailable(let reason): giveUp(reason)
    case .failed(let reason): return reason
    }
    return nil
  }

  /// Executes code of a page that is unfit for direct execution until it leaves the page; if it stays, the
  /// translator takes over up to the next entry to ring 3.
  private func leavePage() {
    let page = cpu.pointee.eip & 0xFFFF_F000
    for _ in 0..<Self.patience {
      step()
      guard cpu.pointee.cpl == 3, cpu.pointee.stop == 0, cpu.pointee.cycles < cpu.pointee.deadline,
        cpu.pointee.eip & 0xFFFF_F000 == page
      else { return }
    }
    mustTranslate = true
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
