import Memory

// The boundary between instructions as the engines see it; the work is in the files of interrupts and debug.
extension CPU {
  public func deliverFault() {}
  public func deliverExternalInterrupt(vector: UInt8) {}
  public func finishDebugTraps(singleStep: Bool) {}
  public func debugFaultBeforeInstruction() -> Bool { false }
}
