import CPU
import ISA
import Memory

/// The reference engine: executes decoded blocks one micro-op after the other.
public final class Interpreter: Engine {
  public let name = "interpreter"

  private let processor: Processor
  private let cpu: CPU
  package let cache: BlockCache
  private var builder: BlockBuilder
  /// The next instruction runs alone: TF, an interrupt shadow or armed code breakpoints.
  package private(set) var single = false

  /// Whether decoded blocks are kept. Without, every block is decoded anew: slow, for checking the cache.
  public var keepsBlocks = true {
    didSet { cpu.pointee.codeGeneration &+= 1 }
  }

  /// Called before each block when not nil, with the linear address of its start.
  public var traceBlock: ((UInt32) -> Void)? { didSet { updateObserved() } }
  /// Told what the blocks fetch when not nil.
  public var cacheModel: CacheModel? { didSet { updateObserved() } }
  private var isObserved = false
  private func updateObserved() { isObserved = traceBlock != nil || cacheModel != nil }

  /// Addresses of the blocks that ran last, for the dump after a fault.
  package let history = BlockHistory()
  public var recentBlocks: [UInt32] { history.addresses }

  /// - Parameters:
  ///   - timing: what instructions are charged.
  ///   - cacheSize: bytes for decoded instructions.
  public init(processor: Processor, timing: TimingModel, cacheSize: Int = 64 << 20) {
    self.processor = processor
    cpu = processor.cpu
    cache = BlockCache(cpu: cpu, capacity: cacheSize)
    builder = BlockBuilder(timing: timing)
    processor.memory.addCodeObserver(cache)
  }

  public func dropDecodedCode() {
    builder.breakpoints = processor.breakpoints
    cache.flush()
  }

  /// Blocks that are built from now on have at most `count` instructions; for tools that look at single ones.
  package func limitBlocks(to count: Int) {
    builder.maximumInstructions = min(max(count, 1), Block.maximumInstructions)
  }

  public func run() -> Exit {
    startAccounting()
    defer { account() }
    var previous: BlockPointer?
    while true {
      if cpu.pointee.cycles >= cpu.pointee.deadline { return .deadline }
      if cpu.pointee.stop != 0 {
        previous = nil
        if let exit = attend() { return exit }
      }
      let isUser = cpu.pointee.cpl == 3
      if isUser != accountedUser { account() }
      let linear = cpu.cs.pointee.base &+ cpu.pointee.eip
      let key = codeKey(isUser)
      if let block = previous?.successor(at: linear, key: key) {
        previous = execute(block, linear)
        continue
      }
      do throws(Fault) {
        let block = try currentBlock()
        if block.pointee.secondPage == Block.noPage, keepsBlocks {
          // Building may have emptied the cache, `previous` with it.
          if codeKey(isUser) == key { previous?.addSuccessor(block, at: linear, key: key) }
        }
        previous = execute(block, linear)
      } catch {
        previous = nil
        deliver(error)
      }
    }
  }

  /// Tells apart everything that decides which code is at a linear address. Never 0.
  @inline(__always)
  private func codeKey(_ isUser: Bool) -> UInt64 {
    cpu.pointee.codeGeneration &<< 8 | UInt64(cpu.pointee.codeSize) | (isUser ? 1 : 0)
  }

  // MARK: Accounting by privilege level

  /// Up to where cycles and instructions have been added to `CPUState.modes`, and to which they belong.
  private var accountedCycles: UInt64 = 0
  private var accountedInstructions: UInt64 = 0
  package private(set) var accountedUser = false
  /// Stretches of ring-3 code that have been accounted.
  package private(set) var userStretches: UInt64 = 0

  /// Instructions that ring 3 has executed up to the clock.
  package var userInstructions: UInt64 {
    let running = cpu.pointee.instructions &- accountedInstructions
    return cpu.pointee.modes.1.instructions &+ (accountedUser ? running : 0)
  }

  package func startAccounting() {
    accountedCycles = cpu.pointee.cycles
    accountedInstructions = cpu.pointee.instructions
    accountedUser = cpu.pointee.cpl == 3
  }

  /// Adds what has been executed since the last time to the privilege level that it ran at.
  @inline(never)
  package func account() {
    let cycles = cpu.pointee.cycles &- accountedCycles
    let instructions = cpu.pointee.instructions &- accountedInstructions
    if accountedUser {
      userStretches &+= 1
      cpu.pointee.modes.1.cycles &+= cycles
      cpu.pointee.modes.1.instructions &+= instructions
    } else {
      cpu.pointee.modes.0.cycles &+= cycles
      cpu.pointee.modes.0.instructions &+= instructions
    }
    startAccounting()
  }

