import Memory

/// Where an interrupt or exception comes from; decides privilege checks and the saved EIP. SDM vol. 3, 6.4.
public enum InterruptSource: Sendable {
  /// INTR or NMI.
  case external
  /// A fault or trap found by the processor, and ICEBP.
  case exception
  /// INT n, INT3, INTO: gate DPL is checked.
  case software
}

/// Something to be delivered through the IDT.
struct InterruptEvent {
  var vector: UInt8
  var errorCode: UInt16?
  var source: InterruptSource
  /// EIP to save.
  var returnEIP: UInt32
  /// Whether the saved EFLAGS image has RF set: fault-class exceptions. SDM vol. 3, 17.3.1.1.
  var resumes = false
  /// What #PF puts into CR2.
  var linearAddress: UInt32 = 0

  init(
    vector: UInt8, errorCode: UInt16? = nil, source: InterruptSource, returnEIP: UInt32,
    resumes: Bool = false
  ) {
    self.vector = vector
    self.errorCode = errorCode
    self.source = source
    self.returnEIP = returnEIP
    self.resumes = resumes
  }

  init(_ fault: Fault, returnEIP: UInt32) {
    vector = fault.vector
    errorCode = fault.hasErrorCode ? fault.errorCode : nil
    source = .exception
    self.returnEIP = returnEIP
    resumes = true
    linearAddress = fault.linearAddress
  }

  /// Bit 0 of error codes of faults met while delivering this. SDM vol. 3, 6.13.
  var externalBit: UInt16 { source == .software ? 0 : 1 }
}

/// How exceptions combine. SDM vol. 3, table 6-5.
private enum ExceptionClass {
  case benign, contributory, pageFault, doubleFault

  init(_ event: InterruptEvent) {
    guard event.source == .exception else {
      self = .benign
      return
    }
    switch event.vector {
    case 0, 10, 11, 12, 13: self = .contributory
    case 14: self = .pageFault
    case 8: self = .doubleFault
    default: self = .benign
    }
  }

  /// Whether `next`, met while delivering this, makes a double fault (after a double fault: shutdown).
  func escalates(with next: ExceptionClass) -> Bool {
    switch self {
    case .benign: false
    case .contributory: next == .contributory
    case .pageFault, .doubleFault: next == .contributory || next == .pageFault
    }
  }
}

extension CPU {
  /// Delivers `CPUState.fault`, raised by the instruction at `eip`.
  public func deliverFault() {
    let raised = pointee.fault
    // The instruction has not completed, so its data breakpoints are none.
    pointee.debugTriggered &= DR6.taskSwitch
    deliver(
      InterruptEvent(
        Fault(
          vector: raised.vector, errorCode: raised.hasErrorCode != 0 ? raised.errorCode : nil,
          linearAddress: raised.linearAddress), returnEIP: pointee.eip))
  }

  /// Delivers a trap: `eip` is that of the next instruction and RF stays as it is.
  public func deliverTrap(_ trap: Fault) {
    var event = InterruptEvent(trap, returnEIP: pointee.eip)
    event.resumes = false
    deliver(event)
  }

  /// Delivers an interrupt from outside at the boundary before the instruction at `eip`.
  /// - Parameter resumes: whether that instruction is a repeated string instruction between iterations,
  ///   whose instruction breakpoint must not hit again.
  public func deliverExternalInterrupt(vector: UInt8, resumes: Bool = false) {
    deliver(
      InterruptEvent(
        vector: vector, source: .external, returnEIP: pointee.eip, resumes: resumes))
  }

