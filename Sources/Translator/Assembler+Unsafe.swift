/// Host registers by number. The guest's general registers have their own numbers but for ESP, since RSP is the
/// stack of host return addresses. R8...R11 are scratch.
enum HostRegister {
  static let r8: UInt8 = 8
  static let r9: UInt8 = 9
  static let r10: UInt8 = 10
  static let r11: UInt8 = 11
  /// The stack of host return addresses.
  static let returnStack: UInt8 = 4
  /// The guest's ESP.
  static let esp: UInt8 = 12
  /// 63 bytes into the jump table, so that it is also the count of shifts that leave the sign.
  static let table: UInt8 = 13
  /// The `CPUState`.
  static let state: UInt8 = 14
  /// Cycles left << `Budget.shift` | instructions retired.
  static let budget: UInt8 = 15

  /// The register that holds a general register of the guest's.
  static func of(_ guest: UInt8) -> UInt8 { guest == 4 ? esp : guest }
}

/// Writes x86-64 machine code. Positions are offsets from the start of the code cache.
struct Assembler {
  /// The writable view.
  private let base: UnsafeMutablePointer<UInt8>
  private(set) var position: Int

  init(base: UnsafeMutablePointer<UInt8>, position: Int) {
    self.base = base
    self.position = position
  }

  @inline(__always)
  mutating func byte(_ value: UInt8) {
    base[position] = value
    position &+= 1
  }

  @inline(__always)
  mutating func bytes(_ values: UInt8...) {
    for value in values { byte(value) }
  }

  @inline(__always)
  mutating func word32(_ value: UInt32) {
    UnsafeMutableRawPointer(base + position).storeBytes(of: value, as: UInt32.self)
    position &+= 4
  }

  mutating func word64(_ value: UInt64) {
    UnsafeMutableRawPointer(base + position).storeBytes(of: value, as: UInt64.self)
    position &+= 8
  }

  /// Pads until `before` bytes are left to a multiple of `alignment`.
  mutating func align(_ alignment: Int, before: Int = 0) {
    while (position + before) & (alignment - 1) != 0 {
      nop(min(alignment - ((position + before) & (alignment - 1)), 8))
    }
  }

  private mutating func nop(_ length: Int) {
    switch length {
    case 1: byte(0x90)
    case 2: bytes(0x66, 0x90)
    case 3: bytes(0x0F, 0x1F, 0x00)
    case 4: bytes(0x0F, 0x1F, 0x40, 0x00)
    case 5: bytes(0x0F, 0x1F, 0x44, 0x00, 0x00)
    case 6: bytes(0x66, 0x0F, 0x1F, 0x44, 0x00, 0x00)
    case 7: bytes(0x0F, 0x1F, 0x80, 0, 0, 0, 0)
    default: bytes(0x0F, 0x1F, 0x84, 0, 0, 0, 0, 0)
    }
  }

  // MARK: Jumps

  /// A 32-bit displacement at the end of the code so far, to be set by `patch`.
  mutating func hole() -> Int {
    word32(0)
    return position - 4
  }

  /// Makes the displacement at `hole` lead to `target`.
  func patch(_ hole: Int, to target: Int) {
    UnsafeMutableRawPointer(base + hole).storeBytes(
      of: UInt32(truncatingIfNeeded: target - (hole + 4)), as: UInt32.self)
  }

  /// Replaces the byte at `position`.
  func patchByte(_ position: Int, _ value: UInt8) { base[position] = value }

  mutating func jump(to target: Int) {
    byte(0xE9)
    word32(UInt32(truncatingIfNeeded: target - (position + 4)))
  }

  /// JMP with a displacement to be patched.
  mutating func jump() -> Int {
    byte(0xE9)
    return hole()
  }

  /// Jcc with a displacement to be patched.
  mutating func jump(if condition: UInt8) -> Int {
    bytes(0x0F, 0x80 | condition)
    return hole()
  }

  mutating func jump(register: UInt8) {
    if register >= 8 { byte(0x41) }
    bytes(0xFF, 0xE0 | (register & 7))
  }

  mutating func call(register: UInt8) {
    if register >= 8 { byte(0x41) }
    bytes(0xFF, 0xD0 | (register & 7))
  }

