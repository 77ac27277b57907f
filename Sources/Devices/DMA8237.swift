import Bus

/// One 8237A DMA controller (Intel 8237A data sheet). Registers 0-7 are addresses and counts of the four
/// channels, 8-15 commands; the pair spreads the second chip's registers over every other port.
final class DMAController8237 {
  struct Channel {
    var baseAddress: UInt16 = 0
    var baseCount: UInt16 = 0
    var address: UInt16 = 0
    var count: UInt16 = 0
    var mode: UInt8 = 0
  }

  var channels = [Channel](repeating: Channel(), count: 4)
  var mask: UInt8 = 0x0F
  var terminalCounts: UInt8 = 0
  var requests: UInt8 = 0
  private(set) var command: UInt8 = 0
  private var softwareRequests: UInt8 = 0
  private var highByte = false

  func reset() {
    channels = [Channel](repeating: Channel(), count: 4)
    masterClear()
  }

  private func masterClear() {
    mask = 0x0F
    terminalCounts = 0
    requests = 0
    softwareRequests = 0
    command = 0
    highByte = false
  }

  func read(_ register: Int) -> UInt8 {
    switch register {
    case 0..<8:
      let channel = channels[register >> 1]
      let value = register & 1 == 0 ? channel.address : channel.count
      defer { highByte.toggle() }
      return UInt8(truncatingIfNeeded: highByte ? value >> 8 : value)
    case 8:
      defer { terminalCounts = 0 }
      return terminalCounts | (requests | softwareRequests) << 4
    case 15: return mask | 0xF0
    default: return 0
    }
  }

  func write(_ register: Int, _ value: UInt8) {
    let bit = UInt8(1) << (value & 3)
    switch register {
    case 0..<8:
      func merge(_ old: UInt16) -> UInt16 {
        highByte ? old & 0x00FF | UInt16(value) << 8 : old & 0xFF00 | UInt16(value)
      }
      if register & 1 == 0 {
        channels[register >> 1].baseAddress = merge(channels[register >> 1].baseAddress)
        channels[register >> 1].address = channels[register >> 1].baseAddress
      } else {
        channels[register >> 1].baseCount = merge(channels[register >> 1].baseCount)
        channels[register >> 1].count = channels[register >> 1].baseCount
      }
      highByte.toggle()
    case 8: command = value
    case 9: softwareRequests = value & 4 != 0 ? softwareRequests | bit : softwareRequests & ~bit
    case 10: mask = value & 4 != 0 ? mask | bit : mask & ~bit
    case 11: channels[Int(value & 3)].mode = value & 0xFC
    case 12: highByte = false
    case 13: masterClear()
    case 14: mask = 0
    default: mask = value & 0x0F
    }
  }

  /// Whether the channel may transfer: unmasked, controller on.
  func isReady(_ channel: Int) -> Bool { mask & (1 << UInt8(channel)) == 0 && command & 4 == 0 }

  /// Counts one transfer; true at the terminal count.
  func step(_ channel: Int) -> Bool {
    let down = channels[channel].mode & 0x20 != 0
    channels[channel].address =
      down ? channels[channel].address &- 1 : channels[channel].address &+ 1
    channels[channel].count &-= 1
    guard channels[channel].count == 0xFFFF else { return false }
    terminalCounts |= 1 << UInt8(channel)
    softwareRequests &= ~(1 << UInt8(channel))
    if channels[channel].mode & 0x10 != 0 {
      channels[channel].address = channels[channel].baseAddress
      channels[channel].count = channels[channel].baseCount
    } else {
      mask |= 1 << UInt8(channel)
    }
    return true
  }
}

/// The PC/AT's two 8237As: channels 0-3 move bytes, 5-7 words, 4 is the cascade.
///
/// Ports: `primary` 00h-0Fh, `secondary` C0h-DFh, `pages` 80h-8Fh (attach it at 81h through a `PortWindow` with
/// base 1 when port 80h is something else).
public final class DMA8237: Resettable {
  /// Guest physical memory.
  public var readMemory: (UInt32) -> UInt8 = { _ in 0xFF }
  public var writeMemory: (UInt32, UInt8) -> Void = { _, _ in }

  public let primary: any PortDevice
  public let secondary: any PortDevice
  public let pages: any PortDevice

