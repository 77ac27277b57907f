import Bus

/// The bus-master half of one IDE channel: moves data between a device and the regions of memory that a table
/// of physical region descriptors lists. Intel 82371SB data sheet, 2.7 and 3.5.
///
/// Ports: offset 0 = command, 2 = status, 4-7 = address of the table.
final class IDEBusMaster {
  private enum Command {
    static let start: UInt8 = 0x01
    static let toMemory: UInt8 = 0x08
  }
  private enum Status {
    static let active: UInt8 = 0x01
    static let error: UInt8 = 0x02
    static let interrupt: UInt8 = 0x04
    static let scratch: UInt8 = 0x60
  }

  private let memory: any BusMasterMemory
  /// Whether the function may be bus master, by its PCI command register.
  var isAllowed: () -> Bool = { true }
  /// Told when the engine was started.
  var started: () -> Void = {}

  private var command: UInt8 = 0
  private var status: UInt8 = 0
  private var table: UInt32 = 0
  private var nextDescriptor: UInt32 = 0
  private var address: UInt32 = 0
  private var remaining = 0
  private var isLast = false

  init(memory: any BusMasterMemory) { self.memory = memory }

  func reset() {
    command = 0
    status = 0
    table = 0
    remaining = 0
    isLast = false
  }

  /// The device's interrupt line has risen.
  func noteInterrupt() { status |= Status.interrupt }

  /// Whether data of this direction can move now.
  func isReady(toMemory: Bool) -> Bool {
    status & Status.active != 0 && isAllowed() && toMemory == (command & Command.toMemory != 0)
  }

  /// Fetches the next descriptor when a region is used up.
  /// - Returns: false at the end of the table.
  private func hasRegion() -> Bool {
    guard status & Status.active != 0 else { return false }
    if remaining > 0 { return true }
    guard !isLast else { return false }
    var bytes: [UInt8] = []
    memory.readBytes(at: nextDescriptor, count: 8, into: &bytes)
    nextDescriptor &+= 8
    address = bytes[0..<4].reversed().reduce(0) { $0 << 8 | UInt32($1) } & ~1
    let count = Int(bytes[4]) | Int(bytes[5]) << 8
    remaining = count & ~1 == 0 ? 0x1_0000 : count & ~1
    isLast = bytes[7] & 0x80 != 0
    return true
  }

  private func advance(_ count: Int) {
    address &+= UInt32(count)
    remaining -= count
    if remaining == 0 && isLast { status &= ~Status.active }
  }

  /// Moves bytes of a device to memory.
  /// - Returns: how many the regions had place for.
  func writeMemory(_ bytes: [UInt8], from start: Int) -> Int {
    var position = start
    while position < bytes.count, hasRegion() {
      let count = min(remaining, bytes.count - position)
      memory.writeBytes(bytes, range: position..<position + count, at: address)
      position += count
      advance(count)
    }
    return position - start
  }

  /// Appends up to `limit` bytes of memory for a device.
  func readMemory(_ limit: Int, into bytes: inout [UInt8]) {
    var left = limit
    while left > 0, hasRegion() {
      let count = min(remaining, left)
      memory.readBytes(at: address, count: count, into: &bytes)
      left -= count
      advance(count)
    }
  }

  func read(_ offset: UInt16) -> UInt8 {
    switch offset {
    case 0: command
    case 2: status
    case 4...7: UInt8(truncatingIfNeeded: table >> UInt32((offset - 4) * 8))
    default: 0
    }
  }

  func write(_ offset: UInt16, _ value: UInt8) {
    switch offset {
    case 0:
      let starts = value & Command.start != 0 && command & Command.start == 0
      command = value & (Command.start | Command.toMemory)
      if starts {
        nextDescriptor = table
        remaining = 0
        isLast = false
        status |= Status.active
        started()
      } else if command & Command.start == 0 {
        status &= ~Status.active
      }
    case 2:
      status =
        status & ~(value & (Status.error | Status.interrupt)) & ~Status.scratch
        | value & Status.scratch
    case 4...7:
      let shift = UInt32((offset - 4) * 8)
      table = (table & ~(0xFF << shift) | UInt32(value) << shift) & ~3
    default: break
    }
  }
}
