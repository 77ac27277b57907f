import Glibc
import Host

/// For every linear EIP the position of its translation, 4 bytes each, 0 = none; one table for ring 3, one for
/// the others. Address space is reserved for all 2^32 entries, memory is taken only where code is.
final class JumpTables {
  private let supervisor: UnsafeMutablePointer<UInt32>
  private let user: UnsafeMutablePointer<UInt32>
  /// Linear pages with entries, and whether their mapping is global.
  private var supervisorPages: [UInt32: Bool] = [:]
  private var userPages: [UInt32: Bool] = [:]

  private static let size = 4 << 32
  /// Pages of entries that have taken memory from the host since it was given back: what was emptied keeps it.
  private var touched: Set<UInt64> = []
  /// Each takes 16 KiB.
  private static let maximumTouched = 2048

  init() throws(HostError) {
    func reserve() throws(HostError) -> UnsafeMutablePointer<UInt32> {
      guard
        let p = mmap(
          nil, Self.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
          -1, 0), p != MAP_FAILED
      else { throw HostError("reserve the jump tables") }
      return p.bindMemory(to: UInt32.self, capacity: Self.size / 4)
    }
    supervisor = try reserve()
    user = try reserve()
  }

  deinit {
    munmap(supervisor, Self.size)
    munmap(user, Self.size)
  }

  func address(user isUser: Bool) -> UInt64 {
    UInt64(UInt(bitPattern: isUser ? user : supervisor))
  }

  func set(_ t: Translation, user isUser: Bool) {
    let page = t.eip & 0xFFFF_F000
    if touched.insert(UInt64(page) | (isUser ? 1 : 0)).inserted, touched.count > Self.maximumTouched
    {
      giveBack()
    }
    if isUser {
      user[Int(t.eip)] = UInt32(t.entry)
      if userPages[page] == nil { userPages[page] = t.isGlobal }
    } else {
      supervisor[Int(t.eip)] = UInt32(t.entry)
      if supervisorPages[page] == nil { supervisorPages[page] = t.isGlobal }
    }
  }

  /// Empties all entries, which costs a look-up each, and gives their memory back to the host.
  private func giveBack() {
    madvise(supervisor, Self.size, MADV_DONTNEED)
    madvise(user, Self.size, MADV_DONTNEED)
    touched.removeAll(keepingCapacity: true)
  }

  func remove(_ t: Translation) {
    // Reading an entry that was never set would take a page of memory for nothing.
    let page = t.eip & 0xFFFF_F000
    if userPages[page] != nil, user[Int(t.eip)] == UInt32(t.entry) { user[Int(t.eip)] = 0 }
    if supervisorPages[page] != nil, supervisor[Int(t.eip)] == UInt32(t.entry) {
      supervisor[Int(t.eip)] = 0
    }
  }

  /// Empties the entries of pages that are not global, or of all.
  func clear(includingGlobal: Bool) {
    clear(&userPages, user, includingGlobal)
    clear(&supervisorPages, supervisor, includingGlobal)
  }

  private func clear(
    _ pages: inout [UInt32: Bool], _ table: UnsafeMutablePointer<UInt32>, _ includingGlobal: Bool
  ) {
    for (page, isGlobal) in pages where includingGlobal || !isGlobal {
      memset(table + Int(page), 0, 4096 * 4)
      pages[page] = nil
    }
  }

  /// Empties the entries of one page.
  /// - Returns: whether jumps may have been linked to them for good.
  func clear(page: UInt32) -> Bool {
    let wasGlobal = supervisorPages[page] == true || userPages[page] == true
    if userPages.removeValue(forKey: page) != nil { memset(user + Int(page), 0, 4096 * 4) }
    if supervisorPages.removeValue(forKey: page) != nil {
      memset(supervisor + Int(page), 0, 4096 * 4)
    }
    return wasGlobal
  }
}
