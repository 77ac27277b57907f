import Bus
import CHostOracle
import CPU
import ISA
import Interpreter
import Memory
import Translator

/// Runs cases on an engine: a machine of a processor and a megabyte of RAM with a supervisor that does
/// nothing but halt in the handler of the first exception. Linear addresses are those of the host.
public final class InterpreterRunner {
  /// The engine under test.
  public let engine: any Engine
  /// The same, when it is the translator.
  public let translator: Translator?
  private let processor: Processor
  private let memory: PhysicalMemory
  private var initialImage = [UInt8](repeating: 0, count: NativeRunner.imageSize)

  // Physical addresses of the pages of the machine.
  private enum Page {
    static let directoryPointers: UInt32 = 0x1000
    static let userDirectory: UInt32 = 0x2000
    static let systemDirectory: UInt32 = 0x3000
    static let lowerTable: UInt32 = 0x4000
    static let stackTable: UInt32 = 0x5000
    static let systemTable: UInt32 = 0x6000
    static let gdt: UInt32 = 0x7000
    static let ldt: UInt32 = 0x8000
    static let idt: UInt32 = 0x9000
    static let task: UInt32 = 0xA000
    static let handlers: UInt32 = 0xB000
    static let stack: UInt32 = 0xD000
    static let code: UInt32 = 0x10000
    static let image: UInt32 = 0x11000
  }
  /// Where the supervisor's pages (physical 0...FFFFh) lie in linear space.
  private static let system: UInt32 = 0xD000_0000
  private static let stackTop = system + Page.stack + 0x1000
  private static let present: UInt64 = 1
  private static let writable: UInt64 = 2
  private static let user: UInt64 = 4
  private static let noExecute: UInt64 = 1 << 63

  /// - Parameter translated: whether cases run as translated code from their first instruction on, as far as the
  ///   translator can, rather than on the interpreter.
  /// - Throws: when there is no memory for it, or the translator cannot run here.
  public init(translated: Bool = false) throws {
    memory = try PhysicalMemory(ramSize: 1 << 20)
    processor = Processor(memory: memory, ports: PortBus())
    let interpreter = Interpreter(processor: processor, timing: .pentium)
    var options = TranslatorOptions()
    options.threshold = 0
    translator =
      translated
      ? try Translator(processor: processor, interpreter: interpreter, options: options) : nil
    engine = translator ?? interpreter
    buildPageTables()
    buildDescriptorTables()
    loadSystemRegisters()
  }

  // MARK: Set-up

  private func store<T: FixedWidthInteger>(_ value: T, at physical: UInt32) {
    withUnsafeBytes(of: value.littleEndian) { memory.writeBytes(Array($0), at: physical) }
  }

  private func buildPageTables() {
    let all = Self.present | Self.writable | Self.user
    store(UInt64(Page.userDirectory) | Self.present, at: Page.directoryPointers)
    store(UInt64(Page.systemDirectory) | Self.present, at: Page.directoryPointers + 3 * 8)
    func directoryEntry(_ linear: UInt32) -> UInt32 { (linear >> 21 & 511) * 8 }
    func tableEntry(_ linear: UInt32) -> UInt32 { (linear >> 12 & 511) * 8 }
    store(
      UInt64(Page.lowerTable) | all,
      at: Page.userDirectory + directoryEntry(UInt32(ORACLE_CODE)))
    store(
      UInt64(Page.stackTable) | all,
      at: Page.userDirectory + directoryEntry(UInt32(ORACLE_STACK)))
    store(
      UInt64(Page.systemTable) | Self.present | Self.writable,
      at: Page.systemDirectory + directoryEntry(Self.system))
    for page in 0..<16 as Range<UInt32> {
      store(
        UInt64(page << 12) | Self.present | Self.writable,
        at: Page.systemTable + tableEntry(Self.system + (page << 12)))
    }
    let code = UInt32(ORACLE_CODE)
    let data = UInt32(ORACLE_DATA)
    let readOnly = UInt32(ORACLE_READ_ONLY)
    let stack = UInt32(ORACLE_STACK)
    let writable = all | Self.noExecute
    store(UInt64(Page.code) | Self.present | Self.user, at: Page.lowerTable + tableEntry(code))
    store(UInt64(Page.image) | writable, at: Page.lowerTable + tableEntry(data))
    store(
      UInt64(Page.image + 0x1000) | writable, at: Page.lowerTable + tableEntry(data + 0x1000))
    store(
      UInt64(Page.image + 0x2000) | Self.present | Self.user | Self.noExecute,
      at: Page.lowerTable + tableEntry(readOnly))
    store(UInt64(Page.image + 0x3000) | writable, at: Page.stackTable + tableEntry(stack))
  }

