/// The decision algorithm: whether a state of the virtual processor may run directly on the host's.
///
/// It looks at virtual registers only, never at instructions, and does not ask whether direct execution pays
/// (`SwitchingPolicy`). After Bugnion et al., "Bringing Virtualization to the x86 Architecture with the Original
/// VMware Workstation" (2012), section 5, and Tanenbaum and Bos, "Modern Operating Systems", section 7.12; what
/// differs is that a 64-bit host process has no virtual-8086 mode.
public enum Admission {
  /// The first row of the table that applies.
  public enum Reason: String, Sendable, CaseIterable {
    /// Nothing speaks against direct execution.
    case direct
    /// CR0.PE = 0.
    case realMode
    /// EFLAGS.VM = 1.
    case virtual8086
    /// CPL < 3.
    case privileged
    /// EFLAGS.IOPL = 3: the code may disable interrupts and do I/O.
    case ioPrivilege
    /// EFLAGS.IF = 0.
    case interruptsDisabled
    /// A segment register's hidden part is not what its selector would load now.
    case segmentNotReversible
    /// The host cannot have such a segment: 16-bit code or stack.
    case segmentNotMappable
    /// EFLAGS.TF.
    case singleStep
    /// DR7 enables a breakpoint.
    case debugRegisters
    /// CR0.EM: x87 instructions fault.
    case emulation
    /// CR0.TS: x87 and SSE instructions fault.
    case taskSwitched
    /// CR4.TSD: RDTSC faults.
    case timeStampDisable
    /// EFLAGS.AC: the host applies its own CR0.AM.
    case alignmentCheck
    /// CR4.OSFXSR = 0: SSE instructions fault.
    case sseDisabled
  }

  /// Why the state may not run directly, or `direct`.
  @inlinable public static func evaluate(_ state: VirtualState) -> Reason {
    // One comparison decides the frequent case.
    if state.bits == VirtualState.admitted { return .direct }
    return refusal(state)
  }

  @usableFromInline static func refusal(_ state: VirtualState) -> Reason {
    if !state.has(.protectedMode) { return .realMode }
    if state.has(.virtual8086) { return .virtual8086 }
    if state.privilege < 3 { return .privileged }
    if state.ioPrivilege >= state.privilege { return .ioPrivilege }
    if !state.has(.interruptsEnabled) { return .interruptsDisabled }
    if !state.has(.reversible) { return .segmentNotReversible }
    if !state.has(.mappable) { return .segmentNotMappable }
    if state.has(.singleStep) { return .singleStep }
    if state.has(.debugRegisters) { return .debugRegisters }
    if state.has(.emulation) { return .emulation }
    if state.has(.taskSwitched) { return .taskSwitched }
    if state.has(.timeStampDisable) { return .timeStampDisable }
    if state.has(.alignmentCheck) { return .alignmentCheck }
    if !state.has(.sseEnabled) { return .sseDisabled }
    return .direct
  }
}

/// What `Admission` needs of the virtual processor, packed into a word.
public struct VirtualState: Equatable, Sendable {
  public var bits: UInt32

  @inlinable public init(bits: UInt32) { self.bits = bits }

  /// One bit of the word.
  public struct Bit: Sendable {
    @usableFromInline let mask: UInt32
    @inlinable init(_ number: UInt32) { mask = 1 << number }

    public static let protectedMode = Bit(0)
    public static let virtual8086 = Bit(1)
    public static let interruptsEnabled = Bit(6)
    public static let reversible = Bit(7)
    public static let mappable = Bit(8)
    public static let singleStep = Bit(9)
    public static let debugRegisters = Bit(10)
    public static let emulation = Bit(11)
    public static let taskSwitched = Bit(12)
    public static let timeStampDisable = Bit(13)
    public static let alignmentCheck = Bit(14)
    public static let sseEnabled = Bit(15)
  }

  /// Number of significant bits.
  public static let width = 16

  @inlinable public func has(_ bit: Bit) -> Bool { bits & bit.mask != 0 }

  /// CPL, bits 3:2.
  @inlinable public var privilege: UInt32 { (bits >> 2) & 3 }
  /// EFLAGS.IOPL, bits 5:4.
  @inlinable public var ioPrivilege: UInt32 { (bits >> 4) & 3 }

  /// The most frequent admissible state: IOPL 0.
  @usableFromInline static let admitted: UInt32 = 0x81CD
}
