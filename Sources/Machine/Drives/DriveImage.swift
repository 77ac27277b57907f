import Bus
import Host

/// An opened image as the drives see it: a `HostWorker` does the work.
final class DriveImage: BlockMedium {
  let size: UInt64
  let isReadOnly: Bool
  private let worker: HostWorker

  private final class Transfer: BlockTransfer {
    private let transfer: HostWorker.Transfer
    init(_ transfer: HostWorker.Transfer) { self.transfer = transfer }

    var isFinished: Bool { transfer.isFinished }
    func wait() -> BlockResult {
      let (bytes, error) = transfer.wait()
      return error == 0 ? .done(bytes) : .failed(error)
    }
  }

  /// - Parameter size: bytes that the drive shows; the image's by default.
  init(_ image: HostImage, size: UInt64? = nil) {
    self.size = size ?? image.size
    isReadOnly = image.isReadOnly
    worker = HostWorker(image)
  }

  // What was asked for is still done; the thread would keep the worker otherwise.
  deinit { worker.stop() }

  func read(at offset: UInt64, count: Int) -> any BlockTransfer {
    Transfer(worker.read(at: offset, count: count))
  }
  func write(_ bytes: [UInt8], at offset: UInt64) -> any BlockTransfer {
    Transfer(worker.write(bytes, at: offset))
  }
  func flush() -> any BlockTransfer { Transfer(worker.flush()) }
}