  /// INT n, INT3, INTO (`source` software) and ICEBP (`source` exception). Sets `eip`.
  /// - Parameters:
  ///   - nextEIP: of the instruction after it, the return address.
  ///   - checksIOPL: INT n, which is sensitive to IOPL in virtual-8086 mode.
  /// - Throws: what delivery meets before anything has changed; the fault belongs to the instruction.
  public func softwareInterrupt(
    vector: UInt8, nextEIP: UInt32, checksIOPL: Bool, source: InterruptSource = .software
  ) throws(Fault) {
    if checksIOPL, isVirtual8086, iopl < 3 { throw .generalProtection() }
    let event = InterruptEvent(vector: vector, source: source, returnEIP: nextEIP)
    var late: Fault?
    do throws(Fault) {
      late = try enter(event)
    } catch {
      throw withExternalBit(error, event)
    }
    // The fault struck after a task switch: it belongs to the new task.
    if let late { deliver(InterruptEvent(withExternalBit(late, event), returnEIP: pointee.eip)) }
  }

  /// Delivers an event and whatever exceptions its delivery meets; in the end it has entered a handler or
  /// the processor has shut down.
  func deliver(_ first: InterruptEvent) {
    var event = first
    while true {
      let next: Fault
      do throws(Fault) {
        guard let late = try enter(event) else { return }
        next = late
      } catch {
        next = error
        processor.traceFailedDelivery?(event.vector, event.errorCode, event.returnEIP)
      }
      let nested = InterruptEvent(withExternalBit(next, event), returnEIP: pointee.eip)
      if ExceptionClass(event).escalates(with: ExceptionClass(nested)) {
        if nested.vector == 14 { pointee.cr2 = nested.linearAddress }
        if event.vector == 8 {
          pointee.stop |= UInt32(STOP_SHUTDOWN.rawValue)
          return
        }
        event = InterruptEvent(
          vector: 8, errorCode: 0, source: .exception, returnEIP: pointee.eip)
      } else {
        event = nested
      }
    }
  }

  /// Sets EXT in the error code of a fault met while delivering `event`.
  private func withExternalBit(_ fault: Fault, _ event: InterruptEvent) -> Fault {
    var fault = fault
    if fault.hasErrorCode, fault.vector != 14 { fault.errorCode |= event.externalBit }
    return fault
  }

  /// Enters the handler of one event.
  /// - Returns: a fault that struck after a task switch was committed: it belongs to the new task.
  /// - Throws: a fault that struck while nothing had changed.
  private func enter(_ event: InterruptEvent) throws(Fault) -> Fault? {
    if event.vector == 14, event.source == .exception { pointee.cr2 = event.linearAddress }
    var late: Fault?
    if isRealMode {
      try enterReal(event)
    } else {
      late = try enterProtected(event)
    }
    if event.vector == 1, event.source == .exception { self[dr: 7] &= ~DR7.generalDetect }
    pointee.halted = 0
    pointee.shadow = 0
    requestAttention()
    processor.traceInterrupt?(event.vector, event.errorCode, event.returnEIP)
    return late
  }

  /// Real-mode delivery through the interrupt vector table. SDM vol. 3, 20.1.4.
  private func enterReal(_ event: InterruptEvent) throws(Fault) {
    let offset = UInt32(event.vector) * 4
    // The error code (which real mode does not push) tells a trace what went wrong.
    guard offset + 3 <= pointee.idtr.limit else {
      throw .generalProtection(UInt16(event.vector) * 8 + 2)
    }
    let handler: UInt32 = try readSystem(pointee.idtr.base &+ offset)
    var stack = StackWriter(current: self)
    try stack.reserve(3, size: 2)
    if handler & 0xFFFF > cs.pointee.limit { throw .generalProtection() }
    try stack.push(eflags, size: 2)
    try stack.push(UInt32(cs.pointee.selector), size: 2)
    try stack.push(event.returnEIP, size: 2)
    esp = stack.esp
    loadParagraph(SegmentNumber.cs, UInt16(truncatingIfNeeded: handler >> 16))
    pointee.eip = handler & 0xFFFF
    clearFlags(EFLAGS.if | EFLAGS.tf | EFLAGS.ac | EFLAGS.rf)
  }

  /// Clears flags other than the arithmetic ones.
  func clearFlags(_ mask: UInt32) {
    let old = pointee.eflags
    pointee.eflags = old & ~mask
    if old & mask & EFLAGS.ac != 0 { selectTLB() }
    requestAttention()
  }
}
