import CHost
import CPU
import Host
import ISA
import Interpreter
import Memory

/// The block-caching same-ISA translator: hot blocks run as host code, everything else on the interpreter, with
/// which it shares decoded blocks, the rules of instruction boundaries and the handlers of instructions that it
/// does not lower.
public final class Translator: Engine, TranslationObserver {
  public let name = "translator"

  public var recentBlocks: [UInt32] { interpreter.history.addresses }

  /// Tracing shows every block, so all of them run on the interpreter while it is on.
  public var traceBlock: ((UInt32) -> Void)? {
    get { interpreter.traceBlock }
    set { interpreter.traceBlock = newValue }
  }

  /// The engine that runs cold code and single instructions.
  public let interpreter: Interpreter
  private let cpu: CPU
  private let memory: PhysicalMemory
  private let code: CodeCache
  private let windows: Windows
  private let tables: JumpTables
  private var exits = ExitStubs()
  /// Position of the first free byte of the code cache.
  private var free = 0
  private var firstFree = 0
  private var translations: [Translation] = []
  /// Instructions, by physical address, that call their handler because they kept trapping.
  private var callouts: Set<UInt32> = []
  private var traps: [UInt32: UInt32] = [:]
  /// The translations are to be thrown away before the next one runs; a block of theirs may be in the middle.
  private var flushPending = false

  /// Entries of a block before it is translated.
  private static let threshold: UInt32 = 8
  /// Traps of an instruction before it is translated again as a call-out.
  private static let trapLimit: UInt32 = 4
  /// The budget's cycles and instructions share 64 bits, 20 of them for instructions.
  private static let maximumSlice: UInt64 = 900_000
  /// Translated code stops this many cycles before the deadline, more than any block has; the interpreter does
  /// the rest. So a block whose check has destroyed dead flags runs on for an instruction at least.
  private static let slack: UInt64 = 2048

  public private(set) var statistics = TranslatorStatistics()

  /// - Parameters:
  ///   - interpreter: shares its decoded blocks; must not run by itself afterwards.
  ///   - codeCache: bytes for emitted code.
  /// - Throws: when the host lacks address space or the FSGSBASE instructions.
  public init(processor: Processor, interpreter: Interpreter, codeCache: Int = 64 << 20)
    throws(HostError)
  {
    guard switchback_has_fsgsbase() != 0 else {
      throw HostError("set the GS base: the kernel does not enable FSGSBASE", code: 0)
    }
    self.interpreter = interpreter
    cpu = processor.cpu
    memory = processor.memory
    code = try CodeCache(size: codeCache)
    windows = try Windows(cpu: cpu)
    tables = try JumpTables()
    emitStubs()
    cpu.pointee.translated.codeBase = code.address(0)
    cpu.pointee.translated.codeStart = code.address(0)
    cpu.pointee.translated.codeEnd = code.address(codeCache)
    memory.translationObserver = self
    interpreter.cache.blockDropped = { [unowned self] in kill($0) }
    interpreter.cache.allDropped = { [unowned self] in flush() }
  }

  // MARK: Running

  public func run() -> Exit {
    switchback_install_handlers(cpu)
    interpreter.startAccounting()
    defer { interpreter.account() }
    while true {
      if cpu.pointee.cycles >= cpu.pointee.deadline { return .deadline }
      if flushPending { flush() }
      if cpu.pointee.stop != 0, let exit = interpreter.attend() { return exit }
      if (cpu.pointee.cpl == 3) != interpreter.accountedUser { interpreter.account() }
      do throws(Fault) {
        let block = try interpreter.currentBlock()
        if let number = translation(for: block) {
          runTranslated(number)
        } else {
          interpreter.execute(block)
        }
      } catch {
        interpreter.deliver(error)
      }
    }
  }

