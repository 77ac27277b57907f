import ISA
import Memory

/// Looks for instructions that a ring-3 program may well execute but that would show it the host instead of
/// the guest: CPUID, RDTSC, RDTSCP, XGETBV, and for SYSCALL and SYSENTER, after which the host cannot tell where
/// they were. A page that may hold one is not executable in a sandbox. Operands can look like such instructions:
/// where the code before them says so, they are taken for what they are. Rare ones that look like many operands
/// (SGDT, SIDT, SMSW, SLDT, STR, LAR, LSL, VERR, VERW) are left alone.
enum CodeScan {
  /// Whether the 4096 bytes at `page` may hold such an instruction or the beginning of one.
  /// - Parameter next: the first byte of the page that follows, nil if that is not known.
  static func isSuspicious(_ page: UnsafeRawPointer, next: UInt8?) -> Bool {
    mayBeginAtEnd(page, next: next) || !suspects(page, limit: 1).isEmpty
  }

  /// Where such instructions may begin in the 4096 bytes at `page`, if they can be told from what stands before them: a
  /// breakpoint at each of these offsets stops whatever executes one.
  /// - Returns: nil if a breakpoint might be missed or taken for something else, or if there are more than `limit`.
  static func breakpoints(_ page: UnsafeRawPointer, limit: Int) -> [Int]? {
    guard !mayBeginAtEnd(page, next: nil) else { return nil }
    let offsets = suspects(page, limit: limit + 1)
    let bytes = page.assumingMemoryBound(to: UInt8.self)
    guard offsets.count <= limit, offsets.allSatisfy({ canStop(before: $0, in: bytes) }) else {
      return nil
    }
    return offsets
  }

  /// Whether what begins at the end of the page may be such an instruction.
  private static func mayBeginAtEnd(_ page: UnsafeRawPointer, next: UInt8?) -> Bool {
    let bytes = page.assumingMemoryBound(to: UInt8.self)
    if bytes[4095] == 0x0F {
      guard let next, next != 1, !isSensitive(next, 0) else { return true }
    }
    return bytes[4094] == 0x0F && bytes[4095] == 1
  }

  /// The first offsets at which such an instruction may begin, prefixes apart.
  private static func suspects(_ page: UnsafeRawPointer, limit: Int) -> [Int] {
    let bytes = page.assumingMemoryBound(to: UInt8.self)
    var result: [Int] = []
    // Eight bytes at a time: is any of them 0Fh?
    for offset in stride(from: 0, to: 4096, by: 8) {
      let x = page.load(fromByteOffset: offset, as: UInt64.self) ^ 0x0F0F_0F0F_0F0F_0F0F
      var hits = (x &- 0x0101_0101_0101_0101) & ~x & 0x8080_8080_8080_8080
      while hits != 0 {
        let at = offset + hits.trailingZeroBitCount >> 3
        hits &= hits &- 1
        if at < 4095, bytes[at] == 0x0F,
          isSensitive(bytes[at + 1], at < 4094 ? bytes[at + 2] : 0),
          mayBegin(at, in: bytes)
        {
          result.append(at)
          if result.count == limit { return result }
        }
      }
    }
    return result
  }

  /// Whether a breakpoint at an offset stops everything that executes the instruction there, and nothing else looks like
  /// it: the instruction does not begin with a prefix, INT1 does not end there, and no load of SS, which holds debug
  /// exceptions back for an instruction.
  private static func canStop(before offset: Int, in page: UnsafePointer<UInt8>) -> Bool {
    guard offset >= 16, !isPrefix(page[offset - 1]), page[offset - 1] != 0xF1 else { return false }
    var instruction = Instruction()
    for start in offset - 15..<offset {
      guard
        Decoder.decode(page + start, count: 16, codeSize: 4, into: &instruction) == .instruction,
        start + Int(instruction.length) == offset
      else { continue }
      if instruction.kind == .movToSegment || instruction.kind == .popSegment { return false }
    }
    return true
  }

  private static func isPrefix(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x26, 0x2E, 0x36, 0x3E, 0x64...0x67, 0xF0, 0xF2, 0xF3: true
    default: false
    }
  }

  /// Whether an instruction whose opcode is at an offset may begin there, or at a prefix before it.
  private static func mayBegin(_ offset: Int, in page: UnsafePointer<UInt8>) -> Bool {
    var start = offset
    while true {
      if isInStep(start, in: page) { return true }
      guard start > 0, offset - start < 14, isPrefix(page[start - 1]) else { return false }
      start -= 1
    }
  }

  /// Whether an instruction begins at an offset, by decoding from each of the places before it. Code falls into
  /// step after a few instructions wherever one begins, so nearly all of them agree.
  private static func isInStep(_ offset: Int, in page: UnsafePointer<UInt8>) -> Bool {
    guard offset > 0 else { return true }
    let first = max(0, offset - distance)
    // Which places lead there, from the last one to the first: that of each follows from a later one.
    var leads: UInt64 = 0
    var instruction = Instruction()
    for start in stride(from: offset - 1, through: first, by: -1) {
      let status = Decoder.decode(
        page + start, count: 4096 - start, codeSize: 4, into: &instruction)
      let length = status == .instruction ? Int(instruction.length) : 1
      let next = start + max(length, 1)
      if next == offset || next < offset && leads >> UInt64(offset - next - 1) & 1 != 0 {
        leads |= 1 << UInt64(offset - start - 1)
      }
    }
    return leads.nonzeroBitCount * 8 >= offset - first
  }
  private static let distance = 64

  /// Whether an instruction may begin at the end of the page whose second byte decides.
  static func dependsOnNext(_ page: UnsafeRawPointer) -> Bool {
    page.load(fromByteOffset: 4095, as: UInt8.self) == 0x0F
  }

  private static func isSensitive(_ second: UInt8, _ third: UInt8) -> Bool {
    switch second {
    case 0xA2, 0x31, 0x05, 0x34: true
    case 0x01: third == 0xD0 || third == 0xF9
    default: false
    }
  }
}

extension PhysicalMemory {
  /// Whether a page may be executed by the host's processor.
  enum DirectExecution {
    case refused, allowed
    /// With what follows it as it is.
    case allowedBefore
  }

  /// Whether code in the RAM page at `physical` may be executed by the host's processor.
  /// - Parameter next: the page that follows in the address space, if one does.
  func directExecution(page physical: UInt32, next: UInt32?) -> DirectExecution {
    guard let page = ramPage(physical) else { return .refused }
    guard CodeScan.dependsOnNext(page) else {
      return CodeScan.isSuspicious(page, next: nil) ? .refused : .allowed
    }
    guard let next = next.flatMap(ramPage) else { return .refused }
    let byte = next.load(as: UInt8.self)
    return CodeScan.isSuspicious(page, next: byte) ? .refused : .allowedBefore
  }

  /// Whether code in a page may not be executed by the host's processor whatever follows it.
  func isUnfit(page physical: UInt32) -> Bool {
    ramPage(physical).map { CodeScan.isSuspicious($0, next: 0x90) } ?? true
  }

  /// Where breakpoints in a page make it fit to be executed by the host's processor; nil if no more than `limit` do.
  func breakpoints(page physical: UInt32, limit: Int) -> [UInt32]? {
    ramPage(physical).flatMap { CodeScan.breakpoints($0, limit: limit) }?.map { UInt32($0) }
  }

  private func ramPage(_ physical: UInt32) -> UnsafeRawPointer? {
    guard let offset = fileOffset(ofPage: physical), offset < Int(ramSize) else { return nil }
    return UnsafeRawPointer(ram) + offset
  }
}
