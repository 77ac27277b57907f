import Bus
import Memory

/// I/O ports with their protection. SDM vol. 1, 19.5.
extension CPU {
  /// Checks IOPL and, where that does not suffice, the I/O permission bitmap of the TSS.
  /// - Throws: #GP(0), #PF.
  public func checkPort(_ port: UInt16, width: AccessWidth) throws(Fault) {
    if isRealMode || (pointee.cpl <= iopl && !isVirtual8086) { return }
    let tr = pointee.tr
    // Only a 32-bit TSS has a bitmap.
    guard tr.access & 0xD == 9, tr.limit >= 0x67 else { throw .generalProtection() }
    let base = UInt32(try readSystem(tr.base &+ 0x66, as: UInt16.self))
    let offset = base + UInt32(port >> 3)
    // Two bytes are always read, so an access may straddle bytes of the bitmap.
    guard offset + 1 <= tr.limit else { throw .generalProtection() }
    let bits = UInt32(try readSystem(tr.base &+ offset, as: UInt16.self)) >> UInt32(port & 7)
    if bits & ((1 << UInt32(width.rawValue)) - 1) != 0 { throw .generalProtection() }
  }

  /// Reads a port that `checkPort` has allowed.
  public func readPort(_ port: UInt16, width: AccessWidth) -> UInt32 {
    checkPortBreakpoints(port, size: UInt32(width.rawValue))
    // A device may have changed a line or the deadline.
    requestAttention()
    return processor.ports.read(port, width: width)
  }

  /// Reads a port that `checkPort` has allowed up to `limit` times, as often as nothing else could come of it.
  /// - Returns: the bytes read; none if `readPort` has to be asked.
  public func readPortAhead(_ port: UInt16, width: AccessWidth, limit: Int) -> ArraySlice<UInt8> {
    guard self[dr: 7] & 0xFF == 0 else { return [] }
    requestAttention()
    return processor.ports.readAhead(port, width: width, limit: limit)
  }

  /// Writes a port that `checkPort` has allowed.
  public func writePort(_ port: UInt16, width: AccessWidth, value: UInt32) {
    checkPortBreakpoints(port, size: UInt32(width.rawValue))
    requestAttention()
    processor.ports.write(port, width: width, value: value)
  }
}