  private func buildDescriptorTables() {
    for (index, descriptor) in SegmentTable.global.enumerated() {
      store(descriptor, at: Page.gdt + UInt32(index) * 8)
    }
    let task = SegmentTable.systemDescriptor(
      base: Self.system + Page.task, limit: 0x67, access: 0x8B)
    let table = SegmentTable.systemDescriptor(
      base: Self.system + Page.ldt, limit: UInt32(ORACLE_LDT_ENTRIES) * 8 - 1, access: 0x82)
    store(task, at: Page.gdt + 8 * 8)
    store(table, at: Page.gdt + 10 * 8)
    for (index, segment) in SegmentTable.local.enumerated() {
      store(SegmentTable.descriptor(segment), at: Page.ldt + UInt32(index) * 8)
    }
    store(Self.stackTop, at: Page.task + 4)  // ESP0
    store(UInt16(0x18), at: Page.task + 8)  // SS0
    store(UInt16(0x68), at: Page.task + 102)  // no I/O permissions
    for vector in 0..<256 as Range<UInt32> {
      let handler = Self.system + Page.handlers + vector * 16
      // Ring 3 may use INT3, INTO and INT 80h, as under Linux.
      let access: UInt64 = [3, 4, 0x80].contains(vector) ? 0xEE : 0x8E
      store(
        UInt64(handler & 0xFFFF) | 0x08 << 16 | access << 40 | UInt64(handler >> 16) << 48,
        at: Page.idt + vector * 8)
      memory.writeBytes([0xF4, 0xEB, 0xFD], at: Page.handlers + vector * 16)  // hlt; jmp to it
    }
  }

  private func loadSystemRegisters() {
    let cpu = processor.cpu
    let state = cpu
    state.pointee.gdtr = DescriptorTableRegister(base: Self.system + Page.gdt, limit: 0x7F)
    state.pointee.idtr = DescriptorTableRegister(base: Self.system + Page.idt, limit: 0x7FF)
    setSegment(&state.pointee.ldtr, 0x50, descriptor(at: Page.gdt + 10 * 8))
    setSegment(&state.pointee.tr, 0x40, descriptor(at: Page.gdt + 8 * 8))
    state.pointee.cr0 = 0x8005_0033  // PG AM WP NE ET MP PE
    state.pointee.cr4 = 0x620  // OSXMMEXCPT OSFXSR PAE
    state.pointee.cr3 = Page.directoryPointers
    state.pointee.efer = 1 << 11  // NXE
    for index in 0..<4 {
      cpu[pdpte: index] = memory.read(
        physical: UInt64(Page.directoryPointers) + UInt64(index) * 8, size: 8)
    }
  }

  private func descriptor(at physical: UInt32) -> UInt64 {
    memory.read(physical: UInt64(physical), size: 8)
  }

  private func setSegment(_ register: inout SegmentRegister, _ selector: UInt16, _ d: UInt64) {
    register.selector = selector
    register.base = UInt32(d >> 16 & 0xFF_FFFF | (d >> 56) << 24)
    let limit = UInt32(d & 0xFFFF | (d >> 48 & 0xF) << 16)
    register.limit = d >> 55 & 1 != 0 ? limit << 12 | 0xFFF : limit
    register.access = UInt32(d >> 40 & 0xF0FF)
    if selector & ~3 == 0 { register.access = 1 << 16 }
  }

  // MARK: Running

  /// What the last case took.
  public private(set) var cycles: UInt64 = 0
  public private(set) var instructions: UInt64 = 0

  /// What every case finds in memory.
  public func setInitialImage(_ image: UnsafeMutableBufferPointer<UInt8>) {
    initialImage = Array(image)
  }

  /// Runs one case and fills in `outcome` as the host does; `signal` is 0 unless the case timed out.
  public func run(_ item: borrowing OracleCase, into outcome: inout OracleOutcome) {
    loadMemory(item)
    loadRegisters(item.registers)
    let cpu = processor.cpu
    let start = (cycles: cpu.pointee.cycles, instructions: cpu.pointee.instructions)
    cpu.pointee.deadline = cpu.pointee.cycles &+ 100_000
    let exit = engine.run()
    cycles = cpu.pointee.cycles &- start.cycles
    instructions = cpu.pointee.instructions &- start.instructions
    outcome.signal = exit == .halted ? 0 : Int32(ORACLE_TIMED_OUT)
    storeOutcome(&outcome)
  }

