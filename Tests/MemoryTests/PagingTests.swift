import Testing

@testable import Memory

@Suite struct PagingTests {
  @Test func accessedAndDirtyBitsAreSetOnFirstUse() throws {
    let space = TestSpace()
    space.enablePaging()
    space.map(0x5000, 0x20_0000 | 3)
    let value: UInt32 = try space.cpu.readLinear(0x5000)
    #expect(value == 0)
    #expect(space.entry(0x5000) == 0x20_0000 | 3 | 0x20)
    #expect(space.peek32(TestSpace.directory) & 0x20 != 0)
    try space.cpu.writeLinear(0x5004, UInt32(0x1234_5678))
    #expect(space.entry(0x5000) == 0x20_0000 | 3 | 0x60)
    #expect(space.peek32(0x20_0004) == 0x1234_5678)
  }

  @Test func faultsCarryTheErrorCodeOfTheAccess() {
    let space = TestSpace()
    space.enablePaging()
    space.map(0x5000, 0x20_0000 | 1)  // supervisor, read-only
    let cpu = space.cpu
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.readLinear(0x6000, as: UInt8.self) }
        == .pageFault(0x6000, errorCode: 0))
    // CR0.WP = 0: the supervisor may write.
    #expect(space.fault { () throws(Fault) in try cpu.writeLinear(0x5000, UInt8(1)) } == nil)
    cpu.pointee.cr0 |= 1 << 16
    cpu.flushTLB(includingGlobal: true)
    #expect(
      space.fault { () throws(Fault) in try cpu.writeLinear(0x5000, UInt8(1)) }
        == .pageFault(0x5000, errorCode: 3))
    space.setUser(true)
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.readLinear(0x5000, as: UInt8.self) }
        == .pageFault(0x5000, errorCode: 5))
    #expect(
      space.fault { () throws(Fault) in try cpu.writeLinear(0x7000, UInt8(1)) }
        == .pageFault(0x7000, errorCode: 6))
  }

  @Test func userAndSupervisorTranslationsStayApart() {
    let space = TestSpace()
    space.enablePaging()
    space.map(0x5000, 0x20_0000 | 3)  // supervisor
    let cpu = space.cpu
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.readLinear(0x5000, as: UInt32.self) } == nil)
    space.setUser(true)
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.readLinear(0x5000, as: UInt32.self) }
        == .pageFault(0x5000, errorCode: 5))
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.readSystem(0x5000, as: UInt32.self) } == nil)
  }

  @Test func writeAcrossPagesFaultsBeforeAnyByteIsWritten() {
    let space = TestSpace()
    space.enablePaging()
    space.map(0x5000, 0x20_0000 | 7)
    let cpu = space.cpu
    #expect(
      space.fault { () throws(Fault) in try cpu.writeLinear(0x5FFE, UInt32(0x1122_3344)) }
        == .pageFault(0x6000, errorCode: 2))
    #expect(space.peek32(0x20_0FFC) == 0)
    space.map(0x6000, 0x30_0000 | 7)
    #expect(
      space.fault { () throws(Fault) in try cpu.writeLinear(0x5FFE, UInt32(0x1122_3344)) } == nil)
    #expect(space.peek32(0x20_0FFC) == 0x3344_0000)
    #expect(space.peek32(0x30_0000) == 0x1122)
    #expect((try? cpu.readLinear(0x5FFE, as: UInt32.self)) == 0x1122_3344)
  }

  @Test func modifyReportsAWriteFaultAndRunsNothing() {
    let space = TestSpace()
    space.enablePaging()
    space.map(0x5000, 0x20_0000 | 5)  // user, read-only
    space.setUser(true)
    var ran = false
    let cpu = space.cpu
    #expect(
      space.fault { () throws(Fault) in
        try cpu.modifyLinear(0x5000) { (old: UInt32) in
          ran = true
          return old
        }
      } == .pageFault(0x5000, errorCode: 7))
    #expect(!ran)
  }

  @Test func largePagesMapAndCheckReservedBits() {
    let space = TestSpace()
    space.cpu.pointee.cr4 |= 1 << 4
    space.enablePaging(directoryEntry: 0x40_0000 | 0x87)
    space.poke32(0x40_1234, 0xCAFE_F00D)
    let cpu = space.cpu
    #expect((try? cpu.readLinear(0x1234, as: UInt32.self)) == 0xCAFE_F00D)
    space.enablePaging(directoryEntry: 0x40_2000 | 0x87)
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.readLinear(0x1234, as: UInt8.self) }
        == .pageFault(0x1234, errorCode: 9))
  }

  @Test func paeMapsWithNoExecute() {
    let space = TestSpace()
    let cpu = space.cpu
    cpu.pointee.cr4 |= 1 << 5
    cpu.pointee.efer = 1 << 11
    cpu[pdpte: 0] = UInt64(TestSpace.directory) | 1
    space.poke64(TestSpace.directory, UInt64(TestSpace.table) | 7)
    space.poke64(TestSpace.table + 5 * 8, 0x8000_0000_0020_0007)
    space.poke64(TestSpace.table + 6 * 8, 0x0000_0000_0021_0007)
    space.poke64(TestSpace.table + 7 * 8, 0x0000_0010_0021_0007)  // bit 36
    cpu.pointee.cr0 |= 0x8000_0001
    cpu.flushTLB(includingGlobal: true)
    space.poke32(0x20_0010, 77)
    #expect((try? cpu.readLinear(0x5010, as: UInt32.self)) == 77)
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.translateFetch(0x5000) }
        == .pageFault(0x5000, errorCode: 0x11))
    #expect((try? cpu.translateFetch(0x6123)) == 0x21_0123)
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.readLinear(0x7000, as: UInt8.self) }
        == .pageFault(0x7000, errorCode: 9))
  }

  @Test func globalPagesSurviveAFlushWithoutThem() throws {
    let space = TestSpace()
    space.cpu.pointee.cr4 |= 1 << 7
    space.enablePaging()
    space.map(0x5000, 0x20_0000 | 0x103)
    space.map(0x6000, 0x21_0000 | 3)
    _ = try space.cpu.readLinear(0x5000, as: UInt8.self)
    _ = try space.cpu.readLinear(0x6000, as: UInt8.self)
    space.poke32(TestSpace.table + 5 * 4, 0)
    space.poke32(TestSpace.table + 6 * 4, 0)
    let cpu = space.cpu
    cpu.flushTLB(includingGlobal: false)
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.readLinear(0x5000, as: UInt8.self) } == nil)
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.readLinear(0x6000, as: UInt8.self) } != nil)
    cpu.flushTLB(page: 0x5000)
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.readLinear(0x5000, as: UInt8.self) } != nil)
  }

  @Test func a20MasksPhysicalAddresses() throws {
    let space = TestSpace()
    space.poke32(0x0000_0500, 0x1111)
    space.poke32(0x0010_0500, 0x2222)
    #expect(try space.cpu.readLinear(0x10_0500, as: UInt32.self) == 0x2222)
    space.cpu.pointee.a20Mask = ~(1 << 20)
    space.cpu.flushTLB(includingGlobal: true)
    #expect(try space.cpu.readLinear(0x10_0500, as: UInt32.self) == 0x1111)
  }
}
