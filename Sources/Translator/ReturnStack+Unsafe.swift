import Glibc
import Host

/// Host return addresses of guest calls, so that the host's CPU predicts guest returns as well as its own.
/// A guest CALL pushes one here with a host CALL, a guest RET pops it with a host RET and then compares the
/// address that the guest's stack holds. The stack is emptied at the start of each run of translated code, and where
/// it would overflow: the signal that a call into the guard page raises does that (`TranslatedCode.c`). Below its
/// bottom entry, which is never removed, lies a stub that looks the address up.
struct ReturnStack: ~Copyable {
  private let memory: HostMemory
  private static let size = 1 << 20
  private static let guardSize = HostMemory.pageSize

  init() throws(HostError) { memory = try HostMemory(size: Self.size, name: "return-stack") }

  /// Takes the guard page away.
  func protect() throws(HostError) {
    guard mprotect(memory.baseAddress, Self.guardSize, PROT_NONE) == 0 else {
      throw HostError("guard the stack of return addresses")
    }
  }

  private var bottom: UnsafeMutableRawPointer { memory.baseAddress + (Self.size - 64) }

  /// The stack pointer when it is empty: the host address of the bottom entry.
  var top: UInt64 { UInt64(UInt(bitPattern: bottom)) }

  /// The end of the guard page.
  var limit: UInt64 { UInt64(UInt(bitPattern: memory.baseAddress)) + UInt64(Self.guardSize) }

  /// Makes the bottom entry lead to the host address `target`.
  func setBottom(_ target: UInt64) { bottom.storeBytes(of: target, as: UInt64.self) }
}
