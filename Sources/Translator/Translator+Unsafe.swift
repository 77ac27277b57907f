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

  /// Told of the blocks that run on the interpreter.
  public var traceBlock: ((UInt32) -> Void)? {
    get { interpreter.traceBlock }
    set { interpreter.traceBlock = newValue }
  }

  /// Told of each block that is translated when not nil.
  public var traceTranslation: ((TranslationListing) -> Void)?

  /// Whether `run` returns after every block and blocks are neither linked nor kept from running by a near
  /// deadline: lockstep looks for a difference block by block. Not to be changed during a run.
  public var stepsBlocks = false {
    didSet { flush() }
  }

  /// Replaces the lowering of an instruction by other host code when it returns some: for tests of what finds
  /// wrong code.
  var replacement: ((Instruction) -> [UInt8]?)?

  /// The engine that runs cold code and single instructions.
  public let interpreter: Interpreter
  let cpu: CPU
  let memory: PhysicalMemory
  let code: CodeCache
  let spaces: AddressSpaces
  let returnStack: ReturnStack
  var exits = ExitStubs()
  /// Position of the first free byte of the code cache.
  var free = 0
  var firstFree = 0
  var translations: [Translation] = []
  var globalCode = GlobalCode()
  /// Places of instructions, see `Translation.firstPlace`.
  var places: [Place] = []
  /// For blocks across two pages: the `codeGeneration` in which the second page was last looked up.
  let crossings: UnsafeMutablePointer<UInt64>
  var crossingCount = 1
  static let maximumCrossings = 1 << 14
  /// Translations by the position of the check in their entry.
  var entryChecks: [Int: Int] = [:]
  /// The translations that the jumps behind `giveBackAdvances` leave, by position of the displacement.
  var linkSources: [Int: Int] = [:]
  var trapping = TrappingAccesses()
  var traps: [UInt32: UInt32] = [:]
  var coldAccesses = ColdAccesses()
  /// Room in the lists: growing copies them, and what is not used takes no memory.
  private static let usualTranslations = 1 << 16
  private static let usualPlaces = 1 << 19
  /// The translations are to be thrown away before the next one runs; a block of theirs may be in the middle.
  var flushPending = false
  let options: TranslatorOptions

  /// Traps of an instruction before it is translated again as a call-out.
  static let trapLimit: UInt32 = 8
  /// Cycles of a run at most. There are no more instructions, and what the budget's bits for them hold is more.
  static let maximumSlice: UInt64 = 14_000_000
  /// Translated code is stopped this many cycles before the deadline (`BudgetChecks.swift`); the interpreter does the
  /// rest, an instruction at least, since the check has destroyed dead flags.
  private static let usualSlack = UInt64(uncheckedLimit + checkLimit + 64)
  private var slack: UInt64 { stepsBlocks ? 0 : Self.usualSlack }

  public internal(set) var statistics = TranslatorStatistics()

  /// Whether `run` returns when ring-3 code is about to run, unless it has begun with such code.
  public var stopsAtUserCode = false

  /// Where the host's floating-point state is saved.
  private let fpuImage: UnsafeMutableRawPointer
  /// Calls of handlers by instruction row.
  let calloutCounts: UnsafeMutablePointer<UInt64>

  /// How often emitted code has called the interpreter's handlers, by mnemonic.
  public var callouts: [String: UInt64] {
    var result: [String: UInt64] = [:]
    for (index, row) in InstructionTable.shared.rows.enumerated() where calloutCounts[index] != 0 {
      result[row.mnemonic, default: 0] += calloutCounts[index]
    }
    return result
  }

  /// Whether the host has what the translator needs: the FSGSBASE instructions.
  public static var isSupported: Bool { switchback_has_fsgsbase() != 0 }

  /// - Parameters:
  ///   - interpreter: shares its decoded blocks; must not run by itself afterwards.
  /// - Throws: when the host lacks address space or the FSGSBASE instructions.
  public init(processor: Processor, interpreter: Interpreter, options: TranslatorOptions = .init())
    throws(HostError)
  {
    guard Self.isSupported else {
      throw HostError("set the GS base: the kernel does not enable FSGSBASE", code: 0)
    }
    self.interpreter = interpreter
    cpu = processor.cpu
    memory = processor.memory
    self.options = options
    code = try CodeCache(size: options.codeCache)
    spaces = try AddressSpaces(cpu: cpu)
    fpuImage = .allocate(byteCount: 512, alignment: 64)
    fpuImage.initializeMemory(as: UInt8.self, repeating: 0, count: 512)
    calloutCounts = .allocate(capacity: InstructionTable.shared.rows.count)
    calloutCounts.initialize(repeating: 0, count: InstructionTable.shared.rows.count)
    crossings = .allocate(capacity: Self.maximumCrossings)
    crossings.initialize(repeating: 0, count: Self.maximumCrossings)
    translations.reserveCapacity(Self.usualTranslations)
    places.reserveCapacity(Self.usualPlaces)
    returnStack = try ReturnStack()
    try returnStack.protect()
    emitStubs()
    returnStack.setBottom(code.address(exits.returnStackEmpty))
    cpu.pointee.translated.returnStackTop = returnStack.top
    cpu.pointee.translated.returnStackLimit = returnStack.limit
    cpu.pointee.translated.fpuImage = fpuImage
    cpu.pointee.translated.callouts = calloutCounts
    cpu.pointee.translated.codeStart = code.address(0)
    cpu.pointee.translated.codeEnd = code.address(options.codeCache)
    memory.addTranslationObserver(self)
    interpreter.cache.blockDropped = { [unowned self] in kill($0) }
    interpreter.cache.allDropped = { [unowned self] in flush() }
  }

  deinit {
    crossings.deallocate()
    fpuImage.deallocate()
    calloutCounts.deallocate()
  }

  // MARK: Running

  /// Blocks that are decoded from now on have at most `count` instructions.
  public func limitBlocks(to count: Int) {
    interpreter.limitBlocks(to: count)
    dropDecodedCode()
  }

  /// The listing of the block at EIP, which is translated if need be; nil when it cannot be.
  public func currentListing() -> TranslationListing? {
    guard let block = try? interpreter.currentBlock(), let number = translation(for: block) else {
      return nil
    }
    return listing(number)
  }

  public func dropDecodedCode() { interpreter.dropDecodedCode() }

  public func run() -> Exit {
    switchback_install_handlers(cpu)
    defer { switchback_release_handlers() }
    interpreter.startAccounting()
    defer { interpreter.account() }
    var reportsUserCode = stopsAtUserCode && (cpu.pointee.cpl != 3 || cpu.pointee.stop != 0)
    while true {
      if cpu.pointee.cycles >= cpu.pointee.deadline { return .deadline }
      if flushPending { flush() }
      if globalCode.needsCheck { checkGlobalCode() }
      expireColdAccesses()
      expireTrappingAccesses()
      if cpu.pointee.stop != 0, let exit = interpreter.attend() { return exit }
      if stopsAtUserCode {
        if cpu.pointee.cpl != 3 {
          reportsUserCode = true
        } else if reportsUserCode && !interpreter.single {
          return .userCode
        }
      }
      if (cpu.pointee.cpl == 3) != interpreter.accountedUser { interpreter.account() }
      do throws(Fault) {
        let block = try interpreter.currentBlock()
        execute(block)
        if stepsBlocks { return cpu.pointee.cycles < cpu.pointee.deadline ? .stopped : .deadline }
      } catch {
        interpreter.deliver(error)
      }
    }
  }

  /// The translation to run for the block at EIP, made when the block is hot; nil to interpret.
  private func translation(for block: BlockPointer) -> Int? {
    guard !interpreter.single, switchback_is_flat(cpu) != 0,
      cpu.pointee.cycles &+ UInt64(block.pointee.cycles) &+ slack < cpu.pointee.deadline
    else { return nil }
    if let number = existing(block, at: cpu.pointee.eip) {
      noteCrossing(number)
      return number
    }
    block.pointee.entries &+= 1
    guard stepsBlocks || block.pointee.entries >= options.threshold else { return nil }
    let start = HostClock.nanoseconds
    defer { statistics.nanoseconds &+= HostClock.nanoseconds &- start }
    guard let number = translate(block) else { return nil }
    noteCrossing(number)
    return number
  }

  /// The translation of a block for a linear address and the current privilege level.
  func existing(_ block: BlockPointer, at eip: UInt32) -> Int? {
    let isUser = cpu.pointee.cpl == 3
    var next = block.pointee.translation
    while next != 0 {
      let number = Int(next) - 1
      if translations[number].eip == eip, translations[number].isUser == isUser { return number }
      next = translations[number].next
    }
    return nil
  }

  /// Both pages of the translation's block have just been looked up.
  private func noteCrossing(_ number: Int) {
    let crossing = translations[number].crossing
    if crossing != 0 { crossings[crossing] = cpu.pointee.codeGeneration }
  }

  private func execute(_ block: BlockPointer) {
    guard !globalCode.needsCheck, let space = spaces.activate() else {
      return interpreter.execute(block)
    }
    if space.isNew, !stepsBlocks, options.threshold > 0 {
      let before = cpu.pointee.instructions
      interpreter.execute(block)
      space.interpreted &+= cpu.pointee.instructions &- before
    } else if let number = translation(for: block) {
      runTranslated(number, space)
    } else {
      interpreter.execute(block)
    }
  }

  private func runTranslated(_ number: Int, _ space: Space) {
    cpu.pointee.translated.window = space.window.base
    cpu.pointee.translated.jumpTable = space.table.address
    let slice = min(cpu.pointee.deadline &- cpu.pointee.cycles &- slack, Self.maximumSlice)
    cpu.pointee.translated.cycleEnd = cpu.pointee.cycles &+ slice
    cpu.pointee.translated.budget = slice << Budget.shift
    cpu.pointee.translated.callsLeft =
      !coldAccesses.isEmpty
      ? ColdAccesses.callsPerLook : trapping.isEmpty ? .max : TrappingAccesses.callsPerLook
    cpu.pointee.translated.returnStack = returnStack.top
    cpu.pointee.translated.fpuRestore = 0
    guard makeEntry(number) else { return interpreter.execute(translations[number].block) }
    if !stepsBlocks { spaces.setEntry(translations[number]) }
    interpreter.history.record(translations[number].eip)
    switchback_flags_from_lazy(cpu)
    var position = translations[number].entry
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
      case TRANSLATED_REFUSED: return interpretRefused()
      default:
        statistics.lookups += 1
        switchback_flags_to_lazy(cpu)
        if let next = follow() {
          position = next
          switchback_flags_from_lazy(cpu)
          continue
        }
        statistics.misses += 1
        settle()
        return
      }
    }
  }

  /// Finds the translation of the block that a jump leads to, and links the jump.
  /// - Returns: where to go on, nil to return to the loop.
  private func follow() -> Int? {
    let link = Int(bitPattern: cpu.pointee.translated.link)
    let evictions = statistics.evictions
    guard !stepsBlocks, cpu.pointee.stop == 0, cpu.cachedCodePage(cpu.pointee.eip) != nil,
      let block = try? interpreter.currentBlock()
    else { return nil }
    let now = clock
    guard block.pointee.translation != 0 || block.pointee.entries &+ 1 >= options.threshold else {
      return nil
    }
    cpu.pointee.cycles = now
    guard let number = translation(for: block) else { return nil }
    guard makeEntry(number) else { return nil }
    let target = translations[number]
    spaces.setEntry(target)
    if link != 0, evictions == statistics.evictions,
      (sourcePage(ofLink: link) == target.eip & 0xFFFF_F000) || target.isGlobal
    {
      if let source = source(ofLink: link) {
        let t = translations[source]
        let entry = target.entry(with: t.need, unchecked: t.uncheckedAfter)
        Assembler(base: code.writable, position: 0).patch(link, to: entry)
        statistics.chained += 1
      }
    }
    return target.entry
  }

  private func sourcePage(ofLink link: Int) -> UInt32 {
    guard let number = source(ofLink: link) else { return 1 }
    return translations[number].eip & 0xFFFF_F000
  }

  /// The clock as the budget tells it.
  var clock: UInt64 {
    cpu.pointee.translated.cycleEnd
      &- UInt64(bitPattern: Int64(bitPattern: cpu.pointee.translated.budget) >> Budget.shift)
  }

  /// Brings the clock and the counters up to date after translated code has run.
  func settle() {
    account(instructions: cpu.pointee.translated.budget & Budget.instructions, cycles: clock)
  }

  func account(instructions: UInt64, cycles: UInt64) {
    cpu.pointee.cycles = cycles
    cpu.pointee.instructions &+= instructions
    statistics.instructions &+= instructions
  }

  /// Ends a run in the middle of block `t`: takes back what the block was charged in advance and lets the
  /// interpreter account for the part up to `op`.
  func finish(_ t: Translation, _ op: Op, _ leave: UInt32) {
    let block = t.block.pointee
    let blockStart = clock &- UInt64(block.cycles)
    let instructions =
      (cpu.pointee.translated.budget & Budget.instructions) &- UInt64(t.instructionCount)
    account(instructions: instructions, cycles: blockStart)
    interpreter.retire(op, leave)
  }

  /// Position of instruction `index` of a translation; its count stands for the end of the last.
  func position(_ t: Translation, _ index: Int) -> Int { Int(place(t, index).position) }

  func place(_ t: Translation, _ index: Int) -> Place { places[t.firstPlace + index] }
}
