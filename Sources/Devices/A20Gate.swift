import Bus

/// The gate of address line 20, which the keyboard controller and port 92h both set; the last one counts.
public final class A20Gate: Resettable {
  /// Whether address line 20 reaches memory.
  public private(set) var isOpen: Bool
  /// Told of every change.
  public var changed: (Bool) -> Void = { _ in }

  private let isOpenAtReset: Bool

  public init(openAtReset: Bool = true) {
    isOpenAtReset = openAtReset
    isOpen = openAtReset
  }

  public func reset() { set(isOpenAtReset) }

  /// Opens or closes the gate.
  public func set(_ open: Bool) {
    guard open != isOpen else { return }
    isOpen = open
    changed(open)
  }
}
