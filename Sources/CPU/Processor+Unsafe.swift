import Bus
import Memory

/// What the processor is wired to. The state holds an unretained pointer to it, so it must outlive every run.
public final class Processor {
  /// The architectural state.
  public let cpu: CPU
  public let memory: PhysicalMemory
  public let ports: PortBus

  /// Answers the interrupt-acknowledge cycle.
  public var interruptController: (any InterruptController)?

  /// IA32_APIC_BASE of the local APIC, if there is one.
  public var readAPICBase: (() -> UInt64)?
  public var writeAPICBase: (UInt64) -> Void = { _ in }

  /// FERR#: called when an unmasked x87 exception is reported with CR0.NE = 0 (IRQ 13 on a PC).
  public var floatingPointError: () -> Void = {}

  /// Told ECX of every CPUID with `Identification.markLeaf`.
  public var mark: ((UInt32) -> Void)?

  /// What stands for a selector that ring-3 code has read while it ran directly on the host's processor.
  public var guestSelector: ((UInt16) -> UInt16?)?

  /// Where a debugger stops the machine.
  public let breakpoints = Breakpoints()
  /// While a debugger steps, interrupts from outside wait, so that a step stays in the code it began in.
  public var holdsInterrupts = false

  /// Told about every delivered exception and interrupt when not nil: (vector, error code, EIP).
  public var traceInterrupt: ((UInt8, UInt16?, UInt32) -> Void)?

  /// Told the same about those whose delivery met a fault: the chain that leads to a triple fault.
  public var traceFailedDelivery: ((UInt8, UInt16?, UInt32) -> Void)?

  /// MTRR and PAT.
  var memoryTypes = MemoryTypeRegisters()

  public init(memory: PhysicalMemory, ports: PortBus) {
    self.memory = memory
    self.ports = ports
    cpu = CPU.create()
    cpu.pointee.memory = Unmanaged.passUnretained(memory).toOpaque()
    cpu.pointee.processor = Unmanaged.passUnretained(self).toOpaque()
    reset()
  }

  deinit { cpu.free() }

  /// The power-on state. SDM vol. 3, table 9-1.
  public func reset() {
    cpu.resetState()
    memoryTypes = MemoryTypeRegisters()
  }

  /// Drives the INTR pin.
  public func setInterruptLine(_ asserted: Bool) {
    cpu.pointee.interruptLine = asserted ? 1 : 0
    cpu.requestAttention()
  }

  /// A rising edge of the NMI pin.
  public func requestNMI() {
    cpu.pointee.nmiPending = 1
    cpu.requestAttention()
  }

  /// Whether CPUID shows a local APIC: there is one and it is switched on.
  public var hasAPIC: Bool { readAPICBase.map { $0() & 0x800 != 0 } ?? false }

  /// Drives the A20 gate.
  public func setA20(_ enabled: Bool) {
    let mask: UInt32 = enabled ? ~0 : ~(1 << 20)
    guard cpu.pointee.a20Mask != mask else { return }
    cpu.pointee.a20Mask = mask
    cpu.flushTLB(includingGlobal: true)
  }
}

extension CPU {
  /// What this processor is wired to.
  @inlinable public var processor: Processor {
    Unmanaged<Processor>.fromOpaque(pointee.processor.unsafelyUnwrapped)._withUnsafeGuaranteedRef {
      $0
    }
  }
}
