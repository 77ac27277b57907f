import CHost
import CPU
import ISA
import Interpreter
import Memory

// Jumps from one translation to another.

extension Translator {
  /// Links the jumps whose targets in the same page are translated already.
  func linkKnown(_ lowering: inout Lowering) {
    if stepsBlocks { return }
    lowering.links.removeAll { link in
      guard link.kind != .table, (link.target ^ lowering.eip) & 0xFFFF_F000 == 0,
        let page = cpu.cachedCodePage(lowering.eip),
        let block = interpreter.cache.find(page | link.target & 0xFFF, codeSize: 4),
        let number = existing(block, at: link.target)
      else { return false }
      let entry = translations[number].entry(with: link.need, unchecked: link.unchecked)
      guard entry != 0 else { return false }
      lowering.a.patch(link.hole, to: entry)
      statistics.chained += 1
      return true
    }
  }

  /// Makes the entry of a translation that it was emitted without: for jumps to a block that does not check the
  /// budget, or not for its floating-point state.
  /// - Returns: whether the cache had room.
  func makeEntry(_ number: Int) -> Bool {
    let t = translations[number]
    if t.entry != 0 { return true }
    guard free + 192 <= code.size else {
      flushSoon()
      return false
    }
    var lowering = Lowering(
      a: Assembler(base: code.writable, position: free), exits: exits, isGlobal: false)
    let checksNeed = !t.need.isEmpty && t.start == t.startWhenReady
    if checksNeed {
      lowering.number = UInt32(number)
      lowering.need = t.need
      lowering.refuseFloatingPoint()
    }
    translations[number].entry = lowering.a.position
    if checksNeed { lowering.a.checkFloatingPoint(t.need) }
    if !t.isChecked {
      translations[number].readyEntry = lowering.a.position
      lowering.a.touchIfNegative()
      entryChecks[lowering.a.position - 4] = number
    }
    lowering.a.jump(to: t.start)
    free = lowering.a.position
    return true
  }
}
