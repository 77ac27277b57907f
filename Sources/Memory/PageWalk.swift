/// The outcome of a page walk that allows the access.
struct Translation {
  /// Physical address of the byte asked for.
  var physical: UInt64
  /// Whether a write at the same privilege would be allowed.
  var writable: Bool
  /// Whether the dirty bit is set (always, without paging).
  var dirty: Bool
  var executable: Bool
  var global: Bool
}

/// What an access needs from the page tables.
struct AccessKind {
  var write = false
  var user = false
  var fetch = false
}

private let present: UInt64 = 1 << 0
private let writableBit: UInt64 = 1 << 1
private let userBit: UInt64 = 1 << 2
private let accessedBit: UInt64 = 1 << 5
private let dirtyBit: UInt64 = 1 << 6
private let largeBit: UInt64 = 1 << 7
private let globalBit: UInt64 = 1 << 8
private let noExecuteBit: UInt64 = 1 << 63

/// PAE entries hold 36 physical address bits; the rest up to bit 62 is reserved. SDM vol. 3, table 4-9.
private let paeReserved: UInt64 = 0x7FFF_FFF0_0000_0000
private let paeAddress: UInt64 = 0x0000_000F_FFFF_F000

extension CPU {
  /// Walks the page tables for `linear`, sets the accessed and dirty bits and fills the TLB.
  /// - Throws: #PF with the error code of SDM vol. 3, 4.7.
  func translate(_ linear: UInt32, _ access: AccessKind) throws(Fault) -> Translation {
    guard pointee.cr0 & 0x8000_0000 != 0 else {
      let t = Translation(
        physical: UInt64(linear & pointee.a20Mask), writable: true, dirty: true, executable: true,
        global: false)
      fillTLB(linear, t, access)
      return t
    }
    let t =
      pointee.cr4 & (1 << 5) != 0 ? try walkPAE(linear, access) : try walkLegacy(linear, access)
    fillTLB(linear, t, access)
    return t
  }

  private func pageFault(
    _ linear: UInt32, _ access: AccessKind, present: Bool, reserved: Bool = false
  ) -> Fault {
    var code: UInt16 = present ? 1 : 0
    if access.write { code |= 2 }
    if access.user { code |= 4 }
    if reserved { code |= 8 }
    if access.fetch, pointee.efer & (1 << 11) != 0, pointee.cr4 & (1 << 5) != 0 { code |= 16 }
    return .pageFault(linear, errorCode: code)
  }

  /// Checks the combined rights of all levels and says whether a write would be allowed too.
  private func checkRights(
    _ linear: UInt32, _ access: AccessKind, rights: UInt64, noExecute: Bool
  ) throws(Fault) -> Bool {
    if access.user && rights & userBit == 0 { throw pageFault(linear, access, present: true) }
    if access.fetch && noExecute { throw pageFault(linear, access, present: true) }
    let writeProtect = pointee.cr0 & (1 << 16) != 0
    let writable = rights & writableBit != 0 || (!access.user && !writeProtect)
    if access.write && !writable { throw pageFault(linear, access, present: true) }
    return writable
  }

  private func physicalOf(_ address: UInt64) -> UInt64 {
    // A20 gates bit 20 of every address that leaves the processor.
    address & (UInt64(pointee.a20Mask) | 0xFFFF_FFFF_0000_0000)
  }