  /// The memory image after the last case.
  public var image: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: memory.ram + Int(Page.image), count: NativeRunner.imageSize)
  }

  private func loadMemory(_ item: borrowing OracleCase) {
    var page = [UInt8](repeating: 0xCC, count: 4096)
    let offset = Int(item.codeOffset & 0xFFF)
    let bytes = item.bytes.prefix(4096 - offset)
    page.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    memory.writeBytes(page, at: Page.code)
    memory.writeBytes(initialImage, at: Page.image)
    for patch in item.patchList where patch.offset <= UInt32(NativeRunner.imageSize - 4) {
      store(patch.value, at: Page.image + patch.offset)
    }
  }

  private func loadRegisters(_ registers: OracleRegisters) {
    let cpu = processor.cpu
    for number in 0..<8 { cpu[gpr: UInt8(number)] = registers[gpr: number] }
    for number in 0..<6 as Range<UInt8> {
      let selector = registers[selector: Int(number)]
      setSegment(
        &cpu.segment(number).pointee, selector, SegmentTable.descriptor(selector))
      cpu.segment(number).updateBounds()
    }
    cpu.pointee.codeSize = cpu.cs.pointee.access >> 14 & 1 != 0 ? 4 : 2
    cpu.pointee.stackMask = cpu.ss.pointee.access >> 14 & 1 != 0 ? 0xFFFF_FFFF : 0xFFFF
    cpu.pointee.cpl = 3
    cpu.pointee.halted = 0
    cpu.pointee.shadow = 0
    cpu.pointee.debugTriggered = 0
    cpu[dr: 6] = 0xFFFF_0FF0
    cpu[dr: 7] = 0x400
    cpu.pointee.eip = registers.eip
    cpu.setEFLAGS(registers.eflags)
    cpu.pointee.cr2 = 0
    cpu.selectTLB()
    withUnsafeBytes(of: registers.fxsave) { loadFloatingPoint($0) }
  }

  /// Loads the registers from an FXSAVE image. SDM vol. 1, 10.5.1.
  private func loadFloatingPoint(_ image: UnsafeRawBufferPointer) {
    let cpu = processor.cpu
    var state = FPUState()
    state.control = image.load(fromByteOffset: 0, as: UInt16.self)
    state.status = image.load(fromByteOffset: 2, as: UInt16.self)
    state.tags = image[4]
    state.mxcsr = image.load(fromByteOffset: 24, as: UInt32.self)
    let top = Int(state.status >> 11 & 7)
    withUnsafeMutableBytes(of: &state.registers) {
      for i in 0..<8 {
        $0.baseAddress!.advanced(by: ((top + i) & 7) * 16).copyMemory(
          from: image.baseAddress! + 32 + i * 16, byteCount: 10)
      }
    }
    withUnsafeMutableBytes(of: &state.xmm) {
      $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: image[160..<288]))
    }
    cpu.pointee.fpu = state
  }

  private func storeFloatingPoint(_ image: UnsafeMutableRawBufferPointer) {
    var state = processor.cpu.pointee.fpu
    image.storeBytes(of: state.control, as: UInt16.self)
    image.storeBytes(of: state.status, toByteOffset: 2, as: UInt16.self)
    image[4] = state.tags
    image.storeBytes(of: state.mxcsr, toByteOffset: 24, as: UInt32.self)
    let top = Int(state.status >> 11 & 7)
    withUnsafeBytes(of: &state.registers) {
      for i in 0..<8 {
        (image.baseAddress! + 32 + i * 16).copyMemory(
          from: $0.baseAddress! + ((top + i) & 7) * 16, byteCount: 10)
      }
    }
    withUnsafeBytes(of: &state.xmm) {
      (image.baseAddress! + 160).copyMemory(from: $0.baseAddress!, byteCount: 128)
    }
  }

  /// The handler's EIP tells the vector, its stack the state at the exception.
  private func storeOutcome(_ outcome: inout OracleOutcome) {
    let cpu = processor.cpu
    let handlers = Self.system + Page.handlers
    outcome.vector = (cpu.pointee.eip &- handlers) / 16
    outcome.faultAddress = cpu.pointee.cr2
    for number in 0..<8 { outcome.registers[gpr: number] = cpu[gpr: UInt8(number)] }
    for number in [0, 3, 4, 5] {
      outcome.registers[selector: number] = cpu.segment(UInt8(number)).pointee.selector
    }
    let hasErrorCode = Self.stackTop &- cpu.esp == 24
    var frame = Page.stack + 0x1000 - 20
    func next() -> UInt32 {
      defer { frame += 4 }
      return UInt32(truncatingIfNeeded: memory.read(physical: UInt64(frame), size: 4))
    }
    if hasErrorCode { frame -= 4 }
    outcome.errorCode = hasErrorCode ? next() : 0
    outcome.registers.eip = next()
    outcome.registers[selector: 1] = UInt16(truncatingIfNeeded: next())
    outcome.registers.eflags = next()
    outcome.registers[gpr: 4] = next()
    outcome.registers[selector: 2] = UInt16(truncatingIfNeeded: next())
    withUnsafeMutableBytes(of: &outcome.registers.fxsave) { storeFloatingPoint($0) }
  }
}
