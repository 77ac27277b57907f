import CHost
import CPU
import Interpreter

extension Translator {
  /// The translation that a jump leaves whose displacement is at `position`.
  func source(ofLink position: Int) -> Int? { linkSources[position] ?? find(position) }

  /// The translation whose code holds `position`.
  func find(_ position: Int) -> Int? {
    var low = 0
    var high = translations.count
    while low < high {
      let middle = (low + high) / 2
      if translations[middle].end <= position { low = middle + 1 } else { high = middle }
    }
    guard low < translations.count, translations[low].start <= position else { return nil }
    return low
  }

  /// Makes the translations of a block unreachable: their first bytes lead to those that come after them.
  func kill(_ block: BlockPointer) {
    var next = block.pointee.translation
    guard next != 0 else { return }
    block.pointee.translation = 0
    block.pointee.entries = options.threshold
    while next != 0 {
      let number = Int(next) - 1
      next = translations[number].next
      kill(number)
    }
  }

  private func kill(_ number: Int) {
    translations[number].isAlive = false
    let t = translations[number]
    statistics.invalidations += 1
    spaces.removeEntry(t)
    guard free + 64 <= code.size else { return flushSoon() }
    var a = Assembler(base: code.writable, position: free)
    let stub = a.position
    if t.advanceBefore != 0 { a.addBudget(t.advanceBefore) }
    if t.inheritsPointers { a.storeX87Instruction(X87Pointers.behind(t)) }
    a.move(HostRegister.r9, t.eip)
    a.jump(to: exits.table)
    free = a.position
    var head = Assembler(base: code.writable, position: t.start)
    head.jump(to: stub)
    if t.startWhenReady != t.start {
      var ready = Assembler(base: code.writable, position: t.startWhenReady)
      ready.jump(to: stub)
    }
  }

  func flushSoon() {
    flushPending = true
    cpu.requestAttention()
  }

  /// Throws all translations away.
  func flush() {
    flushPending = false
    statistics.evictions += 1
    trapping.forgetIfTooMany()
    traps.removeAll(keepingCapacity: true)
    for t in translations where t.isAlive { t.block.pointee.translation = 0 }
    translations.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    crossingCount = 1
    globalCode.removeAll()
    entryChecks.removeAll(keepingCapacity: true)
    linkSources.removeAll(keepingCapacity: true)
    spaces.clearEntries()
    free = firstFree
    cpu.pointee.translated.returnStack = cpu.pointee.translated.returnStackTop
  }

  public func translationsFlushed(includingGlobal: Bool) {
    spaces.flush(includingGlobal: includingGlobal)
    if includingGlobal, globalCode.suspectAll() { cpu.requestAttention() }
  }

  public func translationFlushed(page linear: UInt32) {
    spaces.flush(page: linear)
    if globalCode.suspect(page: linear) { cpu.requestAttention() }
  }

  public func writesRevoked(physicalPage: UInt32) {
    spaces.protect(physicalPage: physicalPage)
  }
}
