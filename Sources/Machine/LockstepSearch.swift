import CPU
import Host
import ISA
import Memory
import Translator

/// Finds the first instruction after which two engines differ.
///
/// The translator cannot be stopped after any instruction: near a deadline the interpreter takes over. So it is
/// asked to return after every block, the other engine goes to the same cycle, and both are compared there; in
/// the block that differs, blocks are cut to one instruction. Memory is compared only in the pages that differ
/// in the end. A flag that the manual leaves undefined may differ until an instruction defines it.
struct LockstepSearch {
  private let lockstep: Lockstep
  /// Whether the second side is the one that steps.
  private let stepsSecond: Bool

  init(_ lockstep: Lockstep) {
    self.lockstep = lockstep
    stepsSecond = lockstep.sides.1 == .translator || lockstep.sides.0 != .translator
  }

  /// Both machines, the one that steps second.
  private final class Pair {
    let leader: Machine
    let other: Machine
    /// Arithmetic flags that may differ.
    var undefined: FlagSet = []

    init(leader: Machine, other: Machine) {
      self.leader = leader
      self.other = other
    }

    var cycles: UInt64 { leader.processor.cpu.pointee.cycles }

    func advance(to cycle: UInt64) {
      guard cycle > 0 else { return }
      leader.advance(to: cycle)
      other.advance(to: cycle)
    }
  }

  private func makePair() throws -> Pair {
    let (first, second) = try lockstep.makePair()
    return stepsSecond
      ? Pair(leader: second, other: first) : Pair(leader: first, other: second)
  }

  /// What differs first between two cycles, for people.
  func describe(from start: UInt64, to end: UInt64) throws -> String {
    let pair = try makePair()
    pair.advance(to: start)
    pair.advance(to: end)
    let pages = differingPages(pair.leader, pair.other)
    guard let place = try firstBlock(from: start, to: end, pages: pages) else {
      return try narrow(from: start, to: end)
    }
    return try instruction(at: place, pages: pages)
  }

  // MARK: Steps

  /// Where a block begins that ends differently.
  private struct Place {
    var cycle: UInt64
    /// Steps of the leader from that cycle on that still agree: faults and interrupts take no block.
    var instructions: Int
  }

  private func step(_ pair: Pair) {
    let executed = pair.leader.upcomingInstructions(limit: 64)
    let before = pair.leader.processor.cpu.pointee.instructions
    if pair.leader.engine is Translator {
      pair.leader.stepEngine()
    } else {
      pair.leader.advance(to: pair.cycles &+ 1)
    }
    pair.other.advance(to: pair.cycles)
    // The end takes no time.
    if pair.leader.ending != nil { pair.other.advance(to: pair.cycles &+ 1) }
    let count = Int(clamping: pair.leader.processor.cpu.pointee.instructions &- before)
    for instruction in executed.prefix(count) {
      pair.undefined.subtract(instruction.flagsWritten)
      pair.undefined.formUnion(instruction.flagsUndefined)
      if [.shl, .shr, .sar, .rol, .ror, .rcl, .rcr, .shld, .shrd].contains(instruction.kind) {
        // CF too, for counts beyond the operand's size.
        pair.undefined.formUnion([.cf, .of])
      }
    }
  }

  private func agree(_ pair: Pair, pages: [UInt32]) -> Bool {
    let a = pair.leader
    let b = pair.other
    guard a.ending == b.ending else { return false }
    if a.processorHash != b.processorHash {
      let ours = a.processor.cpu.eflags
      let theirs = b.processor.cpu.eflags
      guard ours != theirs, (ours ^ theirs) & ~pair.undefined.bits == 0 else { return false }
      a.processor.cpu.setArithmeticFlags(theirs)
      defer { a.processor.cpu.setArithmeticFlags(ours) }
      guard a.processorHash == b.processorHash else { return false }
    }
    return pages.allSatisfy { a.holdsSame(as: b, page: $0) }
  }

  private func firstBlock(from start: UInt64, to end: UInt64, pages: [UInt32]) throws -> Place? {
    let pair = try makePair()
    pair.advance(to: start)
    stepBlocks(pair.leader)
    while pair.cycles <= end, pair.leader.ending == nil {
      let before = pair.cycles
      let instructions = pair.leader.processor.cpu.pointee.instructions
      step(pair)
      guard agree(pair, pages: pages) else {
        let count = pair.leader.processor.cpu.pointee.instructions &- instructions
        return Place(cycle: before, instructions: Int(clamping: count))
      }
    }
    return nil
  }

  private func stepBlocks(_ machine: Machine, limit: Int? = nil) {
    guard let translator = machine.engine as? Translator else { return }
    if let limit { translator.limitBlocks(to: limit) }
    translator.stepsBlocks = true
  }

  // MARK: The instruction