  private func walkLegacy(_ linear: UInt32, _ access: AccessKind) throws(Fault) -> Translation {
    let pseEnabled = pointee.cr4 & (1 << 4) != 0
    let pgeEnabled = pointee.cr4 & (1 << 7) != 0
    let directoryAddress = physicalOf(
      UInt64(pointee.cr3 & 0xFFFF_F000) | UInt64((linear >> 22) &* 4))
    let pde = UInt64(read32(physical: directoryAddress))
    guard pde & present != 0 else { throw pageFault(linear, access, present: false) }
    if pseEnabled && pde & largeBit != 0 {
      // PSE-36 is not offered, so bits 21:13 are reserved. SDM vol. 3, table 4-4.
      if pde & 0x003F_E000 != 0 { throw pageFault(linear, access, present: true, reserved: true) }
      let writable = try checkRights(linear, access, rights: pde, noExecute: false)
      let new = pde | accessedBit | (access.write ? dirtyBit : 0)
      if new != pde {
        write32(physical: directoryAddress, UInt32(truncatingIfNeeded: new))
      }
      return Translation(
        physical: physicalOf((pde & 0xFFC0_0000) | UInt64(linear & 0x003F_FFFF)),
        writable: writable, dirty: new & dirtyBit != 0, executable: true,
        global: pgeEnabled && pde & globalBit != 0)
    }
    let tableAddress = physicalOf((pde & 0xFFFF_F000) | UInt64(((linear >> 12) & 0x3FF) &* 4))
    let pte = UInt64(read32(physical: tableAddress))
    guard pte & present != 0 else { throw pageFault(linear, access, present: false) }
    let writable = try checkRights(linear, access, rights: pde & pte, noExecute: false)
    if pde & accessedBit == 0 {
      write32(physical: directoryAddress, UInt32(truncatingIfNeeded: pde | accessedBit))
    }
    let new = pte | accessedBit | (access.write ? dirtyBit : 0)
    if new != pte { write32(physical: tableAddress, UInt32(truncatingIfNeeded: new)) }
    return Translation(
      physical: physicalOf((pte & 0xFFFF_F000) | UInt64(linear & 0xFFF)), writable: writable,
      dirty: new & dirtyBit != 0, executable: true, global: pgeEnabled && pte & globalBit != 0)
  }

  private func walkPAE(_ linear: UInt32, _ access: AccessKind) throws(Fault) -> Translation {
    let pgeEnabled = pointee.cr4 & (1 << 7) != 0
    let nxEnabled = pointee.efer & (1 << 11) != 0
    let reserved = paeReserved | (nxEnabled ? 0 : noExecuteBit)
    let pdpte = self[pdpte: Int(linear >> 30)]
    guard pdpte & present != 0 else { throw pageFault(linear, access, present: false) }
    let directoryAddress = physicalOf(
      (pdpte & paeAddress) | UInt64(((linear >> 21) & 0x1FF) &* 8))
    let pde = read64(physical: directoryAddress)
    guard pde & present != 0 else { throw pageFault(linear, access, present: false) }
    if pde & largeBit != 0 {
      // 2 MiB page: bits 20:13 are reserved. SDM vol. 3, table 4-9.
      if pde & (reserved | 0x001F_E000) != 0 {
        throw pageFault(linear, access, present: true, reserved: true)
      }
      let noExecute = pde & noExecuteBit != 0
      let writable = try checkRights(linear, access, rights: pde, noExecute: noExecute)
      let new = pde | accessedBit | (access.write ? dirtyBit : 0)
      if new != pde { write64(physical: directoryAddress, new) }
      return Translation(
        physical: physicalOf((pde & 0x0000_000F_FFE0_0000) | UInt64(linear & 0x001F_FFFF)),
        writable: writable, dirty: new & dirtyBit != 0, executable: !noExecute,
        global: pgeEnabled && pde & globalBit != 0)
    }
    if pde & reserved != 0 { throw pageFault(linear, access, present: true, reserved: true) }
    let tableAddress = physicalOf((pde & paeAddress) | UInt64(((linear >> 12) & 0x1FF) &* 8))
    let pte = read64(physical: tableAddress)
    guard pte & present != 0 else { throw pageFault(linear, access, present: false) }
    if pte & reserved != 0 { throw pageFault(linear, access, present: true, reserved: true) }
    let noExecute = (pde | pte) & noExecuteBit != 0
    let writable = try checkRights(linear, access, rights: pde & pte, noExecute: noExecute)
    if pde & accessedBit == 0 { write64(physical: directoryAddress, pde | accessedBit) }
    let new = pte | accessedBit | (access.write ? dirtyBit : 0)
    if new != pte { write64(physical: tableAddress, new) }
    return Translation(
      physical: physicalOf((pte & paeAddress) | UInt64(linear & 0xFFF)), writable: writable,
      dirty: new & dirtyBit != 0, executable: !noExecute,
      global: pgeEnabled && pte & globalBit != 0)
  }
}

