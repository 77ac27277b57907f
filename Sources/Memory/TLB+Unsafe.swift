extension UnsafeMutablePointer where Pointee == TLB {
  /// Index of the entry for a linear address.
  @inlinable @inline(__always) static func index(_ linear: UInt32) -> Int {
    Int((linear >> 12) & UInt32(TLB_ENTRIES - 1))
  }
  @inlinable @inline(__always) func entry(_ linear: UInt32) -> UnsafeMutablePointer<TLBEntry> {
    UnsafeMutableRawPointer(self).assumingMemoryBound(to: TLBEntry.self) + Self.index(linear)
  }
  /// Physical page address of the data entry for a linear address; bit 0: global.
  func physicalPage(_ linear: UInt32) -> UnsafeMutablePointer<UInt32> {
    (UnsafeMutableRawPointer(self) + MemoryLayout<TLB>.offset(of: \.physicalPages)!)
      .assumingMemoryBound(to: UInt32.self) + Self.index(linear)
  }

  /// Indices of the pages that are not global; `localCount` counts those that had no room as well.
  var locals: UnsafeMutablePointer<UInt16> {
    (UnsafeMutableRawPointer(self) + MemoryLayout<TLB>.offset(of: \.locals)!)
      .assumingMemoryBound(to: UInt16.self)
  }

  /// The code entry for a linear address.
  @inlinable @inline(__always)
  public func code(_ linear: UInt32) -> UnsafeMutablePointer<TLBCodePage> {
    (UnsafeMutableRawPointer(self) + MemoryLayout<TLB>.offset(of: \.code)!)
      .assumingMemoryBound(to: TLBCodePage.self) + Self.index(linear)
  }
}

extension CPU {
  /// Whether every access must be checked or seen: #AC armed, a data breakpoint enabled, a cache model attached.
  private var needsSlowAccesses: Bool {
    let alignment =
      pointee.cpl == 3 && pointee.cr0 & (1 << 18) != 0
      && pointee.eflags & (1 << 18) != 0
    return alignment || dataBreakpointsArmed || memory.cacheModel != nil
  }

  /// Whether DR7 enables a breakpoint of a kind other than execution (R/W field not 00).
  public var dataBreakpointsArmed: Bool {
    let dr7 = self[dr: 7]
    for i in 0..<4 as Range<UInt32> where (dr7 >> (i * 2)) & 3 != 0 {
      if (dr7 >> (16 + i * 4)) & 3 != 0 { return true }
    }
    return false
  }

  /// Whether DR7 enables an execution breakpoint.
  public var codeBreakpointsArmed: Bool {
    let dr7 = self[dr: 7]
    for i in 0..<4 as Range<UInt32> where (dr7 >> (i * 2)) & 3 != 0 {
      if (dr7 >> (16 + i * 4)) & 3 == 0 { return true }
    }
    return false
  }

  /// Selects the TLB for the current privilege level and checks. Called after any change of CPL, CR0.AM,
  /// EFLAGS.AC or DR7.
  public func selectTLB() {
    if needsSlowAccesses {
      pointee.tlb = pointee.slowTLB
    } else {
      pointee.tlb = pointee.cpl == 3 ? pointee.userTLB : pointee.supervisorTLB
    }
  }

  private func forEachTable(_ body: (UnsafeMutablePointer<TLB>) -> Void) {
    body(pointee.userTLB)
    body(pointee.supervisorTLB)
  }

  /// Drops all translations, global ones only when `includingGlobal`. SDM vol. 3, 4.10.4.
  public func flushTLB(includingGlobal: Bool) {
    pointee.codeGeneration &+= 1
    forEachTable { tlb in
      func drop(_ i: UInt32) {
        if includingGlobal || tlb.physicalPage(i << 12).pointee & 1 == 0 {
          Self.dropData(tlb, i << 12)
        }
        if includingGlobal || tlb.code(i << 12).pointee.physicalPage & 1 == 0 {
          tlb.code(i << 12).pointee.executeTag = 1
        }
      }
      let count = Int(tlb.pointee.localCount)
      tlb.pointee.localCount = 0
      if includingGlobal || count > TLB_LOCALS {
        for i in 0..<UInt32(TLB_ENTRIES) { drop(i) }
      } else {
        for i in 0..<count { drop(UInt32(tlb.locals[i])) }
      }
    }
    memory.forEachTranslationObserver {
      $0.translationsFlushed(includingGlobal: includingGlobal)
    }
    memory.cacheModel?.flushTLB()
    requestAttention()
  }