  // MARK: Blocks

  /// The block at CS:EIP.
  /// - Throws: the fault of fetching it.
  @inline(__always)
  package func currentBlock() throws(Fault) -> BlockPointer {
    let linear = cpu.cs.pointee.base &+ cpu.pointee.eip
    if let page = cpu.cachedCodePage(linear), keepsBlocks,
      let block = cache.find(page | linear & 0xFFF, codeSize: UInt32(cpu.pointee.codeSize)),
      block.pointee.secondPage == Block.noPage
    {
      return block
    }
    return try findOrBuild(linear)
  }

  @inline(never)
  private func findOrBuild(_ linear: UInt32) throws(Fault) -> BlockPointer {
    if cpu.pointee.eip > cpu.cs.pointee.limit { throw .generalProtection() }
    let physical = UInt32(truncatingIfNeeded: try cpu.translateFetch(linear))
    if let block = cache.find(physical, codeSize: UInt32(cpu.pointee.codeSize)), keepsBlocks {
      if block.pointee.secondPage == Block.noPage { return block }
      // The second page may have been mapped elsewhere since.
      let next = (linear & 0xFFFF_F000) &+ 0x1000
      let second = UInt32(truncatingIfNeeded: try cpu.translateFetch(next))
      if second == block.pointee.secondPage { return block }
    }
    return try builder.build(cpu, linear: linear, physical: physical, cache: cache)
  }

  /// Executes a block, or a part of it, for an engine that runs this one's blocks.
  package func execute(_ block: BlockPointer) {
    _ = execute(block, cpu.cs.pointee.base &+ cpu.pointee.eip)
  }

  /// Executes a block, or a part of it.
  /// - Returns: the block if it was left the usual way, so that what comes next may be remembered.
  @inline(__always)
  private func execute(_ block: BlockPointer, _ linear: UInt32) -> BlockPointer? {
    if isObserved { observe(block, linear) }
    history.record(linear)
    let end = UInt64(cpu.pointee.eip) &+ UInt64(block.pointee.length)
    let lastStart = cpu.pointee.cycles &+ UInt64(block.pointee.cyclesBeforeLast)
    guard lastStart < cpu.pointee.deadline, end <= UInt64(cpu.cs.pointee.limit) &+ 1, !single else {
      let (op, leave) = executeCarefully(block)
      retire(op, leave)
      return nil
    }
    var op = block.ops
    var leave: UInt32
    while true {
      cpu.pointee.op = op
      leave = op.pointee.handler(cpu, op)
      if leave != 0 { break }
      op += 1
    }
    if leave == Leave.branched {
      cpu.pointee.cycles &+= UInt64(op.pointee.cyclesBefore) &+ UInt64(op.pointee.cycles)
      cpu.pointee.instructions &+= UInt64(op.pointee.index) &+ 1
      cpu.pointee.op = nil
      return block
    }
    retire(op, leave)
    return leave == Leave.sequential ? block : nil
  }

  @inline(never)
  private func observe(_ block: BlockPointer, _ linear: UInt32) {
    traceBlock?(linear)
    let isUser = cpu.pointee.cpl == 3
    let physical = block.pointee.physical
    cacheModel?.fetch(
      linear: linear, physical: physical,
      size: min(max(block.pointee.length, 1), 0x1000 - (physical & 0xFFF)), isUser: isUser)
  }

  /// Executes up to the deadline, the end of CS or, in single mode, one instruction.
  @inline(never)
  private func executeCarefully(_ block: BlockPointer) -> (Op, UInt32) {
    var op = block.ops
    let start = cpu.pointee.cycles
    while true {
      if start &+ UInt64(op.pointee.cyclesBefore) >= cpu.pointee.deadline {
        return (op, Leave.restart)
      }
      let end = UInt64(cpu.pointee.eip) &+ UInt64(op.pointee.endOffset)
      if op.pointee.startOffset != op.pointee.endOffset, end > UInt64(cpu.cs.pointee.limit) &+ 1 {
        return (op, raise(cpu, .generalProtection()))
      }
      cpu.pointee.op = op
      let leave = op.pointee.handler(cpu, op)
      if leave != 0 { return (op, leave) }
      if single { return (op, UInt32(STOP_ATTENTION.rawValue)) }
      op += 1
    }
  }

