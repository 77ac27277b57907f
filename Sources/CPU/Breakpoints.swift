/// Linear addresses at which a debugger outside the machine stops it. Guest memory and the guest's own debug
/// registers are not touched: decoders put a check before the instructions at these places.
public final class Breakpoints {
  private var addresses: [UInt32: Int] = [:]
  /// Whether some address has these low twelve bits: decoded code is shared between linear addresses.
  private var offsets = [Bool](repeating: false, count: 4096)

  /// An address that is passed once without stopping: the one where the debugger lets the machine go on.
  public var passed: UInt32?
  /// The machine has come to a breakpoint.
  public var isHit = false

  init() {}

  public var isEmpty: Bool { addresses.isEmpty }

  /// Adds a breakpoint; one that is added twice must be removed twice. Decoded code must be dropped then.
  public func insert(_ address: UInt32) {
    addresses[address, default: 0] += 1
    offsets[Int(address & 0xFFF)] = true
  }

  /// Removes a breakpoint.
  /// - Returns: whether there was one.
  public func remove(_ address: UInt32) -> Bool {
    guard let count = addresses[address] else { return false }
    addresses[address] = count > 1 ? count - 1 : nil
    offsets = [Bool](repeating: false, count: 4096)
    for address in addresses.keys { offsets[Int(address & 0xFFF)] = true }
    return true
  }

  public func removeAll() {
    addresses = [:]
    offsets = [Bool](repeating: false, count: 4096)
  }

  /// Whether code at such an address needs a check.
  public func watches(_ address: UInt32) -> Bool { offsets[Int(address & 0xFFF)] }

  /// Whether to stop before the instruction at `linear`.
  public func stops(at linear: UInt32) -> Bool {
    guard addresses[linear] != nil else { return false }
    if passed == linear {
      passed = nil
      return false
    }
    isHit = true
    return true
  }
}
