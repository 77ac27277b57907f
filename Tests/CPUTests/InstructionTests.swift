import Bus
import ISA
import Testing

@testable import CPU
@testable import Interpreter
@testable import Memory

/// A port device that counts up on reads and remembers writes.
private final class Counter: PortDevice {
  var next: UInt32 = 0x11
  var written: [UInt32] = []
  var onAccess: () -> Void = {}
  func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    defer { next += 1 }
    onAccess()
    return next
  }
  func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    written.append(value)
    onAccess()
  }
}

private final class FixedController: InterruptController {
  let machine: TestMachine
  init(_ machine: TestMachine) { self.machine = machine }
  func acknowledge() -> UInt8 {
    machine.processor.setInterruptLine(false)
    return 0x20
  }
}

extension TestMachine {
  /// Runs code at the current EIP until HLT, a shutdown or 1000 cycles; handlers halt at once.
  @discardableResult
  fileprivate func run(_ code: [UInt8], cycles: UInt64 = 1000) -> Exit {
    processor.memory.writeBytes(code, at: cpu.cs.pointee.base + cpu.pointee.eip)
    for vector in 0..<256 as Range<UInt32> {
      processor.memory.writeBytes([0xF4], at: handler(UInt8(vector)))
    }
    let interpreter = Interpreter(processor: processor, timing: .unit)
    cpu.pointee.deadline = cpu.pointee.cycles + cycles
    return interpreter.run()
  }
}

@Suite struct InstructionTests {
  @Test func segmentMoves() {
    let machine = TestMachine()
    machine.cpu.eax = 0xFFFF_FFFF
    // mov eax, ss; mov cx, ds; push fs; push ds; pop es; mov bx, cs; hlt
    let exit = machine.run(
      [0x8C, 0xD0, 0x66, 0x8C, 0xD9, 0x0F, 0xA0, 0x1E, 0x07, 0x66, 0x8C, 0xCB, 0xF4])
    #expect(exit == .halted)
    #expect(machine.cpu.eax == UInt32(Selector.data0))
    #expect(machine.cpu[gpr16: 1] == Selector.data0)
    #expect(machine.cpu[gpr16: 3] == Selector.code0)
    #expect(machine.cpu.esp == TestMachine.stack0 - 4)
  }

  @Test func moveToCSIsUndefined() {
    let machine = TestMachine()
    machine.run([0x8E, 0xC8])
    #expect(machine.delivered.map(\.vector) == [6])
  }

  @Test func faultingPopLeavesTheStackPointer() {
    let machine = TestMachine()
    machine.setStack([UInt32(Selector.beyond)])
    machine.run([0x1F])  // pop ds
    #expect(machine.delivered.first?.errorCode == Selector.beyond)
    #expect(machine.cpu.esp == TestMachine.stack0 - 16)
    #expect(machine.delivered.first?.eip == 0x8000)
  }

  @Test func farPointerLoads() {
    let machine = TestMachine()
    machine.poke32(0x7000, 0x1234_5678)
    machine.poke16(0x7004, Selector.readOnly)
    // lfs eax, [0x7000]; lss esp, [0x7000] faults
    machine.run([0x0F, 0xB4, 0x05, 0, 0x70, 0, 0, 0x0F, 0xB2, 0x25, 0, 0x70, 0, 0])
    #expect(machine.cpu.eax == 0x1234_5678)
    #expect(machine.cpu.fs.pointee.selector == Selector.readOnly)
    #expect(machine.delivered.first?.errorCode == Selector.readOnly)
    #expect(machine.delivered.first?.eip == 0x8007)
  }

  @Test func requestedPrivilegeIsRaised() {
    let machine = TestMachine()
    machine.cpu.eax = 0x20
    machine.cpu.ecx = 3
    machine.run([0x63, 0xC8, 0xF4])  // arpl ax, cx
    #expect(machine.cpu.eax == 0x23 && machine.cpu.zeroFlag)
    machine.cpu.pointee.eip = 0x8000
    machine.cpu.pointee.halted = 0
    machine.run([0x63, 0xC8, 0xF4])
    #expect(machine.cpu.eax == 0x23 && !machine.cpu.zeroFlag)
  }

