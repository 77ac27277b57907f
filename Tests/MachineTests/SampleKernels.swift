@testable import Machine

/// Small made-up kernels for the loaders' tests.
enum SampleKernels {
  /// A bzImage with one setup sector and `body` as its protected-mode part.
  static func linux(
    body: [UInt8] = [0xF4], initSize: UInt32 = 0x1000, commandLineSize: UInt32 = 2047
  ) -> [UInt8] {
    var file = ByteWriter(count: 1024)
    file.put(1 as UInt8, at: 0x1F1)
    file.put(UInt32((body.count + 15) / 16), at: 0x1F4)
    file.put(0xAA55 as UInt16, at: 0x1FE)
    file.put([0xEB, 0x66] as [UInt8], at: 0x200)
    file.put(0x5372_6448 as UInt32, at: 0x202)
    file.put(0x020F as UInt16, at: 0x206)
    file.put(1 as UInt8, at: 0x211)
    file.put(0x10_0000 as UInt32, at: 0x214)
    file.put(0x37FF_FFFF as UInt32, at: 0x22C)
    file.put(commandLineSize, at: 0x238)
    file.put(0x100_0000 as UInt64, at: 0x258)
    file.put(initSize, at: 0x260)
    return file.bytes + body
  }

  /// An ELF kernel with a Multiboot header: one segment at `address`.
  static func multiboot(
    address: UInt32 = 0x10_0000, entryOffset: UInt32 = 12, memorySize: UInt32? = nil,
    flags: UInt32 = 3
  ) -> [UInt8] {
    var code = ByteWriter(count: 16)
    code.put(0x1BAD_B002 as UInt32, at: 0)
    code.put(flags, at: 4)
    code.put(0 &- 0x1BAD_B002 &- flags, at: 8)
    code.put([0xFA, 0xF4] as [UInt8], at: 12)
    return elf(
      segments: [(address, code.bytes, memorySize ?? 16)], entry: address &+ entryOffset)
  }

  static func elf(segments: [(UInt32, [UInt8], UInt32)], entry: UInt32, type: UInt16 = 2) -> [UInt8]
  {
    var file = ByteWriter(count: 52 + 32 * segments.count)
    file.put([0x7F, 0x45, 0x4C, 0x46, 1, 1, 1] as [UInt8], at: 0)
    file.put(type, at: 16)
    file.put(3 as UInt16, at: 18)
    file.put(1 as UInt32, at: 20)
    file.put(entry, at: 24)
    file.put(52 as UInt32, at: 28)
    file.put(52 as UInt16, at: 40)
    file.put(32 as UInt16, at: 42)
    file.put(UInt16(segments.count), at: 44)
    var bytes = file.bytes
    for (index, (address, contents, memorySize)) in segments.enumerated() {
      var header = ByteWriter(count: 32)
      header.put(1 as UInt32, at: 0)
      header.put(UInt32(bytes.count), at: 4)
      header.put(address, at: 8)
      header.put(address, at: 12)
      header.put(UInt32(contents.count), at: 16)
      header.put(memorySize, at: 20)
      header.put(7 as UInt32, at: 24)
      let start = 52 + index * 32
      bytes.replaceSubrange(start..<(start + 32), with: header.bytes)
      bytes += contents
    }
    return bytes
  }

  /// A 64 KiB ROM whose reset vector jumps to its start, where `code` (16-bit) is.
  static func rom(_ code: [UInt8]) -> [UInt8] {
    var image = [UInt8](repeating: 0x90, count: 0x10000)
    image.replaceSubrange(0..<code.count, with: code)
    image.replaceSubrange(0xFFF0..<0xFFF5, with: [0xEA, 0x00, 0x00, 0x00, 0xF0])
    return image
  }
}

/// A repeatable source of random bytes: xorshift64*.
struct TestRandom {
  private var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 33) }
  }
  mutating func below(_ bound: Int) -> Int { Int(next() >> 33) % max(bound, 1) }
}
