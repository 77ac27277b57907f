/// Builds the ACPI tables of the machine: RSDP, RSDT, FADT, FACS, MADT, HPET and DSDT.
public struct ACPITables {
  /// What the tables describe.
  public struct Configuration: Sendable {
    /// Where the tables go; the RSDP comes first. Must be in E0000h-FFFFFh for guests that search for it.
    public var address: UInt32 = 0xE0000
    /// First port of `ACPIPowerManagement`.
    public var powerManagementBase: UInt16 = 0x600
    /// The SCI's line.
    public var sciInterrupt: UInt8 = 9
    /// Whether the PM timer has 32 bits.
    public var timerIs32Bit = true
    /// Lines of PIRQA-PIRQD, as routed in the PIIX3.
    public var pirqInterrupts: [UInt8] = [10, 10, 11, 11]
    /// The memory that PCI devices may use, below 4 GiB.
    public var pciMemory: ClosedRange<UInt32> = 0xC000_0000...0xFEBF_FFFF
    /// Serial ports: first port and line.
    public var serialPorts: [(port: UInt16, interrupt: UInt8)] = [(0x3F8, 4), (0x2F8, 3)]
    /// Where the local APIC and the I/O APIC are.
    public var localAPIC: UInt32 = 0xFEE0_0000
    public var ioAPIC: UInt32 = 0xFEC0_0000
    /// Whether there are a local APIC and an I/O APIC.
    public var hasAPIC = true
    /// Where the high precision event timer is, if there is one.
    public var eventTimer: UInt32? = 0xFED0_0000
    /// First port of the parallel port.
    public var parallelPort: UInt16 = 0x378
    public var parallelInterrupt: UInt8 = 7
    /// Whether a PS/2 mouse is there.
    public var hasMouse = true

    public init() {}
  }

  /// A piece of guest memory.
  public struct Table: Sendable {
    public var signature: String
    public var address: UInt32
    public var bytes: [UInt8]
    /// Where the table holds addresses of others, for a firmware that moves them.
    var pointers: [(offset: UInt32, size: UInt8)] = []
    /// Whether byte 9 makes the bytes sum to zero.
    var hasChecksum = true
  }

  /// RSDP, RSDT, FADT, FACS, MADT and HPET where there are such devices, and DSDT, in order of address.
  public let tables: [Table]

  /// The address of the RSDP, for the boot protocol.
  public var rootPointer: UInt32 { tables[0].address }

  /// What to put where in guest memory.
  public var contents: [(address: UInt32, bytes: [UInt8])] { tables.map { ($0.address, $0.bytes) } }

  /// One past the last byte.
  public var end: UInt32 {
    tables.last.map { $0.address &+ UInt32($0.bytes.count) } ?? 0
  }

  public init(_ configuration: Configuration = Configuration()) {
    let rsdp = configuration.address & ~63
    let rsdt = rsdp &+ 64
    let fadt = rsdt &+ 64
    let facs = fadt &+ 256
    let madt = facs &+ 64
    let hpet = madt &+ 128
    let dsdt = hpet &+ 64
    var listed = [fadt]
    if configuration.hasAPIC { listed.append(madt) }
    if configuration.eventTimer != nil { listed.append(hpet) }
    var tables = [
      Table(signature: "RSD PTR ", address: rsdp, bytes: Self.rsdp(rsdt: rsdt)),
      Table(
        signature: "RSDT", address: rsdt,
        bytes: Self.table("RSDT", revision: 1, listed.flatMap { AML.little($0, 4) }),
        pointers: listed.indices.map { (UInt32(36 + $0 * 4), 4) }),
      Table(
        signature: "FACP", address: fadt,
        bytes: Self.fadt(configuration, facs: facs, dsdt: dsdt),
        pointers: [(36, 4), (40, 4), (140, 8)]),
      Table(signature: "FACS", address: facs, bytes: Self.facs(), hasChecksum: false),
    ]
    if configuration.hasAPIC {
      tables.append(Table(signature: "APIC", address: madt, bytes: Self.madt(configuration)))
    }
    if let address = configuration.eventTimer {
      tables.append(Table(signature: "HPET", address: hpet, bytes: Self.hpet(at: address)))
    }
    tables.append(
      Table(
        signature: "DSDT", address: dsdt,
        bytes: Self.table("DSDT", revision: 1, Self.definitionBlock(configuration))))
    self.tables = tables
  }

  /// Makes the bytes sum to zero with the byte at `index`.
  private static func checksum(_ bytes: inout [UInt8], at index: Int, length: Int) {
    bytes[index] = 0
    bytes[index] = 0 &- bytes.prefix(length).reduce(0, &+)
  }

