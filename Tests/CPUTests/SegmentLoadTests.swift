import Testing

@testable import CPU
@testable import Memory

/// A load of a segment register at a privilege level and the fault it raises.
struct SegmentLoadCase: Sendable, CustomStringConvertible {
  var level: UInt8
  var number: UInt8
  var selector: UInt16
  var expected: Fault?
  init(_ level: UInt8, _ number: UInt8, _ selector: UInt16, _ expected: Fault?) {
    self.level = level
    self.number = number
    self.selector = selector
    self.expected = expected
  }
  var description: String {
    "CPL \(level), register \(number), selector \(String(selector, radix: 16))"
  }
}

private let ss = SegmentNumber.ss
private let ds = SegmentNumber.ds
private let gs = SegmentNumber.gs

@Suite struct SegmentLoadTests {
  @Test(arguments: [
    SegmentLoadCase(0, ds, Selector.data0, nil),
    SegmentLoadCase(0, ds, Selector.data0 | 3, .generalProtection(Selector.data0)),
    SegmentLoadCase(0, ds, Selector.data3, nil),
    SegmentLoadCase(3, ds, Selector.data0, .generalProtection(Selector.data0)),
    SegmentLoadCase(3, ds, Selector.data3 & ~3, nil),
    SegmentLoadCase(0, ds, 0, nil),
    SegmentLoadCase(3, gs, 3, nil),
    SegmentLoadCase(0, ss, 0, .generalProtection()),
    SegmentLoadCase(3, ss, 3, .generalProtection()),
    SegmentLoadCase(0, ds, Selector.beyond, .generalProtection(Selector.beyond)),
    SegmentLoadCase(0, ss, Selector.beyond, .generalProtection(Selector.beyond)),
    SegmentLoadCase(0, ds, Selector.beyond | 4, .generalProtection(Selector.beyond | 4)),
    SegmentLoadCase(0, ds, Selector.executeOnly, .generalProtection(Selector.executeOnly)),
    SegmentLoadCase(0, ds, Selector.code0, nil),
    SegmentLoadCase(3, ds, Selector.code0, .generalProtection(Selector.code0)),
    SegmentLoadCase(3, ds, Selector.conforming0, nil),
    SegmentLoadCase(0, ds, Selector.task, .generalProtection(Selector.task)),
    SegmentLoadCase(0, ds, Selector.absent, .notPresent(Selector.absent)),
    SegmentLoadCase(0, ss, Selector.absent, .stackFault(Selector.absent)),
    SegmentLoadCase(0, ss, Selector.readOnly, .generalProtection(Selector.readOnly)),
    SegmentLoadCase(0, ds, Selector.readOnly, nil),
    SegmentLoadCase(0, ss, Selector.code0, .generalProtection(Selector.code0)),
    SegmentLoadCase(0, ss, Selector.data3, .generalProtection(Selector.data3 & ~3)),
    SegmentLoadCase(3, ss, Selector.data3 & ~3, .generalProtection(Selector.data3 & ~3)),
    SegmentLoadCase(3, ss, Selector.data3, nil),
    SegmentLoadCase(1, ds, Selector.data1 & ~3, nil),
    SegmentLoadCase(1, ds, Selector.data1 | 3, .generalProtection(Selector.data1 & ~3)),
  ])
  func protectedModeChecks(_ c: SegmentLoadCase) {
    let machine = TestMachine()
    machine.enter(level: c.level)
    let before = machine.snapshot
    let fault = machine.fault { () throws(Fault) in
      try machine.cpu.loadSegment(c.number, selector: c.selector)
    }
    #expect(fault == c.expected)
    if c.expected != nil {
      #expect(machine.snapshot == before)
    } else {
      #expect(machine.cpu.segment(c.number).pointee.selector == c.selector)
    }
  }

  @Test func loadSetsTheAccessedBitInMemoryAndTheHiddenPart() throws {
    let machine = TestMachine()
    machine.segment(Selector.data16, base: 0x1234_5678, limit: 0x1_2345, access: 0x92, flags: 8)
    try machine.cpu.loadSegment(SegmentNumber.fs, selector: Selector.data16)
    #expect(machine.access(of: Selector.data16) == 0x93)
    let s = machine.cpu.fs.pointee
    #expect(s.base == 0x1234_5678)
    #expect(s.limit == 0x1234_5FFF)
    #expect(s.access == 0x8093)
    #expect(s.readEnd == 0x1234_6000 && s.writeEnd == 0x1234_6000)
  }

