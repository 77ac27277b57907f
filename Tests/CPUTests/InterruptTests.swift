import Testing

@testable import CPU
@testable import Memory

@Suite struct InterruptTests {
  @Test func realModeInterruptAndReturn() throws {
    let machine = TestMachine()
    machine.enterReal()
    let cpu = machine.cpu
    machine.poke32(0x21 * 4, 0x3000_0040)
    cpu.setEFLAGS(EFLAGS.if | EFLAGS.tf | EFLAGS.ac | EFLAGS.cf)
    try cpu.softwareInterrupt(vector: 0x21, nextEIP: 0x102, checksIOPL: true)
    #expect(cpu.cs.pointee.base == 0x30000 && cpu.pointee.eip == 0x40)
    #expect(machine.stack(3, size: 2) == [0x102, 0x1000, 0x0303])
    #expect(cpu.eflags & (EFLAGS.if | EFLAGS.tf | EFLAGS.ac) == 0)
    try cpu.returnFromInterrupt(operandSize: 2, nextEIP: 0)
    #expect(cpu.cs.pointee.selector == 0x1000 && cpu.pointee.eip == 0x102)
    #expect(cpu.eflags & 0xFFFF == 0x0303 && cpu.esp == 0x8000)
  }

  @Test func realModeFaultsHaveNoErrorCode() {
    let machine = TestMachine()
    machine.enterReal()
    machine.poke32(13 * 4, 0x3000_0040)
    machine.deliver(.generalProtection())
    #expect(machine.cpu.esp == 0x7FFA && machine.cpu.pointee.eip == 0x40)
  }

  @Test func realModeWithoutAVectorTableShutsDown() {
    let machine = TestMachine()
    machine.enterReal()
    machine.cpu.pointee.idtr.limit = 0
    machine.deliver(.invalidOpcode)
    #expect(machine.isShutDown)
  }