  /// Whether every segment is flat, so that offsets are linear addresses, and code is 32-bit.
  private var isFlat: Bool {
    guard cpu.pointee.codeSize == 4, cpu.pointee.stackMask == .max, cpu.cs.pointee.base == 0,
      cpu.cs.pointee.limit == .max
    else { return false }
    for number in [SegmentNumber.ds, SegmentNumber.es, SegmentNumber.ss] {
      let s = cpu.segment(number).pointee
      if s.base != 0 || s.writeEnd != 1 << 32 || s.readEnd != 1 << 32 { return false }
    }
    // FS and GS may have a base, but no limit to check.
    for number in [SegmentNumber.fs, SegmentNumber.gs] {
      let s = cpu.segment(number).pointee
      if s.access & (1 << 16) == 0, s.writeEnd != 1 << 32 || s.readEnd != 1 << 32 { return false }
    }
    return cpu.pointee.tlb != cpu.pointee.slowTLB
  }

  /// The translation to run for the block at EIP, made when the block is hot; nil to interpret.
  private func translation(for block: BlockPointer) -> Int? {
    guard !interpreter.single, interpreter.traceBlock == nil, isFlat,
      cpu.pointee.cycles &+ UInt64(block.pointee.cycles) &+ Self.slack < cpu.pointee.deadline
    else { return nil }
    if block.pointee.translation != 0 {
      let number = Int(block.pointee.translation) - 1
      return translations[number].eip == cpu.pointee.eip ? number : nil
    }
    block.pointee.entries &+= 1
    guard block.pointee.entries >= Self.threshold, block.pointee.secondPage == Block.noPage else {
      return nil
    }
    return translate(block)
  }

  private func runTranslated(_ number: Int) {
    guard let base = windows.activate() else {
      return interpreter.execute(translations[number].block)
    }
    let user = cpu.pointee.cpl == 3
    cpu.pointee.translated.window = base
    cpu.pointee.translated.jumpTable = tables.address(user: user)
    let slice = min(cpu.pointee.deadline &- cpu.pointee.cycles &- Self.slack, Self.maximumSlice)
    cpu.pointee.translated.cycleEnd = cpu.pointee.cycles &+ slice
    cpu.pointee.translated.budget = slice << 20
    tables.set(translations[number], user: user)
    interpreter.history.record(translations[number].eip)
    switchback_flags_from_lazy(cpu)
    var position = translations[number].start
    statistics.entries += 1
    while true {
      let exit = switchback_enter(cpu, code.address(position))
      switch TranslatedExit(UInt32(truncatingIfNeeded: exit)) {
      case TRANSLATED_SIGNAL:
        if let next = handleSignal() {
          position = next
          continue
        }
        return
      case TRANSLATED_LEAVE:
        let t = translations[Int(cpu.pointee.translated.translation)]
        if cpu.pointee.translated.exitLeave == 0 {
          // Stopped by the budget, not by a handler.
          switchback_flags_to_lazy(cpu)
          cpu.pointee.translated.exitLeave = UInt32(LEAVE_RESTART.rawValue)
        }
        finish(t, cpu.pointee.translated.exitOp!, cpu.pointee.translated.exitLeave)
        return
      default:
        statistics.lookups += 1
        switchback_flags_to_lazy(cpu)
        if let next = follow(user: user) {
          position = next
          switchback_flags_from_lazy(cpu)
          continue
        }
        settle()
        return
      }
    }
  }

  /// Finds the translation of the block that a jump leads to, and links the jump.
  /// - Returns: where to go on, nil to return to the loop.
  private func follow(user: Bool) -> Int? {
    let link = Int(bitPattern: cpu.pointee.translated.link)
    let evictions = statistics.evictions
    guard cpu.pointee.stop == 0, cpu.cachedCodePage(cpu.pointee.eip) != nil,
      let block = try? interpreter.currentBlock()
    else { return nil }
    let now = clock
    guard block.pointee.translation != 0 || block.pointee.entries &+ 1 >= Self.threshold else {
      return nil
    }
    cpu.pointee.cycles = now
    guard let number = translation(for: block) else { return nil }
    let target = translations[number]
    tables.set(target, user: user)
    if link != 0, evictions == statistics.evictions,
      (sourcePage(ofLink: link) == target.eip & 0xFFFF_F000) || target.isGlobal
    {
      Assembler(base: code.writable, position: 0).patch(link, to: target.start)
      statistics.chained += 1
    }
    return target.start
  }

