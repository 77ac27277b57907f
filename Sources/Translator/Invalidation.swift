import CHost
import CPU
import Interpreter

extension Translator {
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

  /// Makes a translation unreachable: its first bytes lead to the one that comes after it.
  func kill(_ block: BlockPointer) {
    guard block.pointee.translation != 0 else { return }
    let number = Int(block.pointee.translation) - 1
    block.pointee.translation = 0
    block.pointee.entries = options.threshold
    translations[number].isAlive = false
    let t = translations[number]
    statistics.invalidations += 1
    tables.remove(t)
    guard free + 64 <= code.size else { return flushSoon() }
    var a = Assembler(base: code.writable, position: free)
    let stub = a.position
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
    // What kept trapping may be other code by now.
    if trapping.count > Self.maximumCallouts { trapping.removeAll() }
    traps.removeAll(keepingCapacity: true)
    for t in translations where t.isAlive { t.block.pointee.translation = 0 }
    translations.removeAll(keepingCapacity: true)
    entryChecks.removeAll(keepingCapacity: true)
    tables.clear(includingGlobal: true)
    free = firstFree
    cpu.pointee.translated.returnStack = cpu.pointee.translated.returnStackTop
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