  /// Drops the translations of the page that holds `linear` (INVLPG).
  public func flushTLB(page linear: UInt32) {
    pointee.codeGeneration &+= 1
    forEachTable { tlb in
      Self.dropData(tlb, linear)
      tlb.code(linear).pointee.executeTag = 1
    }
    memory.forEachTranslationObserver { $0.translationFlushed(page: linear & 0xFFFF_F000) }
    memory.cacheModel?.flushTLB(page: linear)
    requestAttention()
  }

  private static func dropData(_ tlb: UnsafeMutablePointer<TLB>, _ linear: UInt32) {
    tlb.entry(linear).pointee.readTag = 1
    tlb.entry(linear).pointee.writeTag = 1
  }

  /// Makes every write to a physical page take the slow path from now on.
  public func revokeWrites(toPhysicalPage physical: UInt32) {
    forEachTable { tlb in
      for i in 0..<UInt32(TLB_ENTRIES)
      where tlb.physicalPage(i << 12).pointee & ~1 == physical {
        tlb.entry(i << 12).pointee.writeTag = 1
      }
    }
    memory.forEachTranslationObserver { $0.writesRevoked(physicalPage: physical) }
  }

  /// Makes every write to some physical pages, in ascending order, take the slow path from now on.
  public func revokeWrites(toPhysicalPages pages: [UInt32]) {
    guard let first = pages.first, let last = pages.last else { return }
    forEachTable { tlb in
      for i in 0..<UInt32(TLB_ENTRIES)
      where (first...last).contains(tlb.physicalPage(i << 12).pointee & ~1) {
        tlb.entry(i << 12).pointee.writeTag = 1
      }
    }
    memory.forEachTranslationObserver { observer in
      for page in pages { observer.writesRevoked(physicalPage: page) }
    }
  }

  /// Records a translation that the page walk has just allowed.
  func fillTLB(_ linear: UInt32, _ t: Translation, _ access: AccessKind) {
    guard t.physical < 1 << 32 else { return }
    let tlb = access.user ? pointee.userTLB : pointee.supervisorTLB
    let linearPage = linear & 0xFFFF_F000
    let physicalPage = UInt32(truncatingIfNeeded: t.physical) & 0xFFFF_F000
    let tagged = physicalPage | (t.global ? 1 : 0)
    if !t.global {
      let count = Int(tlb.pointee.localCount)
      if count < TLB_LOCALS {
        tlb.locals[count] = UInt16(UnsafeMutablePointer<TLB>.index(linear))
      }
      if count <= TLB_LOCALS { tlb.pointee.localCount += 1 }
    }
    if access.fetch {
      tlb.code(linear).pointee = TLBCodePage(executeTag: linearPage, physicalPage: tagged)
      return
    }
    let entry = tlb.entry(linear)
    entry.pointee.readTag = 1
    entry.pointee.writeTag = 1
    tlb.physicalPage(linear).pointee = tagged
    let page = self.physicalPage(physicalPage)
    guard page.flags & UInt32(PAGE_READABLE.rawValue) != 0, let host = page.host else { return }
    entry.pointee.addend = UInt64(UInt(bitPattern: host)) &- UInt64(linearPage)
    entry.pointee.readTag = linearPage
    let fast = UInt32(PAGE_WRITABLE.rawValue)
    let slow = PhysicalMemory.reported
    if t.writable, t.dirty, page.flags & (fast | slow) == fast {
      entry.pointee.writeTag = linearPage
    }
  }

  /// The physical page that code at `linear` is fetched from, if that is known without a walk.
  @inlinable @inline(__always)
  public func cachedCodePage(_ linear: UInt32) -> UInt32? {
    let tlb = pointee.cpl == 3 ? pointee.userTLB : pointee.supervisorTLB
    let entry = tlb.code(linear).pointee
    return entry.executeTag == linear & 0xFFFF_F000 ? entry.physicalPage & 0xFFFF_F000 : nil
  }

  /// Whether the page that code at `linear` was last fetched from is mapped globally.
  public func isCodePageGlobal(_ linear: UInt32) -> Bool {
    let tlb = pointee.cpl == 3 ? pointee.userTLB : pointee.supervisorTLB
    let entry = tlb.code(linear).pointee
    return entry.executeTag == linear & 0xFFFF_F000 && entry.physicalPage & 1 != 0
  }
}
