import Bus

/// A medium in memory; transfers are finished at once. Sectors can be made bad.
final class MemoryMedium: BlockMedium {
  private final class Transfer: BlockTransfer {
    let result: BlockResult
    init(_ result: BlockResult) { self.result = result }
    var isFinished: Bool { true }
    func wait() -> BlockResult { result }
  }

  var bytes: [UInt8]
  var isReadOnly = false
  /// Offsets of sectors that cannot be read or written.
  var bad: Set<UInt64> = []
  private(set) var flushes = 0

  init(size: Int, _ fill: (Int) -> UInt8 = { _ in 0 }) { bytes = (0..<size).map(fill) }

  var size: UInt64 { UInt64(bytes.count) }

  private func isBad(_ offset: UInt64, _ count: Int) -> Bool {
    bad.contains { $0 >= offset && $0 < offset + UInt64(count) }
  }

  func read(at offset: UInt64, count: Int) -> any BlockTransfer {
    precondition(offset + UInt64(count) <= size, "drives stay within the medium")
    if isBad(offset, count) { return Transfer(.failed(5)) }
    return Transfer(.done(Array(bytes[Int(offset)..<Int(offset) + count])))
  }

  func write(_ data: [UInt8], at offset: UInt64) -> any BlockTransfer {
    precondition(offset + UInt64(data.count) <= size, "drives stay within the medium")
    if isReadOnly || isBad(offset, data.count) { return Transfer(.failed(28)) }
    bytes.replaceSubrange(Int(offset)..<Int(offset) + data.count, with: data)
    return Transfer(.done([]))
  }

  func flush() -> any BlockTransfer {
    flushes += 1
    return Transfer(.done([]))
  }
}

/// Guest memory for bus masters.
final class TestMemory: BusMasterMemory {
  var bytes: [UInt8]
  init(size: Int = 1 << 20) { bytes = [UInt8](repeating: 0, count: size) }

  func readBytes(at physical: UInt32, count: Int, into result: inout [UInt8]) {
    for i in 0..<count {
      let address = Int(physical) + i
      result.append(address < bytes.count ? bytes[address] : 0xFF)
    }
  }

  func writeBytes(_ data: [UInt8], range: Range<Int>, at physical: UInt32) {
    for (i, byte) in data[range].enumerated() where Int(physical) + i < bytes.count {
      bytes[Int(physical) + i] = byte
    }
  }

  func put(_ value: UInt32, at address: Int) {
    for i in 0..<4 { bytes[address + i] = UInt8(truncatingIfNeeded: value >> UInt32(i * 8)) }
  }
}
