import Memory

extension CPU {
  /// Whether loading the segment register's selector again now would give it the hidden part that it has: false
  /// after a change of the descriptor or of mode. A null selector is always reversible.
  public func isReversible(_ number: UInt8) -> Bool {
    let register = segment(number).pointee
    if register.isUnusable { return number != SegmentNumber.cs && number != SegmentNumber.ss }
    guard !isNull(register.selector), let found = try? findDescriptor(register.selector),
      found.isSegment, found.isPresent
    else { return false }
    let loaded = found.loaded(selector: register.selector)
    return loaded.base == register.base && loaded.limit == register.limit
      && loaded.access == register.access | 1
  }

  /// Whether loading a data segment register at ring 3 with the selector would make all addresses readable and
  /// writable as they are.
  public func isFlatData(_ selector: UInt16) -> Bool {
    guard !isNull(selector), let found = try? findDescriptor(selector) else { return false }
    return found.isWritableData && found.isPresent && found.dpl == 3 && found.isBig
      && found.type & 4 == 0 && found.base == 0 && found.limit == .max
  }
}
