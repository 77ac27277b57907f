import Bus
import Testing

@testable import CPU
@testable import Memory

@Suite struct SystemRegisterTests {
  private func write(_ machine: TestMachine, _ number: UInt8, _ value: UInt32) -> Fault? {
    machine.fault { () throws(Fault) in try machine.cpu.writeControl(number, value) }
  }

  @Test func forbiddenCombinationsOfCR0() {
    let machine = TestMachine()
    #expect(write(machine, 0, CR0.pg) == .generalProtection())
    #expect(write(machine, 0, CR0.pe | CR0.nw) == .generalProtection())
    #expect(write(machine, 0, CR0.pe | CR0.nw | CR0.cd) == nil)
    #expect(write(machine, 0, 0x1FF8_FFC0 & ~CR0.wp & ~CR0.am | CR0.pe) == nil)
    #expect(machine.cpu.pointee.cr0 == CR0.pe | CR0.et)
  }

  @Test func missingRegistersAndPrivilege() {
    let machine = TestMachine()
    for number in [1, 5, 6, 7] as [UInt8] {
      #expect(write(machine, number, 0) == .invalidOpcode)
    }
    machine.enter(level: 3)
    for number in [0, 2, 3, 4] as [UInt8] {
      #expect(write(machine, number, 0) == .generalProtection())
    }
    #expect(
      machine.fault { () throws(Fault) in _ = try machine.cpu.readControl(0) }
        == .generalProtection())
    #expect(
      machine.fault { () throws(Fault) in _ = try machine.cpu.readDebug(7) }
        == .generalProtection())
  }

  @Test func reservedBitsOfCR4() {
    let machine = TestMachine()
    for bit in 0..<32 as Range<UInt32> {
      let value: UInt32 = 1 << bit
      let isThere = value & CR4.implemented != 0
      #expect(write(machine, 4, value) == (isThere ? nil : .generalProtection()))
    }
  }

  @Test func reservedBitsOfPageDirectoryPointers() {
    let machine = TestMachine()
    let table: UInt32 = 0x20_0020
    machine.poke32(table, 0x30_0001)
    machine.poke32(table + 8, 0xFFFF_FFFE)  // not present: anything goes
    machine.poke32(table + 16, 0x40_0003)  // reserved bit 1
    machine.cpu.pointee.cr3 = table
    #expect(write(machine, 4, CR4.pae) == nil)
    #expect(write(machine, 0, CR0.pe | CR0.pg) == .generalProtection())
    #expect(machine.cpu.pointee.cr0 & CR0.pg == 0)
    machine.poke32(table + 16, 0x40_0001)
    #expect(write(machine, 0, CR0.pe | CR0.pg) == nil)
    #expect(machine.cpu[pdpte: 2] == 0x40_0001)
    machine.poke32(table + 20, 0x10)  // address bit 36
    #expect(write(machine, 3, table) == .generalProtection())
  }

  @Test func flushingFollowsTheRegisters() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    let directory: UInt32 = 0x20_0000
    // Two 4 MiB pages: an ordinary one and a global one.
    machine.poke32(directory, 0x0000_0083)
    machine.poke32(directory + 4, 0x0000_0183)
    #expect(write(machine, 4, CR4.pse | CR4.pge) == nil)
    #expect(write(machine, 3, directory) == nil)
    #expect(write(machine, 0, cpu.pointee.cr0 | CR0.pg) == nil)
    _ = try cpu.readLinear(0x1_0000, as: UInt8.self)
    _ = try cpu.readLinear(0x41_1000, as: UInt8.self)
    machine.poke32(directory, 0)
    machine.poke32(directory + 4, 0)
    #expect(write(machine, 3, directory) == nil)
    #expect(
      machine.fault { () throws(Fault) in _ = try cpu.readLinear(0x1_0000, as: UInt8.self) } != nil)
    #expect(
      machine.fault { () throws(Fault) in _ = try cpu.readLinear(0x41_1000, as: UInt8.self) }
        == nil)
    try cpu.invalidatePage(0x41_1234)
    #expect(
      machine.fault { () throws(Fault) in _ = try cpu.readLinear(0x41_1000, as: UInt8.self) }
        != nil)
  }

  @Test func machineStatusWordCannotLeaveProtectedMode() throws {
    let machine = TestMachine()
    try machine.cpu.loadMachineStatusWord(0xFFFE)
    #expect(machine.cpu.pointee.cr0 & 0xF == 0xF)
    try machine.cpu.clearTaskSwitched()
    #expect(machine.cpu.pointee.cr0 & CR0.ts == 0)
    machine.enterReal()
    try machine.cpu.loadMachineStatusWord(1)
    #expect(machine.cpu.isProtectedMode)
  }

  @Test func debugRegisterBitsAndAliases() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    try cpu.writeDebug(6, 0)
    #expect(try cpu.readDebug(4) == 0xFFFF_0FF0)
    try cpu.writeDebug(5, 0xFFFF_DFFF)
    #expect(try cpu.readDebug(7) == 0xFFFF_07FF)
    try cpu.writeDebug(7, 0)
    cpu.pointee.cr4 = CR4.de
    #expect(
      machine.fault { () throws(Fault) in _ = try cpu.readDebug(4) } == .invalidOpcode)
    try cpu.writeDebug(7, DR7.generalDetect)
    #expect(machine.fault { () throws(Fault) in try cpu.writeDebug(0, 1) } == .debug)
    #expect(cpu[dr: 6] & DR6.access != 0 && cpu[dr: 0] == 0)
    machine.deliver(.debug)
    #expect(cpu[dr: 7] & DR7.generalDetect == 0)
  }

  @Test func codeBreakpointIsAFaultWithoutRF() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    try cpu.writeDebug(1, 0x8000)
    try cpu.writeDebug(7, 8)  // G1, execution
    #expect(cpu.codeBreakpointHit(0x8000) && !cpu.codeBreakpointHit(0x8001))
    #expect(cpu.debugFaultBeforeInstruction())
    #expect(cpu[dr: 6] & 0xF == 2)
    #expect(machine.stack(3) == [0x8000, UInt32(Selector.code0), 2])
    #expect(!cpu.debugFaultBeforeInstruction())
  }

  @Test func trapsAreCollected() {
    let machine = TestMachine()
    machine.cpu.finishDebugTraps(singleStep: false)
    #expect(machine.delivered.isEmpty)
    machine.cpu.pointee.debugTriggered = 4
    machine.cpu.finishDebugTraps(singleStep: true)
    #expect(machine.delivered.map(\.vector) == [1])
    #expect(machine.cpu[dr: 6] & 0xE00F == DR6.singleStep | 4)
    #expect(machine.cpu.pointee.debugTriggered == 0)
  }

  @Test func modelSpecificRegisters() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    #expect(
      machine.fault { () throws(Fault) in _ = try cpu.readMSR(0x1234) } == .generalProtection())
    #expect(
      machine.fault { () throws(Fault) in try cpu.writeMSR(MSR.efer, 1) } == .generalProtection())
    try cpu.writeMSR(MSR.efer, 1 << 11)
    #expect(try cpu.readMSR(MSR.efer) == 1 << 11)
    #expect(
      machine.fault { () throws(Fault) in try cpu.writeMSR(MSR.pageAttributeTable, 2) }
        == .generalProtection())
    try cpu.writeMSR(0x200, 0x1234_5006)
    #expect(try cpu.readMSR(0x200) == 0x1234_5006)
    cpu.pointee.cycles = 1000
    try cpu.writeMSR(MSR.timeStampCounter, 5)
    cpu.pointee.cycles = 1100
    #expect(cpu.timeStampCounter == 105)
    cpu.pointee.cr4 = CR4.tsd
    machine.enter(level: 3)
    #expect(
      machine.fault { () throws(Fault) in try cpu.checkTimeStampAccess() }
        == .generalProtection())
    #expect(
      machine.fault { () throws(Fault) in _ = try cpu.readMSR(MSR.efer) } == .generalProtection())
  }

  @Test func identification() {
    let (last, b, c, d) = Identification.leaf(0)
    let vendor = [b, d, c].flatMap { word in
      (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32($0 * 8)) }
    }
    #expect(String(decoding: vendor, as: UTF8.self) == "GenuineIntel")
    #expect(last == 2)
    let leaf1 = Identification.leaf(1)
    #expect(leaf1.0 == 0x673 && leaf1.3 & (1 << 26 | 1 << 11) == 1 << 26 | 1 << 11)
    // Beyond the last leaf: the last basic one.
    #expect(Identification.leaf(99) == Identification.leaf(2))
    #expect(Identification.leaf(0x8000_0001).3 == 1 << 20)
  }

  @Test func fastSystemCalls() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    machine.enter(level: 3)
    #expect(machine.fault { () throws(Fault) in try cpu.enterSystem() } == .generalProtection())
    cpu.pointee.sysenterCS = UInt32(Selector.code0)
    cpu.pointee.sysenterESP = 0x9000
    cpu.pointee.sysenterEIP = 0xC000
    cpu.setEFLAGS(EFLAGS.if)
    try cpu.enterSystem()
    #expect(cpu.pointee.cpl == 0 && cpu.pointee.eip == 0xC000 && cpu.esp == 0x9000)
    #expect(cpu.cs.pointee.selector == 8 && cpu.ss.pointee.selector == 0x10)
    #expect(cpu.eflags & EFLAGS.if == 0)
    cpu.edx = 0x1000
    cpu.ecx = 0x2000
    try cpu.exitSystem()
    #expect(cpu.pointee.cpl == 3 && cpu.pointee.eip == 0x1000 && cpu.esp == 0x2000)
    #expect(cpu.cs.pointee.selector == 0x1B && cpu.ss.pointee.selector == 0x23)
    #expect(cpu.ss.pointee.limit == 0xFFFF_FFFF && cpu.pointee.codeSize == 4)
    #expect(machine.fault { () throws(Fault) in try cpu.exitSystem() } == .generalProtection())
  }

  @Test func portPermissions() {
    let machine = TestMachine()
    let cpu = machine.cpu
    func fault(_ port: UInt16, _ width: AccessWidth) -> Fault? {
      machine.fault { () throws(Fault) in try cpu.checkPort(port, width: width) }
    }
    #expect(fault(0x60, .byte) == nil)
    machine.enter(level: 3)
    let bitmap = TestMachine.taskBase + 0x68
    machine.poke16(TestMachine.taskBase + 0x66, 0x68)
    for i in 0..<0x800 as Range<UInt32> { machine.poke32(bitmap + i * 4, 0xFFFF_FFFF) }
    machine.poke16(bitmap + 0x60 / 8, 0b1111_1110_0000_1111)
    #expect(fault(0x63, .byte) == .generalProtection())
    #expect(fault(0x64, .dword) == nil)
    #expect(fault(0x65, .dword) == nil)
    #expect(fault(0x66, .dword) == .generalProtection())
    #expect(fault(0x67, .word) == nil)
    // The second byte of the bitmap must be within the limit too.
    cpu.pointee.tr.limit = 0x68 + 0x60 / 8
    #expect(fault(0x64, .byte) == .generalProtection())
    cpu.setEFLAGS(EFLAGS.iopl)
    #expect(fault(0x66, .dword) == nil)
    // Virtual-8086 mode asks the bitmap whatever IOPL is.
    machine.enterVirtual8086(iopl: 3)
    #expect(fault(0x66, .dword) == .generalProtection())
  }

  @Test func portBreakpoints() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    try cpu.writeDebug(0, 0x60)
    try cpu.writeDebug(7, 2 | 0x2_0000 | 0x4_0000)  // G0, I/O, two bytes
    _ = cpu.readPort(0x61, width: .byte)
    #expect(cpu.pointee.debugTriggered == 0)
    cpu.pointee.cr4 = CR4.de
    _ = cpu.readPort(0x62, width: .byte)
    #expect(cpu.pointee.debugTriggered == 0)
    cpu.writePort(0x61, width: .byte, value: 0)
    #expect(cpu.pointee.debugTriggered == 1)
  }
}
