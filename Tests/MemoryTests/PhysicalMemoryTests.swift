import Bus
import Testing

@testable import Memory

private final class Recorder: CodeObserver {
  var writes: [(UInt32, UInt32)] = []
  func codeWritten(physical: UInt32, length: UInt32) { writes.append((physical, length)) }
}

private final class ExecutionRecorder: TranslationObserver {
  var pages: [UInt32] = []
  func translationsFlushed(includingGlobal: Bool) {}
  func translationFlushed(page linear: UInt32) {}
  func writesRevoked(physicalPage: UInt32) {}
  func executionRevoked(physicalPage: UInt32) { pages.append(physicalPage) }
}

@Suite struct PhysicalMemoryTests {
  /// Whoever executes a page as it is hears of the first write to it, however it is made.
  @Test func executionIsRevokedBeforeAWrite() throws {
    let space = TestSpace()
    let recorder = ExecutionRecorder()
    space.memory.addTranslationObserver(recorder)
    let writes: [(UInt32) throws -> Void] = [
      { try space.cpu.writeLinear($0 + 8, UInt8(1)) },
      { space.memory.writeBytes([1, 2], at: $0 + 4094) },
      { space.memory.write(physical: UInt64($0), size: 4, 5) },
    ]
    for (i, write) in writes.enumerated() {
      let page = UInt32(0x10000 + i * 4096)
      // A cached translation lets writes pass before.
      try space.cpu.writeLinear(page, UInt32(7))
      #expect(space.memory.markExecuted(page: page))
      #expect(!space.memory.markExecuted(page: page))
      space.cpu.revokeWrites(toPhysicalPage: page)
      _ = try space.cpu.readLinear(page, as: UInt32.self)
      #expect(recorder.pages.count == i)
      try write(page)
      try write(page)
      #expect(recorder.pages.count == i + 1 && recorder.pages.last == page)
    }
  }

  @Test func devicesSeeOffsetsAndRequestAttention() throws {
    let space = TestSpace()
    let device = RecordingDevice()
    try space.memory.attach(device, range: 0xA0000...0xBFFFF, name: "vga")
    space.cpu.pointee.stop = 0
    #expect(try space.cpu.readLinear(0xB8002, as: UInt16.self) == 0xC3D4)
    #expect(space.cpu.pointee.stop & UInt32(STOP_ATTENTION.rawValue) != 0)
    try space.cpu.writeLinear(0xA0001, UInt32(7))
    #expect(device.reads.count == 1)
    #expect(device.reads[0] == (0x18002, .word))
    #expect(device.writes[0] == (1, .dword, 7))
    #expect(throws: BusError.self) {
      try space.memory.attach(RecordingDevice(), range: 0xBF000...0xC0FFF, name: "other")
    }
    space.memory.detach(at: 0xA0000)
    space.cpu.flushTLB(includingGlobal: true)
    #expect(try space.cpu.readLinear(0xA0001, as: UInt32.self) == 0)
  }

  @Test func romIgnoresWritesAndHolesReadOnes() throws {
    let space = TestSpace()
    space.memory.mapROM([1, 2, 3], at: 0xF_0000)
    space.cpu.flushTLB(includingGlobal: true)
    try space.cpu.writeLinear(0xF_0000, UInt32(0))
    #expect(try space.cpu.readLinear(0xF_0000, as: UInt32.self) == 0xFF03_0201)
    #expect(try space.cpu.readLinear(0x0100_0000, as: UInt32.self) == 0xFFFF_FFFF)
    try space.cpu.writeLinear(0x0100_0000, UInt32(5))
    #expect(try space.cpu.readLinear(0xFFFF_FFFE, as: UInt8.self) == 0xFF)
  }

  @Test func writesToCodePagesAreReportedHoweverTheyAreMade() throws {
    let space = TestSpace()
    let recorder = Recorder()
    space.memory.addCodeObserver(recorder)
    try space.cpu.writeLinear(0x2000, UInt32(1))  // the fast path is warm
    #expect(space.memory.markCode(page: 0x2000))
    #expect(!space.memory.markCode(page: 0x2000))
    space.cpu.revokeWrites(toPhysicalPage: 0x2000)
    try space.cpu.writeLinear(0x2010, UInt16(1))
    try space.cpu.writeLinear(0x1FFE, UInt32(1))
    space.memory.writeBytes([UInt8](repeating: 9, count: 8192), at: 0x1800)
    #expect(recorder.writes.map { $0.0 } == [0x2010, 0x2000, 0x2001, 0x2000])
    #expect(recorder.writes.map { $0.1 } == [2, 1, 1, 4096])
    space.memory.unmarkCode(page: 0x2000)
    try space.cpu.writeLinear(0x2010, UInt16(1))
    #expect(recorder.writes.count == 4)
  }

  @Test func dataBreakpointsCatchOverlappingAccesses() throws {
    let space = TestSpace()
    space.cpu[dr: 0] = 0x3000
    space.cpu[dr: 7] = 1 | 1 << 16 | 3 << 18  // L0, writes, 4 bytes
    space.cpu.selectTLB()
    try space.cpu.writeLinear(0x2FFE, UInt16(1))
    _ = try space.cpu.readLinear(0x3000, as: UInt32.self)
    #expect(space.cpu.pointee.debugTriggered == 0)
    try space.cpu.writeLinear(0x2FFE, UInt32(1))
    #expect(space.cpu.pointee.debugTriggered == 1)
  }

  @Test func alignmentIsCheckedForUserAccessesOnly() throws {
    let space = TestSpace()
    space.cpu.pointee.cr0 |= 1 << 18
    space.cpu.pointee.eflags |= 1 << 18
    space.setUser(true)
    let cpu = space.cpu
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.readLinear(0x3001, as: UInt32.self) }
        == .alignmentCheck)
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.readLinear(0x3004, as: UInt32.self) } == nil)
    space.setUser(false)
    #expect(
      space.fault { () throws(Fault) in _ = try cpu.readLinear(0x3001, as: UInt32.self) } == nil)
  }
}