  @Test func accessRightsKeepTheDestinationWithoutResult() {
    let machine = TestMachine()
    machine.cpu.eax = 0x5555_5555
    machine.cpu.ecx = UInt32(Selector.beyond)
    machine.cpu.edx = UInt32(Selector.data0)
    // lar eax, cx; setz bl; lsl esi, dx; hlt
    machine.run([0x0F, 0x02, 0xC1, 0x0F, 0x94, 0xC3, 0x0F, 0x03, 0xF2, 0xF4])
    #expect(machine.cpu.eax == 0x5555_5555 && machine.cpu[gpr8: 3] == 0)
    #expect(machine.cpu.esi == 0xFFFF_FFFF && machine.cpu.zeroFlag)
  }

  @Test func descriptorTableRegisters() {
    let machine = TestMachine()
    machine.cpu.pointee.gdtr.base = 0x1200_1000
    machine.poke32(0x7010, 0x3456_0123)
    machine.poke32(0x7014, 0x0000_7812)
    // sgdt [0x7000]; o16 sgdt [0x7008]; o16 lidt [0x7010]; hlt
    machine.run([
      0x0F, 0x01, 0x05, 0, 0x70, 0, 0, 0x66, 0x0F, 0x01, 0x05, 8, 0x70, 0, 0,
      0x66, 0x0F, 0x01, 0x1D, 0x10, 0x70, 0, 0, 0xF4,
    ])
    #expect(machine.peek16(0x7000) == 0xFF && machine.peek32(0x7002) == 0x1200_1000)
    #expect(machine.peek32(0x700A) == 0x1000)
    #expect(machine.cpu.pointee.idtr.limit == 0x123 && machine.cpu.pointee.idtr.base == 0x12_3456)
  }

  @Test(
    arguments: [
      [0xF4], [0x0F, 0x06], [0x0F, 0x08], [0x0F, 0x09], [0x0F, 0x01, 0x10], [0x0F, 0x01, 0x38],
      [0x0F, 0x00, 0xD0], [0x0F, 0x00, 0xD8], [0x0F, 0x01, 0xF0], [0x0F, 0x20, 0xC0],
      [0x0F, 0x23, 0xF8], [0x0F, 0x32], [0x0F, 0x30], [0x0F, 0x33], [0x0F, 0x35], [0xFA], [0xFB],
      [0xE4, 0x60], [0x6E],
    ] as [[UInt8]])
  func privilegedInstructions(_ code: [UInt8]) {
    let machine = TestMachine()
    machine.enter(level: 3)
    machine.run(code)
    #expect(machine.delivered.map(\.vector) == [13])
    #expect(machine.delivered.first?.errorCode == 0)
    #expect(machine.delivered.first?.eip == 0x8000)
  }

  @Test func flagsOnTheStackAtLevel3() {
    let machine = TestMachine()
    machine.enter(level: 3)
    machine.cpu.setEFLAGS(EFLAGS.if)
    machine.setStack([0x0027_7CD7])
    machine.run([0x9D, 0x9C, 0xCD, 0x80])  // popfd; pushfd; int 80h (faults)
    let user =
      EFLAGS.cf | EFLAGS.pf | EFLAGS.af | EFLAGS.zf | EFLAGS.sf | EFLAGS.df | EFLAGS.of | EFLAGS.nt
      | EFLAGS.ac | EFLAGS.id
    #expect(machine.peek32(TestMachine.stack3) == 2 | user | EFLAGS.if)
  }

