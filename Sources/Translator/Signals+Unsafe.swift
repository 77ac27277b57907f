import CHost
import CPU
import Interpreter
import Memory

extension Translator {
  /// Deals with an access that the window does not allow, or with an exception of the host CPU.
  /// - Returns: where to go on, nil when the run has ended.
  func handleSignal() -> Int? {
    statistics.signals += 1
    let position = Int(cpu.pointee.translated.faultPC &- code.address(0))
    if let number = entryChecks[position] {
      cpu.pointee.eip = translations[number].eip
      settle()
      switchback_flags_to_lazy(cpu)
      return nil
    }
    guard let number = find(position) else {
      fatalError("a signal in emitted code that belongs to no translation")
    }
    let t = translations[number]
    guard position >= self.position(t, 0) else {
      // The flag-free check of the budget.
      cpu.pointee.eip = t.eip
      cpu.pointee.translated.budget &+= charge(t)
      settle()
      switchback_flags_to_lazy(cpu)
      return nil
    }
    let index = self.index(t, at: position)
    let op = t.block.ops + index
    cpu.pointee.eip = t.eip
    catchUp(t, index)
    refundIterations(op)
    if cpu.pointee.translated.fpuRestore != 0 { X87Pointers.complete(cpu, t, before: index) }
    // Its count is too high for any budget: it is the comparison that ends it.
    let isEndless = op.pointee.instruction.isRepeated && cpu.ecx >= Self.maximumSlice
    let isPageFault = cpu.pointee.translated.faultTrap == 14
    let advice = isPageFault ? noteAccess(t, op) : .map
    if advice == .callHandler {
      kill(t.block)
      switchback_flags_to_lazy(cpu)
      finish(t, op, UInt32(LEAVE_RESTART.rawValue))
      return nil
    }
    if isPageFault {
      let offset = cpu.pointee.translated.faultAddress &- cpu.pointee.translated.window
      let linear = UInt32(truncatingIfNeeded: offset)
      let write = cpu.pointee.translated.faultIsWrite != 0
      if offset < 1 << 32,
        case .mapped(let ofUser) = resolve(linear, write: write, around: advice == .mapAround)
      {
        // Ring 0 meets other pages there after each switch of address spaces.
        if ofUser, cpu.pointee.cpl != 3 { noteTrap(t, index, weight: 1) }
        if translations[number].isAlive { return resume(t, index) }
        // Its first bytes are a jump now.
        switchback_flags_to_lazy(cpu)
        finish(t, op, UInt32(LEAVE_RESTART.rawValue))
        return nil
      }
    }
    // The interpreter does what the window cannot: faults, devices, writes to code.
    switchback_flags_to_lazy(cpu)
    let blockStart = clock &- UInt64(t.block.pointee.cycles)
    cpu.pointee.cycles = blockStart
    cpu.pointee.op = op
    let leave = op.pointee.handler(cpu, op)
    cpu.pointee.op = nil
    cpu.pointee.translated.budget &-= (cpu.pointee.cycles &- blockStart) << Budget.shift
    if isPageFault, leave & UInt32(LEAVE_FAULT.rawValue) != 0, cpu.pointee.fault.vector == 14 {
      spaces.expect(cpu.pointee.fault.linearAddress)
    }
    // A fault of the guest's says nothing about the next time.
    if isPageFault || isEndless, leave & UInt32(LEAVE_FAULT.rawValue) == 0 {
      noteTrap(t, index, weight: 2)
    }
    if leave == 0, !flushPending, !globalCode.needsCheck, translations[number].isAlive,
      index < t.instructionCount,
      switchback_fpu_allows(cpu, cpu.pointee.translated.fpuRestore) != 0
    {
      switchback_flags_from_lazy(cpu)
      return resume(t, index + 1)
    }
    if leave == 0 {
      finish(t, op, UInt32(STOP_ATTENTION.rawValue))
    } else {
      finish(t, op, leave)
    }
    return nil
  }

