import Bus
import ISA
import Testing

@testable import CPU
@testable import Interpreter
@testable import Memory

/// What a single instruction did.
enum Outcome: Equatable {
  /// Went on with the next instruction.
  case next
  /// Set EIP.
  case branched(UInt32)
  /// Has to run again.
  case restart
  case fault(Fault)
}

/// A processor with flat 32-bit segments, 1 MiB of memory and no paging, which executes single instructions.
final class Bench {
  static let code: UInt32 = 0x1000
  static let data: UInt32 = 0x8000
  static let stack: UInt32 = 0x2_0000

  let processor: Processor
  let cpu: CPU
  /// Default operand and address size of the code.
  var codeSize: UInt8 = 4

  init() {
    processor = Processor(memory: try! PhysicalMemory(ramSize: 1 << 20), ports: PortBus())
    cpu = processor.cpu
    for number in 0..<6 as Range<UInt8> { setSegment(number) }
    setSegment(SegmentNumber.cs, access: 0xC09B)
    cpu.pointee.cr0 |= 1
    cpu.pointee.stackMask = ~0
    cpu.pointee.deadline = .max
    cpu.pointee.eflags = 2
    cpu.esp = Self.stack
    cpu.pointee.stop = 0
  }

  func setSegment(
    _ number: UInt8, base: UInt32 = 0, limit: UInt32 = ~0, access: UInt32 = 0xC093
  ) {
    let s = cpu.segment(number)
    s.pointee.base = base
    s.pointee.limit = limit
    s.pointee.access = access
    s.updateBounds()
  }

  /// Executes one instruction at `Bench.code`.
  @discardableResult
  func run(_ bytes: [UInt8], cyclesPerIteration: UInt16 = 1) -> Outcome {
    guard case .instruction(let instruction) = Decoder.decode(bytes, codeSize: codeSize) else {
      Issue.record("not an instruction: \(bytes)")
      return .next
    }
    var op = MicroOp(
      handler: Handlers.handler(for: instruction), instruction: instruction, cycles: 1,
      cyclesBefore: 0, startOffset: 0, endOffset: UInt16(instruction.length), index: 0,
      cyclesPerIteration: cyclesPerIteration)
    cpu.pointee.eip = Self.code
    let leave = withUnsafePointer(to: &op) { pointer in
      cpu.pointee.op = pointer
      defer { cpu.pointee.op = nil }
      return pointer.pointee.handler(cpu, pointer)
    }
    if leave & Leave.fault != 0 {
      let fault = cpu.pointee.fault
      return .fault(
        Fault(
          vector: fault.vector, errorCode: fault.hasErrorCode != 0 ? fault.errorCode : nil,
          linearAddress: fault.linearAddress))
    }
    if leave & Leave.branched != 0 { return .branched(cpu.pointee.eip) }
    return leave & Leave.restart != 0 ? .restart : .next
  }

  var registers: [UInt32] {
    get { (0..<8).map { cpu[gpr: $0] } }
    set { for (i, value) in newValue.enumerated() { cpu[gpr: UInt8(i)] = value } }
  }
  var flags: UInt32 {
    get { cpu.arithmeticFlags }
    set { cpu.setArithmeticFlags(newValue) }
  }

  func poke(_ address: UInt32, _ value: UInt64, _ size: Int) {
    processor.memory.writeBytes(
      (0..<size).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }, at: address)
  }
  func peek(_ address: UInt32, _ size: Int) -> UInt64 {
    bytes(address, size).enumerated().reduce(0) { $0 | UInt64($1.element) << UInt64($1.offset * 8) }
  }
  func bytes(_ address: UInt32, _ count: Int) -> [UInt8] {
    processor.memory.readBytes(at: address, count: count)
  }
}

/// A small generator of reproducible test values.
struct TestRandom {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed | 1 }
  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
  mutating func below(_ bound: UInt64) -> UInt64 { (next() >> 16) % bound }
}

let edgeValues: [UInt32] = [
  0, 1, 2, 7, 8, 0xF, 0x10, 0x7F, 0x80, 0x81, 0xFF, 0x100, 0x7FFF, 0x8000, 0x8001, 0xFFFF,
  0x1_0000, 0x1234_5678, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xFFFF_FFFE, 0xFFFF_FFFF,
]
