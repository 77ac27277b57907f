import Testing

@testable import CPU
@testable import Memory

@Suite struct TaskSwitchTests {
  /// Fills the other 32-bit TSS with a runnable level-3 task.
  private func prepare(_ machine: TestMachine, level: UInt8 = 3) {
    let base = TestMachine.otherTaskBase
    machine.poke32(base + 4, TestMachine.stack1)
    machine.poke32(base + 8, UInt32(Selector.data0))
    machine.poke32(base + 0x20, 0x7000)
    machine.poke32(base + 0x24, 2 | EFLAGS.if)
    for i in 0..<8 as Range<UInt32> { machine.poke32(base + 0x28 + i * 4, 0x1111_1111 * i) }
    machine.poke32(base + 0x38, TestMachine.stack3)
    let code = level == 3 ? Selector.code3 : Selector.code0
    let data = level == 3 ? Selector.data3 : Selector.data0
    for i in 0..<6 as Range<UInt32> { machine.poke32(base + 0x48 + i * 4, UInt32(data)) }
    machine.poke32(base + 0x4C, UInt32(code))
    machine.poke32(base + 0x60, UInt32(Selector.ldt))
  }

  @Test func jumpSavesAndLoadsEverything() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    prepare(machine)
    cpu.eax = 0xAAAA_0001
    cpu.setEFLAGS(EFLAGS.cf)
    cpu.pointee.cr0 &= ~CR0.ts
    try cpu.writeDebug(7, 0x155 | 0x2AA)
    try cpu.jumpFar(selector: Selector.otherTask, offset: 0, nextEIP: 0x8007)
    #expect(cpu.pointee.eip == 0x7000 && cpu.pointee.cpl == 3)
    #expect(cpu.pointee.tr.selector == Selector.otherTask)
    #expect(machine.access(of: Selector.task) == 0x89)
    #expect(machine.access(of: Selector.otherTask) == 0x8B)
    #expect(cpu.ecx == 0x1111_1111 && cpu.esp == TestMachine.stack3)
    #expect(cpu.pointee.ldtr.selector == Selector.ldt && cpu.pointee.ldtr.base == TestMachine.ldt)
    #expect(cpu.pointee.cr0 & CR0.ts != 0)
    #expect(cpu.eflags == 2 | EFLAGS.if)
    #expect(cpu[dr: 7] & 0x3FF == 0x2AA)
    #expect(machine.peek32(TestMachine.taskBase + 0x20) == 0x8007)
    #expect(machine.peek32(TestMachine.taskBase + 0x24) == 2 | EFLAGS.cf)
    #expect(machine.peek32(TestMachine.taskBase + 0x28) == 0xAAAA_0001)
    #expect(machine.peek16(TestMachine.taskBase + 0x4C) == Selector.code0)
    #expect(cpu.pointee.tlb == cpu.pointee.userTLB)
  }

  @Test func callNestsAndIRETReturns() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    prepare(machine, level: 0)
    try cpu.callFar(selector: Selector.taskGate, offset: 0, operandSize: 4, nextEIP: 0x8007)
    #expect(machine.access(of: Selector.task) == 0x8B)
    #expect(machine.access(of: Selector.otherTask) == 0x8B)
    #expect(machine.peek16(TestMachine.otherTaskBase) == Selector.task)
    #expect(cpu.eflags & EFLAGS.nt != 0)
    try cpu.returnFromInterrupt(operandSize: 4, nextEIP: 0x7001)
    #expect(cpu.pointee.tr.selector == Selector.task && cpu.pointee.eip == 0x8007)
    #expect(machine.access(of: Selector.otherTask) == 0x89)
    #expect(cpu.eflags & EFLAGS.nt == 0)
    #expect(machine.peek32(TestMachine.otherTaskBase + 0x20) == 0x7001)
    #expect(machine.peek32(TestMachine.otherTaskBase + 0x24) & EFLAGS.nt == 0)
  }

  @Test func faultThroughATaskGatePushesItsErrorCodeThere() {
    let machine = TestMachine()
    prepare(machine)
    machine.interruptGate(10, selector: Selector.otherTask, type: 0x85)
    machine.deliver(.invalidTSS(0x44))
    #expect(machine.cpu.esp == TestMachine.stack3 - 4)
    #expect(machine.stack(1) == [0x44])
    #expect(machine.peek32(TestMachine.taskBase + 0x20) == 0x8000)
    #expect(machine.peek32(TestMachine.taskBase + 0x24) & EFLAGS.rf != 0)
  }

  @Test(arguments: [
    (UInt32(0x4C), UInt16(3), Fault.invalidTSS(0)),
    (0x4C, Selector.data3, .invalidTSS(Selector.data3 & ~3)),
    (0x4C, Selector.code0 | 3, .invalidTSS(Selector.code0)),
    // SS is checked first, for the level in CS, and the fault arrives on the stack of the new TSS.
    (0x4C, 0, .invalidTSS(Selector.data3 & ~3)),
    (0x4C, Selector.code0, .invalidTSS(Selector.data3 & ~3)),
    (0x50, Selector.data0, .invalidTSS(Selector.data0)),
    (0x54, Selector.data0, .invalidTSS(Selector.data0)),
    (0x54, Selector.executeOnly, .invalidTSS(Selector.executeOnly)),
    (0x60, Selector.data0, .invalidTSS(Selector.data0)),
    (0x60, Selector.ldt | 4, .invalidTSS(Selector.ldt | 4)),
  ])
  func faultsAfterTheSwitchBelongToTheNewTask(
    _ offset: UInt32, _ selector: UInt16, _ expected: Fault
  ) throws {
    let machine = TestMachine()
    prepare(machine)
    machine.poke32(TestMachine.otherTaskBase + offset, UInt32(selector))
    try machine.cpu.jumpFar(selector: Selector.otherTask, offset: 0, nextEIP: 0x8007)
    #expect(machine.cpu.pointee.tr.selector == Selector.otherTask)
    #expect(machine.delivered.count == 1)
    #expect(machine.delivered.first?.vector == expected.vector)
    #expect(machine.delivered.first?.errorCode == expected.errorCode)
    #expect(machine.delivered.first?.eip == 0x7000)
    #expect(machine.cpu.pointee.cpl == 0)
  }

  @Test func faultsBeforeTheSwitchLeaveTheOldTask() {
    let machine = TestMachine()
    machine.segment(
      Selector.otherTask, base: TestMachine.otherTaskBase, limit: 0x66, access: 0x89)
    let before = machine.snapshot
    func fault() -> Fault? {
      machine.fault { () throws(Fault) in
        try machine.cpu.jumpFar(selector: Selector.otherTask, offset: 0, nextEIP: 0)
      }
    }
    #expect(fault() == .invalidTSS(Selector.otherTask))
    machine.segment(
      Selector.otherTask, base: TestMachine.otherTaskBase, limit: 0x67, access: 0x09)
    #expect(fault() == .notPresent(Selector.otherTask))
    #expect(machine.snapshot == before && machine.access(of: Selector.task) == 0x8B)
  }

  @Test func sixteenBitTask() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    let base = TestMachine.task16Base
    machine.poke16(base + 0x0E, 0x6000)
    machine.poke16(base + 0x10, 2)
    machine.poke16(base + 0x12, 0x1234)
    machine.poke16(base + 0x1A, 0x5000)
    for i in 0..<4 as Range<UInt32> { machine.poke16(base + 0x22 + i * 2, Selector.data0) }
    machine.poke16(base + 0x24, Selector.code0)
    cpu.ebx = 0x7777_8888
    try cpu.callFar(selector: Selector.task16, offset: 0, operandSize: 4, nextEIP: 0x8007)
    #expect(cpu.pointee.eip == 0x6000 && cpu[gpr16: 0] == 0x1234 && cpu[gpr16: 4] == 0x5000)
    #expect(cpu.fs.pointee.isUnusable)
    #expect(machine.access(of: Selector.task16) == 0x83)
    try cpu.returnFromInterrupt(operandSize: 2, nextEIP: 0x6001)
    #expect(cpu.pointee.eip == 0x8007 && cpu.ebx == 0x7777_8888)
    #expect(machine.peek16(base + 0x0E) == 0x6001)
  }

  @Test func virtual8086Task() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    prepare(machine)
    machine.poke32(TestMachine.otherTaskBase + 0x24, 2 | EFLAGS.vm)
    machine.poke32(TestMachine.otherTaskBase + 0x4C, 0x4321)
    try cpu.jumpFar(selector: Selector.otherTask, offset: 0, nextEIP: 0)
    #expect(cpu.isVirtual8086 && cpu.pointee.cpl == 3 && cpu.cs.pointee.base == 0x43210)
    #expect(cpu.pointee.codeSize == 2)
  }

  @Test func trapFlagOfTheTSS() throws {
    let machine = TestMachine()
    prepare(machine)
    machine.poke32(TestMachine.otherTaskBase + 0x64, 1)
    try machine.cpu.jumpFar(selector: Selector.otherTask, offset: 0, nextEIP: 0)
    machine.cpu.finishDebugTraps(singleStep: false)
    #expect(machine.delivered.map(\.vector) == [1])
    #expect(machine.cpu[dr: 6] & DR6.taskSwitch != 0)
    #expect(machine.delivered.first?.eip == 0x7000)
  }

  @Test func returnFromATaskThatIsNotLinked() {
    let machine = TestMachine()
    machine.cpu.setEFLAGS(EFLAGS.nt)
    machine.poke32(TestMachine.taskBase, UInt32(Selector.otherTask))  // available, not busy
    #expect(
      machine.fault { () throws(Fault) in
        try machine.cpu.returnFromInterrupt(operandSize: 4, nextEIP: 0)
      } == .invalidTSS(Selector.otherTask))
  }
}
