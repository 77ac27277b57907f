import Memory

/// DR6 bits. SDM vol. 3, 17.2.3.
public enum DR6 {
  public static let breakpoints: UInt32 = 0xF
  public static let access: UInt32 = 1 << 13
  public static let singleStep: UInt32 = 1 << 14
  public static let taskSwitch: UInt32 = 1 << 15
}

/// DR7 bits. SDM vol. 3, 17.2.4.
public enum DR7 {
  /// L0...L3 and LE, which a task switch clears.
  public static let localEnables: UInt32 = 0x155
  public static let generalDetect: UInt32 = 1 << 13
}

/// What a breakpoint register watches: the R/W field of DR7.
private enum BreakpointKind {
  static let execution: UInt32 = 0
  static let port: UInt32 = 2
}

/// Debug registers and debug exceptions. SDM vol. 3, chapter 17.
extension CPU {
  /// MOV from a debug register.
  /// - Throws: #UD for DR4 and DR5 with CR4.DE = 1, #GP(0) unless CPL is 0, #DB when DR7.GD is set.
  public func readDebug(_ number: UInt8) throws(Fault) -> UInt32 {
    self[dr: try accessibleDebug(number)]
  }

  /// MOV to a debug register.
  /// - Throws: as `readDebug`.
  public func writeDebug(_ number: UInt8, _ value: UInt32) throws(Fault) {
    let index = try accessibleDebug(number)
    switch index {
    case 6: self[dr: 6] = (value & 0x0000_E00F) | 0xFFFF_0FF0
    case 7:
      self[dr: 7] = (value & 0xFFFF_23FF) | 0x400
      selectTLB()
    default: self[dr: index] = value
    }
    requestAttention()
  }

  private func accessibleDebug(_ number: UInt8) throws(Fault) -> Int {
    var index = Int(number & 7)
    if index == 4 || index == 5 {
      if pointee.cr4 & CR4.de != 0 { throw .invalidOpcode }
      index += 2
    }
    try requirePrivilege()
    if self[dr: 7] & DR7.generalDetect != 0 {
      self[dr: 6] |= DR6.access
      throw .debug
    }
    return index
  }

  /// DR6 bits of the enabled breakpoints of one kind that watch a byte of `size` ones at `address`.
  private func matches(_ kind: UInt32, _ address: UInt32, size: UInt32) -> UInt32 {
    let dr7 = self[dr: 7]
    var hits: UInt32 = 0
    for i in 0..<4 as Range<UInt32> where (dr7 >> (i * 2)) & 3 != 0 {
      guard (dr7 >> (16 + i * 4)) & 3 == kind else { continue }
      let length: UInt32 = [1, 2, 8, 4][Int((dr7 >> (18 + i * 4)) & 3)]
      let start = self[dr: Int(i)] & ~(length - 1)
      if start &- address < size || address &- start < length { hits |= 1 << i }
    }
    return hits
  }

  /// Whether an execution breakpoint watches `linear`, the first byte of an instruction.
  public func codeBreakpointHit(_ linear: UInt32) -> Bool {
    matches(BreakpointKind.execution, linear, size: 1) != 0
  }

  /// Delivers #DB if an execution breakpoint watches the instruction at CS:EIP. The caller has checked that
  /// EFLAGS.RF is 0 and that no MOV SS precedes.
  /// - Returns: whether it did.
  public func debugFaultBeforeInstruction() -> Bool {
    let hits = matches(
      BreakpointKind.execution, cs.pointee.base &+ pointee.eip, size: 1)
    guard hits != 0 else { return false }
    self[dr: 6] = (self[dr: 6] & ~DR6.breakpoints) | hits
    // RF of the image stays 0: the handler decides whether the instruction may run now.
    deliverTrap(.debug)
    return true
  }

  /// Delivers the debug traps collected during the instruction that has just completed: data and I/O
  /// breakpoints, the T flag of a TSS, and the single step.
  /// - Parameter singleStep: whether EFLAGS.TF was set when the instruction began.
  public func finishDebugTraps(singleStep: Bool) {
    let found = pointee.debugTriggered | (singleStep ? DR6.singleStep : 0)
    pointee.debugTriggered = 0
    guard found != 0 else { return }
    self[dr: 6] = (self[dr: 6] & ~DR6.breakpoints) | found
    deliverTrap(.debug)
  }

  /// Records the I/O breakpoints that an access hits.
  func checkPortBreakpoints(_ port: UInt16, size: UInt32) {
    guard pointee.cr4 & CR4.de != 0, self[dr: 7] & 0xFF != 0 else { return }
    let hits = matches(BreakpointKind.port, UInt32(port), size: size)
    guard hits != 0 else { return }
    pointee.debugTriggered |= hits
    requestAttention()
  }
}
