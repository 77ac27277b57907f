import Memory

/// MOV to and from control registers, LMSW, CLTS. SDM vol. 3, 2.5; vol. 2, "MOV—Move to/from Control
/// Registers".
extension CPU {
  /// Reads CR0, CR2, CR3 or CR4.
  /// - Throws: #UD for a register that is not there, #GP(0) unless CPL is 0.
  public func readControl(_ number: UInt8) throws(Fault) -> UInt32 {
    guard number == 0 || (2...4).contains(number) else { throw .invalidOpcode }
    try requirePrivilege()
    switch number {
    case 0: return pointee.cr0
    case 2: return pointee.cr2
    case 3: return pointee.cr3
    default: return pointee.cr4
    }
  }

  /// Writes CR0, CR2, CR3 or CR4.
  /// - Throws: #UD for a register that is not there; #GP(0) unless CPL is 0, for reserved bits and for
  ///   forbidden combinations. Nothing has changed then.
  public func writeControl(_ number: UInt8, _ value: UInt32) throws(Fault) {
    guard number == 0 || (2...4).contains(number) else { throw .invalidOpcode }
    try requirePrivilege()
    switch number {
    case 0: try setCR0(value)
    case 2: pointee.cr2 = value
    case 3: try setCR3(value)
    default: try setCR4(value)
    }
  }

  private static var cr0Bits: UInt32 {
    CR0.pe | CR0.mp | CR0.em | CR0.ts | CR0.ne | CR0.wp | CR0.am | CR0.nw | CR0.cd | CR0.pg
  }

  /// Replaces CR0; reserved bits are ignored and ET is 1.
  func setCR0(_ value: UInt32) throws(Fault) {
    let new = (value & Self.cr0Bits) | CR0.et
    if new & CR0.pg != 0 && new & CR0.pe == 0 { throw .generalProtection() }
    if new & CR0.nw != 0 && new & CR0.cd == 0 { throw .generalProtection() }
    let changed = pointee.cr0 ^ new
    if new & CR0.pg != 0, pointee.cr4 & CR4.pae != 0,
      changed & (CR0.pg | CR0.cd | CR0.nw) != 0
    {
      try loadPageDirectoryPointers(pointee.cr3)
    }
    pointee.cr0 = new
    // Without paging before and after, as when loaders call a BIOS in real mode, linear addresses stay what
    // they were.
    if changed & CR0.pg != 0 || (new & CR0.pg != 0 && changed & CR0.wp != 0) {
      flushTLB(includingGlobal: true)
    }
    selectTLB()
    requestAttention()
  }

  /// Replaces CR3 and drops the translations that are not global. SDM vol. 3, 4.10.4.1.
  func setCR3(_ value: UInt32) throws(Fault) {
    if pointee.cr0 & CR0.pg != 0, pointee.cr4 & CR4.pae != 0 {
      try loadPageDirectoryPointers(value)
    }
    pointee.cr3 = value
    flushTLB(includingGlobal: false)
  }

  private func setCR4(_ value: UInt32) throws(Fault) {
    guard value & ~CR4.implemented == 0 else { throw .generalProtection() }
    let paging = CR4.pse | CR4.pae | CR4.pge
    let changed = (pointee.cr4 ^ value) & paging
    if changed != 0, value & CR4.pae != 0, pointee.cr0 & CR0.pg != 0 {
      try loadPageDirectoryPointers(pointee.cr3)
    }
    pointee.cr4 = value
    if changed != 0 { flushTLB(includingGlobal: true) }
    requestAttention()
  }

  /// Loads the four PAE page-directory pointers. SDM vol. 3, 4.4.1.
  /// - Throws: #GP(0) when a present one has reserved bits set; none is loaded then.
  private func loadPageDirectoryPointers(_ cr3: UInt32) throws(Fault) {
    // Bits 2:1, 8:5 and all above the 36 physical address bits.
    let reserved: UInt64 = 0xFFFF_FFF0_0000_01E6
    let table = cr3 & 0xFFFF_FFE0
    func entry(_ i: Int) -> UInt64 {
      memory.read(
        physical: UInt64((table &+ UInt32(i) * 8) & pointee.a20Mask), size: 8)
    }
    for i in 0..<4 where entry(i) & 1 != 0 && entry(i) & reserved != 0 {
      throw .generalProtection()
    }
    for i in 0..<4 { self[pdpte: i] = entry(i) }
  }

  /// LMSW: PE can be set but not cleared. SDM vol. 2, "LMSW".
  /// - Throws: #GP(0) unless CPL is 0.
  public func loadMachineStatusWord(_ value: UInt16) throws(Fault) {
    try requirePrivilege()
    let new = UInt32(value) & 0xF
    try setCR0((pointee.cr0 & ~0xE) | new)
  }

  /// CLTS. SDM vol. 2, "CLTS".
  /// - Throws: #GP(0) unless CPL is 0.
  public func clearTaskSwitched() throws(Fault) {
    try requirePrivilege()
    pointee.cr0 &= ~CR0.ts
  }

  /// INVLPG. SDM vol. 2, "INVLPG".
  /// - Throws: #GP(0) unless CPL is 0.
  public func invalidatePage(_ linear: UInt32) throws(Fault) {
    try requirePrivilege()
    flushTLB(page: linear)
  }
}