  private func sourcePage(ofLink link: Int) -> UInt32 {
    guard let number = find(link) else { return 1 }
    return translations[number].eip & 0xFFFF_F000
  }

  /// The clock as the budget tells it.
  private var clock: UInt64 {
    cpu.pointee.translated.cycleEnd
      &- UInt64(bitPattern: Int64(bitPattern: cpu.pointee.translated.budget) >> 20)
  }

  /// Brings the clock and the counters up to date after translated code has run.
  private func settle() {
    account(instructions: cpu.pointee.translated.budget & 0xF_FFFF, cycles: clock)
  }

  private func account(instructions: UInt64, cycles: UInt64) {
    cpu.pointee.cycles = cycles
    cpu.pointee.instructions &+= instructions
    statistics.instructions &+= instructions
  }

  /// Ends a run in the middle of block `t`: takes back what the block was charged in advance and lets the
  /// interpreter account for the part up to `op`.
  private func finish(_ t: Translation, _ op: Op, _ leave: UInt32) {
    let block = t.block.pointee
    let blockStart = clock &- UInt64(block.cycles)
    let instructions =
      (cpu.pointee.translated.budget & 0xF_FFFF) &- UInt64(instructionCount(t))
    account(instructions: instructions, cycles: blockStart)
    interpreter.retire(op, leave)
  }

  private func instructionCount(_ t: Translation) -> Int { t.instructions.count - 1 }

  // MARK: Signals

  /// Deals with an access that the window does not allow, or with an exception of the host CPU.
  /// - Returns: where to go on, nil when the run has ended.
  private func handleSignal() -> Int? {
    statistics.signals += 1
    let position = Int(cpu.pointee.translated.faultPC &- code.address(0))
    guard let number = find(position) else {
      fatalError("a signal in emitted code that belongs to no translation")
    }
    let t = translations[number]
    guard position >= t.instructions[0] else {
      // The flag-free check of the budget.
      cpu.pointee.eip = t.eip
      cpu.pointee.translated.budget &+= charge(t)
      settle()
      switchback_flags_to_lazy(cpu)
      return nil
    }
    let index = t.instructions.lastIndex { $0 <= position }!
    let op = t.block.ops + index
    cpu.pointee.eip = t.eip
    let isPageFault = cpu.pointee.translated.faultTrap == 14
    if isPageFault {
      let offset = cpu.pointee.translated.faultAddress &- cpu.pointee.translated.window
      let linear = UInt32(truncatingIfNeeded: offset)
      let write = cpu.pointee.translated.faultIsWrite != 0
      if offset < 1 << 32, resolve(linear, write: write) { return t.instructions[index] }
    }
    // The interpreter does what the window cannot: faults, devices, writes to code.
    switchback_flags_to_lazy(cpu)
    let blockStart = clock &- UInt64(t.block.pointee.cycles)
    cpu.pointee.cycles = blockStart
    cpu.pointee.op = op
    let leave = op.pointee.handler(cpu, op)
    cpu.pointee.op = nil
    cpu.pointee.translated.budget &-= (cpu.pointee.cycles &- blockStart) << 20
    if isPageFault { noteTrap(t, index) }
    if leave == 0, !flushPending, translations[number].isAlive, index + 1 < t.instructions.count {
      switchback_flags_from_lazy(cpu)
      return t.instructions[index + 1]
    }
    if leave == 0 {
      finish(t, op, UInt32(STOP_ATTENTION.rawValue))
    } else {
      finish(t, op, leave)
    }
    return nil
  }

  /// Walks the page tables as the access would and maps the page.
  private func resolve(_ linear: UInt32, write: Bool) -> Bool {
    let user = cpu.pointee.cpl == 3
    do throws(Fault) {
      if write {
        try cpu.probeWrite(linear, 1, user: user)
      } else {
        try cpu.probeRead(linear, 1, user: user)
      }
    } catch { return false }
    return windows.resolve(linear, write: write)
  }

