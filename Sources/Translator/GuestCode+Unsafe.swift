import ISA

/// Where the parts of an encoded guest instruction lie, so that it can be emitted again.
struct GuestCode {
  /// The instruction's bytes.
  private let bytes: UnsafePointer<UInt8>
  let length: Int
  /// A mandatory or repeat prefix F2/F3, or 0.
  private(set) var repeatPrefix: UInt8 = 0
  private(set) var hasOperandSize = false
  private(set) var hasLock = false
  let isTwoByte: Bool
  let opcode: UInt8
  /// Offset of the ModRM byte, nil when there is none.
  let modrmOffset: Int?
  private let opcodeEnd: Int

  init(_ bytes: UnsafePointer<UInt8>, length: Int) {
    self.bytes = bytes
    self.length = length
    var i = 0
    scan: while i < length {
      switch bytes[i] {
      case 0x66: hasOperandSize = true
      case 0xF2, 0xF3: repeatPrefix = bytes[i]
      case 0xF0: hasLock = true
      case 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x67: break
      default: break scan
      }
      i += 1
    }
    isTwoByte = bytes[i] == 0x0F
    if isTwoByte { i += 1 }
    opcode = bytes[i]
    opcodeEnd = i + 1
    modrmOffset = Self.hasModRM(opcode, isTwoByte) ? i + 1 : nil
  }

  private static func hasModRM(_ opcode: UInt8, _ isTwoByte: Bool) -> Bool {
    if isTwoByte {
      switch opcode {
      case 0x05...0x0B, 0x30...0x37, 0x77, 0x80...0x8F, 0xA0...0xA2, 0xA8...0xAA, 0xC8...0xCF:
        return false
      default: return true
      }
    }
    switch opcode {
    case 0x00...0x3F: return opcode & 7 < 4
    case 0x62, 0x63, 0x69, 0x6B, 0x80...0x8F, 0xC0, 0xC1, 0xC4...0xC7, 0xD0...0xD3, 0xD8...0xDF,
      0xF6, 0xF7, 0xFE, 0xFF:
      return true
    default: return false
    }
  }

  var modrm: UInt8 { modrmOffset.map { bytes[$0] } ?? 0 }
  var isMemoryForm: Bool { modrmOffset != nil && modrm < 0xC0 }

  /// Bytes of SIB and displacement behind a 32-bit-addressing ModRM byte.
  private var addressLength: Int {
    guard let at = modrmOffset, modrm < 0xC0 else { return 0 }
    let mod = modrm >> 6
    let hasSIB = modrm & 7 == 4
    var n = hasSIB ? 1 : 0
    switch mod {
    case 0:
      if modrm & 7 == 5 { n += 4 }
      if hasSIB, bytes[at + 1] & 7 == 5 { n += 4 }
    case 1: n += 1
    default: n += 4
    }
    return n
  }

  // MARK: Emission

  private func emitPrefixes(_ a: inout Assembler, window: Bool) {
    if window { a.bytes(0x65, 0x67) }
    if hasLock { a.byte(0xF0) }
    if hasOperandSize { a.byte(0x66) }
    if repeatPrefix != 0 { a.byte(repeatPrefix) }
  }

  private func emitOpcode(_ a: inout Assembler) {
    if isTwoByte { a.byte(0x0F) }
    a.byte(opcode)
  }

  /// Whether ESP is the base of the memory operand.
  var hasStackBase: Bool {
    guard let at = modrmOffset else { return false }
    return modrm < 0xC0 && modrm & 7 == 4 && bytes[at + 1] & 7 == 4
  }

