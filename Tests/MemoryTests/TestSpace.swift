import Bus

@testable import Memory

/// A processor state over 16 MiB of RAM with page tables built by hand.
final class TestSpace {
  let memory: PhysicalMemory
  let cpu: CPU

  init() {
    memory = try! PhysicalMemory(ramSize: 16 << 20)
    cpu = CPU.create()
    cpu.pointee.memory = Unmanaged.passUnretained(memory).toOpaque()
    cpu.selectTLB()
  }

  deinit { cpu.free() }

  static let directory: UInt32 = 0x10_0000
  static let table: UInt32 = 0x10_1000

  func poke32(_ address: UInt32, _ value: UInt32) {
    memory.write32(physical: UInt64(address), value)
  }
  func poke64(_ address: UInt32, _ value: UInt64) {
    memory.write64(physical: UInt64(address), value)
  }
  func peek32(_ address: UInt32) -> UInt32 { memory.read32(physical: UInt64(address)) }

  /// Two-level paging with one page table for the first 4 MiB.
  func enablePaging(directoryEntry: UInt32 = TestSpace.table | 7) {
    poke32(Self.directory, directoryEntry)
    cpu.pointee.cr3 = Self.directory
    cpu.pointee.cr0 |= 0x8000_0001
    cpu.flushTLB(includingGlobal: true)
  }

  func map(_ linear: UInt32, _ entry: UInt32) {
    poke32(Self.table + (linear >> 12) * 4, entry)
    cpu.flushTLB(page: linear)
  }
  func entry(_ linear: UInt32) -> UInt32 { peek32(Self.table + (linear >> 12) * 4) }

  func setUser(_ user: Bool) {
    cpu.pointee.cpl = user ? 3 : 0
    cpu.selectTLB()
  }

  func fault(_ body: () throws(Fault) -> Void) -> Fault? {
    do {
      try body()
      return nil
    } catch { return error }
  }
}

/// Remembers what was read and written.
final class RecordingDevice: MemoryMappedDevice {
  var reads: [(UInt32, AccessWidth)] = []
  var writes: [(UInt32, AccessWidth, UInt32)] = []
  func readMemory(offset: UInt32, width: AccessWidth) -> UInt32 {
    reads.append((offset, width))
    return 0xA1B2_C3D4
  }
  func writeMemory(offset: UInt32, width: AccessWidth, value: UInt32) {
    writes.append((offset, width, value))
  }
}
