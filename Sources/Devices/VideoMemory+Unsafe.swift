import Glibc

/// The bytes of a video card: memory of its own, or a part of the machine's memory file that the guest's
/// processor reaches without the card's help. Every index is checked.
public final class VideoMemory {
  /// Bytes.
  public let count: Int
  private let base: UnsafeMutableRawPointer
  private let isOwned: Bool

  /// Zeroed memory of its own.
  public init(count: Int) {
    self.count = count
    base = .allocate(byteCount: count, alignment: 4096)
    isOwned = true
    memset(base, 0, count)
  }

  /// Shared memory mapped at a page-aligned address of the host, which must outlive this object.
  public init(shared base: UnsafeMutableRawPointer, count: Int) {
    self.count = count
    self.base = base
    isOwned = false
  }

  deinit { if isOwned { base.deallocate() } }

  @inline(__always)
  subscript(index: Int) -> UInt8 {
    get {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      return base.load(fromByteOffset: index, as: UInt8.self)
    }
    set {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      base.storeBytes(of: newValue, toByteOffset: index, as: UInt8.self)
    }
  }

  /// The four bytes at `index`, little-endian.
  @inline(__always)
  func dword(_ index: Int) -> UInt32 {
    precondition(index >= 0 && index <= count - 4)
    return base.loadUnaligned(fromByteOffset: index, as: UInt32.self)
  }

  subscript(range: Range<Int>) -> [UInt8] {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    return Array(UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
  }

  func replace(at index: Int, with bytes: [UInt8]) {
    precondition(index >= 0 && bytes.count <= count && index <= count - bytes.count)
    bytes.withUnsafeBytes {
      guard let source = $0.baseAddress else { return }
      (base + index).copyMemory(from: source, byteCount: bytes.count)
    }
  }

  func clear() {
    // Shared memory is given back to the host, which hands out zeros.
    if !isOwned && madvise(base, count, MADV_REMOVE) == 0 { return }
    memset(base, 0, count)
  }
}
