import CPU
import Glibc
import Host
import Memory

/// For every linear EIP of an address space the position of its translation, 4 bytes each, 0 = none. Address
/// space of the host is reserved for all 2^32 entries, memory is taken only where code is.
struct JumpTable: ~Copyable {
  private let entries: UnsafeMutablePointer<UInt32>

  /// A linear page that has entries.
  private struct Page {
    var physical: UInt32
    var isGlobal: Bool
    /// The addresses whose entries have been set.
    var addresses: [UInt32] = []
  }
  private var pages: [UInt32: Page] = [:]
  /// Linear pages whose entries have taken memory from the host: what was emptied keeps it.
  private var touched: Set<UInt32> = []

  private static let size = 4 << 32

  init() throws(HostError) {
    entries = try HostMemory.reserve(
      Self.size, PROT_READ | PROT_WRITE, for: "a jump table"
    ).bindMemory(to: UInt32.self, capacity: Self.size / 4)
  }

  deinit { munmap(entries, Self.size) }

  var address: UInt64 { UInt64(UInt(bitPattern: entries)) }

  /// Pages of 16 KiB that it has taken.
  var touchedPages: Int { touched.count }

  /// - Parameter physical: the page that the code was fetched from.
  /// - Returns: whether it took memory from the host.
  mutating func set(_ t: Translation, physical: UInt32) -> Bool {
    let page = t.eip & 0xFFFF_F000
    guard entries[Int(t.eip)] != UInt32(t.entry) else { return false }
    let isNew = touched.insert(page).inserted
    entries[Int(t.eip)] = UInt32(t.entry)
    pages[page, default: Page(physical: physical, isGlobal: t.isGlobal)].addresses.append(t.eip)
    return isNew
  }

  mutating func remove(_ t: Translation) {
    // Reading an entry that was never set would take a page of memory for nothing.
    guard pages[t.eip & 0xFFFF_F000] != nil, entries[Int(t.eip)] == UInt32(t.entry) else { return }
    entries[Int(t.eip)] = 0
  }

  /// Empties the entries of one page.
  mutating func clear(page linear: UInt32) {
    guard let page = pages.removeValue(forKey: linear) else { return }
    for address in page.addresses { entries[Int(address)] = 0 }
  }

  mutating func clear() {
    for page in pages.values { for address in page.addresses { entries[Int(address)] = 0 } }
    pages.removeAll(keepingCapacity: true)
  }

  /// Empties the entries of pages that the page tables no longer show as they did.
  mutating func check(_ cpu: CPU, user: Bool, includingGlobal: Bool) {
    for (linear, page) in pages where includingGlobal || !page.isGlobal {
      if let now = cpu.peekMapping(linear, user: user), now.physicalPage == page.physical,
        now.executable, now.global == page.isGlobal
      {
        continue
      }
      clear(page: linear)
    }
  }

  /// Empties all entries, which costs a look-up each, and gives their memory back to the host.
  mutating func giveBack() {
    madvise(entries, Self.size, MADV_DONTNEED)
    pages.removeAll(keepingCapacity: true)
    touched.removeAll(keepingCapacity: true)
  }
}