  /// Counts the traps of an instruction and has its block translated again when it keeps trapping.
  private func noteTrap(_ t: Translation, _ index: Int) {
    let op = t.block.ops[index]
    let physical = t.block.pointee.physical &+ UInt32(op.startOffset)
    traps[physical, default: 0] += 1
    guard traps[physical]! >= Self.trapLimit else { return }
    traps[physical] = nil
    callouts.insert(physical)
    kill(t.block)
  }

  // MARK: Translating

  private func emitStubs() {
    var a = Assembler(base: code.writable, position: 0)
    // Position 0: an empty entry of the jump table leads here with the target in R9D.
    a.storeState(StateOffset.eip, HostRegister.r9)
    a.move(HostRegister.r8, 0)
    a.storeState64(StateOffset.link, HostRegister.r8)
    exits.leave = a.position
    a.move64(HostRegister.r9, UInt64(UInt(bitPattern: switchback_leave_address())))
    a.jump(register: HostRegister.r9)
    exits.callout = a.position
    a.move64(HostRegister.r8, UInt64(UInt(bitPattern: switchback_callout_address())))
    a.jump(register: HostRegister.r8)
    a.align(64)
    free = a.position
    firstFree = free
  }

  /// What entering a block takes off the budget.
  private func charge(_ t: Translation) -> UInt64 {
    UInt64(t.block.pointee.cycles) << 20 &- UInt64(instructionCount(t))
  }

  private func translate(_ block: BlockPointer) -> Int? {
    let count = Int(countInstructions(block))
    // 64 bytes cover the longest lowering, and as much again its stub.
    if free + count * 192 + 512 > code.size { flush() }
    guard count > 0, block.pointee.cycles < 1 << 11,
      let bytes = guestBytes(block)
    else { return nil }
    let eip = cpu.pointee.eip
    let number = translations.count
    let isGlobal = cpu.isCodePageGlobal(eip)
    var a = Assembler(base: code.writable, position: free)
    a.align(block.pointee.entries > 64 ? 64 : 16)
    let start = a.position
    let charge = Int32(block.pointee.cycles) << 20 - Int32(count)
    let check = checkPosition(block, count)
    var budgetHole: Int?
    if check == 0 {
      a.subtractBudget(charge)
      budgetHole = a.jump(if: 8)
    } else {
      a.addBudget(-charge)
      if check == nil { a.touchIfNegative() }
    }
    var lowering = Lowering(
      a: a, eip: eip, blockCycles: block.pointee.cycles, number: UInt32(number), exits: exits,
      isGlobal: isGlobal)
    var positions: [Int] = []
    var ended = false
    for index in 0..<count {
      if index == check, index > 0 {
        lowering.a.testBudget()
        budgetHole = lowering.a.jump(if: 8)
      }
      positions.append(lowering.a.position)
      let op = block.ops + index
      let next = eip &+ UInt32(op.pointee.endOffset)
      let physical = block.pointee.physical &+ UInt32(op.pointee.startOffset)
      let guest = GuestCode(
        bytes + Int(op.pointee.startOffset), length: Int(op.pointee.instruction.length))
      let flow = lowering.lower(
        op.pointee.instruction, guest, op: UInt64(UInt(bitPattern: op)), next: next,
        callout: callouts.contains(physical) || op.pointee.instruction.row == .max)
      if flow == .ended { ended = true }
    }
    positions.append(lowering.a.position)
    if !ended { lowering.exit(to: eip &+ block.pointee.length) }
    lowering.finishLinks()
    if let hole = budgetHole, let check {
      lowering.a.patch(hole, to: lowering.a.position)
      lowering.stopBefore(UInt64(UInt(bitPattern: block.ops + check)))
    }
    free = lowering.a.position
    translations.append(
      Translation(
        block: block, eip: eip, start: start, end: free, instructions: positions,
        isGlobal: isGlobal))
    block.pointee.translation = UInt32(number + 1)
    statistics.blocks += 1
    statistics.guestBytes += UInt64(block.pointee.length)
    statistics.hostBytes += UInt64(free - start)
    return number
  }

