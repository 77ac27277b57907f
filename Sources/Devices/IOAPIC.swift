import Bus

/// The 82093AA I/O APIC: 24 inputs whose interrupts go to the local APIC as the redirection table says.
///
/// A page of memory: offset 0 = register select, 10h = data. Inputs are active while asserted; the polarity bit
/// is kept but what it means is up to the wiring.
public final class IOAPIC: MemoryMappedDevice, InterruptSink, Resettable {
  public static let inputs = 24

  private enum Bit {
    static let remoteRequest: UInt64 = 1 << 14
    static let level: UInt64 = 1 << 15
    static let masked: UInt64 = 1 << 16
    /// Vector, delivery mode, destination mode, polarity, trigger mode, mask, destination.
    static let writable: UInt64 = 0xFF00_0000_0001_AFFF
  }

  private let processor: LocalAPIC
  private var selected: UInt32 = 0
  private var id: UInt32 = 0
  private var entries = [UInt64](repeating: Bit.masked, count: IOAPIC.inputs)
  private var asserted: UInt32 = 0

  /// Interrupts sent, by input.
  public private(set) var sent = [UInt64](repeating: 0, count: IOAPIC.inputs)

  public init(processor: LocalAPIC) {
    self.processor = processor
    processor.levelServed = { [unowned self] in endInterrupt($0) }
  }

  /// Power-on state. The inputs keep their levels, since those belong to the devices.
  public func reset() {
    selected = 0
    id = 0
    entries = [UInt64](repeating: Bit.masked, count: Self.inputs)
  }

  public func setLine(_ line: Int, asserted level: Bool) {
    guard (0..<Self.inputs).contains(line) else { return }
    let bit = UInt32(1) << UInt32(line)
    let was = asserted & bit != 0
    asserted = level ? asserted | bit : asserted & ~bit
    if level && !was { service(line) }
  }

  /// Sends the interrupt of an asserted input unless something holds it back.
  private func service(_ line: Int) {
    let entry = entries[line]
    guard entry & Bit.masked == 0 else { return }
    let isLevel = entry & Bit.level != 0
    if isLevel {
      guard asserted >> UInt32(line) & 1 != 0, entry & Bit.remoteRequest == 0 else { return }
    }
    guard let mode = LocalAPIC.DeliveryMode(rawValue: UInt32(entry >> 8 & 7)),
      processor.receive(
        vector: UInt8(truncatingIfNeeded: entry), mode: mode,
        destination: UInt8(truncatingIfNeeded: entry >> 56), isLogical: entry & 0x800 != 0,
        isLevel: isLevel)
    else { return }
    sent[line] &+= 1
    if isLevel && (mode == .fixed || mode == .lowestPriority) {
      entries[line] |= Bit.remoteRequest
    }
  }

  /// The local APIC has served a level-triggered interrupt; inputs that are still asserted send it again.
  private func endInterrupt(_ vector: UInt8) {
    for line in 0..<Self.inputs
    where UInt8(truncatingIfNeeded: entries[line]) == vector
      && entries[line] & Bit.remoteRequest != 0
    {
      entries[line] &= ~Bit.remoteRequest
      service(line)
    }
  }

  // MARK: Registers

  public func readMemory(offset: UInt32, width: AccessWidth) -> UInt32 {
    let shift = (offset & 3) * 8
    switch offset & 0xFC {
    case 0x00: return selected >> shift
    case 0x10: return readSelected() >> shift
    default: return 0
    }
  }

  private func readSelected() -> UInt32 {
    switch selected {
    case 0: return id
    case 1: return UInt32(Self.inputs - 1) << 16 | 0x11
    case 2: return id  // the arbitration priority starts as the ID
    case 0x10..<0x10 + UInt32(Self.inputs) * 2:
      let entry = entries[Int(selected - 0x10) / 2]
      return UInt32(truncatingIfNeeded: selected & 1 != 0 ? entry >> 32 : entry)
    default: return 0
    }
  }

  public func writeMemory(offset: UInt32, width: AccessWidth, value: UInt32) {
    switch offset & 0xFF {
    case 0x00: selected = value & 0xFF
    case 0x10 where width == .dword: writeSelected(value)
    default: break
    }
  }

  private func writeSelected(_ value: UInt32) {
    switch selected {
    case 0: id = value & 0x0F00_0000
    case 0x10..<0x10 + UInt32(Self.inputs) * 2:
      let line = Int(selected - 0x10) / 2
      let shift = UInt64(selected & 1) * 32
      let mask = Bit.writable & 0xFFFF_FFFF << shift
      entries[line] = entries[line] & ~mask | UInt64(value) << shift & mask
      if entries[line] & Bit.level == 0 {
        // Software without an EOI register clears the remote request by switching to edge and back.
        entries[line] &= ~Bit.remoteRequest
      } else {
        service(line)
      }
    default: break
    }
  }
}

/// The board's wires: each ISA interrupt goes to the 8259s and to an input of the I/O APIC, the timer's to
/// input 2 since input 0 is the 8259s' place.
public final class InterruptWires: InterruptSink {
  private let legacy: any InterruptSink
  private let apic: IOAPIC

  public init(legacy: any InterruptSink, apic: IOAPIC) {
    self.legacy = legacy
    self.apic = apic
  }

  public func setLine(_ line: Int, asserted: Bool) {
    legacy.setLine(line, asserted: asserted)
    apic.setLine(line == 0 ? 2 : line, asserted: asserted)
  }
}
