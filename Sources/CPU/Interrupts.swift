import Memory

/// Where an interrupt or exception comes from; decides privilege checks and the saved EIP. SDM vol. 3, 6.4.
public enum InterruptSource: Sendable {
  /// INTR or NMI.
  case external
  /// A fault or trap found by the processor.
  case exception
  /// INT n, INT3, INTO: gate DPL is checked.
  case software
}
