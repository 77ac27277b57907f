import Bus

/// The PC/AT's report of x87 errors: the processor's FERR# sets a latch that drives IRQ 13, and any write to
/// port F0h clears it (IBM PC/AT Technical Reference, "Coprocessor"). Only guests with CR0.NE = 0 see it.
public final class CoprocessorError: PortDevice, Resettable {
  private let interrupt: InterruptLine

  /// - Parameter interrupt: IRQ 13.
  public init(interrupt: InterruptLine) { self.interrupt = interrupt }

  public func reset() { interrupt.set(false) }

  /// The processor has an unmasked x87 error to report.
  public func signal() { interrupt.set(true) }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 { width.mask }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) { interrupt.set(false) }
}
