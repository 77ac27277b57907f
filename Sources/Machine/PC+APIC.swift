import Bus
import CPU
import Devices
import Memory

extension PC {
  /// Where the I/O APIC is; the local APIC's place is up to IA32_APIC_BASE.
  private static let ioAPICBase: UInt32 = 0xFEC0_0000

  /// Both APICs of the board.
  struct APICs {
    var local: LocalAPIC
    var io: IOAPIC
  }

  /// Without APICs the 8259s drive the processor.
  static func attachLegacyController(processor: Processor, pic: PICPair) {
    pic.interruptRequestChanged = { [unowned processor] in processor.setInterruptLine($0) }
    processor.interruptController = pic
  }

  /// Wires the local APIC between the 8259s and the processor, and the I/O APIC to it.
  static func attachAPICs(
    processor: Processor, memory: PhysicalMemory, queue: EventQueue, pic: PICPair
  ) throws -> APICs {
    let local = LocalAPIC(queue: queue, external: pic)
    local.requestChanged = { [unowned processor] in processor.setInterruptLine($0) }
    local.nonMaskableRequested = { [unowned processor] in processor.requestNMI() }
    pic.interruptRequestChanged = { [unowned local] in local.setExternalRequest($0) }
    processor.interruptController = local
    processor.readAPICBase = { [unowned local] in local.base }
    processor.writeAPICBase = { [unowned local] in local.setBase($0) }
    var current: UInt32?
    local.baseChanged = { [unowned local, unowned memory] base in
      guard base != current else { return }
      if let current { memory.detach(at: current) }
      current = base.flatMap { base in
        // On top of another device it is out of reach.
        let isFree =
          (try? memory.attach(local, range: base...(base | 0xFFF), name: "apic")) != nil
        return isFree ? base : nil
      }
    }
    let io = IOAPIC(processor: local)
    try memory.attach(io, range: ioAPICBase...ioAPICBase + 0xFFF, name: "ioapic")
    return APICs(local: local, io: io)
  }
}