  // MARK: Moves; none changes a flag

  /// register32 = immediate
  mutating func move(_ register: UInt8, _ immediate: UInt32) {
    if register >= 8 { byte(0x41) }
    byte(0xB8 | (register & 7))
    word32(immediate)
  }

  /// register64 = immediate
  mutating func move64(_ register: UInt8, _ immediate: UInt64) {
    if immediate <= 0xFFFF_FFFF { return move(register, UInt32(immediate)) }
    bytes(register >= 8 ? 0x49 : 0x48, 0xB8 | (register & 7))
    word64(immediate)
  }

  /// destination32 = source32
  mutating func move(_ destination: UInt8, from source: UInt8) {
    rex(reg: destination, rm: source)
    bytes(0x8B, 0xC0 | (destination & 7) << 3 | (source & 7))
  }

  /// destination64 = source64
  mutating func move64(_ destination: UInt8, from source: UInt8) {
    bytes(
      0x48 | (destination >= 8 ? 4 : 0) | (source >= 8 ? 1 : 0), 0x8B,
      0xC0 | (destination & 7) << 3 | (source & 7))
  }

  /// CALL with a displacement to be patched.
  mutating func call() -> Int {
    byte(0xE8)
    return hole()
  }

  /// register64 = address of `target`
  mutating func loadAddress(_ register: UInt8, of target: Int) -> Int {
    bytes(0x48 | (register >= 8 ? 4 : 0), 0x8D, 0x05 | (register & 7) << 3)
    word32(UInt32(truncatingIfNeeded: target - (position + 4)))
    return position - 4
  }

  /// register = dword at state + offset
  mutating func loadState(_ register: UInt8, _ offset: Int) {
    bytes(0x41 | (register >= 8 ? 4 : 0), 0x8B, 0x80 | (register & 7) << 3 | 6)
    word32(UInt32(offset))
  }

  /// register64 = qword at state + offset
  mutating func loadState64(_ register: UInt8, _ offset: Int) {
    bytes(0x49 | (register >= 8 ? 4 : 0), 0x8B, 0x80 | (register & 7) << 3 | 6)
    word32(UInt32(offset))
  }

  /// dword at state + offset = immediate
  mutating func storeState(_ offset: Int, immediate: UInt32) {
    bytes(0x41, 0xC7, 0x86)
    word32(UInt32(offset))
    word32(immediate)
  }

  /// word at state + offset = immediate
  mutating func storeState16(_ offset: Int, immediate: UInt16) {
    bytes(0x66, 0x41, 0xC7, 0x86)
    word32(UInt32(offset))
    bytes(UInt8(truncatingIfNeeded: immediate), UInt8(truncatingIfNeeded: immediate >> 8))
  }

  /// dword at state + offset = register
  mutating func storeState(_ offset: Int, _ register: UInt8) {
    bytes(0x41 | (register >= 8 ? 4 : 0), 0x89, 0x80 | (register & 7) << 3 | 6)
    word32(UInt32(offset))
  }

  /// qword at state + offset = register
  mutating func storeState64(_ offset: Int, _ register: UInt8) {
    bytes(0x49 | (register >= 8 ? 4 : 0), 0x89, 0x80 | (register & 7) << 3 | 6)
    word32(UInt32(offset))
  }

  /// destination32 = base + displacement, truncated to 32 bits
  mutating func addConstant(_ destination: UInt8, _ base: UInt8, _ displacement: Int32) {
    rex(reg: destination, rm: base)
    byte(0x8D)
    memory(reg: destination, base: base, displacement: displacement)
  }

  /// R15 += constant, without touching a flag; may change R8.
  mutating func addBudget(_ constant: Int64) {
    guard let short = Int32(exactly: constant) else {
      move64(HostRegister.r8, UInt64(bitPattern: constant))
      return refundR8()
    }
    bytes(0x4D, 0x8D, 0xBF)
    word32(UInt32(bitPattern: short))
  }

  /// R15 -= constant, setting the flags; may change R8.
  mutating func subtractBudget(_ constant: Int64) {
    guard let short = Int32(exactly: constant) else {
      move64(HostRegister.r8, UInt64(bitPattern: constant))
      bytes(0x4D, 0x29, 0xC7)  // sub r15, r8
      return
    }
    bytes(0x49, 0x81, 0xEF)
    word32(UInt32(bitPattern: short))
  }

