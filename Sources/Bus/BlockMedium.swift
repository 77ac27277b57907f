/// How a transfer to or from a medium has ended.
public enum BlockResult: Sendable, Equatable {
  /// All is done; the bytes of a read, none otherwise.
  case done([UInt8])
  /// The host could not do it: an `errno`.
  case failed(Int32)
}

/// A transfer that the host works on while the guest goes on.
public protocol BlockTransfer: AnyObject {
  /// Whether `wait` would return at once.
  var isFinished: Bool { get }
  /// Waits for the end.
  func wait() -> BlockResult
}

/// What lies in a drive: bytes that are read and written in the order of the calls. Offsets and counts are in
/// bytes; the caller keeps them within `size`.
public protocol BlockMedium: AnyObject {
  /// Bytes.
  var size: UInt64 { get }
  var isReadOnly: Bool { get }
  func read(at offset: UInt64, count: Int) -> any BlockTransfer
  func write(_ bytes: [UInt8], at offset: UInt64) -> any BlockTransfer
  /// Makes everything that was written before survive a crash of the host.
  func flush() -> any BlockTransfer
}

/// Guest physical memory as bus masters see it. Holes read as ones and ignore writes.
public protocol BusMasterMemory: AnyObject {
  /// Appends `count` bytes from `physical` on.
  func readBytes(at physical: UInt32, count: Int, into bytes: inout [UInt8])
  /// Writes a part of `bytes`.
  func writeBytes(_ bytes: [UInt8], range: Range<Int>, at physical: UInt32)
}

/// Lets transfers end at their place in virtual time: each takes as long as on a disk of fixed speed, whatever
/// the host needed for it, so that a run is reproducible. Where virtual time follows the host's, a transfer
/// that the host has not finished in time ends later.
public struct BlockScheduler {
  private let queue: EventQueue
  private let waitsForHost: Bool

  /// Nanoseconds that every transfer takes.
  private static let latency: UInt64 = 25_000
  /// Bytes a microsecond.
  private static let bandwidth: UInt64 = 2_000
  /// Nanoseconds until an unfinished transfer is looked at again.
  private static let patience: UInt64 = 100_000

  /// - Parameter waitsForHost: whether the machine stands still for a transfer that is not finished in time;
  ///   otherwise the guest goes on.
  public init(queue: EventQueue, waitsForHost: Bool) {
    self.queue = queue
    self.waitsForHost = waitsForHost
  }

  private func cycles(nanoseconds: UInt64) -> UInt64 {
    max(1, nanoseconds * (queue.frequency / 1_000_000) / 1000)
  }

  /// Calls `completion` when the virtual time of a transfer of `count` bytes is over.
  public func complete(
    _ transfer: any BlockTransfer, count: Int, _ completion: @escaping (BlockResult) -> Void
  ) {
    let time = Self.latency + UInt64(max(0, count)) * 1000 / Self.bandwidth
    finish(transfer, after: cycles(nanoseconds: time), completion)
  }

  private func finish(
    _ transfer: any BlockTransfer, after time: UInt64,
    _ completion: @escaping (BlockResult) -> Void
  ) {
    queue.schedule(after: time) {
      if waitsForHost || transfer.isFinished { return completion(transfer.wait()) }
      finish(transfer, after: cycles(nanoseconds: Self.patience), completion)
    }
  }
}
