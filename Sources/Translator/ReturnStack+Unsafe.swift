import Host

/// Host return addresses of guest calls, so that the host's CPU predicts guest returns as well as its own.
/// A guest CALL pushes one here with a host CALL, a guest RET pops it with a host RET and then compares the
/// address that the guest's stack holds. The stack is emptied at the start of each run of translated code.
/// Such a run lasts less than a million cycles and a call takes one at least, so it cannot overflow; below its
/// bottom entry, which is never removed, lies a stub that looks the address up.
struct ReturnStack: ~Copyable {
  private let memory: HostMemory
  private static let size = 8 << 20

  init() throws(HostError) {
    memory = try HostMemory(size: Self.size, name: "return-stack")
  }

  private var bottom: UnsafeMutableRawPointer { memory.baseAddress + (Self.size - 64) }

  /// The stack pointer when it is empty: the host address of the bottom entry.
  var top: UInt64 { UInt64(UInt(bitPattern: bottom)) }

  /// Makes the bottom entry lead to the host address `target`.
  func setBottom(_ target: UInt64) { bottom.storeBytes(of: target, as: UInt64.self) }
}