  @Test func nullSegmentsFaultWhenUsedOnly() throws {
    let machine = TestMachine()
    try machine.cpu.loadSegment(SegmentNumber.fs, selector: 2)
    #expect(
      machine.fault { () throws(Fault) in
        _ = try machine.cpu.read(SegmentNumber.fs, 0, as: UInt8.self)
      } == .generalProtection())
  }

  @Test func stackWidthFollowsSS() throws {
    let machine = TestMachine()
    try machine.cpu.loadSegment(ss, selector: Selector.data16)
    #expect(machine.cpu.pointee.stackMask == 0xFFFF)
    try machine.cpu.loadSegment(ss, selector: Selector.data0)
    #expect(machine.cpu.pointee.stackMask == 0xFFFF_FFFF)
  }

  @Test func expandDownBounds() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    try cpu.loadSegment(ds, selector: Selector.expandDown)
    func read(_ offset: UInt32) -> Fault? {
      machine.fault { () throws(Fault) in _ = try cpu.read(ds, offset, as: UInt16.self) }
    }
    #expect(read(0xFFF) == .generalProtection())
    #expect(read(0x1000) == nil)
    #expect(read(0xFFFF_FFFF) == .generalProtection())
  }

  @Test func realModeKeepsTheLimitOfBigRealMode() throws {
    let machine = TestMachine()
    machine.cpu.pointee.cr0 &= ~CR0.pe
    try machine.cpu.loadSegment(ds, selector: 0x1234)
    #expect(machine.cpu.ds.pointee.base == 0x12340)
    #expect(machine.cpu.ds.pointee.limit == 0xFFFF_FFFF)
    machine.cpu.setSegment(ds, .null(0))
    try machine.cpu.loadSegment(ds, selector: 0x1234)
    #expect(machine.cpu.ds.pointee.limit == 0xFFFF)
  }

  @Test func virtual8086SegmentsHave64KiB() throws {
    let machine = TestMachine()
    machine.enterVirtual8086()
    try machine.cpu.loadSegment(ds, selector: 0xFFFF)
    let s = machine.cpu.ds.pointee
    #expect(s.base == 0xF_FFF0 && s.limit == 0xFFFF && s.access == 0xF3)
  }

  @Test func localDescriptorTable() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    #expect(machine.fault { () throws(Fault) in try cpu.loadLDT(Selector.ldt) } == nil)
    machine.poke32(TestMachine.ldt + 8, 0x0000_FFFF)
    machine.poke32(TestMachine.ldt + 12, 0x00CF_9200)
    try cpu.loadSegment(ds, selector: 0x0C)
    #expect(cpu.ds.pointee.limit == 0xFFFF_FFFF)
    #expect(
      machine.fault { () throws(Fault) in try cpu.loadLDT(Selector.data0) }
        == .generalProtection(Selector.data0))
    #expect(
      machine.fault { () throws(Fault) in try cpu.loadLDT(0x0C) } == .generalProtection(0x0C))
    try cpu.loadLDT(0)
    #expect(
      machine.fault { () throws(Fault) in try cpu.loadSegment(ds, selector: 0x0C) }
        == .generalProtection(0x0C))
  }

  @Test func taskRegisterBecomesBusy() {
    let machine = TestMachine()
    #expect(machine.access(of: Selector.task) == 0x8B)
    #expect(
      machine.fault { () throws(Fault) in try machine.cpu.loadTaskRegister(Selector.task) }
        == .generalProtection(Selector.task))
    #expect(
      machine.fault { () throws(Fault) in try machine.cpu.loadTaskRegister(0) }
        == .generalProtection())
  }

  @Test func inspection() throws {
    let machine = TestMachine()
    let cpu = machine.cpu
    #expect(try cpu.accessRights(Selector.readOnly) == 0x00CF_9000)
    #expect(try cpu.accessRights(Selector.callGate) == 0x0012_EC00)
    #expect(try cpu.accessRights(Selector.beyond) == nil)
    #expect(try cpu.accessRights(0) == nil)
    #expect(try cpu.segmentLimit(Selector.otherTask) == 0x67)
    #expect(try cpu.segmentLimit(Selector.callGate) == nil)
    #expect(try cpu.segmentLimit(Selector.data0) == 0xFFFF_FFFF)
    #expect(try cpu.verify(Selector.readOnly, write: false))
    #expect(try !cpu.verify(Selector.readOnly, write: true))
    #expect(try !cpu.verify(Selector.executeOnly, write: false))
    machine.enter(level: 3)
    #expect(try cpu.accessRights(Selector.data0) == nil)
    #expect(try cpu.accessRights(Selector.conforming0) != nil)
    #expect(try !cpu.verify(Selector.data0, write: false))
    #expect(try cpu.verify(Selector.conforming0, write: false))
  }
}
