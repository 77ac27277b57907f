import CPU
import Memory

/// The registers as a debugger sees them, in the order of their numbers.
struct RemoteRegisters {
  private static let general = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"]
  /// Segment registers in GDB's order, with their numbers here.
  private static let segments: [(String, UInt8)] = [
    ("cs", 1), ("ss", 2), ("ds", 3), ("es", 0), ("fs", 4), ("gs", 5),
  ]
  private static let control = [
    "fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop",
  ]
  private static let system = ["cr0", "cr2", "cr3", "cr4"]

  private static let firstStack = 16
  private static let firstControl = 24
  private static let firstXMM = 32
  private static let mxcsr = 40
  private static let firstSystem = 41
  static let count = 45

  /// Bytes of a register.
  static func size(_ number: Int) -> Int {
    switch number {
    case firstStack..<firstControl: 10
    case firstXMM..<mxcsr: 16
    default: 4
    }
  }

  let cpu: CPU

  /// The bytes of a register, least significant first; nil if there is none of this number.
  func read(_ number: Int) -> [UInt8]? {
    guard (0..<Self.count).contains(number) else { return nil }
    let state = cpu.pointee
    func word(_ value: UInt32) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
    switch number {
    case 0..<8: return word(cpu[gpr: UInt8(number)])
    case 8: return word(state.eip)
    case 9: return word(cpu.eflags)
    case 10..<16: return word(UInt32(cpu.segment(Self.segments[number - 10].1).pointee.selector))
    case Self.firstStack..<Self.firstControl: return stack(number - Self.firstStack)
    case Self.firstXMM..<Self.mxcsr:
      let start = (number - Self.firstXMM) * 16
      return withUnsafeBytes(of: state.fpu.xmm) { Array($0[start..<start + 16]) }
    case Self.mxcsr: return word(state.fpu.mxcsr)
    case Self.firstSystem: return word(state.cr0)
    case Self.firstSystem + 1: return word(state.cr2)
    case Self.firstSystem + 2: return word(state.cr3)
    case Self.firstSystem + 3: return word(state.cr4)
    default: return word(controlWord(number - Self.firstControl))
    }
  }

  /// Changes a register.
  /// - Returns: whether it can be changed: not the segment registers outside real mode, the control registers
  ///   or the x87's.
  func write(_ number: Int, _ bytes: [UInt8]) -> Bool {
    guard (0..<Self.count).contains(number), bytes.count == Self.size(number) else { return false }
    let value = bytes.prefix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    switch number {
    case 0..<8: cpu[gpr: UInt8(number)] = value
    case 8:
      cpu.pointee.eip = value
      cpu.pointee.halted = 0
    case 9:
      // Virtual-8086 mode would need other segments.
      let kept = EFLAGS.vm
      cpu.setEFLAGS(value & ~kept | cpu.eflags & kept)
    case 10..<16:
      let register = cpu.segment(Self.segments[number - 10].1)
      if UInt32(register.pointee.selector) == value { return true }
      guard cpu.isRealMode, number != 10, value <= 0xFFFF else { return false }
      register.pointee.selector = UInt16(value)
      register.pointee.base = value << 4
    case Self.firstXMM..<Self.mxcsr:
      let start = (number - Self.firstXMM) * 16
      withUnsafeMutableBytes(of: &cpu.pointee.fpu.xmm) { xmm in
        for (i, byte) in bytes.enumerated() { xmm[start + i] = byte }
      }
    case Self.mxcsr: cpu.pointee.fpu.mxcsr = value & 0xFFFF
    // What is the same already counts as written, so that all can be restored at once.
    default: return read(number) == bytes
    }
    return true
  }

  // MARK: x87

  private var top: Int { Int(cpu.pointee.fpu.status >> 11 & 7) }

  private func stack(_ index: Int) -> [UInt8] {
    let start = (top + index) % 8 * 16
    return withUnsafeBytes(of: cpu.pointee.fpu.registers) { Array($0[start..<start + 10]) }
  }