extension CPU {
  /// The physical address that `linear` maps to, read without side effects; nil if not present.
  public func peekTranslate(_ linear: UInt32) -> UInt64? {
    guard pointee.cr0 & 0x8000_0000 != 0 else { return UInt64(linear & pointee.a20Mask) }
    return peekEntries(linear)?.0
  }
}

/// A page as a second set of translations (a linear window, an address space of another process) may map it:
/// only with the rights that need no change of accessed or dirty bits.
public struct PageMapping: Equatable, Sendable {
  public var physicalPage: UInt32
  public var writable: Bool
  public var global: Bool
  public var executable = true
  /// Whether ring 3 may reach it.
  public var user = false
}

extension CPU {
  /// What `linear`'s page may be mapped as at a privilege level; nil when it is absent, has not been
  /// accessed yet or is out of reach. No side effects.
  public func peekMapping(_ linear: UInt32, user: Bool) -> PageMapping? {
    guard pointee.cr0 & 0x8000_0000 != 0 else {
      return PageMapping(
        physicalPage: linear & 0xFFFF_F000 & pointee.a20Mask, writable: true, global: false)
    }
    guard let (physical, leaf, rights, noExecute) = peekEntries(linear), physical < 1 << 32,
      leaf & accessedBit != 0, !user || rights & userBit != 0
    else { return nil }
    let writeProtect = pointee.cr0 & (1 << 16) != 0
    let mayWrite = rights & writableBit != 0 || (!user && !writeProtect)
    return PageMapping(
      physicalPage: UInt32(truncatingIfNeeded: physical) & 0xFFFF_F000,
      writable: mayWrite && leaf & dirtyBit != 0,
      global: pointee.cr4 & (1 << 7) != 0 && leaf & globalBit != 0, executable: !noExecute,
      user: rights & userBit != 0)
  }

  /// Physical address, last-level entry, the rights of all levels together and whether one of them forbids
  /// execution.
  private func peekEntries(_ linear: UInt32) -> (UInt64, UInt64, UInt64, Bool)? {
    if pointee.cr4 & (1 << 5) != 0 {
      let pdpte = self[pdpte: Int(linear >> 30)]
      guard pdpte & present != 0 else { return nil }
      let pde = read64(
        physical: physicalOf((pdpte & paeAddress) | UInt64(((linear >> 21) & 0x1FF) &* 8)))
      guard pde & present != 0 else { return nil }
      if pde & largeBit != 0 {
        return (
          physicalOf((pde & 0x0000_000F_FFE0_0000) | UInt64(linear & 0x001F_FFFF)), pde, pde,
          pde & noExecuteBit != 0
        )
      }
      let pte = read64(
        physical: physicalOf((pde & paeAddress) | UInt64(((linear >> 12) & 0x1FF) &* 8)))
      guard pte & present != 0 else { return nil }
      return (
        physicalOf((pte & paeAddress) | UInt64(linear & 0xFFF)), pte, pde & pte,
        (pde | pte) & noExecuteBit != 0
      )
    }
    let pde = UInt64(
      read32(
        physical: physicalOf(UInt64(pointee.cr3 & 0xFFFF_F000) | UInt64((linear >> 22) &* 4))))
    guard pde & present != 0 else { return nil }
    if pointee.cr4 & (1 << 4) != 0 && pde & largeBit != 0 {
      return (physicalOf((pde & 0xFFC0_0000) | UInt64(linear & 0x003F_FFFF)), pde, pde, false)
    }
    let pte = UInt64(
      read32(
        physical: physicalOf((pde & 0xFFFF_F000) | UInt64(((linear >> 12) & 0x3FF) &* 4))))
    guard pte & present != 0 else { return nil }
    return (physicalOf((pte & 0xFFFF_F000) | UInt64(linear & 0xFFF)), pte, pde & pte, false)
  }
}
