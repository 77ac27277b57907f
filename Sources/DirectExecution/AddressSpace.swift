import CHost
import CPU
import Host
import Memory

/// What a page is mapped as in a sandbox. It is never writable and executable at once, so that what it
/// executes is what has been looked at.
struct DirectPage: Equatable {
  var physicalPage: UInt32
  var writable: Bool
  var executable: Bool
  var global: Bool

  var protection: UInt32 { 1 | (writable ? 2 : 0) | (executable ? 4 : 0) }
}

/// A guest address space at ring 3 and the sandbox process that shows it.
final class AddressSpace {
  /// CR3.
  var root: UInt32
  var sandbox: Sandbox
  var segments = HostSegments()
  var lastUse: UInt64 = 0
  /// Whether entries that are not global may be out of date.
  var needsCheck = false
  private(set) var pages: [UInt32: DirectPage] = [:]
  /// Linear pages that were mapped writable, by physical page; perhaps no more.
  private var writers: [UInt32: [UInt32]] = [:]
  /// How often a page has changed between writable and executable.
  private var flips: [UInt32: UInt8] = [:]

  /// Pages whose code was found unfit for direct execution, as long as the mappings stay.
  private var unfit: Set<UInt32> = []

  private let cpu: CPU
  private let memory: PhysicalMemory
  private static let flipLimit: UInt8 = 32
  /// The host maps nothing below this address (vm.mmap_min_addr).
  private static let lowestPage: UInt32 = {
    let text = HostFile.read("/proc/sys/vm/mmap_min_addr", limit: 32) ?? []
    let digits = text.prefix { (48...57).contains($0) }
    return UInt32(String(decoding: digits, as: UTF8.self)).map { ($0 &+ 4095) & ~4095 } ?? 0x10000
  }()
  /// Pages that are mapped together when one is missing.
  private static let aroundPages: UInt32 = 16

  init(root: UInt32, sandbox: consuming Sandbox, cpu: CPU) {
    self.root = root
    self.sandbox = sandbox
    self.cpu = cpu
    memory = cpu.memory
  }

  // MARK: Mapping

  enum Access { case read, write, fetch }

  /// Whether a fetch from the page of `linear` has failed before, so that there is no point in trying.
  func isUnfit(_ linear: UInt32) -> Bool { unfit.contains(linear & 0xFFFF_F000) }

  func markUnfit(_ linear: UInt32) { unfit.insert(linear & 0xFFFF_F000) }

  /// Maps the page of `linear` for an access that the guest's page tables allow, and neighbours of it.
  /// - Returns: how many pages were mapped; 0 when the access cannot succeed here.
  func map(_ linear: UInt32, for access: Access) -> Int {
    let page = linear & 0xFFFF_F000
    guard page >= Self.lowestPage, let rights = rights(page, for: access) else { return 0 }
    if let old = pages[page] {
      if old == rights { return refresh(page, rights) }
      if old.writable && rights.executable || old.executable && rights.writable {
        let count = flips[page, default: 0]
        guard count < Self.flipLimit else { return 0 }
        flips[page] = count + 1
      }
    }
    reserve(Int(Self.aroundPages) + 1)
    var run = Run(page, rights)
    record(page, rights)
    var mapped = 1
    let first = page & ~(Self.aroundPages << 12 &- 1)
    for i in 0..<Self.aroundPages {
      let neighbour = first &+ i << 12
      guard neighbour != page, neighbour >= Self.lowestPage, pages[neighbour] == nil,
        let rights = self.rights(neighbour, for: nil)
      else { continue }
      record(neighbour, rights)
      mapped += 1
      if !run.extend(neighbour, rights) {
        add(run)
        run = Run(neighbour, rights)
      }
    }
    add(run)
    return mapped
  }

  private func record(_ linear: UInt32, _ page: DirectPage) {
    pages[linear] = page
    guard page.writable else { return }
    if writers[page.physicalPage]?.contains(linear) != true {
      writers[page.physicalPage, default: []].append(linear)
    }
  }

  /// A page that should be mapped already: guest code may claim faults that never were.
  private func refresh(_ page: UInt32, _ rights: DirectPage) -> Int {
    reserve(1)
    add(Run(page, rights))
    return 1
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
        next.physicalPage == page.physicalPage &+ count << 12
      else { return false }
      count += 1
      return true
    }
  }

  private func add(_ run: Run) {
    sandbox.add(
      StubCommand(
        operation: STUB_MAP.rawValue, protection: run.page.protection, address: UInt64(run.first),
        length: UInt64(run.count) << 12, offset: UInt64(run.page.physicalPage)))
  }

  /// What a page can be mapped as; nil when not at all, or not so that `access` succeeds.
  private func rights(_ page: UInt32, for access: Access?) -> DirectPage? {
    guard let mapping = cpu.peekMapping(page, user: true) else { return nil }
    let flags = memory.page(mapping.physicalPage).flags
    guard flags & UInt32(PAGE_WRITABLE.rawValue) != 0, mapping.physicalPage < memory.ramSize else {
      return nil
    }
    let isCode = flags & UInt32(PAGE_CODE.rawValue) != 0
    let writable = mapping.writable && !isCode
    var result = DirectPage(
      physicalPage: mapping.physicalPage, writable: false, executable: false,
      global: mapping.global)
    if access == .write || (access != .fetch && writable) {
      guard writable else { return nil }
      result.writable = true
      return result
    }
    result.executable =
      mapping.executable
      && memory.mayExecuteDirectly(
        page: mapping.physicalPage,
        next: cpu.peekMapping(page &+ 4096, user: true)?.physicalPage)
    return access == .fetch && !result.executable ? nil : result
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
    unfit.remove(linear)
    guard pages.removeValue(forKey: linear) != nil else { return }
    unmap(linear, count: 1)
  }

  /// Takes back the right to write to a physical page.
  func revokeWrites(_ physicalPage: UInt32) {
    for linear in writers.removeValue(forKey: physicalPage) ?? [] {
      guard let page = pages[linear], page.physicalPage == physicalPage, page.writable else {
        continue
      }
      pages[linear]?.writable = false
      reserve(1)
      sandbox.add(
        StubCommand(
          operation: STUB_PROTECT.rawValue, protection: 1, address: UInt64(linear), length: 4096,
          offset: 0))
    }
  }

  func unmapAll() {
    unfit.removeAll(keepingCapacity: true)
    flips.removeAll(keepingCapacity: true)
    writers.removeAll(keepingCapacity: true)
    guard !pages.isEmpty else { return }
    pages.removeAll(keepingCapacity: true)
    unmap(0, count: 1 << 20 - 1)
    unmap(0xFFFF_F000, count: 1)
  }

  /// Unmaps the pages that the page tables no longer show as they are mapped; contiguous ones together.
  func check() {
    needsCheck = false
    unfit.removeAll(keepingCapacity: true)
    var stale: [UInt32] = []
    for (linear, page) in pages where !page.global {
      guard let now = cpu.peekMapping(linear, user: true),
        now.physicalPage == page.physicalPage, now.writable || !page.writable,
        now.executable || !page.executable
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
