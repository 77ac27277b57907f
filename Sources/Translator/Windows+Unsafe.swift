import CHost
import Glibc
import Host
import Memory

/// 4 GiB of host address space in which linear address L of the guest lies at `base + L`: guest RAM mapped
/// page by page as the guest's page tables say, with the host's MMU as the TLB. What is not mapped, or not
/// writable, raises a signal.
struct Window: ~Copyable {
  /// Host address of linear address 0, a multiple of 4 GiB.
  let base: UInt64
  private let reservation: UnsafeMutableRawPointer
  private let descriptor: Int32
  /// What is mapped, by linear page.
  private(set) var pages: [UInt32: PageMapping] = [:]
  /// Whether entries that are not global may be out of date.
  var needsCheck = false

  private static let size = 1 << 32
  /// An access that starts below 4 GiB and ends above it must not reach anything.
  private static let guardSize = 1 << 16
  /// Contains an aligned window and what guards it on both sides.
  private static let reservedSize = 2 * size + 2 * guardSize

  init(ram descriptor: Int32) throws(HostError) {
    reservation = try Self.reserve()
    let first = UInt64(UInt(bitPattern: reservation)) + UInt64(Self.guardSize)
    base = (first + 0xFFFF_FFFF) & ~0xFFFF_FFFF
    self.descriptor = descriptor
  }

  private static func reserve() throws(HostError) -> UnsafeMutableRawPointer {
    guard
      let view = mmap(
        nil, reservedSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      view != MAP_FAILED
    else { throw HostError("reserve a 4 GiB window") }
    return view
  }

  deinit { munmap(reservation, Self.reservedSize) }

  private func host(_ linear: UInt32) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(bitPattern: UInt(base) + UInt(linear)).unsafelyUnwrapped
  }

  /// Maps `count` pages from `linear` on, contiguous in physical memory and in the memory file.
  mutating func map(_ linear: UInt32, _ mapping: PageMapping, at offset: Int, count: UInt32) -> Bool
  {
    let protection = mapping.writable ? PROT_READ | PROT_WRITE : PROT_READ
    let result = mmap(
      host(linear), Int(count) << 12, protection, MAP_SHARED | MAP_FIXED, descriptor,
      off_t(offset))
    guard result != MAP_FAILED else { return false }
    for i in 0..<count {
      var page = mapping
      page.physicalPage &+= i << 12
      pages[linear &+ i << 12] = page
    }
    return true
  }

  mutating func unmap(_ linear: UInt32) {
    guard pages.removeValue(forKey: linear) != nil else { return }
    clear(linear, count: 1)
  }

  private func clear(_ linear: UInt32, count: Int) {
    _ = mmap(
      host(linear), count << 12, PROT_NONE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0)
  }

  mutating func protect(_ linear: UInt32) {
    guard pages[linear]?.writable == true else { return }
    pages[linear]?.writable = false
    mprotect(host(linear), 4096, PROT_READ)
  }

  mutating func unmapAll() {
    guard !pages.isEmpty else { return }
    pages.removeAll(keepingCapacity: true)
    clear(0, count: Self.size >> 12)
  }

  /// Unmaps the pages that the page tables no longer show as they are mapped; contiguous ones together.
  mutating func check(_ cpu: CPU, user: Bool) {
    needsCheck = false
    var stale: [UInt32] = []
    for (linear, mapping) in pages where !mapping.global {
      guard let now = cpu.peekMapping(linear, user: user),
        now.physicalPage == mapping.physicalPage, now.writable || !mapping.writable
      else {
        stale.append(linear)
        continue
      }
    }
    stale.sort()
    var i = 0
    while i < stale.count {
      var n = 1
      while i + n < stale.count, stale[i + n] == stale[i] &+ UInt32(n) << 12 { n += 1 }
      clear(stale[i], count: n)
      i += n
    }
    for linear in stale { pages.removeValue(forKey: linear) }
  }
}

/// The windows: one for ring 0, and one per guest address space for ring 3.
final class Windows {
  private let cpu: CPU
  private let memory: PhysicalMemory
  private var list: [Space] = []
  private let kernel: Space
  private var tick: UInt64 = 0
  /// Linear pages by the physical page they show, to find what must be protected.
  private var users: [UInt32: Set<UInt32>] = [:]

  /// Additions to `users` since they were last put in order.
  private var remembered = 0

  private(set) var mapped: UInt64 = 0
  private(set) var flushes: UInt64 = 0

  private static let maximumSpaces = 24
  /// The host allows 65,530 mappings a process; each page can cost up to two.
  private static let maximumPages = 24_000

  private final class Space {
    var window: Window
    let user: Bool
    var root: UInt32 = 0
    var lastUse: UInt64 = 0
    init(_ window: consuming Window, user: Bool) {
      self.window = window
      self.user = user
    }
  }

