/// The linear addresses of the last blocks that ran, oldest first.
package final class BlockHistory {
  private static let capacity = 32
  private let ring: UnsafeMutablePointer<UInt32>
  private var next = 0

  init() {
    ring = .allocate(capacity: Self.capacity)
    ring.initialize(repeating: 0, count: Self.capacity)
  }

  deinit { ring.deallocate() }

  @inline(__always)
  package func record(_ linear: UInt32) {
    ring[next & (Self.capacity - 1)] = linear
    next &+= 1
  }

  package var addresses: [UInt32] {
    let count = min(next, Self.capacity)
    return (0..<count).map { ring[(next - count + $0) & (Self.capacity - 1)] }
  }
}