  /// Accounts for the instructions of a block up to `op` and moves EIP unless a branch has.
  @inline(never)
  package func retire(_ op: Op, _ leave: UInt32) {
    let o = op.pointee
    var completed = UInt64(o.index)
    cpu.pointee.cycles &+= UInt64(o.cyclesBefore)
    if leave & (Leave.branched | Leave.sequential) != 0 {
      if leave & Leave.branched != 0 {
        completed &+= 1
        cpu.pointee.cycles &+= UInt64(o.cycles)
      } else {
        cpu.pointee.eip &+= UInt32(o.startOffset)
      }
    } else if leave & (Leave.fault | Leave.restart) == 0 {
      completed &+= 1
      cpu.pointee.cycles &+= UInt64(o.cycles)
      cpu.pointee.eip &+= UInt32(o.endOffset)
    } else {
      cpu.pointee.eip &+= UInt32(o.startOffset)
    }
    // An iteration of a repeated string instruction is stepped like an instruction, but instruction
    // breakpoints watch the first one only. SDM vol. 3, 17.3.1.1.
    let iterated = single && leave & Leave.restart != 0 && cpu.pointee.op != nil
    if iterated { cpu.pointee.eflags |= EFLAGS.rf }
    cpu.pointee.op = nil
    cpu.pointee.instructions &+= completed
    if leave & Leave.fault != 0 { deliverPendingFault() }
    if single { finishSingle(completed: iterated || completed != 0 && !op.entersHandler(leave)) }
  }

  // MARK: The boundary between instructions

  package func deliver(_ fault: Fault) {
    _ = raise(cpu, fault)
    deliverPendingFault()
  }

  @inline(never)
  private func deliverPendingFault() {
    charge(builder.timing.exceptionCycles)
    cpu.deliverFault()
  }

  /// Time that belongs to no instruction; at least a cycle, so that endless faults meet the deadline.
  private func charge(_ cycles: UInt32) {
    cpu.pointee.cycles &+= UInt64(cycles)
  }

  /// After an instruction that ran alone: the single-step trap of TF as it was before the instruction. There
  /// is none after a load of SS. SDM vol. 3, 6.8.3.
  private func finishSingle(completed: Bool) {
    single = false
    if stepping && completed && cpu.pointee.shadow != InterruptShadow.stackSegment {
      cpu.pointee.debugTriggered |= 1 << 14  // DR6.BS
      cpu.requestAttention()
    }
    stepping = false
  }
  private var stepping = false

  /// Looks at everything that can happen between two instructions, in the order of SDM vol. 3, table 6-2.
  @inline(never)
  package func attend() -> Exit? {
    let stop = cpu.pointee.stop
    cpu.pointee.stop = 0
    if stop & UInt32(STOP_SHUTDOWN.rawValue) != 0 { return .shutdown }
    if stop & UInt32(STOP_EXIT.rawValue) != 0 {
      cpu.requestAttention()
      return .stopped
    }
    let shadowed = cpu.pointee.shadow != 0
    let debugInhibited = cpu.pointee.shadow == InterruptShadow.stackSegment
    if cpu.pointee.debugTriggered != 0, !debugInhibited {
      charge(builder.timing.exceptionCycles)
      cpu.finishDebugTraps(singleStep: false)
    }
    if !shadowed { acceptInterrupt() }
    if cpu.pointee.halted != 0 {
      cpu.requestAttention()
      return .halted
    }
    cpu.pointee.shadow = 0
    let resume = cpu.pointee.eflags & EFLAGS.rf != 0
    let breakpoints = cpu.codeBreakpointsArmed
    if breakpoints, !resume, !debugInhibited, cpu.debugFaultBeforeInstruction() {
      charge(builder.timing.exceptionCycles)
      cpu.requestAttention()
      return nil
    }
    cpu.pointee.eflags &= ~EFLAGS.rf
    stepping = cpu.pointee.eflags & EFLAGS.tf != 0
    single = stepping || shadowed || resume || breakpoints
    if single { cpu.requestAttention() }
    return nil
  }

  private func acceptInterrupt() {
    if processor.holdsInterrupts { return }
    if cpu.pointee.nmiPending != 0, cpu.pointee.nmiBlocked == 0 {
      cpu.pointee.nmiPending = 0
      cpu.pointee.nmiBlocked = 1
      cpu.pointee.halted = 0
      charge(builder.timing.exceptionCycles)
      cpu.deliverExternalInterrupt(vector: 2)
    }
    if cpu.pointee.interruptLine != 0, cpu.pointee.eflags & EFLAGS.if != 0,
      let controller = processor.interruptController
    {
      cpu.pointee.halted = 0
      charge(builder.timing.exceptionCycles)
      cpu.deliverExternalInterrupt(vector: controller.acknowledge())
    }
  }
}
