import CHost
import Glibc

/// The bytes of a video card: memory of its own, or a part of the machine's memory file that the guest's
/// processor reaches without the card's help. Every index is checked.
///
/// Sendable although it is memory: a `VideoUpdate` hands a copy to the thread that draws, and nothing writes it until that
/// is done (`FrontPanel.showUpdate`).
public final class VideoMemory: @unchecked Sendable {
  /// Bytes.
  public let count: Int
  private let base: UnsafeMutableRawPointer
  private let isOwned: Bool

  /// Zeroed memory of its own.
  public init(count: Int) {
    self.count = count
    isOwned = true
    let pages = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let pages, pages != MAP_FAILED else { fatalError("no memory for a screen") }
    base = pages
  }

  /// Shared memory mapped at a page-aligned address of the host, which must outlive this object.
  public init(shared base: UnsafeMutableRawPointer, count: Int) {
    self.count = count
    self.base = base
    isOwned = false
  }

  deinit { if isOwned { munmap(base, count) } }

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

  /// Draws pixels of four bytes (blue, green, red, unused), the first at byte `index`, on a frame.
  func draw(pixels: Int, from index: Int, on frame: inout [UInt32], at first: Int) {
    precondition(pixels >= 0 && index >= 0 && index + pixels * 4 <= count)
    precondition(first >= 0 && first + pixels <= frame.count)
    let source = base + index
    frame.withUnsafeMutableBufferPointer { frame in
      for i in 0..<pixels {
        let pixel = source.loadUnaligned(fromByteOffset: i * 4, as: UInt32.self)
        frame[first + i] =
          (pixel & 0xFF) << 16 | pixel & 0xFF00 | pixel >> 16 & 0xFF | 0xFF00_0000
      }
    }
  }

  /// Copies these bytes of another one, past the caches: another core is going to read them.
  func replace(_ range: Range<Int>, by other: VideoMemory) {
    precondition(range.lowerBound >= 0 && range.upperBound <= min(count, other.count))
    precondition(range.lowerBound % 64 == 0 && range.count % 64 == 0)
    switchback_copy_past_caches(base + range.lowerBound, other.base + range.lowerBound, range.count)
  }

  func clear() {
    // Pages are given back to the host, which hands out zeros.
    if madvise(base, count, isOwned ? MADV_DONTNEED : MADV_REMOVE) == 0 { return }
    memset(base, 0, count)
  }
}
