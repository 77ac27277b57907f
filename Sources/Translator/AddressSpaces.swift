import CPU
import Host
import Memory

/// What translated code needs to know of a guest address space at a privilege level.
final class Space {
  var window: Window
  var table: JumpTable
  fileprivate(set) var isUser = false
  /// CR3; of no meaning for the common space of rings 0 to 2.
  fileprivate(set) var root: UInt32 = 0
  fileprivate var lastUse: UInt64 = 0
  /// Whether translations of linear addresses may be out of date; global ones too.
  fileprivate var needsCheck = false
  fileprivate var needsFullCheck = false
  /// Instructions that have been interpreted because it was new.
  var interpreted: UInt64 = 0

  /// To fill a window takes a signal for each page, some microseconds; programs that end soon never earn that
  /// back. So as many instructions are interpreted first as take about as long as filling a small program's.
  static let instructionsBeforeUse: UInt64 = 30_000

  var isNew: Bool { isUser && interpreted < Self.instructionsBeforeUse }

  fileprivate init(ram: Int32) throws(HostError) {
    window = try Window(ram: ram)
    table = try JumpTable()
  }
}

/// The spaces: one per guest address space for ring 3, kept across loads of CR3, and one for rings 0 to 2. Kernels
/// that isolate page tables (KPTI) map themselves in half of the address spaces only, and not globally: for them
/// rings 0 to 2 have a space per guest address space as well.
final class AddressSpaces {
  private let cpu: CPU
  private let memory: PhysicalMemory
  private var list: [Space] = []
  private let kernel: Space
  private var hasKernelPerRoot = false
  /// The spaces that were current last in ring 3 and, if there are several, in the others.
  private var recentUser: Space?
  private var recentKernel: Space?
  /// A page of ring 3's that the guest's kernel has been asked for.
  private var expected: UInt32?
  private var tick: UInt64 = 0
  /// Linear pages by the physical page they show, to find what must be protected.
  private var users: [UInt32: [UInt32]] = [:]
  /// Additions to `users` since they were last put in order.
  private var remembered = 0

  private static let maximumSpaces = 48
  /// Pages of the kernel's own that vanish with a load of CR3, from which it is taken to isolate page tables.
  private static let isolationLimit = 16
  /// The host allows 65,530 mappings a process; each page can cost up to two.
  private static let maximumPages = 24_000
  /// Pages of 4 KiB for notes of what is mapped, in all windows together.
  private static let maximumNotes = 4096
  /// Of jump tables; each takes 16 KiB.
  private static let maximumTouched = 2048

  init(cpu: CPU) throws(HostError) {
    self.cpu = cpu
    memory = cpu.memory
    kernel = try Space(ram: memory.ramDescriptor)
  }

  /// The space for the current privilege level and address space, up to date; nil when the host has no room.
  func activate() -> Space? {
    guard let space = current() else { return nil }
    if space.needsCheck {
      let all = space.needsFullCheck
      space.needsCheck = false
      space.needsFullCheck = false
      let lost = space.window.check(cpu, user: space.isUser, includingGlobal: all)
      if !all, lost >= Self.isolationLimit, space === kernel { hasKernelPerRoot = true }
      space.table.check(cpu, user: space.isUser, includingGlobal: all)
    }
    if let page = expected, space === recentUser {
      expected = nil
      _ = map(space, page, write: false, around: false)
    }
    return space
  }

  private func current() -> Space? {
    let isUser = cpu.pointee.cpl == 3
    guard isUser || hasKernelPerRoot else { return kernel }
    let root = cpu.pointee.cr3
    if let recent = isUser ? recentUser : recentKernel, recent.root == root { return recent }
    let space = find(root, isUser)
    if isUser { recentUser = space } else { recentKernel = space }
    return space
  }

  private func find(_ root: UInt32, _ isUser: Bool) -> Space? {
    tick += 1
    if let space = list.first(where: { $0.root == root && $0.isUser == isUser }) {
      space.lastUse = tick
      return space
    }
    if list.count < Self.maximumSpaces, let space = try? Space(ram: memory.ramDescriptor) {
      list.append(space)
    }
    guard let space = list.min(by: { $0.lastUse < $1.lastUse }) else { return nil }
    if space === recentUser { recentUser = nil }
    if space === recentKernel { recentKernel = nil }
    space.isUser = isUser
    space.window.unmapAll()
    space.table.clear()
    space.root = root
    space.lastUse = tick
    space.interpreted = 0
    return space
  }

  private func forEach(_ body: (Space) -> Void) {
    body(kernel)
    for space in list { body(space) }
  }

  // MARK: Windows

  /// What became of an access that the window did not allow.
  enum Resolution {
    /// It can succeed now. `ofUser`: a page that ring 3 may reach.
    case mapped(ofUser: Bool)
    case refused
  }

