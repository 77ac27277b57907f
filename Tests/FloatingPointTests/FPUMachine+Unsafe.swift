import Bus
import CPU
import ISA
import Memory

@testable import Interpreter

/// A processor in flat 32-bit protected mode that executes single instructions given as bytes.
final class FPUMachine {
  let memory: PhysicalMemory
  let processor: Processor
  var cpu: CPU { processor.cpu }
  /// Where the instructions pretend to be.
  static let code: UInt32 = 0x1000
  /// Free for operands.
  static let data: UInt32 = 0x2000

  init() throws {
    memory = try PhysicalMemory(ramSize: 1 << 20)
    processor = Processor(memory: memory, ports: PortBus())
    cpu.pointee.cr0 = 0x31  // PE, ET, NE
    cpu.pointee.cr4 = 0x600  // OSFXSR, OSXMMEXCPT
    for n in 0..<6 as Range<UInt8> {
      let segment = cpu.segment(n)
      segment.pointee.selector = n == 1 ? 8 : 16
      segment.pointee.base = 0
      segment.pointee.limit = 0xFFFF_FFFF
      segment.pointee.access = n == 1 ? 0xC09B : 0xC093
      segment.updateBounds()
    }
    cpu.pointee.codeSize = 4
    cpu.pointee.stackMask = 0xFFFF_FFFF
    cpu.pointee.eip = Self.code
    cpu.fpu.initialize()
  }

  /// Executes one instruction. `[data]` operands are written `05 00 20 00 00` (disp32).
  /// - Returns: the vector of the fault that it raised.
  @discardableResult
  func run(_ bytes: UInt8...) -> UInt8? { run(bytes) }

  @discardableResult
  func run(_ bytes: [UInt8]) -> UInt8? {
    guard case .instruction(let i) = Decoder.decode(bytes, codeSize: cpu.pointee.codeSize) else {
      return 6
    }
    var op = MicroOp(
      handler: Handlers.handler(for: i), instruction: i, cycles: 1, cyclesBefore: 0,
      startOffset: 0, endOffset: UInt16(i.length), index: 0, cyclesPerIteration: 0)
    return withUnsafePointer(to: &op) { op in
      cpu.pointee.stop = 0
      cpu.pointee.op = op
      defer { cpu.pointee.op = nil }
      let leave = op.pointee.handler(cpu, op)
      if leave & Leave.fault != 0 { return cpu.pointee.fault.vector }
      cpu.pointee.eip &+= UInt32(i.length)
      return nil
    }
  }

  /// Executes an x87 or other instruction on `[data]`: opcode bytes, then /digit.
  @discardableResult
  func onMemory(_ opcode: [UInt8], _ digit: UInt8, at address: UInt32 = data) -> UInt8? {
    run(opcode + [digit << 3 | 5] + bytes(address))
  }

  private func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian, Array.init)
  }

  func poke<T: FixedWidthInteger>(_ value: T, at address: UInt32 = data) {
    memory.writeBytes(bytes(value), at: address)
  }

  func peek<T: FixedWidthInteger>(_: T.Type = T.self, at address: UInt32 = data) -> T {
    let bytes = memory.readBytes(at: address, count: MemoryLayout<T>.size)
    return bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(as: T.self)) }
  }

  /// Pushes a double.
  func push(_ value: Double) {
    poke(value.bitPattern)
    onMemory([0xDD], 0)
  }

  /// ST(i) with its 80 bits.
  func st(_ i: UInt32) -> (sign: UInt16, significand: UInt64) {
    let value = x87Value(cpu.fpu, cpu.fpu.top &+ i)
    return (value.signExponent, value.significand)
  }

  /// ST(i) as Swift's own extended-precision number.
  func number(_ i: UInt32) -> Float80 {
    let (sign, significand) = st(i)
    return Float80(
      sign: sign & 0x8000 != 0 ? .minus : .plus, exponentBitPattern: UInt(sign & 0x7FFF),
      significandBitPattern: significand & ~(1 << 63))
  }

  var status: UInt16 {
    get { cpu.fpu.pointee.status }
    set {
      cpu.fpu.pointee.status = newValue
      cpu.fpu.pointee.hostBinding = 0
    }
  }
  var control: UInt16 {
    get { cpu.fpu.pointee.control }
    set { cpu.fpu.setControl(newValue) }
  }
  var tags: UInt8 { cpu.fpu.pointee.tags }

  func xmm(_ n: UInt32) -> XMMValue { xmmValue(cpu.fpu, n) }
  func setXMM(_ n: UInt32, _ value: XMMValue) { xmmSetValue(cpu.fpu, n, value) }
  func mmx(_ n: UInt32) -> UInt64 { mmxValue(cpu.fpu, n) }
  func setMMX(_ n: UInt32, _ value: UInt64) { mmxSetValue(cpu.fpu, n, value) }
  var mxcsr: UInt32 {
    get { cpu.fpu.pointee.mxcsr }
    set { cpu.fpu.pointee.mxcsr = newValue }
  }
}
