import CHost
import CPU
import Memory

/// The signal frame in which the host's kernel keeps the registers of a stopped sandbox, and from which it
/// restores them: `struct ucontext` and the XSAVE area of the x86-64 signal ABI. It lies in memory that guest
/// code may have written, so nothing read here is more than a claim about ring-3 registers.
struct SignalFrame {
  private let context: UnsafeMutableRawPointer
  private let state: UnsafeMutableRawPointer

  /// Up to the end of the signal mask.
  static let contextSize = 304
  static let statePointerOffset = 224
  /// The legacy area and the header of the XSAVE area.
  static let stateSize = 576

  init(context: UnsafeMutableRawPointer, state: UnsafeMutableRawPointer) {
    self.context = context
    self.state = state
  }

  /// Indexes into `gregs`.
  private enum Register {
    static let rsp = 15
    static let rip = 16
    static let flags = 17
    static let segments = 18
    static let error = 19
    static let trap = 20
    static let cr2 = 22
    /// EAX ECX EDX EBX ESP EBP ESI EDI.
    static let general = [13, 14, 12, 11, 15, 10, 9, 8]
  }

  private func register(_ index: Int) -> UInt64 {
    context.load(fromByteOffset: 40 + index * 8, as: UInt64.self)
  }

  private func setRegister(_ index: Int, _ value: UInt64) {
    context.storeBytes(of: value, toByteOffset: 40 + index * 8, as: UInt64.self)
  }

  var rip: UInt64 { register(Register.rip) }
  var flags: UInt32 { UInt32(truncatingIfNeeded: register(Register.flags)) }
  var error: UInt32 { UInt32(truncatingIfNeeded: register(Register.error)) }
  var trap: UInt64 { register(Register.trap) }
  var faultAddress: UInt64 { register(Register.cr2) }
  var cs: UInt16 { UInt16(truncatingIfNeeded: register(Register.segments)) }
  var ss: UInt16 { UInt16(truncatingIfNeeded: register(Register.segments) >> 48) }

  /// EIP, for going on elsewhere with everything else as it is.
  func setEIP(_ value: UInt32) { setRegister(Register.rip, UInt64(value)) }

  /// What only the monitor may decide: the code segment is never the 64-bit one.
  func setSegments(cs: UInt16, ss: UInt16) {
    setRegister(Register.segments, UInt64(cs) | UInt64(ss) << 48)
  }

  /// The registers for the guest's state, and a signal mask that blocks everything but traps and the
  /// monitor's own signal.
  func load(_ cpu: CPU, signalMask: UInt64) {
    for n in 0..<8 as Range<UInt8> {
      setRegister(Register.general[Int(n)], UInt64(cpu[gpr: n]))
    }
    for n in 0..<8 { setRegister(n, 0) }
    setRegister(Register.rip, UInt64(cpu.pointee.eip))
    let kept = EFLAGS.arithmetic | EFLAGS.df | EFLAGS.ac
    setRegister(Register.flags, UInt64(cpu.eflags & kept | 0x202))
    context.storeBytes(of: signalMask, toByteOffset: 296, as: UInt64.self)
    // The alternate stack stays where it is.
    context.storeBytes(of: UInt64(STUB_STACK), toByteOffset: 16, as: UInt64.self)
    context.storeBytes(of: 0, toByteOffset: 24, as: UInt32.self)
    context.storeBytes(of: UInt64(STUB_STACK_SIZE), toByteOffset: 32, as: UInt64.self)
    loadFloatingPoint(cpu)
  }

  /// General registers, EIP and flags of the guest.
  func store(_ cpu: CPU) {
    for n in 0..<8 as Range<UInt8> {
      cpu[gpr: n] = UInt32(truncatingIfNeeded: register(Register.general[Int(n)]))
    }
    cpu.pointee.eip = UInt32(truncatingIfNeeded: rip)
    let flags = flags
    cpu.setArithmeticFlags(flags)
    let taken = EFLAGS.df | EFLAGS.tf | EFLAGS.nt | EFLAGS.ac | EFLAGS.id
    let old = cpu.pointee.eflags
    // RF is the host's: instructions that run again here have not met the guest's debug registers.
    cpu.pointee.eflags = (old & ~(taken | EFLAGS.rf)) | (flags & taken)
    if (old ^ cpu.pointee.eflags) & EFLAGS.ac != 0 { cpu.selectTLB() }
    if flags & EFLAGS.tf != 0 { cpu.requestAttention() }
    storeFloatingPoint(cpu)
  }

  // MARK: x87, MMX and SSE. The XSAVE area's legacy part is an FXSAVE image: SDM vol. 1, 10.5.1.

  private static let mxcsrMask: UInt32 = 0xFFFF

  private func loadFloatingPoint(_ cpu: CPU) {
    let fpu = cpu.pointee.fpu
    state.storeBytes(of: fpu.control, toByteOffset: 0, as: UInt16.self)
    state.storeBytes(of: fpu.status, toByteOffset: 2, as: UInt16.self)
    state.storeBytes(of: UInt16(fpu.tags), toByteOffset: 4, as: UInt16.self)
    state.storeBytes(of: fpu.opcode, toByteOffset: 6, as: UInt16.self)
    state.storeBytes(of: UInt64(fpu.instructionOffset), toByteOffset: 8, as: UInt64.self)
    state.storeBytes(of: UInt64(fpu.operandOffset), toByteOffset: 16, as: UInt64.self)
    state.storeBytes(of: fpu.mxcsr & Self.mxcsrMask, toByteOffset: 24, as: UInt32.self)
    let top = Int(fpu.status >> 11) & 7
    withUnsafeBytes(of: fpu.registers) { registers in
      for i in 0..<8 {
        (state + 32 + i * 16).copyMemory(
          from: registers.baseAddress! + ((top + i) & 7) * 16, byteCount: 16)
      }
    }
    withUnsafeBytes(of: fpu.xmm) { xmm in
      (state + 160).copyMemory(from: xmm.baseAddress!, byteCount: 128)
    }
    // x87 and SSE are as above, all else (the upper halves of YMM and ZMM) in its initial state.
    state.storeBytes(of: 3, toByteOffset: 512, as: UInt64.self)
  }

  private func storeFloatingPoint(_ cpu: CPU) {
    withUnsafeMutablePointer(to: &cpu.pointee.fpu) { fpu in
      fpu.pointee.control = state.load(fromByteOffset: 0, as: UInt16.self)
      let status = state.load(fromByteOffset: 2, as: UInt16.self)
      fpu.pointee.status = status
      fpu.pointee.tags = state.load(fromByteOffset: 4, as: UInt8.self)
      fpu.pointee.opcode = state.load(fromByteOffset: 6, as: UInt16.self) & 0x7FF
      fpu.pointee.mxcsr = state.load(fromByteOffset: 24, as: UInt32.self) & Self.mxcsrMask
      let top = Int(status >> 11) & 7
      withUnsafeMutableBytes(of: &fpu.pointee.registers) { registers in
        for i in 0..<8 {
          let register = registers.baseAddress! + ((top + i) & 7) * 16
          register.copyMemory(from: state + 32 + i * 16, byteCount: 10)
          (register + 10).initializeMemory(as: UInt8.self, repeating: 0, count: 6)
        }
      }
      withUnsafeMutableBytes(of: &fpu.pointee.xmm) { xmm in
        xmm.baseAddress!.copyMemory(from: state + 160, byteCount: 128)
      }
      fpu.pointee.hostBinding = 0
    }
  }
}
