import Testing

@testable import CPU
@testable import Memory

@Suite struct FarTransferTests {
  @Test func jumpToCodeSegments() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    try cpu.jumpFar(selector: Selector.code16, offset: 0x1234, nextEIP: 0)
    #expect(cpu.cs.pointee.selector == Selector.code16)
    #expect(cpu.pointee.eip == 0x1234 && cpu.pointee.codeSize == 2)
    #expect(
      machine.fault { () throws(Fault) in
        try cpu.jumpFar(selector: Selector.code16, offset: 0x1_0000, nextEIP: 0)
      } == .generalProtection())
    try cpu.jumpFar(selector: Selector.conforming0 | 3, offset: 5, nextEIP: 0)
    #expect(cpu.cs.pointee.selector == Selector.conforming0 && cpu.pointee.cpl == 0)
  }

  @Test(arguments: [
    (UInt8(0), Selector.data0, Fault.generalProtection(Selector.data0)),
    (0, 0, .generalProtection()),
    (0, Selector.code3, .generalProtection(Selector.code3 & ~3)),
    (0, Selector.code0 | 3, .generalProtection(Selector.code0)),
    (3, Selector.code0, .generalProtection(Selector.code0)),
    (0, Selector.conforming3, .generalProtection(Selector.conforming3)),
    (0, Selector.task, .generalProtection(Selector.task)),
    (3, Selector.otherTask, .generalProtection(Selector.otherTask)),
    (0, Selector.ldt, .generalProtection(Selector.ldt)),
    (0, Selector.beyond, .generalProtection(Selector.beyond)),
    (3, Selector.callGate, .generalProtection(Selector.code0)),
  ])
  func jumpChecks(_ level: UInt8, _ selector: UInt16, _ expected: Fault) {
    let machine = TestMachine()
    machine.enter(level: level)
    let before = machine.snapshot
    #expect(
      machine.fault { () throws(Fault) in
        try machine.cpu.jumpFar(selector: selector, offset: 0, nextEIP: 0)
      } == expected)
    #expect(machine.snapshot == before)
  }

  @Test func callPushesTheReturnAddressInTheOperandSize() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    try cpu.callFar(
      selector: Selector.code0, offset: 0x7000, operandSize: 4, nextEIP: 0x1_2345)
    #expect(machine.stack(2) == [0x1_2345, UInt32(Selector.code0)])
    #expect(cpu.esp == TestMachine.stack0 - 8)
    try cpu.callFar(
      selector: Selector.code0, offset: 0x7000, operandSize: 2, nextEIP: 0x1_2345)
    #expect(machine.stack(2, size: 2) == [0x2345, UInt32(Selector.code0)])
    try cpu.returnFar(operandSize: 2, release: 0)
    #expect(cpu.pointee.eip == 0x2345)
    try cpu.returnFar(operandSize: 4, release: 12)
    #expect(cpu.pointee.eip == 0x1_2345 && cpu.esp == TestMachine.stack0 + 12)
  }

  @Test func callGateSwitchesStacksAndCopiesParameters() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    machine.enter(level: 3)
    machine.setStack([0x1111_1111, 0x2222_2222])
    try cpu.callFar(selector: Selector.callGate | 3, offset: 99, operandSize: 4, nextEIP: 0x8005)
    #expect(cpu.pointee.cpl == 0 && cpu.pointee.eip == 0x12_3456)
    #expect(cpu.cs.pointee.selector == Selector.code0)
    #expect(cpu.ss.pointee.selector == Selector.data0)
    #expect(cpu.esp == TestMachine.stack0 - 24)
    #expect(
      machine.stack(6) == [
        0x8005, UInt32(Selector.code3), 0x1111_1111, 0x2222_2222, TestMachine.stack3,
        UInt32(Selector.data3),
      ])
    // Back again, dropping the parameters from both stacks.
    try cpu.loadSegment(SegmentNumber.fs, selector: Selector.data0)
    try cpu.loadSegment(SegmentNumber.gs, selector: Selector.conforming0)
    try cpu.returnFar(operandSize: 4, release: 8)
    #expect(cpu.pointee.cpl == 3 && cpu.pointee.eip == 0x8005)
    #expect(cpu.esp == TestMachine.stack3 + 8)
    #expect(cpu.fs.pointee.isUnusable && !cpu.gs.pointee.isUnusable && !cpu.ds.pointee.isUnusable)
    #expect(cpu.pointee.tlb == cpu.pointee.userTLB)
  }

  @Test func sixteenBitCallGate() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    machine.enter(level: 3)
    machine.setStack([0xABCD], size: 2)
    try cpu.callFar(selector: Selector.callGate16 | 3, offset: 0, operandSize: 4, nextEIP: 0x8005)
    #expect(cpu.pointee.eip == 0x3456)
    #expect(
      machine.stack(5, size: 2) == [
        0x8005, UInt32(Selector.code3), 0xABCD, TestMachine.stack3 & 0xFFFF,
        UInt32(Selector.data3),
      ])
  }

  @Test func callGateAtTheSameLevelKeepsTheStack() throws {
    let machine = TestMachine()
    try machine.cpu.callFar(
      selector: Selector.callGate, offset: 0, operandSize: 4, nextEIP: 0x8005)
    #expect(machine.cpu.esp == TestMachine.stack0 - 8)
    #expect(machine.stack(2) == [0x8005, UInt32(Selector.code0)])
  }

  @Test(arguments: [
    (Selector.data3, Fault.invalidTSS(Selector.data3 & ~3)),
    (Selector.readOnly, .invalidTSS(Selector.readOnly)),
    (0, .invalidTSS(0)),
    (Selector.beyond, .invalidTSS(Selector.beyond)),
    (Selector.absentStack, .invalidTSS(Selector.absentStack)),
    (Selector.absent, .stackFault(Selector.absent)),
  ])
  func innerStackChecks(_ selector: UInt16, _ expected: Fault) {
    let machine = TestMachine()
    machine.poke32(TestMachine.taskBase + 8, UInt32(selector))
    machine.enter(level: 3)
    let before = machine.snapshot
    #expect(
      machine.fault { () throws(Fault) in
        try machine.cpu.callFar(
          selector: Selector.callGate | 3, offset: 0, operandSize: 4, nextEIP: 0)
      } == expected)
    #expect(machine.snapshot == before)
  }

  @Test func innerStackWithoutRoom() {
    let machine = TestMachine()
    machine.segment(Selector.data16, limit: 0xFFFF, access: 0x92)
    machine.poke32(TestMachine.taskBase + 8, UInt32(Selector.expandDown))
    machine.poke32(TestMachine.taskBase + 4, 0x1010)
    machine.enter(level: 3)
    #expect(
      machine.fault { () throws(Fault) in
        try machine.cpu.callFar(
          selector: Selector.callGate | 3, offset: 0, operandSize: 4, nextEIP: 0)
      } == .stackFault(Selector.expandDown))
    machine.cpu.pointee.tr.limit = 8
    #expect(
      machine.fault { () throws(Fault) in
        try machine.cpu.callFar(
          selector: Selector.callGate | 3, offset: 0, operandSize: 4, nextEIP: 0)
      } == .invalidTSS(Selector.task))
  }

  @Test func realModeFarTransfers() throws {
    let machine = TestMachine()
    machine.enterReal()
    let cpu = machine.cpu
    try cpu.callFar(selector: 0x3000, offset: 0x10, operandSize: 2, nextEIP: 0x105)
    #expect(machine.stack(2, size: 2) == [0x105, 0x1000])
    #expect(cpu.cs.pointee.base == 0x30000 && cpu.pointee.eip == 0x10)
    try cpu.returnFar(operandSize: 2, release: 2)
    #expect(cpu.cs.pointee.selector == 0x1000 && cpu.pointee.eip == 0x105)
    #expect(cpu.esp == 0x8002)
    #expect(
      machine.fault { () throws(Fault) in
        try cpu.jumpFar(selector: 0, offset: 0x1_0000, nextEIP: 0)
      } == .generalProtection())
    // SP wraps within the segment.
    cpu.esp = 2
    try cpu.callFar(selector: 0x3000, offset: 0x10, operandSize: 2, nextEIP: 0x105)
    #expect(cpu.esp == 0xFFFE && machine.peek16(0x2_FFFE) == 0x105)
  }

  @Test func returnChecks() {
    let machine = TestMachine()
    let cpu = machine.cpu
    func fault(_ values: [UInt32]) -> Fault? {
      machine.setStack(values)
      let before = machine.snapshot
      let fault = machine.fault { () throws(Fault) in
        try cpu.returnFar(operandSize: 4, release: 0)
      }
      #expect(fault == nil || machine.snapshot == before)
      return fault
    }
    #expect(fault([0, 0]) == .generalProtection())
    #expect(fault([0, UInt32(Selector.data0)]) == .generalProtection(Selector.data0))
    #expect(fault([0, UInt32(Selector.code0 | 3)]) == .generalProtection(Selector.code0))
    #expect(fault([0x1_0000, UInt32(Selector.code16)]) == .generalProtection())
    let code3 = UInt32(Selector.code3)
    #expect(fault([0, code3, 0x100, 0]) == .generalProtection())
    #expect(
      fault([0, code3, 0x100, UInt32(Selector.data0)]) == .generalProtection(Selector.data0))
    machine.enter(level: 3)
    #expect(fault([0, UInt32(Selector.code0)]) == .generalProtection(Selector.code0))
  }
}
