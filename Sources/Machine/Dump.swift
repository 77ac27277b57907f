import CPU
import ISA
import Memory

extension Machine {
  /// The processor's state and how it got there, for people: registers, tables, the bytes at EIP, and the last
  /// exceptions and interrupts.
  func dump() -> String {
    let cpu = processor.cpu
    let state = cpu.pointee
    var lines: [String] = []
    func register(_ name: String, _ value: UInt32) -> String { "\(name)=\(hexadecimal(value))" }
    lines.append(
      [
        register("EAX", cpu.eax), register("EBX", cpu.ebx), register("ECX", cpu.ecx),
        register("EDX", cpu.edx),
      ].joined(separator: " "))
    lines.append(
      [
        register("ESI", cpu.esi), register("EDI", cpu.edi), register("EBP", cpu.ebp),
        register("ESP", cpu.esp),
      ].joined(separator: " "))
    lines.append(
      "\(register("EIP", state.eip)) \(register("EFL", cpu.eflags)) CPL=\(state.cpl) "
        + "cycles=\(state.cycles) instructions=\(state.instructions)")
    for (number, name) in ["ES", "CS", "SS", "DS", "FS", "GS"].enumerated() {
      lines.append(segmentLine(name, cpu.segment(UInt8(number)).pointee))
    }
    lines.append(segmentLine("LDT", state.ldtr))
    lines.append(segmentLine("TR", state.tr))
    lines.append(
      "GDT  base=\(hexadecimal(state.gdtr.base)) limit=\(hexadecimal(UInt16(truncatingIfNeeded: state.gdtr.limit)))"
    )
    lines.append(
      "IDT  base=\(hexadecimal(state.idtr.base)) limit=\(hexadecimal(UInt16(truncatingIfNeeded: state.idtr.limit)))"
    )
    lines.append(
      [
        register("CR0", state.cr0), register("CR2", state.cr2), register("CR3", state.cr3),
        register("CR4", state.cr4), "EFER=\(hexadecimal(UInt32(truncatingIfNeeded: state.efer)))",
      ].joined(separator: " "))
    lines.append("at   " + nextInstruction())
    let blocks = engine.recentBlocks
    if !blocks.isEmpty {
      lines.append("last blocks, by linear address, the latest last:")
      for start in stride(from: 0, to: blocks.count, by: 8) {
        let row = blocks[start..<min(start + 8, blocks.count)]
        lines.append("  " + row.map { hexadecimal($0) }.joined(separator: " "))
      }
    }
    let deliveries = tracer.lastDeliveries
    if !deliveries.isEmpty { lines.append("last exceptions and interrupts, the latest last:") }
    for delivery in deliveries {
      let code = delivery.errorCode.map { " error \(hexadecimal($0))" } ?? ""
      lines.append(
        "  \(exceptionName(delivery.vector))\(code) at \(hexadecimal(delivery.eip)) "
          + "after \(delivery.instructions) instructions"
          + (delivery.failed ? ", could not be delivered" : ""))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Address and bytes of the instruction that is next.
  func nextInstruction() -> String {
    let cpu = processor.cpu
    let place = "\(hexadecimal(cpu.cs.pointee.selector)):\(hexadecimal(cpu.pointee.eip))"
    guard let bytes = codeBytes(count: 15) else { return place + "  (not mapped)" }
    return place + "  " + listing(bytes)
  }

  /// The instructions at CS:EIP as they lie in memory, up to the end of the page.
  func upcomingInstructions(limit: Int) -> [Instruction] {
    guard let bytes = codeBytes(count: 4096) else { return [] }
    var result: [Instruction] = []
    var offset = 0
    while result.count < limit, offset < bytes.count,
      case .instruction(let instruction) = Decoder.decode(
        Array(bytes[offset..<min(offset + Decoder.maximumLength, bytes.count)]),
        codeSize: processor.cpu.pointee.codeSize)
    {
      result.append(instruction)
      offset += Int(instruction.length)
      if instruction.endsBlock { break }
    }
    return result
  }

  /// The same as text, a line each.
  func upcomingListing(limit: Int) -> [String] {
    let cpu = processor.cpu
    guard let bytes = codeBytes(count: min(4096, limit * Decoder.maximumLength)) else { return [] }
    return Listing(
      bytes, address: cpu.pointee.eip, codeSize: cpu.pointee.codeSize, count: limit
    ).lines.map(\.formatted)
  }

  /// The first instruction of `bytes`.
  private func listing(_ bytes: [UInt8]) -> String {
    let cpu = processor.cpu
    return Listing(
      bytes, address: cpu.pointee.eip, codeSize: cpu.pointee.codeSize, count: 1
    ).lines.first?.formatted ?? ""
  }

  private func segmentLine(_ name: String, _ segment: SegmentRegister) -> String {
    let padded = name + String(repeating: " ", count: 4 - name.count)
    return "\(padded) \(hexadecimal(segment.selector)) base=\(hexadecimal(segment.base)) "
      + "limit=\(hexadecimal(segment.limit)) access=\(hexadecimal(segment.access, digits: 5))"
  }

  /// The bytes at CS:EIP if they can be read without a fault.
  private func codeBytes(count: Int) -> [UInt8]? {
    let cpu = processor.cpu
    let linear = cpu.cs.pointee.base &+ cpu.pointee.eip
    guard let physical = cpu.probe(linear) else { return nil }
    return memory.readBytes(at: physical, count: min(count, 4096 - Int(physical & 0xFFF)))
  }
}

extension CPU {
  /// The physical address behind a linear one, found without any side effect; nil if it is not mapped.
  func probe(_ linear: UInt32) -> UInt32? {
    guard pointee.cr0 & 0x8000_0000 != 0 else { return linear & pointee.a20Mask }
    func entry(_ address: UInt64, wide: Bool) -> UInt64 {
      memory.read(physical: address, size: wide ? 8 : 4)
    }
    let offset = UInt64(linear)
    if pointee.cr4 & (1 << 5) != 0 {
      let pointer = self[pdpte: Int(linear >> 30)]
      guard pointer & 1 != 0 else { return nil }
      let directory = entry((pointer & 0xF_FFFF_F000) | ((offset >> 21) & 0x1FF) << 3, wide: true)
      guard directory & 1 != 0 else { return nil }
      if directory & 0x80 != 0 {
        return UInt32(truncatingIfNeeded: (directory & 0xF_FFE0_0000) | (offset & 0x1F_FFFF))
      }
      let table = entry((directory & 0xF_FFFF_F000) | ((offset >> 12) & 0x1FF) << 3, wide: true)
      guard table & 1 != 0 else { return nil }
      return UInt32(truncatingIfNeeded: (table & 0xF_FFFF_F000) | (offset & 0xFFF))
    }
    let directory = entry(UInt64(pointee.cr3 & 0xFFFF_F000) | (offset >> 22) << 2, wide: false)
    guard directory & 1 != 0 else { return nil }
    if directory & 0x80 != 0, pointee.cr4 & (1 << 4) != 0 {
      return UInt32(truncatingIfNeeded: (directory & 0xFFC0_0000) | (offset & 0x3F_FFFF))
    }
    let table = entry((directory & 0xFFFF_F000) | ((offset >> 12) & 0x3FF) << 2, wide: false)
    guard table & 1 != 0 else { return nil }
    return UInt32(truncatingIfNeeded: (table & 0xFFFF_F000) | (offset & 0xFFF))
  }
}
