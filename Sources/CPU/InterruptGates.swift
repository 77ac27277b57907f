import Memory

/// Interrupt, trap and task gates. SDM vol. 2, "INT n"; vol. 3, 6.12 and 20.3.
extension CPU {
  /// Protected-mode and virtual-8086 delivery.
  /// - Returns: a fault that struck after a task switch was committed.
  func enterProtected(_ event: InterruptEvent) throws(Fault) -> Fault? {
    let code = UInt16(event.vector) * 8 + 2
    let offset = UInt32(event.vector) * 8
    guard offset + 7 <= pointee.idtr.limit else { throw .generalProtection(code) }
    let raw: UInt64 = try readSystem(pointee.idtr.base &+ offset)
    let gate = Descriptor(
      selector: code, address: 0, low: UInt32(truncatingIfNeeded: raw),
      high: UInt32(truncatingIfNeeded: raw >> 32))
    guard !gate.isSegment else { throw .generalProtection(code) }
    switch gate.type {
    case SystemType.taskGate, SystemType.interruptGate16, SystemType.trapGate16,
      SystemType.interruptGate32, SystemType.trapGate32:
      break
    default: throw .generalProtection(code)
    }
    if event.source == .software, gate.dpl < pointee.cpl { throw .generalProtection(code) }
    guard gate.isPresent else { throw .notPresent(code) }
    if gate.type == SystemType.taskGate { return try enterTask(event, gate) }
    try enterHandler(event, gate)
    return nil
  }

  /// EFLAGS as the handler finds them on its stack.
  private func flagsImage(_ event: InterruptEvent) -> UInt32 {
    event.source == .software
      ? eflags & ~EFLAGS.rf : eflags | (event.resumes ? EFLAGS.rf : 0)
  }

  private func enterTask(_ event: InterruptEvent, _ gate: Descriptor) throws(Fault) -> Fault? {
    let target = try taskDescriptor(gate.gateSelector)
    if let late = try switchTask(
      to: target, kind: .interrupt, savedEIP: event.returnEIP, savedFlags: flagsImage(event))
    {
      return late
    }
    guard let errorCode = event.errorCode else { return nil }
    let size: UInt32 = target.type & 8 != 0 ? 4 : 2
    do throws(Fault) {
      var stack = StackWriter(current: self)
      try stack.push(UInt32(errorCode), size: size)
      esp = stack.esp
      return nil
    } catch {
      return error
    }
  }

  private func enterHandler(_ event: InterruptEvent, _ gate: Descriptor) throws(Fault) {
    let selector = gate.gateSelector
    if isNull(selector) { throw .generalProtection() }
    let fault = Fault.generalProtection(selectorCode(selector))
    let code = try descriptor(selector, else: fault)
    guard code.isCode, code.dpl <= pointee.cpl else { throw fault }
    guard code.isPresent else { throw .notPresent(selectorCode(selector)) }
    let offset = gate.isGate32 ? gate.gateOffset : gate.gateOffset & 0xFFFF
    let flags = flagsImage(event)
    if !code.isConforming && code.dpl < pointee.cpl {
      if isVirtual8086 && code.dpl != 0 { throw fault }
      try enterInnerLevel(event, gate, code, offset: offset, flags: flags)
    } else {
      if isVirtual8086 { throw fault }
      let size: UInt32 = gate.isGate32 ? 4 : 2
      var stack = StackWriter(current: self)
      try stack.reserve(event.errorCode == nil ? 3 : 4, size: size)
      if offset > code.limit { throw .generalProtection() }
      try markAccessed(code)
      try pushFrame(&stack, event, flags: flags, size: size)
      esp = stack.esp
      setCodeSegment(code, level: pointee.cpl)
    }
    pointee.eip = offset
    // Odd types are trap gates, which leave IF alone.
    let interrupts = gate.type & 1 == 0 ? EFLAGS.if : 0
    clearFlags(EFLAGS.tf | EFLAGS.nt | EFLAGS.rf | EFLAGS.vm | interrupts)
  }

  /// Pushes EFLAGS, CS, EIP and the error code.
  private func pushFrame(
    _ stack: inout StackWriter, _ event: InterruptEvent, flags: UInt32, size: UInt32
  ) throws(Fault) {
    try stack.push(flags, size: size)
    try stack.push(UInt32(cs.pointee.selector), size: size)
    try stack.push(event.returnEIP, size: size)
    if let errorCode = event.errorCode { try stack.push(UInt32(errorCode), size: size) }
  }

  /// Enters a handler on the stack of a more privileged level, from virtual-8086 mode as well.
  private func enterInnerLevel(
    _ event: InterruptEvent, _ gate: Descriptor, _ code: Descriptor, offset: UInt32, flags: UInt32
  ) throws(Fault) {
    let (stackDescriptor, newESP) = try innerStack(code.dpl)
    let newSS = stackDescriptor.loaded(selector: stackDescriptor.selector)
    let size: UInt32 = gate.isGate32 ? 4 : 2
    let wasVirtual = isVirtual8086
    var stack = StackWriter(self, inner: newSS, esp: newESP)
    try stack.reserve(
      5 + (event.errorCode == nil ? 0 : 1) + (wasVirtual ? 4 : 0), size: size)
    if offset > code.limit { throw .generalProtection() }
    try markAccessed(stackDescriptor)
    try markAccessed(code)
    if wasVirtual {
      try stack.push(UInt32(gs.pointee.selector), size: size)
      try stack.push(UInt32(fs.pointee.selector), size: size)
      try stack.push(UInt32(ds.pointee.selector), size: size)
      try stack.push(UInt32(es.pointee.selector), size: size)
    }
    try stack.push(UInt32(ss.pointee.selector), size: size)
    try stack.push(esp, size: size)
    try pushFrame(&stack, event, flags: flags, size: size)
    if wasVirtual {
      for number in [SegmentNumber.gs, SegmentNumber.fs, SegmentNumber.ds, SegmentNumber.es] {
        setSegment(number, .null(0))
      }
      pointee.eflags &= ~EFLAGS.vm
    }
    setStack(newSS, esp: stack.esp)
    setCodeSegment(code, level: code.dpl)
  }
}
