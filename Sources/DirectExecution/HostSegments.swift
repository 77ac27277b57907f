import CHost
import CPU
import Memory

/// What selectors of the host that guest programs may have read stand for.
final class SelectorNames {
  var guest: [UInt16: UInt16] = [:]
}

/// The selectors that stand for the guest's segments in a sandbox: the host's own flat segments where those
/// will do, entries of the sandbox's local descriptor table where a segment has a base or a limit.
struct HostSegments {
  /// The host's flat 32-bit code and data segments for ring 3.
  static let flatCode: UInt16 = 0x23
  static let flatData: UInt16 = 0x2B

  private struct Entry: Equatable {
    var base: UInt32
    var limit: UInt32
    var access: UInt32
  }

  /// Entries of the local descriptor table by number.
  private var entries: [UInt16: Entry] = [:]
  /// Those that the registers of this run use.
  private var inUse: Set<UInt16> = []
  /// The host copies the whole table whenever an entry changes, so numbers stay small.
  private static let lastNumber: UInt16 = 255

  /// What the selectors of the last run stand for: host selector to guest selector.
  private(set) var meaning: [UInt16: UInt16] = [:]
  /// What they last stood for in any address space: programs keep selectors that they have read.
  private let names: SelectorNames

  init(names: SelectorNames) { self.names = names }

  /// Another run begins, all of whose six registers will be asked for.
  mutating func begin() {
    meaning.removeAll(keepingCapacity: true)
    inUse.removeAll(keepingCapacity: true)
  }

  /// The selector to load for a segment register of the guest, and the descriptor to store first if it is new.
  ///
  /// The entry has the number that it has in the guest's table, so that a program that reads the selector and
  /// drops the three lower bits, as C libraries do to give a new thread its segment, gets the right one.
  mutating func selector(_ segment: SegmentRegister, isCode: Bool) -> (UInt16, StubDescriptor?) {
    if segment.isUnusable { return (0, nil) }
    let type = segment.access & 0xF
    if segment.base == 0, segment.limit == .max, segment.isBig {
      if isCode, type & 0xE == 0xA {
        name(Self.flatCode, segment)
        return (Self.flatCode, nil)
      }
      if !isCode, type & 0xE == 2 {
        name(Self.flatData, segment)
        return (Self.flatData, nil)
      }
    }
    // The accessed bit makes no difference.
    let entry = Entry(
      base: segment.base, limit: segment.limit, access: segment.access & 0xC00E)
    let number = number(for: segment.selector, entry)
    let selector = number << 3 | 7
    name(selector, segment)
    inUse.insert(number)
    guard entries[number] != entry else { return (selector, nil) }
    entries[number] = entry
    return (selector, descriptor(number, entry))
  }

  private mutating func name(_ selector: UInt16, _ segment: SegmentRegister) {
    meaning[selector] = segment.selector
    names.guest[selector] = segment.selector
  }

  private func number(for selector: UInt16, _ entry: Entry) -> UInt16 {
    func isFree(_ number: UInt16) -> Bool {
      !inUse.contains(number)
        || entries[number] == entry && meaning[number << 3 | 7] == selector
    }
    let own = selector >> 3
    if own <= Self.lastNumber, isFree(own) { return own }
    // Six registers cannot use all.
    return (1...Self.lastNumber).first { isFree($0) }!
  }

  private func descriptor(_ number: UInt16, _ entry: Entry) -> StubDescriptor {
    let inPages = entry.limit > 0xFFFFF
    // 32-bit, contents (data, expand-down data, code), not writable or not readable, pages. Conforming code
    // makes no difference at ring 3.
    var flags: UInt32 = entry.access & (1 << 14) != 0 ? 1 : 0
    flags |= (entry.access & 8 != 0 ? 2 : (entry.access >> 2) & 1) << 1
    flags |= entry.access & 2 == 0 ? 1 << 3 : 0
    flags |= inPages ? 1 << 4 : 0
    return StubDescriptor(
      number: UInt32(number), base: entry.base,
      limit: inPages ? entry.limit >> 12 : entry.limit, flags: flags)
  }
}

extension SegmentRegister {
  fileprivate var isUnusable: Bool { access & (1 << 16) != 0 }
  fileprivate var isBig: Bool { access & (1 << 14) != 0 }
}
