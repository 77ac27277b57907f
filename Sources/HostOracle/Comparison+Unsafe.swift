import CHostOracle
import Glibc
import ISA

/// One thing in which the interpreter does not agree with the host.
public struct Difference: CustomStringConvertible, Sendable, Equatable {
  public var what: String
  public var host: String
  public var ours: String
  public var description: String { "\(what): host \(host), ours \(ours)" }
}

/// Compares outcomes.
public enum Comparison {
  static func hex<T: FixedWidthInteger>(_ value: T) -> String {
    String(UInt64(truncatingIfNeeded: value), radix: 16, uppercase: true)
  }

  /// Everything in which `ours` differs from `host` where the manual defines the outcome.
  public static func differences(
    _ item: OracleCase, host: UnsafePointer<OracleOutcome>, ours: UnsafePointer<OracleOutcome>,
    hostImage: UnsafeRawBufferPointer, ourImage: UnsafeRawBufferPointer
  ) -> [Difference] {
    if HostDifferences.endMayDiffer(item, host: host.pointee, ours: ours.pointee) { return [] }
    var found: [Difference] = []
    func compare<T: FixedWidthInteger>(_ what: @autoclosure () -> String, _ a: T, _ b: T) {
      if a != b { found.append(Difference(what: what(), host: hex(a), ours: hex(b))) }
    }
    if ours.pointee.signal == Int32(ORACLE_TIMED_OUT) {
      return [Difference(what: "end", host: "vector \(host.pointee.vector)", ours: "none")]
    }
    let ordered = !HostDifferences.faultMayDiffer(item, host: host.pointee, ours: ours.pointee)
    if ordered {
      compare("vector", host.pointee.vector, ours.pointee.vector)
      // Our supervisor's pages are present, Linux' lie above 4 GiB.
      let isOurs = host.pointee.vector == 14 && host.pointee.faultAddress >> 16 == 0xD000
      let present: UInt32 = isOurs ? 1 : 0
      compare("error code", host.pointee.errorCode | present, ours.pointee.errorCode | present)
      if host.pointee.vector == 14, ours.pointee.vector == 14 {
        compare("fault address", host.pointee.faultAddress, ours.pointee.faultAddress)
      }
    }
    let a = host.pointee.registers
    let b = ours.pointee.registers
    let names = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"]
    for number in 0..<8 { compare(names[number], a[gpr: number], b[gpr: number]) }
    compare("EIP", a.eip, b.eip)
    let mask = flagMask(item, end: a.eip)
    compare("EFLAGS", a.eflags & mask, b.eflags & mask)
    for (number, name) in ["ES", "CS", "SS", "DS", "FS", "GS"].enumerated() {
      compare(name, normalised(a[selector: number]), normalised(b[selector: number]))
    }
    let comparesX87 = !HostDifferences.x87MayDiffer(item, host: host.pointee)
    found += floatingPoint(a, b).filter { comparesX87 || $0.what.hasPrefix("XMM") }
    // A faulting instruction may have written below the stack pointer before it faulted.
    let stack = ordered && host.pointee.vector == 3 ? 0..<0 : belowStack(a)
    var bytes = memory(hostImage, ourImage, ignoring: stack)
    // MXCSR_MASK in an FXSAVE image: AMD's has the bit of the misaligned mode.
    if bytes.count == 1, bytes[0].host == "2", bytes[0].ours == "0",
      item.steps.contains(where: { $0.instruction.kind == .fxsave })
    {
      bytes = []
    }
    return found + bytes
  }

  /// The kernel's IRET clears the RPL of null selectors on the host's way to us.
  private static func normalised(_ selector: UInt16) -> UInt16 { selector < 4 ? 0 : selector }

  /// The offsets in the image of what lies below the stack pointer.
  private static func belowStack(_ r: OracleRegisters) -> Range<Int> {
    let base = SegmentTable.base(r[selector: 2])
    let esp = base &+ (base == 0 ? r[gpr: 4] : r[gpr: 4] & 0xFFFF)
    guard let last = CaseGenerator.imageOffset(esp &- 1) else { return 0..<0 }
    return max(0, Int(last) - 511)..<Int(last) + 1
  }

  /// The EFLAGS bits that are defined when the case ends at `end`: RF depends on how the trap was taken.
  static func flagMask(_ item: OracleCase, end: UInt32) -> UInt32 {
    var undefined: FlagSet = []
    let start = UInt32(ORACLE_CODE) &- item.codeBase &+ item.codeOffset
    for step in item.steps {
      if start &+ UInt32(step.offset) == end { break }
      undefined.subtract(HostDifferences.definedFlags(step.instruction))
      undefined.formUnion(HostDifferences.undefinedFlags(step.instruction))
    }
    var mask: UInt32 = ~(1 << 16)
    let bits: [(FlagSet, UInt32)] = [
      (.cf, 0), (.pf, 2), (.af, 4), (.zf, 6), (.sf, 7), (.of, 11),
    ]
    for (flag, bit) in bits where undefined.contains(flag) { mask &= ~(1 << bit) }
    return mask
  }

  static func floatingPoint(
    _ a: OracleRegisters, _ b: OracleRegisters
  ) -> [Difference] {
    var found: [Difference] = []
    func compare<T: FixedWidthInteger>(_ what: String, _ offset: Int, _ type: T.Type) {
      let x = a[fxsave: offset, as: T.self]
      let y = b[fxsave: offset, as: T.self]
      if x != y { found.append(Difference(what: what, host: hex(x), ours: hex(y))) }
    }
    compare("FCW", 0, UInt16.self)
    compare("FSW", 2, UInt16.self)
    compare("FTW", 4, UInt8.self)
    compare("MXCSR", 24, UInt32.self)
    for number in 0..<8 {
      compare("ST\(number) significand", 32 + number * 16, UInt64.self)
      compare("ST\(number) exponent", 40 + number * 16, UInt16.self)
      compare("XMM\(number) low", 160 + number * 16, UInt64.self)
      compare("XMM\(number) high", 168 + number * 16, UInt64.self)
    }
    return found
  }

  static func memory(
    _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, ignoring: Range<Int>
  ) -> [Difference] {
    if memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0 { return [] }
    return a.indices.filter { a[$0] != b[$0] && !ignoring.contains($0) }.prefix(8).map {
      Difference(what: "memory \(hex(linear($0)))", host: hex(a[$0]), ours: hex(b[$0]))
    }
  }

  /// The linear address of a byte of the memory image.
  private static func linear(_ offset: Int) -> UInt32 {
    switch offset {
    case ..<0x2000: UInt32(ORACLE_DATA) + UInt32(offset)
    case ..<0x3000: UInt32(ORACLE_READ_ONLY) + UInt32(offset - 0x2000)
    default: UInt32(ORACLE_STACK) + UInt32(offset - 0x3000)
    }
  }
}
