import Bus
import Devices
import Memory

/// C0000h-FFFFFh as the host bridge's PAM registers switch it: each part reads from RAM or from the ROM bus, and
/// writes go to RAM or are lost. 82441FX data sheet, "PAM[6:0]".
final class MemoryShadow {
  private struct Part {
    var range: ClosedRange<UInt32>
    /// Bit 0: reads show RAM; bit 1: writes reach RAM.
    var attribute: UInt8?
  }

  private let memory: PhysicalMemory
  private var parts: [Part]

  init(memory: PhysicalMemory) {
    self.memory = memory
    parts = (0..<12).map { number in
      let start = 0xC_0000 + UInt32(number) * 0x4000
      return Part(range: start...start + 0x3FFF)
    }
    parts.append(Part(range: 0xF_0000...0xF_FFFF))
  }

  /// A write of one of the registers 59h-5Fh.
  func write(register: Int, value: UInt8) {
    if register == 0x59 {
      set(12, value >> 4 & 3)
    } else if (0x5A...0x5F).contains(register) {
      let part = (register - 0x5A) * 2
      set(part, value & 3)
      set(part + 1, value >> 4 & 3)
    }
  }

  private func set(_ index: Int, _ attribute: UInt8) {
    let part = parts[index]
    guard part.attribute != attribute else { return }
    if part.attribute == 2 { memory.detach(at: part.range.lowerBound) }
    parts[index].attribute = attribute
    switch attribute {
    case 3: memory.unprotect(part.range)
    case 2:
      let device = WriteThrough(memory, base: part.range.lowerBound)
      // A device that the guest has mapped here keeps its place.
      try? memory.attach(device, range: part.range, name: "shadow")
    default: memory.protect(part.range, showsRAM: attribute == 1)
    }
  }
}

/// Reads the ROM, writes the RAM below it: how a firmware copies itself in place.
private final class WriteThrough: MemoryMappedDevice {
  private let memory: PhysicalMemory
  private let base: UInt32

  init(_ memory: PhysicalMemory, base: UInt32) {
    self.memory = memory
    self.base = base
  }

  func readMemory(offset: UInt32, width: AccessWidth) -> UInt32 {
    (0..<UInt32(width.rawValue)).reduce(0) {
      $0 | UInt32(memory.romByte(base &+ offset &+ $1)) << ($1 * 8)
    }
  }

  func writeMemory(offset: UInt32, width: AccessWidth, value: UInt32) {
    for i in 0..<UInt32(width.rawValue) {
      memory.writeShadowed(base &+ offset &+ i, UInt8(truncatingIfNeeded: value >> (i * 8)))
    }
  }
}