  @Test func faultAtTheSameLevel() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    cpu.setEFLAGS(EFLAGS.if | EFLAGS.tf | EFLAGS.nt | EFLAGS.zf)
    machine.deliver(.generalProtection(0x1234))
    #expect(cpu.pointee.eip == machine.handler(13))
    #expect(
      machine.stack(4) == [
        0x1234, 0x8000, UInt32(Selector.code0),
        2 | EFLAGS.if | EFLAGS.tf | EFLAGS.nt | EFLAGS.zf | EFLAGS.rf,
      ])
    #expect(cpu.eflags & (EFLAGS.if | EFLAGS.tf | EFLAGS.nt | EFLAGS.rf) == 0)
    #expect(machine.delivered.count == 1 && machine.delivered.first?.errorCode == 0x1234)
    cpu.esp += 4
    try cpu.returnFromInterrupt(operandSize: 4, nextEIP: 0)
    #expect(cpu.pointee.eip == 0x8000 && cpu.esp == TestMachine.stack0)
    #expect(cpu.eflags & EFLAGS.rf != 0 && cpu.eflags & EFLAGS.if != 0)
  }

  @Test func trapGateLeavesIFAlone() {
    let machine = TestMachine()
    machine.interruptGate(0x40, type: 0x8F)
    machine.cpu.setEFLAGS(EFLAGS.if)
    machine.cpu.deliverExternalInterrupt(vector: 0x40)
    #expect(machine.cpu.eflags & EFLAGS.if != 0)
    #expect(machine.stack(3)[2] == 2 | EFLAGS.if)
  }

  @Test func interruptFromLevel3SwitchesStacks() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    machine.enter(level: 3)
    cpu.setEFLAGS(EFLAGS.if)
    cpu.deliverExternalInterrupt(vector: 0x20)
    #expect(cpu.pointee.cpl == 0 && cpu.pointee.tlb == cpu.pointee.supervisorTLB)
    #expect(
      machine.stack(5) == [
        0x8000, UInt32(Selector.code3), 2 | EFLAGS.if, TestMachine.stack3,
        UInt32(Selector.data3),
      ])
    try cpu.loadSegment(SegmentNumber.es, selector: Selector.data0)
    try cpu.returnFromInterrupt(operandSize: 4, nextEIP: 0)
    #expect(cpu.pointee.cpl == 3 && cpu.esp == TestMachine.stack3)
    #expect(cpu.ss.pointee.selector == Selector.data3)
    #expect(cpu.es.pointee.isUnusable && !cpu.ds.pointee.isUnusable)
  }

  @Test func sixteenBitGate() {
    let machine = TestMachine()
    let cpu = machine.cpu
    machine.interruptGate(13, type: 0x86, offset: 0xFFFF_4567)
    machine.enter(level: 3)
    machine.deliver(.generalProtection(8))
    #expect(cpu.pointee.eip == 0x4567)
    #expect(
      machine.stack(6, size: 2) == [
        8, 0x8000, UInt32(Selector.code3), 2, TestMachine.stack3 & 0xFFFF, UInt32(Selector.data3),
      ])
  }

  @Test func softwareInterruptsCheckTheGate() {
    let machine = TestMachine()
    let cpu = machine.cpu
    machine.enter(level: 3)
    func fault(_ vector: UInt8) -> Fault? {
      machine.fault { () throws(Fault) in
        try cpu.softwareInterrupt(vector: vector, nextEIP: 0x8002, checksIOPL: true)
      }
    }
    #expect(fault(0x80) == .generalProtection(0x80 * 8 + 2))
    machine.interruptGate(0x81, type: 0xCE)
    #expect(fault(0x81) == .generalProtection(0x81 * 8 + 2))
    machine.interruptGate(0x81, type: 0x6E)
    #expect(fault(0x81) == .notPresent(0x81 * 8 + 2))
    machine.interruptGate(0x82, type: 0xEC)  // a call gate
    #expect(fault(0x82) == .generalProtection(0x82 * 8 + 2))
    machine.interruptGate(0x83, selector: 0, type: 0xEE)
    #expect(fault(0x83) == .generalProtection(0))
    machine.interruptGate(0x84, selector: Selector.data0, type: 0xEE)
    #expect(fault(0x84) == .generalProtection(Selector.data0))
    #expect(fault(0xFF) == .generalProtection(0xFF * 8 + 2))
    machine.interruptGate(0x80, type: 0xEE)
    #expect(fault(0x80) == nil)
    #expect(machine.stack(1) == [0x8002])
  }

  @Test func faultsDuringDeliveryCarryEXT() {
    let machine = TestMachine()
    machine.interruptGate(0x20, selector: Selector.data0)
    machine.cpu.deliverExternalInterrupt(vector: 0x20)
    #expect(machine.delivered.map(\.vector) == [13])
    #expect(machine.delivered.first?.errorCode == Selector.data0 | 1)
    #expect(machine.stack(2) == [UInt32(Selector.data0) | 1, 0x8000])
  }

  @Test(arguments: [
    // First exception, gate that is broken, what arrives in the end.
    (Fault.invalidOpcode, UInt8(6), UInt8(13)),  // benign, then contributory: serially
    (.divideError, 0, 8),  // contributory, contributory
    (.generalProtection(), 13, 8),
    (.pageFault(0x1234, errorCode: 2), 14, 8),
    (.notPresent(8), 11, 8),
  ])
  func doubleFaults(_ first: Fault, _ broken: UInt8, _ last: UInt8) {
    let machine = TestMachine()
    machine.interruptGate(broken, type: 0)
    machine.deliver(first)
    #expect(machine.delivered.map(\.vector) == [last])
    #expect(machine.cpu.pointee.eip == machine.handler(last))
    #expect(!machine.isShutDown)
    if last == 8 { #expect(machine.delivered.first?.errorCode == 0) }
    if first.vector == 14 { #expect(machine.cpu.pointee.cr2 == 0x1234) }
  }

  @Test func tripleFaultShutsDown() {
    let machine = TestMachine()
    machine.interruptGate(13, type: 0)
    machine.interruptGate(8, type: 0)
    machine.deliver(.generalProtection())
    #expect(machine.isShutDown && machine.delivered.isEmpty)
  }

  @Test func pageFaultSetsCR2() {
    let machine = TestMachine()
    machine.deliver(.pageFault(0xDEAD_BEEF, errorCode: 6))
    #expect(machine.cpu.pointee.cr2 == 0xDEAD_BEEF)
    #expect(machine.stack(1) == [6])
  }

  @Test func virtual8086InterruptSavesAllSegments() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    machine.enterVirtual8086(iopl: 3)
    try cpu.softwareInterrupt(vector: 0x20, nextEIP: 0x102, checksIOPL: false, source: .exception)
    #expect(cpu.pointee.cpl == 0 && !cpu.isVirtual8086)
    let flags = 2 | EFLAGS.vm | EFLAGS.if | EFLAGS.iopl
    #expect(
      machine.stack(9) == [
        0x102, 0x1001, flags, 0x8000, 0x1002, 0x1000, 0x1003, 0x1004, 0x1005,
      ])
    #expect(cpu.ds.pointee.isUnusable && cpu.gs.pointee.isUnusable)
    try cpu.returnFromInterrupt(operandSize: 4, nextEIP: 0)
    #expect(cpu.isVirtual8086 && cpu.pointee.cpl == 3 && cpu.pointee.codeSize == 2)
    #expect(cpu.eflags == flags && cpu.pointee.eip == 0x102 && cpu.esp == 0x8000)
    #expect(
      (0..<6 as Range<UInt8>).map { cpu.segment($0).pointee.selector }
        == [0x1000, 0x1001, 0x1002, 0x1003, 0x1004, 0x1005])
    #expect(cpu.ss.pointee.base == 0x10020 && cpu.pointee.stackMask == 0xFFFF)
    #expect(cpu.pointee.tlb == cpu.pointee.userTLB)
  }

  @Test func virtual8086Sensitivity() {
    let machine = TestMachine()
    let cpu = machine.cpu
    machine.enterVirtual8086(iopl: 2)
    machine.interruptGate(0x21, type: 0xEE)
    #expect(
      machine.fault { () throws(Fault) in
        try cpu.softwareInterrupt(vector: 0x21, nextEIP: 0, checksIOPL: true)
      } == .generalProtection())
    #expect(
      machine.fault { () throws(Fault) in
        try cpu.returnFromInterrupt(operandSize: 2, nextEIP: 0)
      } == .generalProtection())
    // A handler at level 1 cannot take an interrupt from virtual-8086 mode.
    machine.interruptGate(0x21, selector: Selector.code1, type: 0xEE)
    #expect(
      machine.fault { () throws(Fault) in
        try cpu.softwareInterrupt(vector: 0x21, nextEIP: 0, checksIOPL: false)
      } == .generalProtection(Selector.code1 & ~3))
    machine.interruptGate(0x21, selector: Selector.conforming0, type: 0xEE)
    #expect(
      machine.fault { () throws(Fault) in
        try cpu.softwareInterrupt(vector: 0x21, nextEIP: 0, checksIOPL: false)
      } == .generalProtection(Selector.conforming0))
  }

  @Test func interruptReturnChangesOnlyTheFlagsOfItsLevel() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    machine.enter(level: 3)
    cpu.setEFLAGS(EFLAGS.if)
    machine.setStack([0x9000, UInt32(Selector.code3), 0x0026_7FD7])
    try cpu.returnFromInterrupt(operandSize: 4, nextEIP: 0)
    let user =
      EFLAGS.arithmetic | EFLAGS.tf | EFLAGS.df | EFLAGS.nt | EFLAGS.ac | EFLAGS.id | EFLAGS.if
    #expect(cpu.eflags == 2 | user)
    cpu.setEFLAGS(0)
    machine.setStack([0x9000, UInt32(Selector.code3), 0x0026_7FD7])
    try cpu.returnFromInterrupt(operandSize: 4, nextEIP: 0)
    #expect(cpu.eflags & (EFLAGS.if | EFLAGS.iopl | EFLAGS.vm) == 0)
  }

  @Test func returnToSixteenBitStackKeepsTheUpperHalfOfESP() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    machine.segment(Selector.data3, limit: 0xFFFF, access: 0xF2)
    cpu.esp = 0x0012_8000
    machine.setStack([0x9000, UInt32(Selector.code3), 2, 0x7777_1234, UInt32(Selector.data3)])
    try cpu.returnFromInterrupt(operandSize: 4, nextEIP: 0)
    #expect(cpu.esp == 0x0012_1234)
  }

  @Test func nonMaskableInterruptsAreUnblockedByIRET() throws {
    let machine = TestMachine()
    machine.cpu.pointee.nmiBlocked = 1
    machine.setStack([0x9000, UInt32(Selector.code0), 2])
    try machine.cpu.returnFromInterrupt(operandSize: 4, nextEIP: 0)
    #expect(machine.cpu.pointee.nmiBlocked == 0)
  }

  @Test func deliveryWakesFromHaltAndEndsTheShadow() {
    let machine = TestMachine()
    machine.cpu.pointee.halted = 1
    machine.cpu.pointee.shadow = 1
    machine.cpu.deliverExternalInterrupt(vector: 0x20)
    #expect(machine.cpu.pointee.halted == 0 && machine.cpu.pointee.shadow == 0)
  }
}