  @Test func interruptShadows() {
    for code in [[0xFB, 0x40, 0x40, 0xF4], [0x16, 0x17, 0x40, 0x40, 0xF4]] as [[UInt8]] {
      let machine = TestMachine()
      let controller = FixedController(machine)
      machine.processor.interruptController = controller
      let isSTI = code[0] == 0xFB
      machine.cpu.setEFLAGS(isSTI ? 0 : EFLAGS.if)
      if isSTI {
        machine.processor.setInterruptLine(true)
        machine.run(code)  // sti; inc eax; inc eax
        #expect(machine.delivered.first?.eip == 0x8002)
        #expect(machine.cpu.eax == 1)
      } else {
        machine.cpu.pointee.eip = 0x8001
        machine.processor.memory.writeBytes(code, at: 0x8000)
        machine.setStack([UInt32(Selector.data0)])
        machine.cpu.pointee.deadline = machine.cpu.pointee.cycles + 1
        let interpreter = Interpreter(processor: machine.processor, timing: .unit)
        #expect(interpreter.run() == .deadline)  // pop ss
        machine.processor.setInterruptLine(true)
        machine.cpu.pointee.deadline += 2
        _ = interpreter.run()
        #expect(machine.delivered.first?.eip == 0x8003)
        #expect(machine.cpu.eax == 1)
      }
    }
  }

  @Test func singleStep() {
    let machine = TestMachine()
    machine.cpu.esp -= 4
    machine.setStack([EFLAGS.tf | 2])
    machine.run([0x9D, 0x40, 0x40, 0xF4])  // popfd; inc eax; inc eax
    #expect(machine.delivered.map(\.vector) == [1])
    #expect(machine.delivered.first?.eip == 0x8002)
    #expect(machine.cpu[dr: 6] & DR6.singleStep != 0)
  }

  @Test(arguments: [UInt8(0xAA), 0x6C])  // stosb, insb
  func everyIterationIsStepped(_ opcode: UInt8) {
    let machine = TestMachine()
    machine.cpu.setEFLAGS(EFLAGS.tf)
    machine.cpu.ecx = 3
    machine.cpu.edi = 0x7000
    machine.run([0xF3, opcode, 0xF4])
    #expect(machine.delivered.map(\.vector) == [1])
    #expect(machine.delivered.first?.eip == 0x8000)
    #expect(machine.cpu.ecx == 2)
    #expect(machine.stack(3)[2] & EFLAGS.rf != 0)
  }

  @Test func codeBreakpointWatchesTheFirstIteration() throws {
    let machine = TestMachine()
    try machine.cpu.writeDebug(0, 0x8000)
    try machine.cpu.writeDebug(7, 2)
    machine.cpu.ecx = 3
    machine.cpu.edi = 0x7000
    machine.cpu.setEFLAGS(EFLAGS.rf)
    machine.run([0xF3, 0xAA, 0xF4])
    #expect(machine.delivered.isEmpty && machine.cpu.ecx == 0)
    machine.cpu.pointee.eip = 0x8000
    machine.cpu.pointee.halted = 0
    machine.run([])
    #expect(machine.delivered.map(\.vector) == [1])
  }

  @Test func softwareInterruptsAreNotStepped() {
    let machine = TestMachine()
    machine.cpu.setEFLAGS(EFLAGS.tf)
    machine.run([0xCD, 0x21])
    #expect(machine.delivered.map(\.vector) == [0x21])
  }

  @Test func dataBreakpointTrapsAfterTheInstruction() throws {
    let machine = TestMachine()
    try machine.cpu.writeDebug(2, 0x7004)
    try machine.cpu.writeDebug(7, 0x20 | 0x0D00_0000)  // G2, write, four bytes
    // mov eax, [0x7004]; mov [0x7006], al; hlt
    machine.run([0xA1, 4, 0x70, 0, 0, 0xA2, 6, 0x70, 0, 0, 0xF4])
    #expect(machine.delivered.map(\.vector) == [1])
    #expect(machine.delivered.first?.eip == 0x800A)
    #expect(machine.cpu[dr: 6] & 0xF == 4)
  }

  @Test func codeBreakpointHitsOnceWithResumeFlag() throws {
    let machine = TestMachine()
    try machine.cpu.writeDebug(0, 0x8001)
    try machine.cpu.writeDebug(7, 2)
    machine.run([0x40, 0x40, 0x40, 0xF4])
    #expect(machine.delivered.map(\.eip) == [0x8001])
    machine.cpu.pointee.halted = 0
    machine.poke32(machine.cpu.esp + 8, 2 | EFLAGS.rf)
    try machine.cpu.returnFromInterrupt(operandSize: 4, nextEIP: 0)
    machine.run([0x40, 0x40, 0xF4])
    #expect(machine.delivered.count == 1 && machine.cpu.eax == 3)
  }