  /// Raises a signal if R15 is negative: loads from the state's address, made non-canonical by the sign.
  /// Changes no flag.
  mutating func touchIfNegative() {
    bytes(0xC4, 0x42, 0x92, 0xF7, 0xC7)  // sarx r8, r15, r13
    bytes(0xC4, 0x42, 0x91, 0xF7, 0xC0)  // shlx r8, r8, r13
    bytes(0x47, 0x8B, 0x04, 0x06)  // mov r8d, [r14+r8]
  }

  /// Bytes of that; the last 4 are the instruction that a signal names.
  static let touchSize = 14

  /// R8 = the host address of the code for the guest address in R9D, or that of a look-up. Changes no flag.
  mutating func loadTarget(codeBase: UInt32) {
    bytes(0x47, 0x8B, 0x44, 0x8D, 0xC1)  // mov r8d, [r13+r9*4-63]
    bytes(0x4D, 0x8D, 0x80)  // lea r8, [r8+codeBase]
    word32(codeBase)
  }

  /// Raises a signal if R10 is 0 rather than 1, in the same way. Changes no flag.
  mutating func touchUnlessOneInR10() {
    bytes(0x4D, 0x8D, 0x52, 0xFF)  // lea r10, [r10-1]
    bytes(0xC4, 0x42, 0x91, 0xF7, 0xD2)  // shlx r10, r10, r13
    bytes(0x47, 0x8B, 0x14, 0x16)  // mov r10d, [r14+r10]
  }

  /// Sets the sign flag if R15 is negative.
  mutating func testBudget() { bytes(0x4D, 0x85, 0xFF) }

  // MARK: Flags

  /// R11 = the arithmetic flags; changes R8.
  mutating func saveFlagsToR11() {
    move(HostRegister.r8, from: 0)
    bytes(0x9F)  // lahf
    bytes(0x0F, 0x90, 0xC0)  // seto al
    move(HostRegister.r11, from: 0)
    move(0, from: HostRegister.r8)
  }

  /// The arithmetic flags = R11; changes R8.
  mutating func restoreFlagsFromR11() {
    move(HostRegister.r8, from: 0)
    move(0, from: HostRegister.r11)
    bytes(0x04, 0x7F)  // add al, 127: overflows if OF was set
    bytes(0x9E)  // sahf
    move(0, from: HostRegister.r8)
  }

  // MARK: Guest memory: [base + displacement] in the window

  /// register32 = guest dword
  mutating func loadGuest(_ register: UInt8, base: UInt8, displacement: Int32) {
    bytes(0x65, 0x67)
    rex(reg: register, rm: base)
    byte(0x8B)
    memory(reg: register, base: base, displacement: displacement)
  }

  /// guest dword = register32
  mutating func storeGuest(_ register: UInt8, base: UInt8, displacement: Int32) {
    bytes(0x65, 0x67)
    rex(reg: register, rm: base)
    byte(0x89)
    memory(reg: register, base: base, displacement: displacement)
  }

  /// guest dword = immediate
  mutating func storeGuest(immediate: UInt32, base: UInt8, displacement: Int32) {
    bytes(0x65, 0x67)
    rex(reg: 0, rm: base)
    byte(0xC7)
    memory(reg: 0, base: base, displacement: displacement)
    word32(immediate)
  }

  private mutating func rex(reg: UInt8, rm: UInt8) {
    let bits = (reg >= 8 ? 4 : 0) | (rm >= 8 ? 1 : 0) as UInt8
    if bits != 0 { byte(0x40 | bits) }
  }

  private mutating func memory(reg: UInt8, base: UInt8, displacement: Int32) {
    let low = base & 7
    let r = (reg & 7) << 3
    let small = displacement >= -128 && displacement <= 127
    let mod: UInt8 = displacement == 0 && low != 5 ? 0 : small ? 0x40 : 0x80
    byte(mod | r | low)
    if low == 4 { byte(0x24) }
    if mod == 0x40 {
      byte(UInt8(truncatingIfNeeded: displacement))
    } else if mod == 0x80 {
      word32(UInt32(bitPattern: displacement))
    }
  }
}