  init(cpu: CPU) throws(HostError) {
    self.cpu = cpu
    memory = cpu.memory
    kernel = Space(try Window(ram: memory.ramDescriptor), user: false)
  }

  /// The space for the current privilege level and address space.
  private func current() -> Space? {
    guard cpu.pointee.cpl == 3 else { return kernel }
    let root = cpu.pointee.cr3
    tick += 1
    if let space = list.first(where: { $0.root == root }) {
      space.lastUse = tick
      return space
    }
    if list.count < Self.maximumSpaces, let window = try? Window(ram: memory.ramDescriptor) {
      let space = Space(window, user: true)
      list.append(space)
    }
    guard let space = list.min(by: { $0.lastUse < $1.lastUse }) else { return nil }
    space.window.unmapAll()
    space.root = root
    space.lastUse = tick
    return space
  }

  /// Makes the window for the current state valid.
  /// - Returns: its base, nil when the host has no room.
  func activate() -> UInt64? {
    guard let space = current() else { return nil }
    if space.window.needsCheck { space.window.check(cpu, user: space.user) }
    return space.window.base
  }

  /// Maps the page of `linear` as the page tables say after the access has been walked.
  /// - Returns: whether the access can now succeed in the window.
  func resolve(_ linear: UInt32, write: Bool) -> Bool {
    guard let space = current() else { return false }
    let page = linear & 0xFFFF_F000
    guard var mapping = cpu.peekMapping(page, user: space.user),
      let offset = memory.fileOffset(ofPage: mapping.physicalPage)
    else { return false }
    if write && mapping.writable { memory.noteFirstWrite(mapping.physicalPage) }
    if isWatched(mapping.physicalPage) { mapping.writable = false }
    if write && !mapping.writable { return false }
    if total > Self.maximumPages { unmapAll() }
    var count: UInt32 = 1
    if mapping.global || cpu.pointee.cr0 & 0x8000_0000 == 0 {
      // Fault-around: neighbours that continue the run with the same rights.
      while count < 16, let next = extend(space, page, mapping, at: offset, by: count) {
        _ = next
        count += 1
      }
    }
    guard space.window.map(page, mapping, at: offset, count: count) else {
      unmapAll()
      return false
    }
    for i in 0..<count {
      users[mapping.physicalPage &+ i << 12, default: []].insert(page &+ i << 12)
    }
    remembered += Int(count)
    if remembered > 4 * Self.maximumPages { rememberUsers() }
    mapped += UInt64(count)
    return true
  }

  /// Forgets who showed a page once and does no longer.
  private func rememberUsers() {
    users.removeAll()
    remembered = 0
    for space in list + [kernel] {
      for (linear, mapping) in space.window.pages {
        users[mapping.physicalPage, default: []].insert(linear)
        remembered += 1
      }
    }
  }

  private func extend(
    _ space: Space, _ page: UInt32, _ mapping: PageMapping, at offset: Int, by count: UInt32
  ) -> PageMapping? {
    let linear = page &+ count << 12
    guard linear > page, space.window.pages[linear]?.writable != true,
      var next = cpu.peekMapping(linear, user: space.user),
      memory.fileOffset(ofPage: next.physicalPage) == offset + Int(count) << 12
    else { return nil }
    if isWatched(next.physicalPage) { next.writable = false }
    guard next.physicalPage == mapping.physicalPage &+ count << 12,
      next.writable == mapping.writable, next.global == mapping.global
    else { return nil }
    return next
  }

  private var total: Int { list.reduce(kernel.window.pages.count) { $0 + $1.window.pages.count } }

  /// Whether writes must be seen.
  private func isWatched(_ physical: UInt32) -> Bool {
    memory.page(physical).flags & PhysicalMemory.reported != 0
  }

  // MARK: Invalidation

  func flush(includingGlobal: Bool) {
    flushes += 1
    if includingGlobal { return unmapAll() }
    kernel.window.needsCheck = true
    for space in list { space.window.needsCheck = true }
  }

  func flush(page linear: UInt32) {
    kernel.window.unmap(linear)
    for space in list { space.window.unmap(linear) }
  }

  func protect(physicalPage: UInt32) {
    guard let linears = users[physicalPage] else { return }
    for linear in linears {
      protect(kernel, linear, physicalPage)
      for space in list { protect(space, linear, physicalPage) }
    }
  }

  private func protect(_ space: Space, _ linear: UInt32, _ physicalPage: UInt32) {
    guard space.window.pages[linear]?.physicalPage == physicalPage else { return }
    space.window.protect(linear)
  }

  func unmapAll() {
    kernel.window.unmapAll()
    for space in list { space.window.unmapAll() }
    users.removeAll(keepingCapacity: true)
  }
}
