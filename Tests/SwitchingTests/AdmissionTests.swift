import Bus
import CPU
import Memory
import Testing

@testable import Switching

/// The decision algorithm against a second statement of it: a list of rows in order, each a condition on named
/// registers.
@Suite struct AdmissionTests {
  /// The registers that a packed word stands for, unpacked here by hand.
  struct Registers {
    var pe, vm, interruptFlag, tf, debug, em, ts, tsd, ac, osfxsr: Bool
    var cpl, iopl: Int
    var reversible, mappable: Bool

    init(word: Int) {
      func bit(_ n: Int) -> Bool { word / (1 << n) % 2 == 1 }
      pe = bit(0)
      vm = bit(1)
      cpl = word / 4 % 4
      iopl = word / 16 % 4
      interruptFlag = bit(6)
      reversible = bit(7)
      mappable = bit(8)
      tf = bit(9)
      debug = bit(10)
      em = bit(11)
      ts = bit(12)
      tsd = bit(13)
      ac = bit(14)
      osfxsr = bit(15)
    }
  }

  static let rows: [(String, @Sendable (Registers) -> Bool)] = [
    ("realMode", { !$0.pe }),
    ("virtual8086", { $0.vm }),
    ("privileged", { $0.cpl != 3 }),
    ("ioPrivilege", { $0.iopl == 3 }),
    ("interruptsDisabled", { !$0.interruptFlag }),
    ("segmentNotReversible", { !$0.reversible }),
    ("segmentNotMappable", { !$0.mappable }),
    ("singleStep", { $0.tf }),
    ("debugRegisters", { $0.debug }),
    ("emulation", { $0.em }),
    ("taskSwitched", { $0.ts }),
    ("timeStampDisable", { $0.tsd }),
    ("alignmentCheck", { $0.ac }),
    ("sseDisabled", { !$0.osfxsr }),
  ]

  @Test func everyStateIsDecidedAsTheTableSays() {
    var seen: Set<String> = []
    for word in 0..<(1 << VirtualState.width) {
      let registers = Registers(word: word)
      let expected = Self.rows.first { $0.1(registers) }?.0 ?? "direct"
      let decided = Admission.evaluate(VirtualState(bits: UInt32(word))).rawValue
      guard decided == expected else {
        Issue.record("\(registers): \(decided), expected \(expected)")
        return
      }
      seen.insert(decided)
    }
    // Every reason can happen, and there is none that the table does not know.
    #expect(seen == Set(Admission.Reason.allCases.map(\.rawValue)))
  }

  // MARK: The registers behind the word

  /// A processor in flat 32-bit ring 3 with a GDT at 1000h.
  final class Flat {
    let memory: PhysicalMemory
    let processor: Processor
    var cpu: CPU { processor.cpu }

    init() throws {
      memory = try PhysicalMemory(ramSize: 1 << 20)
      processor = Processor(memory: memory, ports: PortBus())
      cpu.pointee.cr0 = CR0.pe | CR0.et
      cpu.pointee.cr4 = CR4.osfxsr
      cpu.pointee.gdtr = DescriptorTableRegister(base: 0x1000, limit: 0xFF)
      // 08h ring-0 data, 1Bh code, 23h data, 2Bh data with a base, 33h 16-bit data.
      let descriptors: [(UInt32, UInt64)] = [
        (1, 0x00CF_9300_0000_FFFF), (3, 0x00CF_FB00_0000_FFFF), (4, 0x00CF_F300_0000_FFFF),
        (5, 0x00CF_F312_3000_FFFF), (6, 0x008F_F300_0000_FFFF),
      ]
      for (n, value) in descriptors {
        memory.write(physical: UInt64(0x1000 + n * 8), size: 8, value)
      }
      // Ring 0 loads what it likes; then the privilege level changes by hand.
      cpu.pointee.cpl = 3
      for n in [SegmentNumber.ss, SegmentNumber.ds, SegmentNumber.es] {
        try cpu.loadSegment(n, selector: 0x23)
      }
      try cpu.loadSegment(SegmentNumber.fs, selector: 0)
      try cpu.loadSegment(SegmentNumber.gs, selector: 0x2B)
      let code = cpu.cs
      code.pointee.selector = 0x1B
      code.pointee.base = 0
      code.pointee.limit = .max
      code.pointee.access = 0xC0FB
      cpu.pointee.codeSize = 4
      cpu.pointee.eflags = EFLAGS.if | 2
    }

    var reason: Admission.Reason { Admission.evaluate(VirtualState(cpu)) }
  }

  @Test func aFlatRing3ProgramIsAdmitted() throws {
    #expect(try Flat().reason == .direct)
  }

  @Test func registersReachTheDecision() throws {
    let changes: [(Admission.Reason, (CPU) -> Void)] = [
      (.realMode, { $0.pointee.cr0 &= ~CR0.pe }),
      (.virtual8086, { $0.pointee.eflags |= EFLAGS.vm }),
      (.privileged, { $0.pointee.cpl = 0 }),
      (.privileged, { $0.pointee.cpl = 1 }),
      (.ioPrivilege, { $0.pointee.eflags |= EFLAGS.iopl }),
      (.direct, { $0.pointee.eflags |= 2 << 12 }),
      (.interruptsDisabled, { $0.pointee.eflags &= ~EFLAGS.if }),
      (.singleStep, { $0.pointee.eflags |= EFLAGS.tf }),
      (.alignmentCheck, { $0.pointee.eflags |= EFLAGS.ac }),
      (.debugRegisters, { $0[dr: 7] |= 1 << 6 }),
      (.emulation, { $0.pointee.cr0 |= CR0.em }),
      (.taskSwitched, { $0.pointee.cr0 |= CR0.ts }),
      (.timeStampDisable, { $0.pointee.cr4 |= CR4.tsd }),
      (.sseDisabled, { $0.pointee.cr4 &= ~CR4.osfxsr }),
    ]
    for (reason, change) in changes {
      let flat = try Flat()
      change(flat.cpu)
      #expect(flat.reason == reason)
    }
  }

  @Test func changedDescriptorsAreNotReversible() throws {
    // Byte offsets in the GDT: base of 2Bh, limit of 23h, access of 1Bh.
    for (offset, value) in [(0x2A, 0x77), (0x20, 0x00), (0x1D, 0xF9)] as [(UInt64, UInt64)] {
      let flat = try Flat()
      flat.memory.write(physical: 0x1000 + offset, size: 1, value)
      #expect(flat.reason == .segmentNotReversible, "\(offset)")
    }
    // The accessed bit does not count.
    let flat = try Flat()
    flat.memory.write(physical: 0x1025, size: 1, 0xF2)
    #expect(flat.reason == .direct)
    // A table that has become too short does.
    flat.cpu.pointee.gdtr.limit = 0x27
    #expect(flat.reason == .segmentNotReversible)
  }

  @Test func sixteenBitStacksAndCodeAreNotMappable() throws {
    let flat = try Flat()
    try flat.cpu.loadSegment(SegmentNumber.ss, selector: 0x33)
    #expect(flat.reason == .segmentNotMappable)
    let code = try Flat()
    code.memory.write(physical: 0x101E, size: 1, 0x8F)
    code.cpu.cs.pointee.access = 0x80FB
    #expect(code.reason == .segmentNotMappable)
  }
}
