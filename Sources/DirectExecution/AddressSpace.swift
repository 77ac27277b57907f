import CHost
import CPU
import Host
import Memory

/// What a page is mapped as in a sandbox. It is never writable and executable at once, so that what it
/// executes is what has been looked at.
struct DirectPage: Equatable {
  var physicalPage: UInt32
  /// Where it lies in the memory file.
  var offset: Int
  var writable: Bool
  var executable: Bool
  var global: Bool
  /// The page that follows, if its beginning has been looked at too: the last instruction may go on there.
  var following: UInt32?
  /// Whether it is executable because breakpoints stop what would show the host.
  var isGuarded = false

  var protection: UInt32 { 1 | (writable ? 2 : 0) | (executable ? 4 : 0) }
}

/// A guest address space at ring 3 and the sandbox process that shows it.
final class AddressSpace {
  /// CR3.
  var root: UInt32
  var sandbox: Sandbox
  var segments: HostSegments
  var lastUse: UInt64 = 0
  /// Whether entries that are not global may be out of date.
  var needsCheck = false
  /// A page fault that the guest's kernel is seeing to.
  var awaited: (linear: UInt32, access: Access)?
  private(set) var pages: [UInt32: DirectPage] = [:]
  /// Where breakpoints are set, by linear page (`Guards.swift`).
  var guards: [UInt32: [UInt32]] = [:]
  /// Whether the host does not set any.
  var hasNoBreakpoints = false
  /// Linear pages that were mapped writable, by physical page; perhaps no more.
  private var writers = ReverseMappings()
  /// Linear pages that were mapped executable because of what is in a physical page; perhaps no more.
  private var executors = ReverseMappings()
  /// How often a writable page has become executable.
  private var flips: [UInt32: UInt8] = [:]
  /// Pages whose code was found unfit for direct execution, where they were, and how often that was found.
  private var unfit: [UInt32: (physicalPage: UInt32, traps: Int)] = [:]

  /// Time of execution since code was last found unfit.
  var nanosecondsSinceCode: UInt64 = 0
  /// How often that has come soon after the time before.
  private var strikes: UInt64 = 0
  /// How often in a row it has stayed in its page.
  private var stays: UInt64 = 0

  private let cpu: CPU
  let memory: PhysicalMemory
  private static let flipLimit: UInt8 = 32
  /// The host maps nothing below this address (vm.mmap_min_addr).
  private static let lowestPage: UInt32 = {
    let text = HostFile.read("/proc/sys/vm/mmap_min_addr", limit: 32) ?? []
    let digits = text.prefix { (48...57).contains($0) }
    return UInt32(String(decoding: digits, as: UTF8.self)).map { ($0 &+ 4095) & ~4095 } ?? 0x10000
  }()
  /// Pages that are mapped together when one is missing.
  private static let aroundPages: UInt32 = 16
  /// Pages that follow them in both memories and cost little more: at first, and at most, after twice as many each
  /// time that the first page behind them is missing next.
  private static let extraPages: UInt32 = 240
  private static let mostExtraPages: UInt32 = 1008
  /// The page behind those that were mapped last, and how many may follow it.
  private var sequel: (page: UInt32, extra: UInt32) = (0, extraPages)

  init(root: UInt32, sandbox: consuming Sandbox, cpu: CPU, names: SelectorNames) {
    self.root = root
    self.sandbox = sandbox
    self.cpu = cpu
    segments = HostSegments(names: names)
    memory = cpu.memory
  }

  // MARK: Mapping

  enum Access { case read, write, fetch }

  /// Whether a fetch from the page of `linear` has failed before, so that there is no point in trying.
  func isUnfit(_ linear: UInt32) -> Bool { unfit[linear & 0xFFFF_F000] != nil }

  func markUnfit(_ linear: UInt32) {
    let page = linear & 0xFFFF_F000
    guard let physical = cpu.peekMapping(page, user: true)?.physicalPage else { return }
    // Without the page that follows nobody knows whether the last instruction is one to look for.
    guard physicalPage(page &+ 4096) != nil || memory.isUnfit(page: physical) else { return }
    let traps = unfit[page].map { $0.physicalPage == physical ? $0.traps : 0 } ?? 0
    unfit[page] = (physical, traps + 1)
  }

  /// Traps into a page after which breakpoints are tried, once.
  private static let trapsBeforeGuards = 4

  /// Code has been found unfit: for how many nanoseconds it is better left to another engine. If that
  /// comes often, a program uses such a page again and again, and each time costs a trap.
  func respite(leavesPage: Bool) -> UInt64 {
    strikes =
      nanosecondsSinceCode < Self.rare
      ? min(strikes + 1, Self.strikeLimit) : strikes - min(strikes, 2)
    if leavesPage || nanosecondsSinceCode >= Self.rare { stays = 0 }
    nanosecondsSinceCode = 0
    guard leavesPage else {
      // As long as it has been there, more or less.
      defer { stays = min(stays + 1, Self.stayLimit) }
      return 500 << (Self.strikeLimit + stays)
    }
    return strikes < 8 ? 0 : 500 << strikes
  }
  private static let strikeLimit: UInt64 = 12
  private static let stayLimit: UInt64 = 4
  /// Nanoseconds of execution beside which the cost of a trap is small.
  private static let rare: UInt64 = 300_000

