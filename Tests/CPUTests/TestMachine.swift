import Bus
import Testing

@testable import CPU
@testable import Memory

/// Selectors of the test machine's GDT.
enum Selector {
  static let code0: UInt16 = 0x08
  static let data0: UInt16 = 0x10
  static let code3: UInt16 = 0x1B
  static let data3: UInt16 = 0x23
  static let task: UInt16 = 0x28
  static let otherTask: UInt16 = 0x30
  static let ldt: UInt16 = 0x38
  static let conforming0: UInt16 = 0x40
  static let callGate: UInt16 = 0x48
  static let data16: UInt16 = 0x50
  static let absent: UInt16 = 0x58
  static let executeOnly: UInt16 = 0x60
  static let readOnly: UInt16 = 0x68
  static let taskGate: UInt16 = 0x70
  static let task16: UInt16 = 0x78
  static let code1: UInt16 = 0x81
  static let data1: UInt16 = 0x89
  static let code16: UInt16 = 0x90
  static let expandDown: UInt16 = 0x98
  static let callGate16: UInt16 = 0xA0
  static let absentStack: UInt16 = 0xA8
  static let conforming3: UInt16 = 0xB0
  static let beyond: UInt16 = 0x200
}

/// A processor with 16 MiB of memory, descriptor tables, two 32-bit tasks and a 16-bit one, in protected mode
/// at level 0 without paging.
final class TestMachine {
  static let gdt: UInt32 = 0x1000
  static let idt: UInt32 = 0x2000
  static let ldt: UInt32 = 0x3000
  static let taskBase: UInt32 = 0x4000
  static let otherTaskBase: UInt32 = 0x5000
  static let task16Base: UInt32 = 0x6000
  static let stack0: UInt32 = 0x9000
  static let stack1: UInt32 = 0xA000
  static let stack3: UInt32 = 0xB000
  static let handlers: UInt32 = 0x10_0000

  let processor: Processor
  var cpu: CPU { processor.cpu }
  private(set) var delivered: [(vector: UInt8, errorCode: UInt16?, eip: UInt32)] = []

  init() {
    processor = Processor(memory: try! PhysicalMemory(ramSize: 16 << 20), ports: PortBus())
    segment(Selector.code0, access: 0x9A, flags: 0xC)
    segment(Selector.data0, access: 0x92, flags: 0xC)
    segment(Selector.code3, access: 0xFA, flags: 0xC)
    segment(Selector.data3, access: 0xF2, flags: 0xC)
    segment(Selector.task, base: Self.taskBase, limit: 0x2067, access: 0x89)
    segment(Selector.otherTask, base: Self.otherTaskBase, limit: 0x67, access: 0x89)
    segment(Selector.ldt, base: Self.ldt, limit: 0xFF, access: 0x82)
    segment(Selector.conforming0, access: 0x9E, flags: 0xC)
    gate(Selector.callGate, Selector.code0, 0x12_3456, type: 0xEC, parameters: 2)
    segment(Selector.data16, limit: 0xFFFF, access: 0x92)
    segment(Selector.absent, access: 0x12, flags: 0xC)
    segment(Selector.executeOnly, access: 0x98, flags: 0xC)
    segment(Selector.readOnly, access: 0x90, flags: 0xC)
    gate(Selector.taskGate, Selector.otherTask, 0, type: 0xE5)
    segment(Selector.task16, base: Self.task16Base, limit: 0x2B, access: 0x81)
    segment(Selector.code1, access: 0xBA, flags: 0xC)
    segment(Selector.data1, access: 0xB2, flags: 0xC)
    segment(Selector.code16, limit: 0xFFFF, access: 0x9A, flags: 0)
    segment(Selector.expandDown, limit: 0xFFF, access: 0x96, flags: 4)
    gate(Selector.callGate16, Selector.code0, 0x3456, type: 0xE4, parameters: 1)
    segment(Selector.absentStack, access: 0x72, flags: 0xC)
    segment(Selector.conforming3, access: 0xFE, flags: 0xC)
    cpu.pointee.gdtr = DescriptorTableRegister(base: Self.gdt, limit: 0xFF)
    cpu.pointee.idtr = DescriptorTableRegister(base: Self.idt, limit: 0x7FF)
    for vector in 0..<256 as Range<UInt32> { interruptGate(UInt8(vector)) }
    for (i, stack) in [(0, Self.stack0), (1, Self.stack1)] as [(UInt32, UInt32)] {
      poke32(Self.taskBase + 4 + i * 8, stack)
    }
    poke32(Self.taskBase + 8, UInt32(Selector.data0))
    poke32(Self.taskBase + 16, UInt32(Selector.data1))
    poke16(Self.taskBase + 0x66, 0x2068)  // no I/O bitmap
    cpu.pointee.cr0 |= CR0.pe
    enter(level: 0)
    #expect(fault { () throws(Fault) in try cpu.loadTaskRegister(Selector.task) } == nil)
    processor.traceInterrupt = { [unowned self] in delivered.append(($0, $1, $2)) }
  }

  // MARK: Tables

  func segment(
    _ selector: UInt16, base: UInt32 = 0, limit: UInt32 = 0xFFFFF, access: UInt32,
    flags: UInt32 = 0
  ) {
    let address = Self.gdt + UInt32(selector & ~7)
    poke32(address, (limit & 0xFFFF) | (base << 16))
    poke32(
      address + 4,
      (base >> 16 & 0xFF) | (access << 8) | (limit & 0xF0000) | (flags << 20) | (base & 0xFF00_0000)
    )
  }