@Test func deviceMemoryReportsTheFirstWriteToEachPart() throws {
  let memory = try PhysicalMemory(ramSize: 1 << 20, deviceMemorySize: 256 << 10)
  var written: [Range<Int>] = []
  try memory.attachDeviceMemory(range: 0xE000_0000...0xE003_FFFF, name: "m") { written.append($0) }
  #expect(memory.read(physical: 0xE000_0000, size: 4) == 0)
  memory.write(physical: 0xE001_2344, size: 4, 0x1122_3344)
  memory.write(physical: 0xE001_FFFC, size: 8, 5)
  #expect(written == [0x1_0000..<0x2_0000])
  #expect(memory.read(physical: 0xE001_2345, size: 2) == 0x2233)
  memory.writeBytes([1, 2], at: 0xE003_0000)
  #expect(written == [0x1_0000..<0x2_0000, 0x3_0000..<0x4_0000])
  let pages = memory.trackWrites(at: 0xE000_0000)
  #expect(pages.count == 32)
  #expect(pages.first == 0xE001_0000)
  memory.write(physical: 0xE001_0000, size: 1, 1)
  #expect(written.count == 3)
  #expect(memory.fileOffset(ofPage: 0xE002_1000) == 1 << 20 + 0x2_1000)
  #expect(memory.fileOffset(ofPage: 0xE004_0000) == nil)
  memory.detach(at: 0xE000_0000)
  #expect(memory.read(physical: 0xE001_2344, size: 4) == 0xFFFF_FFFF)
  memory.write(physical: 0xE001_2344, size: 4, 0)
  #expect(written.count == 3)
  // At the end of the address space, over a ROM.
  memory.mapROM([UInt8](repeating: 0xAB, count: 4096), at: 0xFFFF_F000)
  try memory.attachDeviceMemory(range: 0xFFFC_0000...0xFFFF_FFFF, name: "m") { written.append($0) }
  memory.write(physical: 0xFFFF_FFFC, size: 4, 1)
  #expect(written.last == 0x3_0000..<0x4_0000)
  #expect(memory.trackWrites(at: 0xFFFC_0000).last == 0xFFFF_F000)
  memory.detach(at: 0xFFFC_0000)
  #expect(memory.read(physical: 0xFFFF_FFF0, size: 1) == 0xAB)
  // What was written stays.
  try memory.attachDeviceMemory(range: 0xD000_0000...0xD003_FFFF, name: "m") { written.append($0) }
  #expect(memory.read(physical: 0xD001_2344, size: 4) == 0x1122_3344)
}