  /// A system description table with its header (ACPI 6, 5.2.6).
  private static func table(_ signature: String, revision: UInt8, _ body: [UInt8]) -> [UInt8] {
    var bytes = Array(signature.utf8) + AML.little(UInt32(36 + body.count), 4) + [revision, 0]
    bytes += Array("SWBACK".utf8) + Array("SWITCHBK".utf8) + AML.little(1, 4)
    bytes += Array("SWBK".utf8) + AML.little(1, 4) + body
    checksum(&bytes, at: 9, length: bytes.count)
    return bytes
  }

  private static func rsdp(rsdt: UInt32) -> [UInt8] {
    var bytes = Array("RSD PTR ".utf8) + [0] + Array("SWBACK".utf8) + [0] + AML.little(rsdt, 4)
    checksum(&bytes, at: 8, length: 20)
    return bytes
  }

  private static func facs() -> [UInt8] {
    Array("FACS".utf8) + AML.little(64, 4) + [UInt8](repeating: 0, count: 56)
  }

  private static func fadt(_ c: Configuration, facs: UInt32, dsdt: UInt32) -> [UInt8] {
    var b = [UInt8](repeating: 0, count: 244 - 36)
    func put(_ offset: Int, _ value: UInt32, _ count: Int) {
      b.replaceSubrange(offset - 36..<offset - 36 + count, with: AML.little(value, count))
    }
    /// A generic address in port space.
    func putPorts(_ offset: Int, _ port: UInt32, bits: UInt32, access: UInt32 = 0) {
      put(offset, 1 | bits << 8 | access << 24, 4)
      put(offset + 4, port, 4)
    }
    let base = UInt32(c.powerManagementBase)
    put(36, facs, 4)
    put(40, dsdt, 4)
    put(45, 1, 1)  // desktop
    put(46, UInt32(c.sciInterrupt), 2)
    put(48, 0xB2, 4)
    put(52, UInt32(ACPIPowerManagement.enableCommand), 1)
    put(53, UInt32(ACPIPowerManagement.disableCommand), 1)
    put(56, base, 4)
    put(64, base &+ 4, 4)
    put(76, base &+ 8, 4)
    put(80, base &+ 12, 4)
    put(88, 4, 1)
    put(89, 2, 1)
    put(91, 4, 1)
    put(92, 4, 1)
    put(96, 0xFFF, 2)  // no C2
    put(98, 0xFFF, 2)  // no C3
    put(108, 0x32, 1)  // the century register of the CMOS
    put(109, 0x0003, 2)  // legacy devices, an 8042
    // WBINVD, C1, no sleep button, 32-bit timer, reset register.
    put(112, 0x0000_0425 | (c.timerIs32Bit ? 0x100 : 0), 4)
    putPorts(116, 0xCF9, bits: 8, access: 1)
    put(128, 0x06, 1)
    put(140, dsdt, 4)
    putPorts(148, base, bits: 32, access: 2)
    putPorts(172, base &+ 4, bits: 16, access: 2)
    putPorts(208, base &+ 8, bits: 32, access: 3)
    putPorts(220, base &+ 12, bits: 32, access: 1)
    return table("FACP", revision: 3, b)
  }

  /// Multiple APIC description table: one processor, one I/O APIC, and what differs from ISA's usual
  /// edge-triggered wires (ACPI 6, 5.2.12).
  private static func madt(_ c: Configuration) -> [UInt8] {
    // The 8259s are there too.
    var b = AML.little(c.localAPIC, 4) + AML.little(1, 4)
    b += [0, 8, 0, 0] + AML.little(1, 4)
    b += [1, 12, 0, 0] + AML.little(c.ioAPIC, 4) + AML.little(0, 4)
    func override(_ source: UInt8, input: UInt8, flags: UInt32) -> [UInt8] {
      [2, 10, 0, source] + AML.little(UInt32(input), 4) + AML.little(flags, 2)
    }
    b += override(0, input: 2, flags: 0)
    for line in Set(c.pirqInterrupts + [c.sciInterrupt]).sorted() {
      b += override(line, input: line, flags: 0x0D)  // active high, level triggered
    }
    b += [4, 6, 0xFF] + AML.little(0, 2) + [1]  // NMIs on LINT1
    return table("APIC", revision: 1, b)
  }

