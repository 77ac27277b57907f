import Memory

/// JMP and CALL to another segment. SDM vol. 2, "JMP" and "CALL"; vol. 3, 5.8.
///
/// All of them set `eip` when they succeed and leave everything as it was when they throw.
extension CPU {
  /// JMP far.
  /// - Parameter nextEIP: of the instruction after the jump, saved by a task switch.
  /// - Throws: #GP, #NP, #TS, #PF.
  public func jumpFar(selector: UInt16, offset: UInt32, nextEIP: UInt32) throws(Fault) {
    guard isProtectedMode else {
      if offset > cs.pointee.limit { throw .generalProtection() }
      loadParagraph(SegmentNumber.cs, selector)
      pointee.eip = offset
      return
    }
    let target = try transferTarget(selector)
    if target.isSegment {
      try checkDirect(target)
      try enterSameLevel(target, offset: offset)
    } else if target.type & 7 == SystemType.callGate16 {
      let gate = target
      let code = try gateTarget(gate)
      guard code.isConforming || code.dpl == pointee.cpl else {
        throw .generalProtection(selectorCode(code.selector))
      }
      try requirePresent(code)
      try enterSameLevel(code, offset: gateOffset(gate))
    } else {
      try switchTask(through: target, kind: .jump, nextEIP: nextEIP)
    }
  }

  /// CALL far.
  /// - Parameters:
  ///   - operandSize: 2 or 4: width of the return address, unless a gate says otherwise.
  ///   - nextEIP: of the instruction after the call.
  /// - Throws: #GP, #NP, #SS, #TS, #PF, #AC.
  public func callFar(
    selector: UInt16, offset: UInt32, operandSize: UInt8, nextEIP: UInt32
  ) throws(Fault) {
    let size = UInt32(operandSize)
    guard isProtectedMode else {
      var stack = StackWriter(current: self)
      try stack.reserve(2, size: size)
      if offset > cs.pointee.limit { throw .generalProtection() }
      try stack.push(UInt32(cs.pointee.selector), size: size)
      try stack.push(nextEIP, size: size)
      esp = stack.esp
      loadParagraph(SegmentNumber.cs, selector)
      pointee.eip = offset
      return
    }
    let target = try transferTarget(selector)
    if target.isSegment {
      try checkDirect(target)
      try callSameLevel(target, offset: offset, size: size, nextEIP: nextEIP)
    } else if target.type & 7 == SystemType.callGate16 {
      let gate = target
      let code = try gateTarget(gate)
      try requirePresent(code)
      if !code.isConforming && code.dpl < pointee.cpl {
        try callInnerLevel(gate, code, nextEIP: nextEIP)
      } else {
        try callSameLevel(
          code, offset: gateOffset(gate), size: gate.isGate32 ? 4 : 2, nextEIP: nextEIP)
      }
    } else {
      try switchTask(through: target, kind: .call, nextEIP: nextEIP)
    }
  }

  // MARK: Targets

  /// The descriptor a far JMP or CALL names: a code segment, call gate, task gate or TSS. Gates and TSSs
  /// have passed their privilege and presence checks.
  private func transferTarget(_ selector: UInt16) throws(Fault) -> Descriptor {
    try withGuestSelector(selector) { selector throws(Fault) in try checkedTarget(selector) }
  }

  private func checkedTarget(_ selector: UInt16) throws(Fault) -> Descriptor {
    if isNull(selector) { throw .generalProtection() }
    let fault = Fault.generalProtection(selectorCode(selector))
    let target = try descriptor(selector, else: fault)
    if target.isSegment {
      guard target.isCode else { throw fault }
      return target
    }
    switch target.type {
    case SystemType.callGate16, SystemType.callGate32, SystemType.taskGate,
      SystemType.availableTSS16, SystemType.availableTSS32:
      break
    default: throw fault
    }
    guard target.dpl >= pointee.cpl, target.dpl >= UInt8(selector & 3) else { throw fault }
    // A TSS is checked for presence by the task switch, after its other checks.
    if target.type & 7 >= SystemType.callGate16 { try requirePresent(target) }
    return target
  }

  private func requirePresent(_ d: Descriptor) throws(Fault) {
    guard d.isPresent else { throw .notPresent(selectorCode(d.selector)) }
  }

  /// The checks of a code segment that a JMP or CALL names directly. SDM vol. 3, 5.8.1.
  private func checkDirect(_ code: Descriptor) throws(Fault) {
    let fault = Fault.generalProtection(selectorCode(code.selector))
    if code.isConforming {
      if code.dpl > pointee.cpl { throw fault }
    } else if UInt8(code.selector & 3) > pointee.cpl || code.dpl != pointee.cpl {
      throw fault
    }
    try requirePresent(code)
  }

  /// The code segment behind a call gate, but for its presence. SDM vol. 3, 5.8.4.
  private func gateTarget(_ gate: Descriptor) throws(Fault) -> Descriptor {
    let selector = gate.gateSelector
    if isNull(selector) { throw .generalProtection() }
    let fault = Fault.generalProtection(selectorCode(selector))
    let code = try descriptor(selector, else: fault)
    guard code.isCode, code.dpl <= pointee.cpl else { throw fault }
    return code
  }

  private func gateOffset(_ gate: Descriptor) -> UInt32 {
    gate.isGate32 ? gate.gateOffset : gate.gateOffset & 0xFFFF
  }

  // MARK: Transfers

  private func enterSameLevel(_ code: Descriptor, offset: UInt32) throws(Fault) {
    if offset > code.limit { throw .generalProtection() }
    try markAccessed(code)
    setCodeSegment(code, level: pointee.cpl)
    pointee.eip = offset
  }

  private func callSameLevel(
    _ code: Descriptor, offset: UInt32, size: UInt32, nextEIP: UInt32
  ) throws(Fault) {
    var stack = StackWriter(current: self)
    try stack.reserve(2, size: size)
    if offset > code.limit { throw .generalProtection() }
    try markAccessed(code)
    try stack.push(UInt32(cs.pointee.selector), size: size)
    try stack.push(nextEIP, size: size)
    esp = stack.esp
    setCodeSegment(code, level: pointee.cpl)
    pointee.eip = offset
  }

  /// A call through a gate to a more privileged level: switches stacks and copies parameters.
  private func callInnerLevel(
    _ gate: Descriptor, _ code: Descriptor, nextEIP: UInt32
  ) throws(Fault) {
    let (stackDescriptor, newESP) = try innerStack(code.dpl)
    let newSS = stackDescriptor.loaded(selector: stackDescriptor.selector)
    let size: UInt32 = gate.isGate32 ? 4 : 2
    let count = gate.parameterCount
    var stack = StackWriter(self, inner: newSS, esp: newESP)
    try stack.reserve(count + 4, size: size)
    let offset = gateOffset(gate)
    if offset > code.limit { throw .generalProtection() }
    try markAccessed(stackDescriptor)
    try markAccessed(code)
    try stack.push(UInt32(ss.pointee.selector), size: size)
    try stack.push(esp, size: size)
    for i in 0..<count {
      try stack.push(try stackValue(count - 1 - i, size: UInt8(size)), size: size)
    }
    try stack.push(UInt32(cs.pointee.selector), size: size)
    try stack.push(nextEIP, size: size)
    setStack(newSS, esp: stack.esp)
    setCodeSegment(code, level: code.dpl)
    pointee.eip = offset
  }
}
