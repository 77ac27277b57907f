import Memory

/// The registers that a task-state segment holds. SDM vol. 3, 7.2.1 and 7.6.
struct TaskState {
  var cr3: UInt32 = 0
  var eip: UInt32 = 0
  var eflags: UInt32 = 0
  /// EAX ECX EDX EBX ESP EBP ESI EDI.
  var registers: [UInt32] = []
  /// ES CS SS DS FS GS.
  var selectors: [UInt16] = []
  var ldt: UInt16 = 0
  /// The debug-trap flag T.
  var trap = false

  /// Smallest limit of a TSS of the given width.
  static func minimumLimit(is32: Bool) -> UInt32 { is32 ? 0x67 : 0x2B }
}

extension CPU {
  /// Reads the dynamic and static state from a TSS whose pages are known to be mapped.
  func readTaskState(at base: UInt32, is32: Bool) throws(Fault) -> TaskState {
    var state = TaskState()
    if is32 {
      state.cr3 = try readSystem(base &+ 0x1C)
      state.eip = try readSystem(base &+ 0x20)
      state.eflags = try readSystem(base &+ 0x24)
      for i in 0..<8 as Range<UInt32> {
        state.registers.append(try readSystem(base &+ 0x28 &+ i * 4))
      }
      for i in 0..<6 as Range<UInt32> {
        state.selectors.append(try readSystem(base &+ 0x48 &+ i * 4))
      }
      state.ldt = try readSystem(base &+ 0x60)
      state.trap = try readSystem(base &+ 0x64, as: UInt8.self) & 1 != 0
      return state
    }
    state.cr3 = pointee.cr3
    state.eip = UInt32(try readSystem(base &+ 0x0E, as: UInt16.self))
    state.eflags = UInt32(try readSystem(base &+ 0x10, as: UInt16.self))
    for i in 0..<8 as Range<UInt32> {
      // The upper halves are not in a 16-bit TSS; processors fill them with ones.
      state.registers.append(
        0xFFFF_0000 | UInt32(try readSystem(base &+ 0x12 &+ i * 2, as: UInt16.self)))
    }
    for i in 0..<4 as Range<UInt32> {
      state.selectors.append(try readSystem(base &+ 0x22 &+ i * 2))
    }
    state.selectors += [0, 0]
    state.ldt = try readSystem(base &+ 0x2A)
    return state
  }

  /// Writes the dynamic state into a TSS whose pages are known to be writable.
  func writeTaskState(at base: UInt32, is32: Bool, eip: UInt32, eflags: UInt32) throws(Fault) {
    if is32 {
      try writeSystem(base &+ 0x20, eip)
      try writeSystem(base &+ 0x24, eflags)
      for i in 0..<8 as Range<UInt8> {
        try writeSystem(base &+ 0x28 &+ UInt32(i) * 4, self[gpr: i])
      }
      for i in 0..<6 as Range<UInt8> {
        try writeSystem(base &+ 0x48 &+ UInt32(i) * 4, segment(i).pointee.selector)
      }
      return
    }
    try writeSystem(base &+ 0x0E, UInt16(truncatingIfNeeded: eip))
    try writeSystem(base &+ 0x10, UInt16(truncatingIfNeeded: eflags))
    for i in 0..<8 as Range<UInt8> {
      try writeSystem(base &+ 0x12 &+ UInt32(i) * 2, self[gpr16: i])
    }
    for i in 0..<4 as Range<UInt8> {
      try writeSystem(base &+ 0x22 &+ UInt32(i) * 2, segment(i).pointee.selector)
    }
  }

  /// Checks that a range of linear addresses can be accessed with supervisor rights.
  /// - Throws: #PF.
  func probeSystem(_ linear: UInt32, size: UInt32, write: Bool) throws(Fault) {
    var offset: UInt32 = 0
    while offset < size {
      if write {
        try probeWrite(linear &+ offset, 1, user: false)
      } else {
        try probeRead(linear &+ offset, 1, user: false)
      }
      offset &+= 0x1000 &- ((linear &+ offset) & 0xFFF)
    }
  }
}