  /// The event timer's description table (IA-PC HPET specification, 3.2.4): its registers, and the shortest
  /// period in ticks that is sensible.
  private static func hpet(at address: UInt32) -> [UInt8] {
    table(
      "HPET", revision: 1,
      AML.little(HPET.identification, 4) + [0, 64, 0, 0] + AML.little(address, 4)
        + AML.little(0, 4) + [0] + AML.little(100, 2) + [0])
  }

  // MARK: DSDT

  private static func pnp(_ name: String, _ id: String, uid: UInt32? = nil, _ resources: [[UInt8]])
    -> [UInt8]
  {
    AML.device(
      name,
      AML.define("_HID", AML.eisaID(id))
        + (uid.map { AML.define("_UID", AML.integer($0)) } ?? [])
        + AML.define("_STA", AML.integer(0x0F))
        + AML.define("_CRS", AML.resources(resources)))
  }

  private static func definitionBlock(_ c: Configuration) -> [UInt8] {
    let softOff = AML.integer(UInt32(ACPIPowerManagement.softOffType))
    return AML.define("\\_S5", AML.package([softOff, softOff, [0x00], [0x00]]))
      + AML.scope("\\_SB", AML.device("PCI0", hostBridge(c)))
  }

  private static func hostBridge(_ c: Configuration) -> [UInt8] {
    let routes = (1..<32).flatMap { device in
      (0..<4).map { pin in
        AML.package([
          AML.integer(UInt32(device) << 16 | 0xFFFF), AML.integer(UInt32(pin)), [0x00],
          AML.integer(UInt32(c.pirqInterrupts[PIIX3ISABridge.pirq(device: device, pin: pin)])),
        ])
      }
    }
    return AML.define("_HID", AML.eisaID("PNP0A03"))
      + AML.define("_UID", AML.integer(1))
      + AML.define(
        "_CRS",
        AML.resources([
          AML.wordRange(kind: 2, 0x00, 0xFF), AML.ports(0xCF8, count: 8),
          AML.wordRange(kind: 1, 0x0000, 0x0CF7), AML.wordRange(kind: 1, 0x0D00, 0xFFFF),
          AML.memoryRange(0x000A_0000, 0x000B_FFFF, cacheable: true),
          AML.memoryRange(c.pciMemory.lowerBound, c.pciMemory.upperBound, cacheable: false),
        ]))
      + AML.define("_PRT", AML.package(routes))
      + AML.device("ISA", AML.define("_ADR", AML.integer(0x0001_0000)) + isaDevices(c))
  }

  private static func isaDevices(_ c: Configuration) -> [UInt8] {
    var result = pnp(
      "PIC", "PNP0000",
      [
        AML.ports(0x20, count: 2), AML.ports(0xA0, count: 2), AML.ports(0x4D0, count: 2),
        AML.interrupt(2),
      ])
    result += pnp(
      "DMAC", "PNP0200",
      [
        AML.ports(0x00, count: 16), AML.ports(0x81, count: 15), AML.ports(0xC0, count: 32),
        AML.dma(4),
      ])
    result += pnp("TIMR", "PNP0100", [AML.ports(0x40, count: 4), AML.interrupt(0)])
    result += pnp("RTC", "PNP0B00", [AML.ports(0x70, count: 2), AML.interrupt(8)])
    if let address = c.eventTimer {
      result += pnp("HPET", "PNP0103", [AML.fixedMemory(address, 0x400)])
    }
    result += pnp("SPKR", "PNP0800", [AML.ports(0x61, count: 1)])
    result += pnp("FPU", "PNP0C04", [AML.ports(0xF0, count: 16), AML.interrupt(13)])
    result += pnp(
      "KBD", "PNP0303",
      [AML.ports(0x60, count: 1), AML.ports(0x64, count: 1), AML.interrupt(1)])
    if c.hasMouse { result += pnp("MOU", "PNP0F13", [AML.interrupt(12)]) }
    for (index, serial) in c.serialPorts.prefix(4).enumerated() {
      result += pnp(
        "COM\(index + 1)", "PNP0501", uid: UInt32(index + 1),
        [AML.ports(serial.port, count: 8), AML.interrupt(serial.interrupt)])
    }
    result += pnp(
      "LPT1", "PNP0400",
      [AML.ports(c.parallelPort, count: 8), AML.interrupt(c.parallelInterrupt)])
    // The board's own ports, so that nobody else is given them.
    return result
      + pnp(
        "BRD", "PNP0C02",
        [
          AML.ports(c.powerManagementBase, count: 64), AML.ports(0x80, count: 1),
          AML.ports(0x92, count: 1), AML.ports(0xB2, count: 2),
        ])
  }
}
