import CHost
import Glibc

/// A shared mapping of zeroed memory that a file descriptor also names, so that parts of it can be mapped a
/// second time elsewhere (linear windows, the process that executes directly). Unmapped and closed at the end
/// of its life. Pages are taken from the host only when touched.
public struct HostMemory: ~Copyable {
  /// Bytes mapped, a multiple of `pageSize`.
  public let size: Int
  /// The first byte; page aligned, constant for the life of the value.
  public let baseAddress: UnsafeMutableRawPointer
  /// The memory file behind the mapping.
  public let descriptor: Int32

  /// The host's page size, and the guest's.
  public static let pageSize = 4096

  /// Maps at least `size` bytes, rounded up to whole pages.
  /// - Parameter name: shown in the host's `/proc/PID/maps`.
  public init(size: Int, name: String = "switchback") throws(HostError) {
    let (padded, overflow) = size.addingReportingOverflow(Self.pageSize - 1)
    guard size > 0, !overflow else { throw HostError("map \(size) bytes of memory", code: EINVAL) }
    let rounded = padded & ~(Self.pageSize - 1)
    let descriptor = switchback_memory_file(name)
    guard descriptor >= 0 else { throw HostError("create a memory file") }
    guard ftruncate(descriptor, off_t(rounded)) == 0 else {
      let code = errno
      close(descriptor)
      throw HostError("size a memory file of \(rounded) bytes", code: code)
    }
    guard
      let base = mmap(
        nil, rounded, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0),
      base != MAP_FAILED
    else {
      let code = errno
      close(descriptor)
      throw HostError("map \(rounded) bytes of memory", code: code)
    }
    self.size = rounded
    self.baseAddress = base
    self.descriptor = descriptor
  }

  deinit {
    munmap(baseAddress, size)
    close(descriptor)
  }

  /// Reserves address space that takes memory only where it is touched; for the caller to unmap.
  /// - Parameters:
  ///   - protection: `PROT_` bits.
  ///   - purpose: for the error's text.
  public static func reserve(
    _ size: Int, _ protection: Int32, for purpose: String
  ) throws(HostError) -> UnsafeMutableRawPointer {
    guard
      let view = mmap(nil, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      view != MAP_FAILED
    else { throw HostError("reserve \(purpose)") }
    return view
  }

  /// All bytes, for as long as the mapping lives.
  public var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: baseAddress, count: size)
  }

  /// Calls `body` with all bytes.
  public borrowing func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(bytes)
  }

  /// Makes all bytes zero again and gives the pages back to the host.
  public borrowing func clear() {
    guard madvise(baseAddress, size, MADV_REMOVE) != 0 else { return }
    memset(baseAddress, 0, size)
  }

  /// Resident bytes that the host has handed out for this memory so far.
  public var residentSize: Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return 0 }
    return Int(status.st_blocks) * 512
  }
}