  /// Maps the page of `linear` for an access that the guest's page tables allow, and neighbours of it.
  /// - Returns: how many pages were mapped; 0 when the access cannot succeed here.
  func map(_ linear: UInt32, for access: Access) -> Int {
    let page = linear & 0xFFFF_F000
    guard page >= Self.lowestPage else { return 0 }
    if access == .fetch, pages[page]?.writable == true {
      let count = flips[page, default: 0]
      guard count < Self.flipLimit else { return 0 }
      flips[page] = count + 1
    }
    if access == .fetch, let entry = unfit[page], entry.traps == Self.trapsBeforeGuards,
      setGuards(page, entry.physicalPage)
    {
      unfit[page] = nil
    }
    guard let rights = rights(page, for: access) else { return 0 }
    // It may be mapped like that already: guest code can claim faults that never were.
    record(page, rights)
    let first = page & ~(Self.aroundPages << 12 &- 1)
    var chosen: [UInt32] = []
    for i in 0..<Self.aroundPages {
      let neighbour = first &+ i << 12
      if neighbour != page {
        guard neighbour >= Self.lowestPage, pages[neighbour] == nil,
          let rights = neighbourRights(neighbour, of: access)
        else { continue }
        record(neighbour, rights)
      }
      chosen.append(neighbour)
    }
    sequel.extra =
      page == sequel.page ? min(sequel.extra &* 2, Self.mostExtraPages) : Self.extraPages
    extend(&chosen, first &+ Self.aroundPages << 12, for: access)
    sequel.page = chosen[chosen.count - 1] &+ 4096
    add(chosen)
    return chosen.count
  }

  /// Goes on with pages from `next` that one command maps together with the last one.
  private func extend(_ chosen: inout [UInt32], _ next: UInt32, for access: Access) {
    guard let last = chosen.last, let page = pages[last], last &+ 4096 == next else { return }
    var run = Run(last, page)
    var neighbour = next
    while neighbour >= Self.lowestPage, run.count <= sequel.extra, pages[neighbour] == nil,
      let rights = neighbourRights(neighbour, of: access), run.extend(neighbour, rights)
    {
      record(neighbour, rights)
      chosen.append(neighbour)
      neighbour &+= 4096
    }
  }

  /// Maps pages as they are recorded, in runs.
  private func add(_ chosen: [UInt32]) {
    var run: Run?
    for linear in chosen {
      // What one of them made executable may have taken the right to write from another.
      guard let page = pages[linear] else { continue }
      if run?.extend(linear, page) == true { continue }
      if let run { add(run) }
      run = Run(linear, page)
    }
    if let run { add(run) }
  }

  private func record(_ linear: UInt32, _ page: DirectPage) {
    pages[linear] = page
    if page.writable { writers.add(page.physicalPage, linear) }
    if page.executable {
      watch(page.physicalPage, linear)
      if let next = page.following { watch(next, linear) }
    }
  }

  /// What is executable must not change unseen, through whatever mapping.
  private func watch(_ physicalPage: UInt32, _ linear: UInt32) {
    executors.add(physicalPage, linear)
    if memory.markExecuted(page: physicalPage) { cpu.revokeWrites(toPhysicalPage: physicalPage) }
  }

  /// Pages that one command maps.
  private struct Run {
    var first: UInt32
    var count: UInt32 = 1
    var page: DirectPage
    init(_ first: UInt32, _ page: DirectPage) {
      self.first = first
      self.page = page
    }
    mutating func extend(_ linear: UInt32, _ next: DirectPage) -> Bool {
      guard linear == first &+ count << 12, next.protection == page.protection,
        next.offset == page.offset + Int(count) << 12
      else { return false }
      count += 1
      return true
    }
  }

  private func add(_ run: Run) {
    reserve(1)
    sandbox.add(
      StubCommand(
        operation: STUB_MAP.rawValue, protection: run.page.protection, address: UInt64(run.first),
        length: UInt64(run.count) << 12, offset: UInt64(run.page.offset)))
  }

  /// What a page must be mapped as for `access`; nil when it cannot be.
  private func rights(_ linear: UInt32, for access: Access) -> DirectPage? {
    guard let (mapping, offset) = place(linear) else { return nil }
    var page = DirectPage(mapping, offset)
    switch access {
    case .read: break
    case .write:
      guard mapping.writable else { return nil }
      memory.noteFirstWrite(mapping.physicalPage)
      memory.revokeExecution(page: mapping.physicalPage)
      guard !isWatched(mapping.physicalPage) else { return nil }
      page.writable = true
    case .fetch:
      guard mapping.executable, makeExecutable(&page, linear) else { return nil }
    }
    return page
  }

