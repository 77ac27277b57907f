import CHost
import Glibc
import Host

/// Memory for emitted code, mapped twice: writable for the emitter, executable for the CPU. No mapping is
/// both.
struct CodeCache: ~Copyable {
  private let memory: HostMemory
  /// The writable view.
  let writable: UnsafeMutablePointer<UInt8>
  /// The executable view.
  let executable: UnsafeMutableRawPointer
  /// Bytes.
  let size: Int

  init(size: Int) throws(HostError) {
    let memory = try HostMemory(size: size, name: "code-cache")
    executable = try Self.mapExecutable(memory.descriptor, memory.size)
    self.size = memory.size
    writable = memory.baseAddress.assumingMemoryBound(to: UInt8.self)
    self.memory = memory
  }

  private static func mapExecutable(
    _ descriptor: Int32, _ size: Int
  ) throws(HostError) -> UnsafeMutableRawPointer {
    // Below 2 GiB a position becomes an address by a 32-bit displacement.
    guard
      let view = mmap(nil, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_32BIT, descriptor, 0),
      view != MAP_FAILED
    else { throw HostError("map the code cache executable") }
    return view
  }

  deinit { munmap(executable, size) }

  /// The bytes at `positions`.
  func bytes(_ positions: Range<Int>) -> [UInt8] {
    Array(UnsafeBufferPointer(start: writable + positions.lowerBound, count: positions.count))
  }

  /// The host address of a position.
  func address(_ position: Int) -> UInt64 { UInt64(UInt(bitPattern: executable + position)) }
}