  private func controlWord(_ index: Int) -> UInt32 {
    let fpu = cpu.pointee.fpu
    switch index {
    case 0: return UInt32(fpu.control)
    case 1: return UInt32(fpu.status)
    case 2: return tagWord
    case 3: return UInt32(fpu.instructionSelector)
    case 4: return fpu.instructionOffset
    case 5: return UInt32(fpu.operandSelector)
    case 6: return fpu.operandOffset
    default: return UInt32(fpu.opcode)
    }
  }

  /// Two bits a register: valid, zero, special, empty. SDM vol. 1, 8.1.7.
  private var tagWord: UInt32 {
    (0..<8).reduce(0) { word, physical in
      let value = stack((physical - top + 8) % 8)
      let exponent = UInt16(value[8]) | UInt16(value[9] & 0x7F) << 8
      let isZero = value[0..<8].allSatisfy { $0 == 0 }
      let tag: UInt32
      if cpu.pointee.fpu.tags >> UInt8(physical) & 1 == 0 {
        tag = 3
      } else if exponent == 0 && isZero {
        tag = 1
      } else {
        // Denormals, infinities, NaNs and unnormal numbers.
        tag = exponent == 0 || exponent == 0x7FFF || value[7] < 0x80 ? 2 : 0
      }
      return word | tag << UInt32(physical * 2)
    }
  }

  // MARK: Description

  /// The target description (GDB manual, appendix G).
  static let description: String = {
    var core = ""
    func register(_ name: String, _ bits: Int, _ type: String, _ group: String? = nil) -> String {
      "<reg name=\"\(name)\" bitsize=\"\(bits)\" type=\"\(type)\""
        + (group.map { " group=\"\($0)\"" } ?? "") + "/>\n"
    }
    for name in general {
      core += register(name, 32, ["esp", "ebp"].contains(name) ? "data_ptr" : "int32")
    }
    core += register("eip", 32, "code_ptr") + register("eflags", 32, "i386_eflags")
    for (name, _) in segments { core += register(name, 32, "int32") }
    for number in 0..<8 { core += register("st\(number)", 80, "i387_ext") }
    for name in control { core += register(name, 32, "int", "float") }
    let sse =
      (0..<8).map { register("xmm\($0)", 128, "vec128") }.joined()
      + register("mxcsr", 32, "int", "vector")
    let names = RemoteRegisters.system
    let systemRegisters = names.map { register($0, 32, "int32", "system") }.joined()
    return """
      <?xml version="1.0"?>
      <!DOCTYPE target SYSTEM "gdb-target.dtd">
      <target version="1.0">
      <architecture>i386</architecture>
      <feature name="org.gnu.gdb.i386.core">
      <flags id="i386_eflags" size="4">
      <field name="CF" start="0" end="0"/><field name="PF" start="2" end="2"/>
      <field name="AF" start="4" end="4"/><field name="ZF" start="6" end="6"/>
      <field name="SF" start="7" end="7"/><field name="TF" start="8" end="8"/>
      <field name="IF" start="9" end="9"/><field name="DF" start="10" end="10"/>
      <field name="OF" start="11" end="11"/><field name="IOPL" start="12" end="13"/>
      <field name="NT" start="14" end="14"/><field name="RF" start="16" end="16"/>
      <field name="VM" start="17" end="17"/><field name="AC" start="18" end="18"/>
      <field name="ID" start="21" end="21"/>
      </flags>
      \(core)</feature>
      <feature name="org.gnu.gdb.i386.sse">
      <vector id="v4f" type="ieee_single" count="4"/>
      <vector id="v2d" type="ieee_double" count="2"/>
      <vector id="v16i8" type="int8" count="16"/>
      <vector id="v8i16" type="int16" count="8"/>
      <vector id="v4i32" type="int32" count="4"/>
      <vector id="v2i64" type="int64" count="2"/>
      <union id="vec128">
      <field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/>
      <field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/>
      <field name="v4_int32" type="v4i32"/><field name="v2_int64" type="v2i64"/>
      <field name="uint128" type="uint128"/>
      </union>
      \(sse)</feature>
      <feature name="org.switchback.system">
      \(systemRegisters)</feature>
      </target>

      """
  }()
}
