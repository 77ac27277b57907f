import Memory

/// Why a task switch happens; decides busy bits, NT and the back link. SDM vol. 3, table 7-2.
enum TaskSwitchKind {
  case jump, call, interrupt, returning

  /// The old task stays busy and is linked from the new one.
  var nests: Bool { self == .call || self == .interrupt }
}

/// Hardware task switching. SDM vol. 3, 7.3.
extension CPU {
  /// The TSS that a task gate names, available and in the GDT, but for its presence.
  /// - Throws: #GP(selector), #PF.
  func taskDescriptor(_ selector: UInt16) throws(Fault) -> Descriptor {
    let fault = Fault.generalProtection(selectorCode(selector))
    guard selector & 4 == 0, !isNull(selector) else { throw fault }
    let d = try descriptor(selector, else: fault)
    guard !d.isSegment, d.type & ~8 == SystemType.availableTSS16 else { throw fault }
    return d
  }

  /// Switches to the task that a far JMP or CALL has found: through a task gate or a TSS descriptor.
  func switchTask(
    through target: Descriptor, kind: TaskSwitchKind, nextEIP: UInt32
  ) throws(Fault) {
    let tss = try taskDescriptor(
      target.type == SystemType.taskGate ? target.gateSelector : target.selector)
    let late = try switchTask(to: tss, kind: kind, savedEIP: nextEIP, savedFlags: eflags)
    if let late { deliver(InterruptEvent(late, returnEIP: pointee.eip)) }
  }

  /// IRET with NT set: back to the task that the current TSS links to.
  func returnFromTask(nextEIP: UInt32) throws(Fault) {
    let selector: UInt16 = try readSystem(pointee.tr.base)
    let fault = Fault.invalidTSS(selectorCode(selector))
    guard selector & 4 == 0, !isNull(selector) else { throw fault }
    let d = try descriptor(selector, else: fault)
    guard !d.isSegment, d.type & ~8 == SystemType.busyTSS16 else { throw fault }
    let late = try switchTask(to: d, kind: .returning, savedEIP: nextEIP, savedFlags: eflags)
    if let late { deliver(InterruptEvent(late, returnEIP: pointee.eip)) }
  }

  /// Switches tasks.
  /// - Parameters:
  ///   - target: a TSS descriptor of the right state, busy or available.
  ///   - savedEIP, savedFlags: what the old TSS gets.
  /// - Returns: a fault found after the switch was committed. It belongs to the new task, whose registers
  ///   are loaded as far as they are valid.
  /// - Throws: #NP, #TS or #PF before anything has changed.
  func switchTask(
    to target: Descriptor, kind: TaskSwitchKind, savedEIP: UInt32, savedFlags: UInt32
  ) throws(Fault) -> Fault? {
    guard target.isPresent else { throw .notPresent(selectorCode(target.selector)) }
    let is32 = target.type & 8 != 0
    guard target.limit >= TaskState.minimumLimit(is32: is32) else {
      throw .invalidTSS(selectorCode(target.selector))
    }
    let old = pointee.tr
    let oldIs32 = old.access & 8 != 0
    guard old.limit >= TaskState.minimumLimit(is32: oldIs32) else {
      throw .invalidTSS(selectorCode(old.selector))
    }
    let oldDescriptor = pointee.gdtr.base &+ UInt32(old.selector & 0xFFF8)
    let size = TaskState.minimumLimit(is32: is32) + 1
    try probeSystem(old.base, size: TaskState.minimumLimit(is32: oldIs32) + 1, write: true)
    try probeSystem(target.base, size: size, write: false)
    if kind.nests { try probeSystem(target.base, size: 2, write: true) }
    try probeSystem(target.address &+ 5, size: 1, write: true)
    if !kind.nests { try probeSystem(oldDescriptor &+ 5, size: 1, write: true) }

    // Everything that could fault has been tried: the old task is saved.
    if !kind.nests { try setBusy(false, descriptorAt: oldDescriptor) }
    let flags = kind == .returning ? savedFlags & ~EFLAGS.nt : savedFlags
    try writeTaskState(at: old.base, is32: oldIs32, eip: savedEIP, eflags: flags)
    var state = try readTaskState(at: target.base, is32: is32)
    if kind.nests {
      try writeSystem(target.base, old.selector)
      state.eflags |= EFLAGS.nt
    }
    if kind != .returning { try setBusy(true, descriptorAt: target.address) }
    setTaskRegister(target)
    pointee.cr0 |= CR0.ts
    do throws(Fault) {
      try loadTaskState(state, is32: is32)
      return nil
    } catch {
      return error
    }
  }

  /// Loads the registers of the new task. SDM vol. 3, 7.3, steps 11 and 12.
  private func loadTaskState(_ state: TaskState, is32: Bool) throws(Fault) {
    self[dr: 7] &= ~DR7.localEnables
    for i in 0..<8 as Range<UInt8> { self[gpr: i] = state.registers[Int(i)] }
    pointee.eip = state.eip
    setEFLAGS(state.eflags)
    // Visible parts first; a fault below finds the hidden ones invalid.
    for i in 0..<6 as Range<UInt8> { setSegment(i, .null(state.selectors[Int(i)])) }
    pointee.ldtr = .null(state.ldt)
    // Level 3 until SS is valid, so that a fault below finds a stack in the new TSS.
    setCPL(3)
    selectTLB()
    if state.trap {
      pointee.debugTriggered |= DR6.taskSwitch
      requestAttention()
    }
    if is32, pointee.cr0 & CR0.pg != 0 { try setCR3(state.cr3) }

    if !isNull(state.ldt) {
      let fault = Fault.invalidTSS(selectorCode(state.ldt))
      guard state.ldt & 4 == 0 else { throw fault }
      let d = try descriptor(state.ldt, else: fault)
      guard !d.isSegment, d.type == SystemType.ldt, d.isPresent else { throw fault }
      pointee.ldtr = d.loaded(selector: state.ldt)
    }
    if isVirtual8086 {
      for i in 0..<6 as Range<UInt8> { loadParagraph(i, state.selectors[Int(i)]) }
    } else {
      try loadTaskSegments(state)
    }
    if pointee.eip > cs.pointee.limit { throw .generalProtection() }
  }

  private func loadTaskSegments(_ state: TaskState) throws(Fault) {
    let selector = state.selectors[1]
    let level = UInt8(selector & 3)
    let stackSelector = state.selectors[2]
    let stackFault = Fault.invalidTSS(selectorCode(stackSelector))
    let stack = try stackDescriptor(
      stackSelector, level: level, nullFault: stackFault, fault: stackFault)
    try markAccessed(stack)
    setSegment(SegmentNumber.ss, stack.loaded(selector: stackSelector))
    // From here on there is a stack for a fault.
    setCPL(level)

    let fault = Fault.invalidTSS(selectorCode(selector))
    if isNull(selector) { throw fault }
    let code = try descriptor(selector, else: fault)
    guard code.isCode, code.isConforming ? code.dpl <= level : code.dpl == level else {
      throw fault
    }
    guard code.isPresent else { throw .notPresent(selectorCode(selector)) }
    try markAccessed(code)
    setCodeSegment(code, level: level)

    for number in [SegmentNumber.es, SegmentNumber.ds, SegmentNumber.fs, SegmentNumber.gs] {
      let selector = state.selectors[Int(number)]
      if isNull(selector) { continue }
      let d = try dataDescriptor(
        selector, level: level, fault: .invalidTSS(selectorCode(selector)))
      try markAccessed(d)
      setSegment(number, d.loaded(selector: selector))
    }
  }
}