  /// Maps the page of `linear` as the page tables say after the access has been walked.
  /// - Parameter around: whether pages behind it that the program has used are mapped as well.
  func resolve(_ linear: UInt32, write: Bool, around: Bool) -> Resolution {
    guard let space = current() else { return .refused }
    return map(space, linear & 0xFFFF_F000, write: write, around: around)
  }

  /// The guest takes a page fault: what its kernel puts there is mapped when the program goes on, before it
  /// asks again.
  func expect(_ linear: UInt32) {
    if cpu.pointee.cpl == 3 { expected = linear & 0xFFFF_F000 }
  }

  private func map(_ space: Space, _ page: UInt32, write: Bool, around: Bool) -> Resolution {
    guard var mapping = cpu.peekMapping(page, user: space.isUser),
      let offset = memory.fileOffset(ofPage: mapping.physicalPage)
    else { return .refused }
    if write && mapping.writable { memory.noteFirstWrite(mapping.physicalPage) }
    if isWatched(mapping.physicalPage) { mapping.writable = false }
    if write && !mapping.writable { return .refused }
    var total = 0
    var notes = 0
    forEach {
      total += $0.window.count
      notes += $0.window.touchedPages
    }
    if total > Self.maximumPages || notes > Self.maximumNotes { unmapAll() }
    var count: UInt32 = 1
    if around || mapping.global || cpu.pointee.cr0 & 0x8000_0000 == 0 {
      // Fault-around: neighbours that continue the run with the same rights.
      while count < 16, continues(space, page, mapping, at: offset, by: count) { count += 1 }
    }
    guard space.window.map(page, mapping, at: offset, count: count) else {
      unmapAll()
      return .refused
    }
    for i in 0..<count {
      users[mapping.physicalPage &+ i << 12, default: []].append(page &+ i << 12)
    }
    remembered += Int(count)
    if remembered > 4 * Self.maximumPages { rememberUsers() }
    return .mapped(ofUser: mapping.user)
  }

  private func continues(
    _ space: Space, _ page: UInt32, _ mapping: PageMapping, at offset: Int, by count: UInt32
  ) -> Bool {
    let linear = page &+ count << 12
    guard linear > page, !space.window.isWritable(linear),
      var next = cpu.peekMapping(linear, user: space.isUser),
      memory.fileOffset(ofPage: next.physicalPage) == offset + Int(count) << 12
    else { return false }
    if isWatched(next.physicalPage) { next.writable = false }
    return next.physicalPage == mapping.physicalPage &+ count << 12
      && next.writable == mapping.writable && next.global == mapping.global
  }

  /// Forgets who showed a page once and does no longer.
  private func rememberUsers() {
    users.removeAll()
    remembered = 0
    forEach { space in
      space.window.forEachPage { linear, physical in
        users[physical, default: []].append(linear)
        remembered += 1
      }
    }
  }

  /// Whether writes must be seen.
  private func isWatched(_ physical: UInt32) -> Bool {
    memory.page(physical).flags & PhysicalMemory.reported != 0
  }

  /// Writes to a physical page must be seen from now on.
  func protect(physicalPage: UInt32) {
    guard let linears = users[physicalPage] else { return }
    for linear in linears {
      forEach { space in
        if space.window.physicalPage(linear) == physicalPage { space.window.protect(linear) }
      }
    }
  }

  private func unmapAll() {
    forEach { $0.window.unmapAll() }
    users.removeAll(keepingCapacity: true)
  }

  // MARK: Jump tables

  /// Makes the current space's code at the translation's address lead to it.
  func setEntry(_ t: Translation) {
    guard let space = current(), let page = cpu.cachedCodePage(t.eip) else { return }
    guard space.table.set(t, physical: page) else { return }
    var touched = 0
    forEach { touched += $0.table.touchedPages }
    if touched >= Self.maximumTouched { forEach { $0.table.giveBack() } }
  }

  func removeEntry(_ t: Translation) {
    forEach { if $0.isUser == t.isUser { $0.table.remove(t) } }
  }

  func clearEntries() { forEach { $0.table.clear() } }

  // MARK: Invalidation

  /// CR3 was loaded, or paging or the physical memory map has changed.
  func flush(includingGlobal: Bool) {
    forEach {
      $0.needsCheck = true
      if includingGlobal { $0.needsFullCheck = true }
    }
    if includingGlobal {
      // What pages are global may have changed.
      hasKernelPerRoot = false
    }
  }

  /// INVLPG.
  func flush(page linear: UInt32) {
    forEach {
      $0.window.unmap(linear)
      $0.table.clear(page: linear)
    }
  }
}