  /// What a neighbour of a page that is being mapped for `access` may be mapped as.
  private func neighbourRights(_ linear: UInt32, of access: Access) -> DirectPage? {
    guard let (mapping, offset) = place(linear) else { return nil }
    var page = DirectPage(mapping, offset)
    if mapping.writable {
      page.writable = !isWatched(mapping.physicalPage)
    } else if access == .fetch, mapping.executable {
      _ = makeExecutable(&page, linear)
    }
    return page
  }

  private func place(_ linear: UInt32) -> (PageMapping, Int)? {
    guard let mapping = cpu.peekMapping(linear, user: true),
      let offset = memory.fileOffset(ofPage: mapping.physicalPage)
    else { return nil }
    return (mapping, offset)
  }

  private func isWatched(_ physicalPage: UInt32) -> Bool {
    memory.page(physicalPage).flags & PhysicalMemory.reported != 0
  }

  private func makeExecutable(_ page: inout DirectPage, _ linear: UInt32) -> Bool {
    let next = physicalPage(linear &+ 4096)
    switch memory.directExecution(page: page.physicalPage, next: next) {
    case .refused:
      guard isGuarded(linear, page.physicalPage) else { return false }
      page.isGuarded = true
    case .allowed: break
    case .allowedBefore:
      page.following = next
      page.global = false
    }
    page.executable = true
    return true
  }

  // MARK: Invalidation

  private func reserve(_ commands: Int) {
    if sandbox.roomForCommands < commands { _ = sandbox.work() }
  }

  private func unmap(_ linear: UInt32, count: Int) {
    reserve(1)
    sandbox.add(
      StubCommand(
        operation: STUB_UNMAP.rawValue, protection: 0, address: UInt64(linear),
        length: UInt64(count) << 12, offset: 0))
  }

  func unmap(_ linear: UInt32) {
    unfit[linear] = nil
    if pages[linear &- 4096]?.following != nil { unmap(linear &- 4096) }
    guard pages.removeValue(forKey: linear) != nil else { return }
    unmap(linear, count: 1)
  }

  /// Takes back the right to write to a physical page.
  func revokeWrites(_ physicalPage: UInt32) {
    for linear in writers.remove(physicalPage) {
      guard let page = pages[linear], page.physicalPage == physicalPage, page.writable else {
        continue
      }
      pages[linear]?.writable = false
      makeReadable(linear)
    }
  }

  /// A physical page is going to change, so nothing that depends on what is in it is executable any more.
  func revokeExecution(_ physicalPage: UInt32) {
    for linear in executors.remove(physicalPage) {
      guard let page = pages[linear], page.executable,
        page.physicalPage == physicalPage || page.following == physicalPage
      else { continue }
      pages[linear]?.executable = false
      pages[linear]?.following = nil
      makeReadable(linear)
    }
  }

  private func makeReadable(_ linear: UInt32) {
    reserve(1)
    sandbox.add(
      StubCommand(
        operation: STUB_PROTECT.rawValue, protection: 1, address: UInt64(linear), length: 4096,
        offset: 0))
  }

  func unmapAll() {
    unfit.removeAll(keepingCapacity: true)
    strikes = 0
    stays = 0
    flips.removeAll(keepingCapacity: true)
    writers.removeAll()
    executors.removeAll()
    awaited = nil
    guard !pages.isEmpty else { return }
    pages.removeAll(keepingCapacity: true)
    unmap(0, count: 1 << 20 - 1)
    unmap(0xFFFF_F000, count: 1)
  }

  private func followingIsSame(_ linear: UInt32, _ page: DirectPage) -> Bool {
    guard let next = page.following else { return true }
    return physicalPage(linear &+ 4096) == next
  }

  /// Where a page lies, whether or not it has been accessed; nil if it is absent.
  private func physicalPage(_ linear: UInt32) -> UInt32? {
    guard let physical = cpu.peekTranslate(linear), physical < 1 << 32 else { return nil }
    return UInt32(truncatingIfNeeded: physical) & 0xFFFF_F000
  }

  /// Unmaps the pages that the page tables no longer show as they are mapped; contiguous ones together.
  func check() {
    needsCheck = false
    unfit = unfit.filter {
      cpu.peekMapping($0.key, user: true)?.physicalPage == $0.value.physicalPage
    }
    if unfit.isEmpty { strikes = 0 }
    var stale: [UInt32] = []
    for (linear, page) in pages where !page.global {
      guard let now = cpu.peekMapping(linear, user: true),
        now.physicalPage == page.physicalPage, now.writable || !page.writable,
        now.executable || !page.executable, followingIsSame(linear, page)
      else {
        stale.append(linear)
        continue
      }
    }
    guard !stale.isEmpty else { return }
    stale.sort()
    var i = 0
    while i < stale.count {
      var n = 1
      while i + n < stale.count, stale[i + n] == stale[i] &+ UInt32(n) << 12 { n += 1 }
      unmap(stale[i], count: n)
      i += n
    }
    for linear in stale {
      pages.removeValue(forKey: linear)
      flips.removeValue(forKey: linear)
    }
  }
}

extension DirectPage {
  fileprivate init(_ mapping: PageMapping, _ offset: Int) {
    self.init(
      physicalPage: mapping.physicalPage, offset: offset, writable: false, executable: false,
      global: mapping.global)
  }
}
