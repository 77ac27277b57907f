import CPU
import ISA
import Memory

/// The elements of a string in the page of the next one.
struct StringSpan {
  let segment: UInt8
  let offset: UInt32
  let isBackward: Bool
  /// Bytes from the offset to the end of its page and of the address size's range.
  private let bytesUp: UInt32
  /// Bytes below the offset in its page and in the address size's range.
  private let bytesDown: UInt32

  @inline(__always)
  init(_ cpu: CPU, _ op: Op, register: UInt8, segment: UInt8) {
    self.segment = segment
    offset = cpu.stringOffset(register, op)
    isBackward = cpu.pointee.eflags & EFLAGS.df != 0
    let inPage = (cpu.segment(segment).pointee.base &+ offset) & 0xFFF
    if op.pointee.instruction.addressSize == 2 {
      bytesUp = min(0x1000 &- inPage, 0x1_0000 &- offset)
      bytesDown = min(inPage, offset)
    } else {
      bytesUp = 0x1000 &- inPage
      bytesDown = min(inPage, offset)
    }
  }

  /// Elements of `size` bytes that lie in the page, the next one first.
  @inline(__always)
  func elements(_ size: Int) -> UInt32 {
    let shift: UInt32 = size == 4 ? 2 : size == 2 ? 1 : 0
    guard isBackward else { return bytesUp &>> shift }
    return bytesUp >= UInt32(truncatingIfNeeded: size) ? (bytesDown &>> shift) &+ 1 : 0
  }

  /// The lowest offset of `count` elements.
  @inline(__always)
  private func lowest(_ count: UInt32, _ size: Int) -> UInt32 {
    isBackward ? offset &- (count &- 1) &* UInt32(truncatingIfNeeded: size) : offset
  }

  /// The host address of the lowest of `count` elements; nil if they need checks.
  @inline(__always)
  func readable(_ cpu: CPU, _ count: UInt32, _ size: Int) -> UnsafeMutableRawPointer? {
    cpu.quickReadable(segment, lowest(count, size), Int(count) &* size)
  }

  /// The host address of the lowest of `count` elements; nil if they need checks.
  @inline(__always)
  func writable(_ cpu: CPU, _ count: UInt32, _ size: Int) -> UnsafeMutableRawPointer? {
    cpu.quickWritable(segment, lowest(count, size), Int(count) &* size)
  }

  /// Writes what `source` gives, at most `count` elements in ascending order, if that needs no checks.
  /// - Returns: the bytes written.
  func write(_ cpu: CPU, _ count: UInt32, _ size: Int, _ source: () -> ArraySlice<UInt8>) -> Int {
    guard let target = writable(cpu, count, size) else { return 0 }
    let bytes = source()
    precondition(bytes.count <= Int(count) * size)
    bytes.withUnsafeBytes {
      if let from = $0.baseAddress { target.copyMemory(from: from, byteCount: $0.count) }
    }
    return bytes.count
  }
}

/// Copies element by element, in ascending or descending order of addresses.
@inline(__always)
func moveElements<T: GuestInteger>(
  from source: UnsafeMutableRawPointer, to target: UnsafeMutableRawPointer, count: Int,
  isBackward: Bool, _: T.Type
) {
  let size = MemoryLayout<T>.size
  let bytes = count &* size
  // Copying in the order of addresses spreads what it has written if it runs into its own source.
  let distance = UInt(bitPattern: target) &- UInt(bitPattern: source)
  let spreads = (isBackward ? 0 &- distance : distance) &- 1 < UInt(bytes &- 1)
  guard spreads else {
    target.copyMemory(from: source, byteCount: bytes)
    return
  }
  for i in 0..<count {
    let at = (isBackward ? count &- 1 &- i : i) &* size
    (target + at).storeBytes(of: (source + at).loadUnaligned(as: T.self), as: T.self)
  }
}

@inline(__always)
func fillElements<T: GuestInteger>(_ target: UnsafeMutableRawPointer, count: Int, _ value: T) {
  if T.bitWidth == 8 {
    target.initializeMemory(
      as: UInt8.self, repeating: UInt8(truncatingIfNeeded: value), count: count)
    return
  }
  for i in 0..<count {
    (target + i &* MemoryLayout<T>.size).storeBytes(of: value, as: T.self)
  }
}

/// Ascends while the elements equal `value`, or differ from it.
/// - Returns: the elements looked at, and the last of them.
@inline(__always)
func scanElements<T: GuestInteger>(
  _ bytes: UnsafeMutableRawPointer, count: Int, for value: T, whileEqual: Bool
) -> (UInt32, T) {
  var index = 0
  while true {
    let element = (bytes + index &* MemoryLayout<T>.size).loadUnaligned(as: T.self)
    index &+= 1
    if (element == value) != whileEqual || index == count {
      return (UInt32(truncatingIfNeeded: index), element)
    }
  }
}

/// Ascends while the elements of both strings are equal, or differ.
/// - Returns: the pairs looked at, and the last of them.
@inline(__always)
func compareElements<T: GuestInteger>(
  _ a: UnsafeMutableRawPointer, _ b: UnsafeMutableRawPointer, count: Int, whileEqual: Bool,
  _: T.Type
) -> (UInt32, T, T) {
  var index = 0
  while true {
    let first = (a + index &* MemoryLayout<T>.size).loadUnaligned(as: T.self)
    let second = (b + index &* MemoryLayout<T>.size).loadUnaligned(as: T.self)
    index &+= 1
    if (first == second) != whileEqual || index == count {
      return (UInt32(truncatingIfNeeded: index), first, second)
    }
  }
}
