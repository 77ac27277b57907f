import Bus
import CHost
import ISA
import Memory

@testable import CPU
@testable import Interpreter
@testable import Translator

/// SplitMix64.
struct FloatingPointGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func chance(_ percent: UInt64) -> Bool { next() % 100 < percent }
}

/// A processor in flat 32-bit protected mode with handlers for the exceptions of the floating-point units, run by
/// one of the engines.
final class FloatingPointMachine {
  static let code: UInt32 = 0x1_0000
  static let data: UInt32 = 0x2_0000
  static let dataSize = 0x3000
  /// Holds valid values of MXCSR.
  static let controls: UInt32 = 0x2_4000
  /// How often each vector was delivered, 4 bytes each.
  static let counters: UInt32 = 0x4000
  private static let handlers: UInt32 = 0x5000
  private static let areas: UInt32 = 0x6000

  let memory: PhysicalMemory
  let processor: Processor
  let engine: any Engine
  var cpu: CPU { processor.cpu }
  var translator: Translator? { engine as? Translator }

  init(
    translated: Bool, options: TranslatorOptions = .init(), timing: TimingModel = .unit
  ) throws {
    var options = options
    options.loweringOff = []
    memory = try PhysicalMemory(ramSize: 4 << 20)
    processor = Processor(memory: memory, ports: PortBus())
    let interpreter = Interpreter(processor: processor, timing: timing, cacheSize: 4 << 20)
    engine =
      translated
      ? try Translator(processor: processor, interpreter: interpreter, options: options)
      : interpreter
    start()
  }

  private func start() {
    store(0x00CF_9B00_0000_FFFF as UInt64, at: 0x1008)  // code
    store(0x00CF_9300_0000_FFFF as UInt64, at: 0x1010)  // data
    store(0x00CF_9300_0140_FFFF as UInt64, at: 0x1018)  // data from 140h on
    cpu.pointee.gdtr = DescriptorTableRegister(base: 0x1000, limit: 0x1F)
    cpu.pointee.idtr = DescriptorTableRegister(base: 0x2000, limit: 0x7FF)
    for vector in 0..<64 as Range<UInt32> {
      let handler = Self.handlers + vector * 64
      store(UInt64(handler & 0xFFFF) | 8 << 16 | 0x8E << 40, at: 0x2000 + vector * 8)
      memory.writeBytes(Self.handler(vector), at: handler)
    }
    for number in 0..<6 as Range<UInt8> {
      let segment = cpu.segment(number)
      segment.pointee.selector = number == 1 ? 8 : number == 4 ? 0x18 : 0x10
      segment.pointee.base = number == 4 ? 0x140 : 0
      segment.pointee.limit = ~0
      segment.pointee.access = number == 1 ? 0xC09B : 0xC093
      segment.updateBounds()
    }
    cpu.pointee.cr0 = 0x33
    cpu.pointee.cr4 = 0x600  // OSXMMEXCPT OSFXSR
    cpu.pointee.codeSize = 4
    cpu.pointee.stackMask = ~0
    cpu.pointee.eip = Self.code
    cpu.esp = 0x9000
    cpu.pointee.fpu.control = 0x37F
    cpu.pointee.fpu.tags = 0
    store(0x1F80 as UInt32, at: Self.controls)
  }

  /// Counts, removes the cause and returns; ends the run when it knows no way.
  private static func handler(_ vector: UInt32) -> [UInt8] {
    func address(_ value: UInt32) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
    let count: [UInt8] = [0xFF, 0x05] + address(counters + vector * 4)
    let body: [UInt8]
    switch vector {
    case 7: body = [0x0F, 0x06]  // clts
    case 16: body = [0xD9, 0x35] + address(areas) + [0xDB, 0xE2]  // fnstenv, fnclex
    case 19:  // stmxcsr, ldmxcsr
      body = [0x0F, 0xAE, 0x1D] + address(areas + 0x80) + [0x0F, 0xAE, 0x15] + address(controls)
    case 0x30:  // another task's turn: fxsave, fninit, fldpi, fistp, pxor xmm1 xmm1, fxrstor
      body =
        [0x0F, 0xAE, 0x05] + address(areas + 0x200) + [0xDB, 0xE3, 0xD9, 0xEB, 0xDB, 0x1D]
        + address(areas + 0x84) + [0x66, 0x0F, 0xEF, 0xC9, 0x0F, 0xAE, 0x0D]
        + address(areas + 0x200)
    default: return count + [0xF4, 0xEB, 0xFD]  // hlt
    }
    return count + body + [0xCF]
  }