  func gate(
    _ selector: UInt16, _ target: UInt16, _ offset: UInt32, type: UInt32, parameters: UInt32 = 0
  ) {
    let address = Self.gdt + UInt32(selector & ~7)
    poke32(address, (offset & 0xFFFF) | (UInt32(target) << 16))
    poke32(address + 4, (offset & 0xFFFF_0000) | (type << 8) | parameters)
  }

  /// Vector `v` goes to `handlers + v * 16`.
  func interruptGate(
    _ vector: UInt8, selector: UInt16 = Selector.code0, type: UInt32 = 0x8E, offset: UInt32? = nil
  ) {
    let address = Self.idt + UInt32(vector) * 8
    let offset = offset ?? handler(vector)
    poke32(address, (offset & 0xFFFF) | (UInt32(selector) << 16))
    poke32(address + 4, (offset & 0xFFFF_0000) | (type << 8))
  }

  func handler(_ vector: UInt8) -> UInt32 { Self.handlers + UInt32(vector) * 16 }

  func access(of selector: UInt16) -> UInt8 {
    UInt8(truncatingIfNeeded: peek32(Self.gdt + UInt32(selector & ~7) + 4) >> 8)
  }

  // MARK: State

  /// Puts the processor at a privilege level (0, 1 or 3) with flat segments and its stack.
  func enter(level: UInt8) {
    let (code, data, stack): (UInt16, UInt16, UInt32) =
      switch level {
      case 0: (Selector.code0, Selector.data0, Self.stack0)
      case 1: (Selector.code1, Selector.data1, Self.stack1)
      default: (Selector.code3, Selector.data3, Self.stack3)
      }
    cpu.setCodeSegment(try! cpu.descriptor(code, else: .debug), level: level)
    for number in [SegmentNumber.ss, SegmentNumber.ds, SegmentNumber.es] {
      try! cpu.loadSegment(number, selector: data)
    }
    for number in [SegmentNumber.fs, SegmentNumber.gs] {
      try! cpu.loadSegment(number, selector: 0)
    }
    cpu.esp = stack
    cpu.pointee.eip = 0x8000
  }

  /// Real mode with a stack at 2000:8000 and the vector table at 0.
  func enterReal() {
    cpu.pointee.cr0 &= ~CR0.pe
    cpu.pointee.idtr = DescriptorTableRegister(base: 0, limit: 0x3FF)
    for number in 0..<6 as Range<UInt8> {
      cpu.setSegment(number, .null(0))
      cpu.loadParagraph(number, 0x1000)
    }
    cpu.setCPL(0)
    cpu.loadParagraph(SegmentNumber.ss, 0x2000)
    cpu.esp = 0x8000
    cpu.pointee.eip = 0x100
  }

  /// Virtual-8086 mode with the given IOPL.
  func enterVirtual8086(iopl: UInt32 = 0) {
    cpu.setEFLAGS(EFLAGS.vm | EFLAGS.if | iopl << 12)
    cpu.setCPL(3)
    for number in 0..<6 as Range<UInt8> { cpu.loadParagraph(number, 0x1000 + UInt16(number)) }
    cpu.esp = 0x8000
    cpu.pointee.eip = 0x100
  }

  // MARK: Memory

  func peek32(_ address: UInt32) -> UInt32 {
    UInt32(truncatingIfNeeded: processor.memory.read(physical: UInt64(address), size: 4))
  }
  func peek16(_ address: UInt32) -> UInt16 { UInt16(truncatingIfNeeded: peek32(address)) }
  func poke32(_ address: UInt32, _ value: UInt32) {
    processor.memory.write(physical: UInt64(address), size: 4, UInt64(value))
  }
  func poke16(_ address: UInt32, _ value: UInt16) {
    processor.memory.write(physical: UInt64(address), size: 2, UInt64(value))
  }

  /// `count` values at the stack pointer, the last pushed first.
  func stack(_ count: UInt32, size: UInt32 = 4) -> [UInt32] {
    let sp = cpu.ss.pointee.base &+ (cpu.esp & cpu.pointee.stackMask)
    return (0..<count).map {
      size == 4 ? peek32(sp + $0 * 4) : UInt32(peek16(sp + $0 * 2))
    }
  }

  /// Puts values at and above the stack pointer, for RET and IRET.
  func setStack(_ values: [UInt32], size: UInt32 = 4) {
    let sp = cpu.ss.pointee.base &+ (cpu.esp & cpu.pointee.stackMask)
    for (i, value) in values.enumerated() {
      if size == 4 {
        poke32(sp + UInt32(i) * 4, value)
      } else {
        poke16(sp + UInt32(i) * 2, UInt16(truncatingIfNeeded: value))
      }
    }
  }

  func fault(_ body: () throws(Fault) -> Void) -> Fault? {
    do throws(Fault) {
      try body()
      return nil
    } catch {
      return error
    }
  }

  /// Delivers a fault as the engine's loop does.
  func deliver(_ fault: Fault) {
    cpu.pointee.fault = PendingFault(
      vector: fault.vector, hasErrorCode: fault.hasErrorCode ? 1 : 0, errorCode: fault.errorCode,
      linearAddress: fault.linearAddress)
    cpu.deliverFault()
  }

  var isShutDown: Bool { cpu.pointee.stop & UInt32(STOP_SHUTDOWN.rawValue) != 0 }

  /// Registers that a faulting instruction must leave alone.
  var snapshot: [UInt32] {
    (0..<8 as Range<UInt8>).map { cpu[gpr: $0] } + [
      cpu.pointee.eip, cpu.eflags, UInt32(cpu.pointee.cpl),
    ]
      + (0..<6 as Range<UInt8>).flatMap {
        let s = cpu.segment($0).pointee
        return [UInt32(s.selector), s.base, s.limit, s.access]
      }
  }
}
