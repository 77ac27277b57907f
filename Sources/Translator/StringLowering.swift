import CPU
import ISA
import Memory

// String instructions. DF is 0 whenever translated code runs: STD and POPF leave it, and the monitor interprets
// while DF is set. So an element is an access and a step upwards.
//
// Repeated forms are the host's own. Its string instructions reach ES:EDI through no segment base, so ESI and EDI
// are host addresses while they run; a window starts at a multiple of 4 GiB, so the lower halves are the guest's
// all the time. All iterations are taken off the budget in advance. If that does not suffice, or an access
// faults, a signal gives back what was not executed, and the interpreter goes on.

extension Instruction {
  /// Whether it is one of MOVS, CMPS, STOS, LODS and SCAS.
  var isString: Bool {
    switch kind {
    case .movs, .cmps, .stos, .lods, .scas: true
    default: false
    }
  }
}

extension Lowering {
  /// - Parameter cycles: charged for each iteration of a repeated form.
  mutating func string(_ i: Instruction, cyclesPerIteration cycles: UInt32) -> Flow? {
    guard i.isString, i.addressSize == 4 else { return nil }
    let readsSource = i.kind == .movs || i.kind == .cmps || i.kind == .lods
    if readsSource, i.segment >= SegmentNumber.fs || i.segment == SegmentNumber.cs { return nil }
    return i.isRepeated ? repeatedString(i, cycles: max(cycles, 1)) : singleString(i)
  }

  // MARK: One element

  private mutating func singleString(_ i: Instruction) -> Flow {
    let width = Int(i.firstOperandSize)
    switch i.kind {
    case .movs:
      a.element(.load, HostRegister.r8, at: 6, width: width)
      a.element(.store, HostRegister.r8, at: 7, width: width)
    case .cmps:
      a.element(.load, HostRegister.r8, at: 6, width: width)
      a.element(.compare, HostRegister.r8, at: 7, width: width)
    case .stos: a.element(.store, 0, at: 7, width: width)
    case .scas: a.element(.compare, 0, at: 7, width: width)
    default: a.element(.load, 0, at: 6, width: width)
    }
    if i.kind == .movs || i.kind == .cmps || i.kind == .lods {
      a.addConstant(6, 6, Int32(width))
    }
    if i.kind != .lods { a.addConstant(7, 7, Int32(width)) }
    return .next
  }

  // MARK: Repetition

  private mutating func repeatedString(_ i: Instruction, cycles: UInt32) -> Flow? {
    // The interpreter's LODS takes its time.
    guard i.kind != .lods, a.multiplyCount(by: cycles) else { return nil }
    a.chargeR8()
    a.touchIfNegative()
    a.loadState64(HostRegister.r10, StateOffset.window)
    let readsSource = i.kind == .movs || i.kind == .cmps
    if readsSource { a.addR10(to: 6) }
    a.addR10(to: 7)
    a.byte(i.prefixSet.contains(.repeatNotEqual) ? 0xF2 : 0xF3)
    if i.firstOperandSize == 2 { a.byte(0x66) }
    let opcode: UInt8 =
      switch i.kind {
      case .movs: 0xA4
      case .cmps: 0xA6
      case .stos: 0xAA
      default: 0xAE
      }
    a.byte(opcode | (i.firstOperandSize == 1 ? 0 : 1))
    if readsSource { a.move(6, from: 6) }
    a.move(7, from: 7)
    if i.kind == .cmps || i.kind == .scas {
      _ = a.multiplyCount(by: cycles)
      a.refundR8()
    }
    return .next
  }
}

extension Assembler {
  enum ElementAccess: UInt8 {
    case load = 0x8A
    case store = 0x88
    case compare = 0x3A
  }

  /// An access to the guest's element of 1, 2 or 4 bytes at the address in a register below R8.
  mutating func element(_ access: ElementAccess, _ register: UInt8, at address: UInt8, width: Int) {
    bytes(0x65, 0x67)
    if width == 2 { byte(0x66) }
    if register >= 8 { byte(0x44) }
    bytes(access.rawValue | (width == 1 ? 0 : 1), (register & 7) << 3 | address)
  }

  /// R8 = ECX * `cycles` << `Budget.shift`, without touching a flag; changes R9.
  /// - Returns: false for a factor that LEA cannot make.
  mutating func multiplyCount(by cycles: UInt32) -> Bool {
    switch cycles {
    case 1: move(HostRegister.r8, from: 1)
    case 2: bytes(0x4C, 0x8D, 0x04, 0x09)  // lea r8, [rcx+rcx]
    case 3: bytes(0x4C, 0x8D, 0x04, 0x49)  // lea r8, [rcx+rcx*2]
    case 4: bytes(0x4C, 0x8D, 0x04, 0x8D, 0, 0, 0, 0)  // lea r8, [rcx*4]
    case 5: bytes(0x4C, 0x8D, 0x04, 0x89)  // lea r8, [rcx+rcx*4]
    default: return false
    }
    move(HostRegister.r9, UInt32(Budget.shift))
    bytes(0xC4, 0x42, 0xB1, 0xF7, 0xC0)  // shlx r8, r8, r9
    return true
  }

  /// R15 -= R8, without touching a flag.
  mutating func chargeR8() {
    bytes(0x49, 0xF7, 0xD0)  // not r8
    bytes(0x4F, 0x8D, 0x7C, 0x07, 0x01)  // lea r15, [r15+r8+1]
  }

  /// R15 += R8, without touching a flag.
  mutating func refundR8() { bytes(0x4F, 0x8D, 0x3C, 0x07) }  // lea r15, [r15+r8]

  /// The 64-bit register RSI or RDI += R10, without touching a flag.
  mutating func addR10(to register: UInt8) {
    bytes(0x4A, 0x8D, 0x04 | register << 3, 0x10 | register)  // lea register, [register+r10]
  }
}
