import CPU
import ISA
import Memory

/// Runs the body of a handler and turns a thrown fault into a request to the loop.
@inlinable @inline(__always)
func execute(_ cpu: CPU, _ body: () throws(Fault) -> UInt32) -> UInt32 {
  do {
    return try body()
  } catch {
    return raise(cpu, error)
  }
}

/// Records a fault for the loop to deliver.
@inline(never) @usableFromInline
func raise(_ cpu: CPU, _ fault: Fault) -> UInt32 {
  cpu.pointee.fault = PendingFault(
    vector: fault.vector, hasErrorCode: fault.hasErrorCode ? 1 : 0, errorCode: fault.errorCode,
    linearAddress: fault.linearAddress)
  return UInt32(LEAVE_FAULT.rawValue)
}

/// What handlers return. 0 goes on with the next instruction; `cpu.pointee.stop` does so unless a slow path
/// asked to leave the block.
enum Leave {
  /// The handler has set `eip`.
  static let branched = UInt32(LEAVE_BRANCHED.rawValue)
  /// The instruction has not finished and will run again: an interrupted REP.
  static let restart = UInt32(LEAVE_RESTART.rawValue)
  static let sequential = UInt32(LEAVE_SEQUENTIAL.rawValue)
  static let fault = UInt32(LEAVE_FAULT.rawValue)
}

/// Chooses the handler of a decoded instruction. Each family names its own operations and answers nil for
/// those of others.
enum Handlers {
  /// The handler for an instruction; #UD for one that no family knows.
  static func handler(for i: Instruction) -> Handler {
    family(of: i) ?? { cpu, op in raise(cpu, .invalidOpcode) }
  }

  private static func family(of i: Instruction) -> Handler? {
    if i.operation >= Operation.fld.rawValue {  // These families are last in `Operation`.
      return X87Family.handler(for: i) ?? MMXFamily.handler(for: i) ?? SSEFamily.handler(for: i)
    }
    // One by one: the compiler gives up on a chain of `??` this long.
    if let handler = DataMovementFamily.handler(for: i) { return handler }
    if let handler = ArithmeticFamily.handler(for: i) { return handler }
    if let handler = LogicFamily.handler(for: i) { return handler }
    if let handler = ControlFamily.handler(for: i) { return handler }
    if let handler = ShiftFamily.handler(for: i) { return handler }
    if let handler = StringFamily.handler(for: i) { return handler }
    if let handler = SegmentFamily.handler(for: i) { return handler }
    if let handler = FarControlFamily.handler(for: i) { return handler }
    if let handler = FlagsFamily.handler(for: i) { return handler }
    if let handler = InputOutputFamily.handler(for: i) { return handler }
    if let handler = SystemFamily.handler(for: i) { return handler }
    return nil
  }
}
