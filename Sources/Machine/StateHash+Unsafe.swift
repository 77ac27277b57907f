import CPU
import Glibc
import Memory

/// A 64-bit digest for telling machine states apart; not for secrets.
struct StateHasher {
  private(set) var value: UInt64 = 0x9E37_79B9_7F4A_7C15

  mutating func combine(_ word: UInt64) {
    value = (value ^ word) &* 0xD6E8_FEB8_6659_FD93
    value ^= value >> 32
  }

  mutating func combine(_ words: UInt32...) {
    for word in words { combine(UInt64(word)) }
  }

  mutating func combine(_ fpu: FPUState) {
    var fpu = fpu
    fpu.hostBinding = 0  // The host's business, not the guest's state.
    withUnsafeBytes(of: fpu) { combine(bytes: $0) }
  }

  mutating func combine(bytes: UnsafeRawBufferPointer) {
    var offset = 0
    while offset + 8 <= bytes.count {
      combine(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += 8
    }
    while offset < bytes.count {
      combine(UInt64(bytes[offset]))
      offset += 1
    }
  }
}

/// lseek(2): the next part of a file that holds data, the next that holds none.
private let seekData: Int32 = 3
private let seekHole: Int32 = 4

extension Machine {
  /// A digest of the processor's architectural state, the clock and all RAM. Equal runs give equal digests.
  public var stateHash: UInt64 {
    var hasher = StateHasher()
    hashProcessor(into: &hasher)
    // Reading RAM that nobody has touched would make the host fill it with zeros. Pages of zeros do not count, so it does
    // not matter either which of them were touched.
    let size = Int(memory.ramSize)
    var start = 0
    while start < size {
      let data = lseek(memory.ramDescriptor, start, seekData)
      guard data >= 0, data < size else { break }
      let hole = lseek(memory.ramDescriptor, data, seekHole)
      let end = hole < 0 ? size : min(hole, size)
      for page in stride(from: data & ~0xFFF, to: end, by: 4096) {
        let value = hash(page: page)
        if value != 0 {
          hasher.combine(UInt64(page))
          hasher.combine(value)
        }
      }
      start = max(end, data + 1)
    }
    return hasher.value
  }

  /// A digest of a page of RAM, 0 if it is all zeros.
  private func hash(page: Int) -> UInt64 {
    let words = UnsafeRawBufferPointer(start: memory.ram + page, count: 4096)
      .assumingMemoryBound(to: UInt64.self)
    // Four lanes, so that the host's multiplier is kept busy: RAM is large.
    var lanes = (1 as UInt64, 2 as UInt64, 3 as UInt64, 4 as UInt64)
    let factor: UInt64 = 0xD6E8_FEB8_6659_FD93
    var all: UInt64 = 0
    for half in 0..<2 {
      for index in stride(from: half * 256, to: half * 256 + 256, by: 4) {
        let (a, b, c, d) = (words[index], words[index &+ 1], words[index &+ 2], words[index &+ 3])
        all |= a | b | c | d
        lanes.0 = (lanes.0 ^ a) &* factor
        lanes.1 = (lanes.1 ^ b) &* factor
        lanes.2 = (lanes.2 ^ c) &* factor
        lanes.3 = (lanes.3 ^ d) &* factor
      }
      // A product alone never carries downwards.
      lanes = (
        lanes.1 ^ lanes.0 >> 29, lanes.2 ^ lanes.1 >> 31, lanes.3 ^ lanes.2 >> 33,
        lanes.0 ^ lanes.3 >> 35
      )
    }
    guard all != 0 else { return 0 }
    var hasher = StateHasher()
    for lane in [lanes.0, lanes.1, lanes.2, lanes.3] { hasher.combine(lane) }
    return max(hasher.value, 1)
  }

  /// Whether a page of RAM has the same contents in another machine of the same size.
  func holdsSame(as other: Machine, page: UInt32) -> Bool {
    memcmp(memory.ram + Int(page), other.memory.ram + Int(page), 4096) == 0
  }

  /// A digest of the processor's architectural state and the clock alone.
  public var processorHash: UInt64 {
    var hasher = StateHasher()
    hashProcessor(into: &hasher)
    return hasher.value
  }

  private func hashProcessor(into hasher: inout StateHasher) {
    let cpu = processor.cpu
    for number in 0..<8 as Range<UInt8> { hasher.combine(cpu[gpr: number]) }
    for number in 0..<6 as Range<UInt8> { hash(cpu.segment(number).pointee, into: &hasher) }
    let state = cpu.pointee
    hash(state.ldtr, into: &hasher)
    hash(state.tr, into: &hasher)
    hasher.combine(state.eip, cpu.eflags, state.cr0, state.cr2, state.cr3, state.cr4)
    hasher.combine(state.gdtr.base, state.gdtr.limit, state.idtr.base, state.idtr.limit)
    for number in 0..<8 { hasher.combine(cpu[dr: number]) }
    hasher.combine(state.sysenterCS, state.sysenterESP, state.sysenterEIP, state.a20Mask)
    hasher.combine(UInt32(state.halted), UInt32(state.shadow), UInt32(state.cpl))
    hasher.combine(state.efer)
    hasher.combine(state.cycles)
    hasher.combine(state.instructions)
    hasher.combine(state.tscOffset)
    hasher.combine(state.fpu)
  }

  private func hash(_ segment: SegmentRegister, into hasher: inout StateHasher) {
    hasher.combine(UInt32(segment.selector), segment.base, segment.limit, segment.access)
  }
}
