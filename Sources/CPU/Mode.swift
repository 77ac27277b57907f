import Memory

/// CR0 bits. SDM vol. 3, 2.5.
public enum CR0 {
  public static let pe: UInt32 = 1 << 0
  public static let mp: UInt32 = 1 << 1
  public static let em: UInt32 = 1 << 2
  public static let ts: UInt32 = 1 << 3
  public static let et: UInt32 = 1 << 4
  public static let ne: UInt32 = 1 << 5
  public static let wp: UInt32 = 1 << 16
  public static let am: UInt32 = 1 << 18
  public static let nw: UInt32 = 1 << 29
  public static let cd: UInt32 = 1 << 30
  public static let pg: UInt32 = 1 << 31
}

/// CR4 bits. SDM vol. 3, 2.5.
public enum CR4 {
  public static let tsd: UInt32 = 1 << 2
  public static let de: UInt32 = 1 << 3
  public static let pse: UInt32 = 1 << 4
  public static let pae: UInt32 = 1 << 5
  public static let pge: UInt32 = 1 << 7
  public static let pce: UInt32 = 1 << 8
  public static let osfxsr: UInt32 = 1 << 9
  public static let osxmmexcpt: UInt32 = 1 << 10
  /// What this processor has; all other bits are reserved. VME, PVI and MCE are not offered by CPUID.
  public static let implemented: UInt32 =
    tsd | de | pse | pae | pge | pce | osfxsr | osxmmexcpt
}

/// Values of `CPUState.shadow`: why the boundary before the next instruction is inhibited.
public enum InterruptShadow {
  /// After STI: maskable interrupts. SDM vol. 2, "STI".
  public static let sti: UInt8 = 1
  /// After MOV SS and POP SS: interrupts and debug exceptions. SDM vol. 3, 6.8.3.
  public static let stackSegment: UInt8 = 2
}

extension CPU {
  /// CR0.PE = 0.
  @inlinable public var isRealMode: Bool { pointee.cr0 & CR0.pe == 0 }
  /// Protected mode with EFLAGS.VM = 1.
  @inlinable public var isVirtual8086: Bool { pointee.eflags & EFLAGS.vm != 0 }
  /// Protected mode proper: selectors name descriptors.
  @inlinable public var isProtectedMode: Bool { !isRealMode && !isVirtual8086 }
  /// EFLAGS.IOPL, 0...3.
  @inlinable public var iopl: UInt8 { UInt8((pointee.eflags >> 12) & 3) }

  /// Sets CPL and what depends on it.
  func setCPL(_ level: UInt8) {
    guard pointee.cpl != level else { return }
    pointee.cpl = level
    selectTLB()
    requestAttention()
  }

  /// The check at the head of privileged instructions. Virtual-8086 code runs at CPL 3.
  /// - Throws: #GP(0) unless CPL is 0.
  public func requirePrivilege() throws(Fault) {
    if pointee.cpl != 0 { throw .generalProtection() }
  }

  /// The check at the head of instructions that exist in protected mode only.
  /// - Throws: #UD in real and virtual-8086 mode.
  public func requireProtectedMode() throws(Fault) {
    if !isProtectedMode { throw .invalidOpcode }
  }
}
