import Bus

/// The memory window A0000h-BFFFFh and the graphics controller's data path.
extension VGA: MemoryMappedDevice {
  /// The address within the planes' 64 KiB that an offset from A0000h selects; nil outside the window of the
  /// graphics controller's memory map (register 6).
  private func windowAddress(_ offset: UInt32) -> Int? {
    guard miscellaneous & 2 != 0 else { return nil }
    switch graphics[6] >> 2 & 3 {
    case 0: return offset < 0x20000 ? Int(offset) : nil
    case 1: return offset < 0x10000 ? Int(offset) : nil
    case 2: return (0x10000..<0x18000).contains(offset) ? Int(offset - 0x10000) : nil
    default: return (0x18000..<0x20000).contains(offset) ? Int(offset - 0x18000) : nil
    }
  }

  public func readMemory(offset: UInt32, width: AccessWidth) -> UInt32 {
    var value: UInt32 = 0
    for i in 0..<UInt32(width.rawValue) {
      value |= UInt32(readByte(offset &+ i)) << (i * 8)
    }
    return value
  }

  public func writeMemory(offset: UInt32, width: AccessWidth, value: UInt32) {
    for i in 0..<UInt32(width.rawValue) {
      writeByte(offset &+ i, UInt8(truncatingIfNeeded: value >> (i * 8)))
    }
  }

  private var isChained: Bool { sequencer[4] & 8 != 0 }

  private func readByte(_ offset: UInt32) -> UInt8 {
    if display.isEnabled {
      let index = display.bankBase + Int(offset)
      return offset < 0x10000 && index < memory.count ? memory[index] : 0xFF
    }
    guard let window = windowAddress(offset) else { return 0xFF }
    var plane = Int(graphics[4])
    var address = window & 0xFFFF
    if isChained {
      plane = address & 3
      address &= ~3
    } else if graphics[5] & 0x10 != 0 {
      plane = plane & 2 | address & 1
      address &= ~1
    }
    let base = address * 4
    latch = (memory[base], memory[base + 1], memory[base + 2], memory[base + 3])
    guard graphics[5] & 8 != 0 else { return memory[base + plane] }
    // Read mode 1: a bit is set where all the planes cared for have the compared colour.
    var result: UInt8 = 0xFF
    for (plane, value) in [latch.0, latch.1, latch.2, latch.3].enumerated()
    where graphics[7] >> UInt8(plane) & 1 != 0 {
      result &= graphics[2] >> UInt8(plane) & 1 != 0 ? value : ~value
    }
    return result
  }

  private func writeByte(_ offset: UInt32, _ value: UInt8) {
    if display.isEnabled {
      let index = display.bankBase + Int(offset)
      if offset < 0x10000 && index < memory.count {
        memory[index] = value
        changes.add(index)
        isDirty = true
      }
      return
    }
    guard let window = windowAddress(offset) else { return }
    var planes = sequencer[2]
    var address = window & 0xFFFF
    if isChained {
      planes &= 1 << UInt8(address & 3)
      address &= ~3
    } else if sequencer[4] & 4 == 0 {
      planes &= address & 1 != 0 ? 0x0A : 0x05
      address &= ~1
    }
    guard planes != 0 else { return }
    isDirty = true
    let base = address * 4
    changes.add(base)
    switch graphics[5] & 3 {
    case 1:
      store(base, planes, latch)
    case 2:
      // The low bits choose a colour for the eight pixels.
      let data = (spread(value, 0), spread(value, 1), spread(value, 2), spread(value, 3))
      store(base, planes, combine(data, mask: graphics[8]))
    case 3:
      // Set/reset's colour where the rotated data and the bit mask are one.
      let data = (
        spread(graphics[0], 0), spread(graphics[0], 1), spread(graphics[0], 2),
        spread(graphics[0], 3)
      )
      store(base, planes, combine(data, mask: rotated(value) & graphics[8]))
    default:
      let rotated = rotated(value)
      func plane(_ number: UInt8) -> UInt8 {
        graphics[1] >> number & 1 != 0 ? spread(graphics[0], number) : rotated
      }
      store(base, planes, combine((plane(0), plane(1), plane(2), plane(3)), mask: graphics[8]))
    }
  }

  private func rotated(_ value: UInt8) -> UInt8 {
    let count = graphics[3] & 7
    return value >> count | value << ((8 - count) & 7)
  }

  /// All ones if bit `plane` of `value` is set.
  private func spread(_ value: UInt8, _ plane: UInt8) -> UInt8 {
    value >> plane & 1 != 0 ? 0xFF : 0
  }

  private typealias Planes = (UInt8, UInt8, UInt8, UInt8)

  /// The logic function with the latches, then the bit mask.
  private func combine(_ data: Planes, mask: UInt8) -> Planes {
    let function = graphics[3] >> 3 & 3
    func one(_ data: UInt8, _ latch: UInt8) -> UInt8 {
      let result =
        switch function {
        case 1: data & latch
        case 2: data | latch
        case 3: data ^ latch
        default: data
        }
      return result & mask | latch & ~mask
    }
    return (
      one(data.0, latch.0), one(data.1, latch.1), one(data.2, latch.2), one(data.3, latch.3)
    )
  }

  private func store(_ base: Int, _ planes: UInt8, _ data: Planes) {
    if planes & 1 != 0 { memory[base] = data.0 }
    if planes & 2 != 0 { memory[base + 1] = data.1 }
    if planes & 4 != 0 { memory[base + 2] = data.2 }
    if planes & 8 != 0 { memory[base + 3] = data.3 }
  }
}