  func store<T: FixedWidthInteger>(_ value: T, at address: UInt32) {
    withUnsafeBytes(of: value.littleEndian) { memory.writeBytes(Array($0), at: address) }
  }

  func load(_ address: UInt32) -> UInt32 {
    memory.readBytes(at: address, count: 4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  func deliveries(_ vector: UInt32) -> UInt32 { load(Self.counters + vector * 4) }

  /// Runs until the clock says `cycles` or the processor halts.
  func run(to cycles: UInt64) {
    cpu.pointee.deadline = cycles
    guard cpu.pointee.halted == 0 else { return }
    _ = engine.run()
  }

  /// Runs a program to its HLT.
  func run(_ program: [UInt8]) {
    memory.writeBytes(program, at: Self.code)
    run(to: 10_000_000)
  }

  /// Runs two machines to the same random moments until the first halts.
  /// - Parameters:
  ///   - limit: cycles after which to stop anyway.
  ///   - step: cycles from one moment to the next at most.
  /// - Returns: which registers differ, at the first moment at which some do.
  static func firstDifference(
    _ one: FloatingPointMachine, _ two: FloatingPointMachine, seed: UInt64, limit: UInt64,
    step: UInt64
  ) -> String? {
    var random = FloatingPointGenerator(state: ~seed)
    var target: UInt64 = 0
    while one.cpu.pointee.halted == 0, target < limit {
      target += UInt64.random(in: 1...step, using: &random)
      one.run(to: target)
      two.run(to: target)
      let different = zip(one.state, two.state).filter { $0.0.value != $0.1.value }
      guard different.isEmpty else {
        let list = different.map { "\($0.0.name): \($0.0.value) \($0.1.value)" }
        return "seed \(seed) differs at cycle \(target): \(list)"
      }
    }
    return nil
  }

  /// Every register by name.
  var state: [(name: String, value: String)] {
    let s = cpu.pointee
    var list: [(String, String)] = []
    func add(_ name: String, _ value: some BinaryInteger) {
      list.append((name, String(value, radix: 16)))
    }
    for n in 0..<8 as Range<UInt8> { add("r\(n)", cpu[gpr: n]) }
    add("eip", s.eip)
    add("eflags", cpu.eflags)
    add("cycles", s.cycles)
    add("instructions", s.instructions)
    add("cr0", s.cr0)
    add("fcw", s.fpu.control)
    add("fsw", s.fpu.status)
    add("tags", s.fpu.tags)
    add("fop", s.fpu.opcode)
    add("fip", s.fpu.instructionOffset)
    add("fcs", s.fpu.instructionSelector)
    add("fdp", s.fpu.operandOffset)
    add("fds", s.fpu.operandSelector)
    add("mxcsr", s.fpu.mxcsr)
    var fpu = s.fpu
    for n in 0..<8 as Range<UInt32> {
      let value = x87Value(&fpu, n)
      list.append(
        (
          "R\(n)",
          String(value.signExponent, radix: 16) + ":" + String(value.significand, radix: 16)
        ))
      list.append(("xmm\(n)", "\(xmmHigh(&fpu, n)):\(xmmLow(&fpu, n))"))
    }
    fpu.hostBinding = 0
    list.append(("fpu", "\(withUnsafeBytes(of: fpu) { Array($0) }.hashValue)"))
    return list
  }
}
