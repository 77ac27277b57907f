import CPU
import ISA
import Memory

/// Decodes guest code into blocks.
struct BlockBuilder {
  let timing: TimingModel
  /// Instructions at these places check for a stop first; nil while no debugger is there.
  var breakpoints: Breakpoints?
  /// The most instructions in a block, at most `Block.maximumInstructions`.
  var maximumInstructions = Block.maximumInstructions
  /// Of the block's first byte.
  private var start: UInt32 = 0
  /// Reused from block to block.
  private var ops: [MicroOp] = []

  init(timing: TimingModel) {
    self.timing = timing
    ops.reserveCapacity(Block.maximumInstructions + 1)
  }

  /// Decodes the block at `linear`, which maps to `physical`.
  /// - Throws: the fault of fetching the first instruction's bytes from its second page.
  mutating func build(
    _ cpu: CPU, linear: UInt32, physical: UInt32, cache: BlockCache
  ) throws(Fault) -> BlockPointer {
    ops.removeAll(keepingCapacity: true)
    start = linear
    let codeSize = cpu.pointee.codeSize
    let available = 0x1000 - Int(physical & 0xFFF)
    var secondPage = Block.noPage
    let page = cpu.memory.page(physical)
    let readable = page.flags & UInt32(PAGE_READABLE.rawValue) != 0
    if readable, let host = page.host {
      decodeRun(host + Int(physical & 0xFFF), count: available, codeSize: codeSize)
    } else {
      decodeRun(cpu.memory.readCode(physical, available), codeSize: codeSize)
    }
    if ops.isEmpty {
      secondPage = try decodeCrossing(cpu, linear, physical, available, codeSize)
    }
    terminate()
    return cache.add(
      ops, physical: physical, secondPage: secondPage, codeSize: UInt32(codeSize))
  }

  private mutating func decodeRun(_ bytes: [UInt8], codeSize: UInt8) {
    bytes.withUnsafeBufferPointer {
      guard let base = $0.baseAddress else { return }
      decodeRun(base, count: $0.count, codeSize: codeSize)
    }
  }

  /// Decodes until the block is complete or an instruction needs bytes beyond `count`.
  private mutating func decodeRun(
    _ bytes: UnsafePointer<UInt8>, count: Int, codeSize: UInt8
  ) {
    var offset = 0
    while offset < count, ops.count < maximumInstructions {
      var instruction = Instruction()
      switch Decoder.decode(
        bytes + offset, count: count - offset, codeSize: codeSize, into: &instruction)
      {
      case .instruction:
        append(instruction)
        offset += Int(instruction.length)
        if endsBlock(instruction) { return }
      case .truncated:
        return
      case .invalid:
        appendFault(length: max(instruction.length, 1)) { cpu, _ in raise(cpu, .invalidOpcode) }
        return
      case .tooLong:
        appendFault(length: 15) { cpu, _ in raise(cpu, .generalProtection()) }
        return
      }
    }
  }

  /// Decodes one instruction whose bytes go on in the next linear page.
  /// - Returns: the physical page of the second part.
  private mutating func decodeCrossing(
    _ cpu: CPU, _ linear: UInt32, _ physical: UInt32, _ available: Int, _ codeSize: UInt8
  ) throws(Fault) -> UInt32 {
    let next = (linear & 0xFFFF_F000) &+ 0x1000
    // The limit is checked before the page is looked up.
    let limit = cpu.cs.pointee.limit
    if limit != .max, limit &- cpu.pointee.eip < UInt32(available) { throw .generalProtection() }
    let second = try cpu.translateFetch(next)
    var bytes = cpu.memory.readBytes(at: physical, count: available)
    let secondPage = UInt32(truncatingIfNeeded: second)
    bytes += cpu.memory.readBytes(at: secondPage, count: 16)
    var instruction = Instruction()
    switch Decoder.decode(
      bytes, count: bytes.count, codeSize: codeSize, into: &instruction)
    {
    case .instruction:
      append(instruction)
    case .invalid, .truncated:
      appendFault(length: max(instruction.length, 1)) { cpu, _ in raise(cpu, .invalidOpcode) }
    case .tooLong:
      appendFault(length: 15) { cpu, _ in raise(cpu, .generalProtection()) }
    }
    return secondPage
  }

  /// A repeated string instruction adds cycles of its own, which the block's sums do not know of.
  private func endsBlock(_ i: Instruction) -> Bool {
    i.endsBlock || !i.prefixSet.isDisjoint(with: [.repeatEqual, .repeatNotEqual])
  }

  private mutating func append(_ instruction: Instruction) {
    append(
      Handlers.handler(for: instruction), instruction, cycles: timing.cycles(of: instruction))
  }

  private mutating func appendFault(length: UInt8, _ handler: @escaping Handler) {
    var instruction = Instruction()
    instruction.length = length
    instruction.row = .max  // no instruction: nothing may take it for one
    append(handler, instruction, cycles: 1)
  }

  private mutating func append(_ handler: @escaping Handler, _ i: Instruction, cycles: UInt32) {
    let before = ops.last.map { $0.cyclesBefore + $0.cycles } ?? 0
    let start = ops.last?.endOffset ?? 0
    var handler = handler
    if let breakpoints, i.length > 0, i.row != .max,
      breakpoints.watches(self.start &+ UInt32(start))
    {
      handler = checkBreakpoint
    }
    ops.append(
      MicroOp(
        handler: handler, instruction: i, cycles: cycles, cyclesBefore: before, startOffset: start,
        endOffset: start + UInt16(i.length), index: UInt16(ops.count),
        cyclesPerIteration: UInt16(timing.cyclesPerIteration(of: i))))
  }

  /// Ends the list with a micro-op that leaves the block.
  private mutating func terminate() {
    append({ _, _ in Leave.sequential }, Instruction(), cycles: 0)
  }
}

/// Stops at a debugger's breakpoint, or executes the instruction.
private let checkBreakpoint: Handler = { cpu, op in
  let linear = cpu.cs.pointee.base &+ cpu.pointee.eip &+ UInt32(op.pointee.startOffset)
  if cpu.processor.breakpoints.stops(at: linear) {
    cpu.pointee.stop |= UInt32(STOP_EXIT.rawValue)
    // Nothing has been executed: this is no iteration of a repeated instruction.
    cpu.pointee.op = nil
    return Leave.restart
  }
  return Handlers.handler(for: op.pointee.instruction)(cpu, op)
}