  private func instruction(at place: Place, pages: [UInt32]) throws -> String {
    let pair = try makePair()
    pair.advance(to: place.cycle)
    stepBlocks(pair.leader, limit: 1)
    for _ in 0...max(place.instructions, 1) {
      let before = pair.other.nextInstruction()
      let listing = listing(pair.leader)
      step(pair)
      if !agree(pair, pages: pages) {
        return report(pair, executing: before, pages: pages, listing: listing)
      }
    }
    // Alone no instruction is wrong. Cut the block: the shortest one that is wrong ends with the culprit.
    var low = 1
    var high = max(place.instructions, 2)
    while high - low > 1 {
      let middle = (low + high) / 2
      if try agrees(at: place, instructions: middle, pages: pages) {
        low = middle
      } else {
        high = middle
      }
    }
    let last = try makePair()
    last.advance(to: place.cycle)
    stepBlocks(last.leader, limit: high)
    let upcoming = last.other.upcomingListing(limit: high)
    let listing = listing(last.leader)
    step(last)
    return report(
      last, executing: upcoming.last ?? "", pages: pages, listing: listing,
      context: "in a block of \(high) instructions, but not alone")
  }

  private func agrees(at place: Place, instructions: Int, pages: [UInt32]) throws -> Bool {
    let pair = try makePair()
    pair.advance(to: place.cycle)
    stepBlocks(pair.leader, limit: instructions)
    step(pair)
    return agree(pair, pages: pages)
  }

  /// What the leader will execute for its next block.
  private func listing(_ machine: Machine) -> String {
    guard let translator = machine.engine as? Translator else { return "" }
    return translator.currentListing()?.text ?? ""
  }

  // MARK: What shows only in linked code

  /// Nothing differs block by block: narrows the range in which a difference comes about.
  private func narrow(from start: UInt64, to end: UInt64) throws -> String {
    var low = start
    var high = end
    var last: Pair?
    while high > low, high - low > 5_000 {
      let middle = low + (high - low) / 2
      let pair = try makePair()
      pair.advance(to: low)
      pair.advance(to: middle)
      if lockstep.agree(pair.leader, pair.other, memory: true) {
        low = middle
      } else {
        high = middle
        last = pair
      }
    }
    let pair = try last ?? makePair()
    if last == nil {
      pair.advance(to: low)
      pair.advance(to: high)
    }
    let pages = differingPages(pair.leader, pair.other)
    return report(
      pair, executing: "something between cycles \(low) and \(high)", pages: pages, listing: "",
      context: "not block by block: what joins blocks is wrong (links, windows, counts, events)")
  }

  // MARK: The report

  private func differingPages(_ a: Machine, _ b: Machine) -> [UInt32] {
    var pages: [UInt32] = []
    for page in stride(from: 0, to: a.memory.ramSize, by: 4096) where pages.count < 256 {
      if !a.holdsSame(as: b, page: page) { pages.append(page) }
    }
    return pages
  }

  private func report(
    _ pair: Pair, executing: String, pages: [UInt32], listing: String, context: String = ""
  ) -> String {
    let a = stepsSecond ? pair.other : pair.leader
    let b = stepsSecond ? pair.leader : pair.other
    let names = (lockstep.sides.0.rawValue, lockstep.sides.1.rawValue)
    var lines = [
      "first difference after \(a.processor.cpu.pointee.instructions) instructions, executing",
      "  " + executing,
    ]
    if !context.isEmpty { lines.append("  (\(context))") }
    lines.append("register  \(names.0)  \(names.1)")
    for (x, y) in zip(a.registerList(), b.registerList()) where x.value != y.value {
      lines.append("  \(x.name): \(x.value)  \(y.value)")
    }
    if a.ending != b.ending {
      lines.append(
        "  ending: \(a.ending?.description ?? "running")  \(b.ending?.description ?? "running")")
    }
    var shown = 0
    for page in pages where shown < 16 {
      let x = a.memory.readBytes(at: page, count: 4096)
      let y = b.memory.readBytes(at: page, count: 4096)
      for offset in 0..<4096 where x[offset] != y[offset] && shown < 16 {
        shown += 1
        lines.append(
          "  memory \(hexadecimal(page + UInt32(offset))): \(hexadecimal(x[offset]))  "
            + hexadecimal(y[offset]))
      }
    }
    if !listing.isEmpty { lines.append("translated:\n" + listing) }
    lines.append("\(names.0):\n\(a.dump())\(names.1):\n\(b.dump())")
    return lines.joined(separator: "\n")
  }
}

extension FlagSet {
  /// The bits in EFLAGS.
  fileprivate var bits: UInt32 {
    let all: [(FlagSet, UInt32)] = [
      (.cf, 0), (.pf, 2), (.af, 4), (.zf, 6), (.sf, 7), (.of, 11),
    ]
    return all.reduce(0) { contains($1.0) ? $0 | 1 << $1.1 : $0 }
  }
}