  private func countInstructions(_ block: BlockPointer) -> UInt16 {
    var op = block.ops
    while op.pointee.startOffset != op.pointee.endOffset { op += 1 }
    return op.pointee.index
  }

  /// The block's bytes in host memory; nil when they are not plain memory.
  private func guestBytes(_ block: BlockPointer) -> UnsafePointer<UInt8>? {
    let page = memory.page(block.pointee.physical)
    guard page.flags & UInt32(PAGE_READABLE.rawValue) != 0, let host = page.host else { return nil }
    return UnsafePointer(host + Int(block.pointee.physical & 0xFFF))
  }

  /// The first instruction before which the budget may be checked at the cost of the flags: one that sets them
  /// all and can neither fault nor leave the block.
  private func checkPosition(_ block: BlockPointer, _ count: Int) -> Int? {
    (0..<count).first { index in
      let i = block.ops[index].instruction
      guard i.row != .max, !i.hasMemoryOperand else { return false }
      switch i.kind {
      case .add, .sub, .cmp, .and, .or, .xor, .test, .neg: return true
      default: return false
      }
    }
  }

  // MARK: Invalidation

  /// The translation whose code holds `position`.
  private func find(_ position: Int) -> Int? {
    var low = 0
    var high = translations.count
    while low < high {
      let middle = (low + high) / 2
      if translations[middle].end <= position { low = middle + 1 } else { high = middle }
    }
    guard low < translations.count, translations[low].start <= position else { return nil }
    return low
  }

  /// Makes a translation unreachable: its first bytes lead back to the monitor.
  private func kill(_ block: BlockPointer) {
    guard block.pointee.translation != 0 else { return }
    let number = Int(block.pointee.translation) - 1
    block.pointee.translation = 0
    block.pointee.entries = Self.threshold
    translations[number].isAlive = false
    let t = translations[number]
    statistics.invalidations += 1
    tables.remove(t)
    guard free + 64 <= code.size else { return flushSoon() }
    var a = Assembler(base: code.writable, position: free)
    let stub = a.position
    a.storeState(StateOffset.eip, immediate: t.eip)
    a.move(HostRegister.r8, 0)
    a.storeState64(StateOffset.link, HostRegister.r8)
    a.jump(to: exits.leave)
    free = a.position
    var head = Assembler(base: code.writable, position: t.start)
    head.jump(to: stub)
  }

  private func flushSoon() {
    flushPending = true
    cpu.requestAttention()
  }

  /// Throws all translations away.
  private func flush() {
    flushPending = false
    statistics.evictions += 1
    for t in translations where t.isAlive { t.block.pointee.translation = 0 }
    translations.removeAll(keepingCapacity: true)
    tables.clear(includingGlobal: true)
    free = firstFree
  }

  public func translationsFlushed(includingGlobal: Bool) {
    windows.flush(includingGlobal: includingGlobal)
    tables.clear(includingGlobal: includingGlobal)
    if includingGlobal { flushSoon() }
  }

  public func translationFlushed(page linear: UInt32) {
    windows.flush(page: linear)
    if tables.clear(page: linear) { flushSoon() }
  }

  public func writesRevoked(physicalPage: UInt32) {
    windows.protect(physicalPage: physicalPage)
  }
}

/// What the translator counts.
public struct TranslatorStatistics: Sendable {
  public var blocks: UInt64 = 0
  public var guestBytes: UInt64 = 0
  public var hostBytes: UInt64 = 0
  public var evictions: UInt64 = 0
  public var invalidations: UInt64 = 0
  public var chained: UInt64 = 0
  public var lookups: UInt64 = 0
  public var entries: UInt64 = 0
  public var signals: UInt64 = 0
  public var instructions: UInt64 = 0
}
