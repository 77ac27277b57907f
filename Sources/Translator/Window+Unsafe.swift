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
  /// What is mapped, by linear page number: physical page and flags below, page of the memory file above.
  private let entries: UnsafeMutablePointer<UInt64>
  /// Pages that have an entry, those mapped globally apart.
  private var locals: [UInt32] = []
  private var globals: [UInt32] = []
  /// Pages of `entries` that have taken memory from the host, by linear address / 2 MiB.
  private var touched: Set<UInt32> = []
  /// Pages mapped.
  private(set) var count = 0

  private enum Flag {
    static let mapped: UInt64 = 1
    static let writable: UInt64 = 2
    static let global: UInt64 = 4
    /// Out of ring 3's reach.
    static let supervisor: UInt64 = 16
    /// In `locals` or `globals`.
    static let listed: UInt64 = 8
  }

  private static let size = 1 << 32
  private static let entriesSize = 8 << 20
  /// An access that starts below 4 GiB and ends above it must not reach anything.
  private static let guardSize = 1 << 16
  /// Contains an aligned window and what guards it on both sides.
  private static let reservedSize = 2 * size + 2 * guardSize

  init(ram descriptor: Int32) throws(HostError) {
    // Memory is taken only where pages are mapped.
    let table = try HostMemory.reserve(
      Self.entriesSize, PROT_READ | PROT_WRITE, for: "the notes of a window")
    let space: UnsafeMutableRawPointer
    do throws(HostError) {
      space = try HostMemory.reserve(Self.reservedSize, PROT_NONE, for: "a 4 GiB window")
    } catch {
      munmap(table, Self.entriesSize)
      throw error
    }
    entries = table.bindMemory(to: UInt64.self, capacity: 1 << 20)
    reservation = space
    let first = UInt64(UInt(bitPattern: space)) + UInt64(Self.guardSize)
    base = (first + 0xFFFF_FFFF) & ~0xFFFF_FFFF
    self.descriptor = descriptor
  }

  deinit {
    munmap(reservation, Self.reservedSize)
    munmap(entries, Self.entriesSize)
  }

  private func host(_ linear: UInt32) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(bitPattern: UInt(base) + UInt(linear)).unsafelyUnwrapped
  }

  /// Whether the page of `linear` is mapped writable.
  func isWritable(_ linear: UInt32) -> Bool { entries[Int(linear >> 12)] & Flag.writable != 0 }

  /// The physical page mapped at `linear`; nil if there is none.
  func physicalPage(_ linear: UInt32) -> UInt32? {
    let entry = entries[Int(linear >> 12)]
    return entry & Flag.mapped != 0 ? UInt32(truncatingIfNeeded: entry) & 0xFFFF_F000 : nil
  }

  /// Pages of 4 KiB that the notes of what is mapped take.
  var touchedPages: Int { touched.count }

  /// Every mapped page, as (linear, physical).
  func forEachPage(_ body: (UInt32, UInt32) -> Void) {
    for linear in locals { if let physical = physicalPage(linear) { body(linear, physical) } }
    for linear in globals { if let physical = physicalPage(linear) { body(linear, physical) } }
  }

  // MARK: Mapping

  /// Maps `count` pages from `linear` on, contiguous in physical memory and in the memory file.
  mutating func map(_ linear: UInt32, _ mapping: PageMapping, at offset: Int, count: UInt32) -> Bool
  {
    let protection = mapping.writable ? PROT_READ | PROT_WRITE : PROT_READ
    let result = mmap(
      host(linear), Int(count) << 12, protection, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
      descriptor, off_t(offset))
    guard result != MAP_FAILED else { return false }
    let flags =
      Flag.mapped | Flag.listed | (mapping.writable ? Flag.writable : 0)
      | (mapping.global ? Flag.global : 0) | (mapping.user ? 0 : Flag.supervisor)
    for i in 0..<count {
      note(linear &+ i << 12, mapping.physicalPage &+ i << 12, flags, offset >> 12 + Int(i))
    }
    return true
  }

  private mutating func note(_ linear: UInt32, _ physical: UInt32, _ flags: UInt64, _ page: Int) {
    let old = entries[Int(linear >> 12)]
    if old == 0 { touched.insert(linear >> 21) }
    if old & Flag.mapped == 0 { count += 1 }
    if old & Flag.listed == 0 || old & Flag.global != flags & Flag.global {
      if flags & Flag.global != 0 { globals.append(linear) } else { locals.append(linear) }
    }
    entries[Int(linear >> 12)] = UInt64(page) << 32 | UInt64(physical) | flags
  }

  mutating func unmap(_ linear: UInt32) {
    guard forget(linear) else { return }
    clear(linear, count: 1)
  }

  /// - Returns: whether it was mapped.
  private mutating func forget(_ linear: UInt32) -> Bool {
    let entry = entries[Int(linear >> 12)]
    guard entry & Flag.mapped != 0 else { return false }
    entries[Int(linear >> 12)] = entry & (Flag.listed | Flag.global)
    count -= 1
    return true
  }

  private func clear(_ linear: UInt32, count: Int) {
    _ = mmap(
      host(linear), count << 12, PROT_NONE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0)
  }

  mutating func protect(_ linear: UInt32) {
    guard isWritable(linear) else { return }
    entries[Int(linear >> 12)] &= ~Flag.writable
    mprotect(host(linear), 4096, PROT_READ)
  }

  mutating func unmapAll() {
    guard !locals.isEmpty || !globals.isEmpty else { return }
    // They are 0 when they come back.
    madvise(entries, Self.entriesSize, MADV_DONTNEED)
    touched.removeAll(keepingCapacity: true)
    locals.removeAll(keepingCapacity: true)
    globals.removeAll(keepingCapacity: true)
    count = 0
    clear(0, count: Self.size >> 12)
  }

  // MARK: Checking

  /// Unmaps the pages that the page tables no longer show as they are mapped; contiguous ones together.
  /// - Parameter includingGlobal: whether global pages, and the physical memory map, may have changed as well.
  /// - Returns: how many of them are out of ring 3's reach.
  mutating func check(_ cpu: CPU, user: Bool, includingGlobal: Bool) -> Int {
    var stale: [UInt32] = []
    var lost = 0
    locals = check(locals, false, cpu, user, &stale, &lost)
    if includingGlobal { globals = check(globals, true, cpu, user, &stale, &lost) }
    stale.sort()
    var i = 0
    while i < stale.count {
      var n = 1
      while i + n < stale.count, stale[i + n] == stale[i] &+ UInt32(n) << 12 { n += 1 }
      clear(stale[i], count: n)
      i += n
    }
    return lost
  }

  /// - Returns: the pages that stay mapped.
  private mutating func check(
    _ list: [UInt32], _ areGlobal: Bool, _ cpu: CPU, _ user: Bool, _ stale: inout [UInt32],
    _ lost: inout Int
  ) -> [UInt32] {
    list.filter { linear in
      let entry = entries[Int(linear >> 12)]
      // It may have come to be listed in the other list.
      guard (entry & Flag.global != 0) == areGlobal else { return false }
      guard entry & Flag.mapped != 0 else {
        entries[Int(linear >> 12)] = 0
        return false
      }
      if let now = cpu.peekMapping(linear, user: user),
        now.physicalPage == UInt32(truncatingIfNeeded: entry) & 0xFFFF_F000,
        now.global == areGlobal, now.writable || entry & Flag.writable == 0,
        cpu.memory.fileOffset(ofPage: now.physicalPage) == Int(entry >> 32) << 12
      {
        return true
      }
      if entry & Flag.supervisor != 0 { lost += 1 }
      _ = forget(linear)
      entries[Int(linear >> 12)] = 0
      stale.append(linear)
      return false
    }
  }
}