  // MARK: Ports

  private func withPorts() throws -> (TestMachine, Counter) {
    let machine = TestMachine()
    let device = Counter()
    try machine.processor.ports.attach(device, ports: 0x100...0x107, name: "counter")
    machine.cpu.edx = 0x100
    return (machine, device)
  }

  @Test func ports() throws {
    let (machine, device) = try withPorts()
    machine.cpu.eax = 0xAABB_CCDD
    // in al, dx; out dx, ax; in eax, dx; out dx, eax; hlt
    machine.run([0xEC, 0x66, 0xEF, 0xED, 0xEF, 0xF4])
    #expect(device.written == [0xCC11, 0x12])
    #expect(machine.cpu.eax == 0x12)
  }

  @Test func repeatedInput() throws {
    let (machine, _) = try withPorts()
    machine.cpu.ecx = 4
    machine.cpu.edi = 0x7000
    machine.run([0xF3, 0x6C, 0xF4])  // rep insb
    #expect(machine.peek32(0x7000) == 0x1413_1211)
    #expect(machine.cpu.ecx == 0 && machine.cpu.edi == 0x7004)
  }

  @Test func repeatedOutputWithOverrideGoingDown() throws {
    let (machine, device) = try withPorts()
    machine.segment(Selector.data16, base: 0x7000, limit: 0xFFFF, access: 0x92)
    try machine.cpu.loadSegment(SegmentNumber.gs, selector: Selector.data16)
    machine.poke32(0x7000, 0x2222_1111)
    machine.cpu.setEFLAGS(EFLAGS.df)
    machine.cpu.ecx = 0x1_0002
    machine.cpu.esi = 0x5_0002
    machine.run([0xF3, 0x65, 0x67, 0x66, 0x6F, 0xF4])  // rep outsw gs:[si]
    #expect(device.written == [0x2222, 0x1111])
    #expect(machine.cpu.ecx == 0x1_0000 && machine.cpu.esi == 0x5_FFFE)
  }

  @Test func inputThatCannotBeStoredDoesNotTouchThePort() throws {
    let (machine, device) = try withPorts()
    try machine.cpu.loadSegment(SegmentNumber.es, selector: Selector.data16)
    machine.cpu.ecx = 4
    machine.cpu.edi = 0xFFFE
    machine.run([0xF3, 0x6C])
    #expect(machine.delivered.map(\.vector) == [13])
    #expect(device.next == 0x13)
    #expect(machine.cpu.ecx == 2 && machine.cpu.edi == 0x1_0000)
    #expect(machine.delivered.first?.eip == 0x8000)
  }

  @Test func interruptBetweenIterations() throws {
    let (machine, device) = try withPorts()
    let controller = FixedController(machine)
    machine.processor.interruptController = controller
    machine.cpu.setEFLAGS(EFLAGS.if)
    device.onAccess = { if device.next == 0x12 { machine.processor.setInterruptLine(true) } }
    machine.cpu.ecx = 5
    machine.cpu.edi = 0x7000
    machine.run([0xF3, 0x6C, 0xF4])
    #expect(machine.delivered.first?.vector == 0x20)
    #expect(machine.delivered.first?.eip == 0x8000)
    #expect(machine.cpu.ecx == 3 && machine.cpu.edi == 0x7002)
  }

  @Test func tableOfPortPermissionsIsConsulted() throws {
    let (machine, device) = try withPorts()
    machine.enter(level: 3)
    machine.poke16(TestMachine.taskBase + 0x66, 0x68)
    machine.poke16(TestMachine.taskBase + 0x68 + 0x20, 0xFF00)
    machine.run([0xEC, 0x66, 0xBA, 0x08, 0x01, 0xEC])  // in al, dx; mov dx, 108h; in al, dx
    #expect(device.next == 0x12)
    #expect(machine.delivered.map(\.vector) == [13])
    #expect(machine.delivered.first?.eip == 0x8005)
  }
}
