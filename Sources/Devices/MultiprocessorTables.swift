/// Builds the tables by which systems without ACPI find the APICs (Intel MultiProcessor Specification 1.4):
/// the floating pointer and the configuration table of one processor.
public struct MultiprocessorTables {
  /// What to put where in guest memory.
  public let contents: [(address: UInt32, bytes: [UInt8])]

  private static let pciBus: UInt8 = 0
  private static let isaBus: UInt8 = 1
  /// The I/O APIC's; the processor's local APIC has 0.
  private static let ioAPIC: UInt8 = 1

  /// - Parameters:
  ///   - address: where the floating pointer goes; in F0000h-FFFFFh, 16 bytes aligned.
  ///   - configuration: the machine, as ACPI would describe it.
  ///   - signature: the processor's, CPUID leaf 1 EAX; `features` EDX.
  public init(
    at address: UInt32, _ configuration: ACPITables.Configuration, signature: UInt32,
    features: UInt32
  ) {
    let table = Self.table(configuration, signature: signature, features: features)
    var pointer = Array("_MP_".utf8) + AML.little(address &+ 16, 4)
    pointer += [1, 4, 0, 0, 0, 0, 0, 0]
    pointer[10] = 0 &- pointer.reduce(0, &+)
    contents = [(address, pointer), (address &+ 16, table)]
  }

  private static func table(
    _ c: ACPITables.Configuration, signature: UInt32, features: UInt32
  ) -> [UInt8] {
    var entries: [[UInt8]] = [
      // The bootstrap processor, usable.
      [0, 0, 0x14, 3] + AML.little(signature, 4) + AML.little(features, 4) + AML.little(0, 4)
        + AML.little(0, 4),
      [1, pciBus] + Array("PCI   ".utf8),
      [1, isaBus] + Array("ISA   ".utf8),
      [2, ioAPIC, 0x11, 1] + AML.little(c.ioAPIC, 4),
    ]
    func wire(_ bus: UInt8, _ source: UInt8, flags: UInt8, input: UInt8) -> [UInt8] {
      [3, 0, flags, 0, bus, source, ioAPIC, input]
    }
    let shared = Set(c.pirqInterrupts)
    for line in 0..<16 as Range<UInt8> where line != 2 && !shared.contains(line) {
      // Active high and level triggered is the SCI, all others are as the bus has them.
      entries.append(
        wire(isaBus, line, flags: line == c.sciInterrupt ? 0x0D : 0, input: line == 0 ? 2 : line))
    }
    for device in 1..<32 {
      for pin in 0..<4 {
        let line = c.pirqInterrupts[PIIX3ISABridge.pirq(device: device, pin: pin)]
        entries.append(wire(pciBus, UInt8(device << 2 | pin), flags: 0x0D, input: line))
      }
    }
    // The 8259s on LINT0, NMIs on LINT1, of every local APIC.
    entries.append([4, 3, 0, 0, isaBus, 0, 0xFF, 0])
    entries.append([4, 1, 0, 0, isaBus, 0, 0xFF, 1])

    let body = entries.flatMap { $0 }
    var bytes = Array("PCMP".utf8) + AML.little(UInt32(44 + body.count), 2) + [4, 0]
    bytes += Array("SWBACK  SWITCHBACK  ".utf8) + AML.little(0, 4) + AML.little(0, 2)
    bytes += AML.little(UInt32(entries.count), 2) + AML.little(c.localAPIC, 4) + AML.little(0, 4)
    bytes += body
    bytes[7] = 0 &- bytes.reduce(0, &+)
    return bytes
  }
}