  /// The instruction whose code holds `position`.
  private func index(_ t: Translation, at position: Int) -> Int {
    var index = t.instructionCount
    while self.position(t, index) > position { index -= 1 }
    return index
  }

  /// Makes ESP and the budget what they are before instruction `index`, whose code may run behind them.
  private func catchUp(_ t: Translation, _ index: Int) {
    let place = place(t, index)
    cpu.esp &+= UInt32(bitPattern: Int32(place.stackDelta))
    if !place.isCharged { cpu.pointee.translated.budget &-= charge(t) }
    cpu.pointee.translated.budget &+= UInt64(t.advanceAfter)
  }

  /// Undoes `catchUp` to go on at instruction `index`.
  /// - Returns: its position.
  private func resume(_ t: Translation, _ index: Int) -> Int {
    let place = place(t, index)
    cpu.esp &-= UInt32(bitPattern: Int32(place.stackDelta))
    if !place.isCharged { cpu.pointee.translated.budget &+= charge(t) }
    cpu.pointee.translated.budget &-= UInt64(t.advanceAfter)
    return Int(place.position)
  }

  /// Gives back what a repeated string instruction has taken off the budget for the iterations to come.
  private func refundIterations(_ op: Op) {
    guard op.pointee.instruction.isRepeated else { return }
    let cycles = UInt64(max(op.pointee.cyclesPerIteration, 1))
    cpu.pointee.translated.budget &+= (UInt64(cpu.ecx) &* cycles) << Budget.shift
  }

  /// Walks the page tables as the access would and maps the page.
  private func resolve(_ linear: UInt32, write: Bool, around: Bool) -> AddressSpaces.Resolution {
    let user = cpu.pointee.cpl == 3
    do throws(Fault) {
      if write {
        try cpu.probeWrite(linear, 1, user: user)
      } else {
        try cpu.probeRead(linear, 1, user: user)
      }
    } catch { return .refused }
    return spaces.resolve(linear, write: write, around: around)
  }

  private func noteAccess(_ t: Translation, _ op: Op) -> ColdAccesses.Advice {
    guard cpu.pointee.cpl == 3, !op.pointee.instruction.isRepeated, !stepsBlocks else {
      return .map
    }
    let running = cpu.pointee.translated.budget & Budget.instructions
    let row = op.pointee.instruction.row
    return coldAccesses.note(
      t.block.pointee.physical &+ UInt32(op.pointee.startOffset), row: row,
      calls: calloutCounts[Int(row)],
      instructions: interpreter.userInstructions &+ running, clock: clock)
  }

  /// Has the instructions that call their handlers translated again, if it is time.
  func expireColdAccesses() {
    guard coldAccesses.isExpired(at: cpu.pointee.cycles, calls: { calloutCounts[Int($0)] }) else {
      return
    }
    killAgain(coldAccesses.expire(calls: { calloutCounts[Int($0)] }))
  }

  /// Has the instructions that kept trapping tried in the window again, if it is time.
  func expireTrappingAccesses() {
    guard trapping.mustLook(at: cpu.pointee.cycles) else { return }
    killAgain(trapping.expire(at: cpu.pointee.cycles, calls: { calloutCounts[Int($0)] }))
  }

  private func killAgain(_ numbers: [Int]) {
    for number in numbers
    where translations.indices.contains(number) && translations[number].isAlive {
      kill(translations[number].block)
    }
  }

  /// Counts the traps of an instruction and has its block translated again when it keeps trapping.
  private func noteTrap(_ t: Translation, _ index: Int, weight: UInt32) {
    let op = t.block.ops[index]
    let physical = t.block.pointee.physical &+ UInt32(op.startOffset)
    traps[physical, default: 0] += weight
    guard traps[physical]! >= Self.trapLimit else { return }
    traps[physical] = nil
    let row = op.instruction.row
    trapping.insert(physical, row: row, calls: calloutCounts[Int(row)], clock: clock)
    kill(t.block)
  }
}