  private let controllers: [DMAController8237]
  private let pageRegisters = PageRegisters()

  public init() {
    let first = DMAController8237()
    let second = DMAController8237()
    controllers = [first, second]
    primary = ControllerPorts(first, shift: 0)
    secondary = ControllerPorts(second, shift: 1)
    pages = pageRegisters
  }

  public func reset() {
    controllers.forEach { $0.reset() }
    pageRegisters.reset()
  }

  /// The result of a transfer.
  public struct Transfer: Equatable, Sendable {
    /// What the device gets (memory to device); empty in the other direction.
    public var data: [UInt8]
    /// Bytes moved.
    public var count: Int
    /// Whether the terminal count was reached.
    public var isTerminal: Bool
  }

  /// Shows a device's request line in the status register.
  public func setRequest(channel: Int, asserted: Bool) {
    guard (0..<8).contains(channel) else { return }
    let bit = UInt8(1) << UInt8(channel & 3)
    let controller = controllers[channel >> 2]
    controller.requests = asserted ? controller.requests | bit : controller.requests & ~bit
  }

  /// Moves bytes of a device to memory until they or the channel's count end. A channel set to verify counts
  /// without writing; one set to the other direction, masked or switched off moves nothing.
  public func deviceToMemory(channel: Int, _ data: [UInt8]) -> Transfer {
    transfer(channel, direction: 0x04, length: data.count) { address, index, moves in
      if moves { writeMemory(address, data[index]) }
      return nil
    }
  }

  /// Moves up to `length` bytes from memory to a device.
  public func memoryToDevice(channel: Int, length: Int) -> Transfer {
    transfer(channel, direction: 0x08, length: length) { address, _, moves in
      moves ? readMemory(address) : 0
    }
  }

  private func transfer(
    _ channel: Int, direction: UInt8, length: Int,
    _ move: (_ address: UInt32, _ index: Int, _ moves: Bool) -> UInt8?
  ) -> Transfer {
    var result = Transfer(data: [], count: 0, isTerminal: false)
    guard (0..<8).contains(channel), channel != 4 else { return result }
    let controller = controllers[channel >> 2]
    let number = channel & 3
    let kind = controller.channels[number].mode & 0x0C
    // The primary's requests pass through the cascade, channel 4.
    guard controller.isReady(number), kind == direction || kind == 0,
      channel > 3 || controllers[1].isReady(0)
    else { return result }
    let unit = channel < 4 ? 1 : 2
    while result.count + unit <= length && !result.isTerminal {
      let address = UInt32(controller.channels[number].address)
      let page = UInt32(pageRegisters.page(ofChannel: channel))
      for byte in 0..<unit {
        let physical =
          unit == 1 ? page << 16 | address : (page & 0xFE) << 16 | address << 1 | UInt32(byte)
        if let value = move(physical, result.count + byte, kind != 0) { result.data.append(value) }
      }
      result.count += unit
      result.isTerminal = controller.step(number)
    }
    return result
  }
}

private final class ControllerPorts: PortDevice, Resettable {
  private let controller: DMAController8237
  private let shift: UInt16

  init(_ controller: DMAController8237, shift: UInt16) {
    self.controller = controller
    self.shift = shift
  }

  func reset() { controller.reset() }

  func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    let register = offset >> shift
    return register < 16 ? UInt32(controller.read(Int(register))) : 0xFF
  }

  func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    let register = offset >> shift
    if register < 16 { controller.write(Int(register), UInt8(truncatingIfNeeded: value)) }
  }
}

/// The sixteen page registers; those without a channel are scratch.
private final class PageRegisters: PortDevice, Resettable {
  private var bytes = [UInt8](repeating: 0, count: 16)
  private static let ofChannel = [7, 3, 1, 2, 15, 11, 9, 10]

  func reset() { bytes = [UInt8](repeating: 0, count: 16) }

  func page(ofChannel channel: Int) -> UInt8 { bytes[Self.ofChannel[channel & 7]] }

  func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    return offset < 16 ? UInt32(bytes[Int(offset)]) : 0xFF
  }

  func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    if offset < 16 { bytes[Int(offset)] = UInt8(truncatingIfNeeded: value) }
  }
}
