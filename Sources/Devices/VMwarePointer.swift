import Bus

/// The absolute pointer of VMware's virtual machines, which Linux's psmouse driver and X servers know ("vmmouse"):
/// commands in registers on port 5658h. It delivers places on the screen instead of movements, so the host's
/// pointer need not be captured. The interrupt is the PS/2 mouse's: an empty movement of that announces data.
///
/// `IN EAX, DX` with EAX = 564D5868h, the command in CX and its argument in EBX; answers in EAX...EDX.
public final class VMwarePointer: PortDevice, Resettable {
  /// The general registers that a command uses.
  public struct Registers: Equatable, Sendable {
    public var eax: UInt32
    public var ebx: UInt32
    public var ecx: UInt32
    public var edx: UInt32
    public init(eax: UInt32, ebx: UInt32, ecx: UInt32, edx: UInt32) {
      self.eax = eax
      self.ebx = ebx
      self.ecx = ecx
      self.edx = edx
    }
  }

  private enum Command {
    static let version: UInt16 = 10
    static let data: UInt16 = 39
    static let status: UInt16 = 40
    static let control: UInt16 = 41
  }

  private enum Control {
    static let enable: UInt32 = 0x4541_4552
    static let disable: UInt32 = 0x0000_00F5
    static let relative: UInt32 = 0x4C45_5252
    static let absolute: UInt32 = 0x5342_4152
  }

  private static let magic: UInt32 = 0x564D_5868
  private static let versionID: UInt32 = 0x3442_554A
  /// Words in the queue; 256 packets of four.
  private static let capacity = 1024

  /// The registers of the processor that executes the access. EAX is set by the access itself.
  public var readRegisters: () -> Registers = { Registers(eax: 0, ebx: 0, ecx: 0, edx: 0) }
  public var writeRegisters: (Registers) -> Void = { _ in }
  /// Told when there is data, so that the PS/2 mouse interrupts.
  public var dataReady: () -> Void = {}

  private var isEnabled = false
  private var queue: [UInt32] = []
  private var last: [UInt32] = []
  /// Whether the guest wants places on the screen.
  public private(set) var isAbsolute = false

  public init() {}

  public func reset() {
    isEnabled = false
    isAbsolute = false
    queue = []
    last = []
  }

  /// The pointer is at a place, 0 to 65535 across and down the screen; `wheel` is positive towards the user;
  /// `buttons`: bit 0 left, 1 right, 2 middle.
  public func move(x: UInt16, y: UInt16, wheel: Int, buttons: UInt8) {
    guard isEnabled, isAbsolute else { return }
    let bits: UInt32 =
      (buttons & 1 != 0 ? 0x20 : 0) | (buttons & 2 != 0 ? 0x10 : 0) | (buttons & 4 != 0 ? 8 : 0)
    let packet = [
      bits, UInt32(x), UInt32(y), UInt32(bitPattern: Int32(clamping: min(max(wheel, -127), 127))),
    ]
    guard packet != last || wheel != 0 else { return }
    if queue.count + 4 > Self.capacity {
      // A guest that does not read loses movements, not the place or the buttons at the end.
      guard queue.count >= 4 else { return }
      queue.replaceSubrange(queue.count - 4..<queue.count, with: packet)
    } else {
      queue += packet
    }
    last = packet
    last[3] = 0
    dataReady()
  }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    var registers = readRegisters()
    guard offset == 0, width == .dword, registers.eax == Self.magic else { return width.mask }
    switch UInt16(truncatingIfNeeded: registers.ecx) {
    case Command.version:
      registers = Registers(eax: 6, ebx: Self.magic, ecx: 4, edx: registers.edx)
    case Command.status:
      registers.eax = isEnabled ? UInt32(queue.count) : 0xFFFF_0000
    case Command.data:
      let count = Int(min(registers.ebx, 4))
      // More than there is: the driver has lost its place and starts again.
      guard registers.ebx <= 4, count <= queue.count else {
        isEnabled = false
        queue = []
        registers.eax = 0xFFFF_0000
        break
      }
      var words = Array(queue.prefix(count))
      queue.removeFirst(count)
      words += [UInt32](repeating: 0, count: 4 - count)
      registers = Registers(eax: words[0], ebx: words[1], ecx: words[2], edx: words[3])
    case Command.control: control(registers.ebx)
    default: return width.mask
    }
    writeRegisters(registers)
    return registers.eax
  }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {}

  private func control(_ command: UInt32) {
    switch command {
    case Control.enable:
      isEnabled = true
      queue = [Self.versionID]
      last = []
    case Control.disable: reset()
    case Control.absolute: isAbsolute = isEnabled
    case Control.relative: isAbsolute = false
    default: break
    }
  }
}
