/// A model of two first-level caches, a second-level cache and a TLB beside the interpreter: who misses how often, and
/// what that would cost. It sees every access of the program and the fetch of every block; page walks, DMA and the
/// processor's own table accesses are not modelled. Write-back, write-allocate, least recently used; physical tags.
/// It changes nothing that the guest can see: stalls are counted, not charged to the clock.
public final class CacheModel {
  /// One cache.
  public struct Geometry: Sendable, Equatable {
    /// Bytes; for the TLB, entries.
    public var size: UInt32
    public var ways: UInt32
    /// Bytes of a line, a power of two; for the TLB, of a page.
    public var line: UInt32
    /// Cycles that a hit costs; for the TLB, a miss.
    public var latency: UInt32
    public init(size: UInt32, ways: UInt32, line: UInt32, latency: UInt32) {
      self.size = size
      self.ways = ways
      self.line = line
      self.latency = latency
    }
    /// Whether lines and sets are powers of two and nothing is left over.
    public var isPossible: Bool {
      line >= 4 && line & (line - 1) == 0 && sets > 0 && sets & (sets - 1) == 0
        && sets * ways * line == size
    }
    var sets: UInt32 { ways > 0 && line > 0 ? size / ways / line : 0 }
  }

  public struct Configuration: Sendable, Equatable {
    /// A Pentium III's (Katmai), whose sizes CPUID leaf 2 reports.
    public var instruction = Geometry(size: 16 << 10, ways: 4, line: 32, latency: 1)
    public var data = Geometry(size: 16 << 10, ways: 4, line: 32, latency: 3)
    public var second = Geometry(size: 512 << 10, ways: 4, line: 32, latency: 18)
    public var tlb = Geometry(size: 64 << 12, ways: 4, line: 4096, latency: 20)
    /// Cycles of an access that misses everywhere.
    public var memory: UInt32 = 100
    public init() {}
  }

  /// Accesses and misses at one privilege level.
  public struct Counts: Sendable, Equatable {
    public var accesses: UInt64 = 0
    public var misses: UInt64 = 0
  }

  /// One cache's tags, most recently used first in each set.
  struct Cache {
    private let lineShift: UInt32
    private let setMask: UInt32
    private let ways: Int
    private var tags: [UInt32]
    /// Of the kernel (0) and of user code (1).
    var counts = [Counts(), Counts()]
    private static let empty = UInt32.max

    init(_ geometry: Geometry) {
      lineShift = UInt32(geometry.line.trailingZeroBitCount)
      setMask = geometry.sets &- 1
      ways = Int(geometry.ways)
      tags = [UInt32](repeating: Self.empty, count: Int(geometry.sets) * ways)
    }

    func lines(_ address: UInt32, _ size: UInt32) -> ClosedRange<UInt32> {
      let first = address >> lineShift
      return first...max(first, (address &+ (size &- 1)) >> lineShift)
    }

    /// - Returns: whether the line was there; it is now.
    mutating func access(line: UInt32, mode: Int) -> Bool {
      counts[mode].accesses &+= 1
      let start = Int(line & setMask) * ways
      var way = start
      while way < start + ways - 1, tags[way] != line { way += 1 }
      let isHit = tags[way] == line
      while way > start {
        tags[way] = tags[way - 1]
        way -= 1
      }
      tags[start] = line
      if !isHit { counts[mode].misses &+= 1 }
      return isHit
    }

    mutating func clear() { for i in tags.indices { tags[i] = Self.empty } }

    mutating func remove(line: UInt32) {
      let start = Int(line & setMask) * ways
      for way in start..<start + ways where tags[way] == line { tags[way] = Self.empty }
    }
  }

  public let configuration: Configuration
  private var instruction: Cache
  private var data: Cache
  private var second: Cache
  private var tlb: Cache
  /// Cycles that the accesses would have taken, of the kernel and of user code.
  public private(set) var stalls: [UInt64] = [0, 0]

  public init(_ configuration: Configuration) {
    self.configuration = configuration
    instruction = Cache(configuration.instruction)
    data = Cache(configuration.data)
    second = Cache(configuration.second)
    tlb = Cache(configuration.tlb)
  }

  /// A cache's counts by name, of the kernel first.
  public var counts: [(name: String, kernel: Counts, user: Counts)] {
    [("l1i", instruction), ("l1d", data), ("l2", second), ("tlb", tlb)].map {
      ($0.0, $0.1.counts[0], $0.1.counts[1])
    }
  }

  /// A read or write of `size` bytes that do not leave their page.
  public func access(linear: UInt32, physical: UInt32, size: UInt32, isUser: Bool) {
    let mode = isUser ? 1 : 0
    translate(linear, mode)
    for line in data.lines(physical, size) {
      let isHit = data.access(line: line, mode: mode)
      charge(
        isHit, configuration.data, line << UInt32(configuration.data.line.trailingZeroBitCount),
        mode)
    }
  }

  /// The fetch of `size` bytes of code that do not leave their page.
  public func fetch(linear: UInt32, physical: UInt32, size: UInt32, isUser: Bool) {
    let mode = isUser ? 1 : 0
    translate(linear, mode)
    for line in instruction.lines(physical, size) {
      let isHit = instruction.access(line: line, mode: mode)
      charge(
        isHit, configuration.instruction,
        line << UInt32(configuration.instruction.line.trailingZeroBitCount), mode)
    }
  }

  private func translate(_ linear: UInt32, _ mode: Int) {
    let page = tlb.lines(linear, 1).lowerBound
    if !tlb.access(line: page, mode: mode) { stalls[mode] &+= UInt64(configuration.tlb.latency) }
  }

  private func charge(_ isHit: Bool, _ geometry: Geometry, _ physical: UInt32, _ mode: Int) {
    stalls[mode] &+= UInt64(geometry.latency)
    guard !isHit else { return }
    let isThere = second.access(line: second.lines(physical, 1).lowerBound, mode: mode)
    stalls[mode] &+= UInt64(isThere ? configuration.second.latency : configuration.memory)
  }

  /// The guest has loaded CR3 or dropped all translations; global pages are treated as any.
  public func flushTLB() { tlb.clear() }

  /// The guest has dropped the translation of a page (INVLPG).
  public func flushTLB(page linear: UInt32) {
    tlb.remove(line: tlb.lines(linear, 1).lowerBound)
  }
}
