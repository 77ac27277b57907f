import CHost
import CPU
import Memory

/// The selectors that stand for the guest's segments in a sandbox: the host's own flat segments where those
/// will do, entries of the sandbox's local descriptor table where a segment has a base or a limit.
struct HostSegments {
  /// The host's flat 32-bit code and data segments for ring 3.
  static let flatCode: UInt16 = 0x23
  static let flatData: UInt16 = 0x2B

  private struct Entry {
    var base: UInt32
    var limit: UInt32
    var access: UInt32
    var lastUse: UInt64
  }

  /// Entries of the local descriptor table from number 1 on.
  private var entries: [Entry] = []
  private var tick: UInt64 = 0
  private static let capacity = 48

  /// What the selectors of the last run stand for: host selector to guest selector.
  private(set) var meaning: [UInt16: UInt16] = [:]

  init() {}

  mutating func forgetMeanings() { meaning.removeAll(keepingCapacity: true) }

  /// The selector to load for a segment register of the guest, and the descriptor to store first if it is new.
  mutating func selector(_ segment: SegmentRegister, isCode: Bool) -> (UInt16, StubDescriptor?) {
    if segment.isUnusable { return (0, nil) }
    let type = segment.access & 0xF
    if segment.base == 0, segment.limit == .max, segment.isBig {
      if isCode, type & 0xE == 0xA {
        meaning[Self.flatCode] = segment.selector
        return (Self.flatCode, nil)
      }
      if !isCode, type & 0xE == 2 {
        meaning[Self.flatData] = segment.selector
        return (Self.flatData, nil)
      }
    }
    tick += 1
    // The accessed bit makes no difference.
    let access = segment.access & 0xC00E
    if let i = entries.firstIndex(where: {
      $0.base == segment.base && $0.limit == segment.limit && $0.access == access
    }) {
      entries[i].lastUse = tick
      return (named(i, segment), nil)
    }
    let new = Entry(base: segment.base, limit: segment.limit, access: access, lastUse: tick)
    let index: Int
    if entries.count < Self.capacity {
      index = entries.count
      entries.append(new)
    } else {
      // The six registers of one run are the last ones used, so none of them is replaced.
      index = entries.indices.min { entries[$0].lastUse < entries[$1].lastUse }!
      entries[index] = new
    }
    return (named(index, segment), descriptor(index, new))
  }

  private mutating func named(_ index: Int, _ segment: SegmentRegister) -> UInt16 {
    let selector = UInt16(index + 1) << 3 | 7
    meaning[selector] = segment.selector
    return selector
  }

  private func descriptor(_ index: Int, _ entry: Entry) -> StubDescriptor {
    let inPages = entry.limit > 0xFFFFF
    // 32-bit, contents (data, expand-down data, code), not writable or not readable, pages. Conforming code
    // makes no difference at ring 3.
    var flags: UInt32 = entry.access & (1 << 14) != 0 ? 1 : 0
    flags |= (entry.access & 8 != 0 ? 2 : (entry.access >> 2) & 1) << 1
    flags |= entry.access & 2 == 0 ? 1 << 3 : 0
    flags |= inPages ? 1 << 4 : 0
    return StubDescriptor(
      number: UInt32(index + 1), base: entry.base,
      limit: inPages ? entry.limit >> 12 : entry.limit, flags: flags)
  }
}

extension SegmentRegister {
  fileprivate var isUnusable: Bool { access & (1 << 16) != 0 }
  fileprivate var isBig: Bool { access & (1 << 14) != 0 }
}