  /// The REX prefix that makes R12 of ESP, 0 when it is not there. AH...BH cannot be named beside it.
  /// - Parameter usesStack: whether an operand is the register ESP or SP. Then no field holds an AH, or an XMM
  ///   register's number.
  func stackPrefix(usesStack: Bool) -> UInt8 {
    var bits: UInt8 = hasStackBase ? 1 : 0
    if usesStack {
      if modrmOffset == nil {
        bits = 1
      } else {
        if modrm >> 3 & 7 == 4 { bits |= 4 }
        if modrm >= 0xC0, modrm & 7 == 4 { bits |= 1 }
      }
    }
    return bits == 0 ? 0 : 0x40 | bits
  }

  /// Emits the instruction as it stands, with ESP in R12; a memory operand goes through the window unless
  /// `window` is false.
  func emitCopy(_ a: inout Assembler, usesStack: Bool = false, window: Bool = true) {
    let isMoffs = !isTwoByte && opcode >= 0xA0 && opcode <= 0xA3
    emitPrefixes(&a, window: window && (isMemoryForm || isMoffs))
    let prefix = stackPrefix(usesStack: usesStack)
    if prefix != 0 { a.byte(prefix) }
    if !isTwoByte && opcode & 0xF0 == 0x40 {
      // INC and DEC of a register: REX prefixes in 64-bit mode.
      a.bytes(0xFF, 0xC0 | (opcode & 0x0F))
      return
    }
    emitOpcode(&a)
    guard let at = modrmOffset else {
      for i in opcodeEnd..<length { a.byte(bytes[i]) }
      return
    }
    emitAddress(&a, at, field: modrm >> 3 & 7)
    emitImmediate(&a, at)
  }

  /// Emits a load of the dword memory operand into one of R8...R15, through the window.
  func emitLoad(_ a: inout Assembler, into register: UInt8) {
    guard let at = modrmOffset else { return }
    a.bytes(0x65, 0x67)
    a.bytes(0x44 | (hasStackBase ? 1 : 0), 0x8B)
    emitAddress(&a, at, field: register & 7)
  }

  /// Emits ModRM with another register field, SIB and displacement.
  private func emitAddress(_ a: inout Assembler, _ at: Int, field: UInt8) {
    if modrm >> 6 == 0 && modrm & 7 == 5 {
      // [disp32] would be RIP-relative.
      a.bytes(field << 3 | 4, 0x25)
    } else {
      a.byte(modrm & 0xC7 | field << 3)
    }
    for i in (at + 1)..<(at + 1 + addressLength) { a.byte(bytes[i]) }
  }

  /// Emits what comes behind ModRM, SIB and displacement.
  private func emitImmediate(_ a: inout Assembler, _ at: Int) {
    let start = at + 1 + addressLength
    for i in start..<max(length, start) { a.byte(bytes[i]) }
  }

  /// Emits the instruction with its memory operand at [R8]. Not for byte registers AH...BH.
  func emitAtR8(_ a: inout Assembler, usesStack: Bool = false) {
    emitPrefixes(&a, window: true)
    a.byte(0x41 | (usesStack ? stackPrefix(usesStack: true) & 4 : 0))
    guard let at = modrmOffset else {
      // A0...A3, which have no such form: 8A, 8B, 88, 89 with AL or EAX.
      a.bytes(0x88 | (opcode ^ 2) & 3, 0)
      return
    }
    emitOpcode(&a)
    a.byte(modrm & 0x38)
    emitImmediate(&a, at)
  }

  /// The general register that alone is the memory operand's offset.
  var plainAddress: UInt8? {
    guard modrmOffset != nil, modrm >> 6 == 0, modrm & 7 != 4, modrm & 7 != 5 else { return nil }
    return modrm & 7
  }

  /// Emits R8D = the offset of the memory operand.
  func emitAddressToR8(_ a: inout Assembler) {
    guard let at = modrmOffset else {
      // moffs
      a.move(HostRegister.r8, moffs)
      return
    }
    a.bytes(hasStackBase ? 0x45 : 0x44, 0x8D)
    emitAddress(&a, at, field: 0)
  }

  private var moffs: UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(bytes[opcodeEnd + $1]) << UInt32($1 * 8) }
  }
}
