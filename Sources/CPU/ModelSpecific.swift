import Memory

/// Model-specific register numbers. SDM vol. 4, tables 2-2 and 2-54.
public enum MSR {
  public static let timeStampCounter: UInt32 = 0x10
  public static let platformID: UInt32 = 0x17
  public static let apicBase: UInt32 = 0x1B
  public static let powerOnConfiguration: UInt32 = 0x2A
  public static let microcodeTrigger: UInt32 = 0x79
  public static let microcodeSignature: UInt32 = 0x8B
  public static let mtrrCapabilities: UInt32 = 0xFE
  public static let sysenterCS: UInt32 = 0x174
  public static let sysenterESP: UInt32 = 0x175
  public static let sysenterEIP: UInt32 = 0x176
  public static let debugControl: UInt32 = 0x1D9
  public static let pageAttributeTable: UInt32 = 0x277
  public static let mtrrDefaultType: UInt32 = 0x2FF
  public static let efer: UInt32 = 0xC000_0080
}

/// EFER bits; NXE is the only one offered.
enum EFER {
  static let nxe: UInt64 = 1 << 11
}

/// Memory-type registers. They are kept for software that expects them and have no effect: the simulator
/// has no caches that could be seen, and CPUID claims neither MTRR nor PAT.
public struct MemoryTypeRegisters: Sendable {
  private var values: [UInt32: UInt64] = [:]
  public init() {}

  private static let variableCount: UInt32 = 8

  /// Eight variable ranges, fixed ranges, write-combining.
  private static let capabilities: UInt64 = 0x508

  private static func isStored(_ number: UInt32) -> Bool {
    switch number {
    case 0x200..<(0x200 + 2 * variableCount), 0x250, 0x258, 0x259, 0x268...0x26F,
      MSR.pageAttributeTable, MSR.mtrrDefaultType:
      true
    default: false
    }
  }

  /// The value of a register, or nil if it is none of these.
  func read(_ number: UInt32) -> UInt64? {
    if number == MSR.mtrrCapabilities { return Self.capabilities }
    guard Self.isStored(number) else { return nil }
    return values[number] ?? (number == MSR.pageAttributeTable ? 0x0007_0406_0007_0406 : 0)
  }

  /// Whether the register exists and takes the value.
  mutating func write(_ number: UInt32, _ value: UInt64) -> Bool {
    guard Self.isStored(number) else { return false }
    if number == MSR.pageAttributeTable, !Self.areMemoryTypes(value, [0, 1, 4, 5, 6, 7]) {
      return false
    }
    values[number] = value
    return true
  }

  private static func areMemoryTypes(_ value: UInt64, _ allowed: [UInt8]) -> Bool {
    (0..<8).allSatisfy { allowed.contains(UInt8(truncatingIfNeeded: value >> ($0 * 8))) }
  }
}

/// RDMSR, WRMSR, RDTSC, RDPMC. SDM vol. 2.
extension CPU {
  /// The time-stamp counter: the virtual clock plus what software has set it to.
  public var timeStampCounter: UInt64 { now &+ pointee.tscOffset }

  /// RDTSC's check. SDM vol. 2, "RDTSC".
  /// - Throws: #GP(0) when CR4.TSD is set and CPL is not 0.
  public func checkTimeStampAccess() throws(Fault) {
    if pointee.cr4 & CR4.tsd != 0 { try requirePrivilege() }
  }

  /// RDMSR.
  /// - Throws: #GP(0) unless CPL is 0 and the register exists.
  public func readMSR(_ number: UInt32) throws(Fault) -> UInt64 {
    try requirePrivilege()
    switch number {
    case MSR.timeStampCounter: return timeStampCounter
    case MSR.platformID, MSR.powerOnConfiguration, MSR.microcodeSignature, MSR.debugControl:
      return 0
    // Without a local APIC the bootstrap processor's, disabled.
    case MSR.apicBase: return processor.readAPICBase?() ?? 0xFEE0_0100
    case MSR.sysenterCS: return UInt64(pointee.sysenterCS)
    case MSR.sysenterESP: return UInt64(pointee.sysenterESP)
    case MSR.sysenterEIP: return UInt64(pointee.sysenterEIP)
    case MSR.efer: return pointee.efer
    default:
      guard let value = processor.memoryTypes.read(number) else { throw .generalProtection() }
      return value
    }
  }

  /// WRMSR.
  /// - Throws: #GP(0) unless CPL is 0, the register exists and no reserved bit is set.
  public func writeMSR(_ number: UInt32, _ value: UInt64) throws(Fault) {
    try requirePrivilege()
    let low = UInt32(truncatingIfNeeded: value)
    switch number {
    case MSR.timeStampCounter:
      // Family 6 processors clear the upper half. SDM vol. 3, 17.17.3.
      pointee.tscOffset = UInt64(low) &- now
    case MSR.microcodeTrigger, MSR.microcodeSignature, MSR.powerOnConfiguration: break
    case MSR.apicBase:
      // Enabling an APIC that is not there is refused.
      let enable: UInt64 = processor.readAPICBase == nil ? 0 : 0x800
      guard value & ~(0xF_FFFF_F100 | enable) == 0 else { throw .generalProtection() }
      processor.writeAPICBase(value)
    case MSR.debugControl:
      guard value == 0 else { throw .generalProtection() }
    case MSR.sysenterCS: pointee.sysenterCS = low
    case MSR.sysenterESP: pointee.sysenterESP = low
    case MSR.sysenterEIP: pointee.sysenterEIP = low
    case MSR.efer:
      guard value & ~EFER.nxe == 0 else { throw .generalProtection() }
      if pointee.efer != value {
        pointee.efer = value
        flushTLB(includingGlobal: true)
      }
    default:
      guard processor.memoryTypes.write(number, value) else { throw .generalProtection() }
    }
  }

  /// RDPMC. There are no performance counters, so every counter number is invalid.
  /// - Throws: #GP(0).
  public func readPerformanceCounter(_ number: UInt32) throws(Fault) -> UInt64 {
    throw .generalProtection()
  }
}
