import CHost
import Glibc
import Host

/// Why direct execution cannot be had on this host.
public struct SandboxError: Error, CustomStringConvertible, Sendable {
  public var description: String

  init(step: UInt32, code: Int32) {
    let reason = String(cString: strerror(code))
    switch Int32(step) {
    case STEP_SIGNAL_STACK, STEP_SIGNAL_ACTION, STEP_SIGNAL_MASK:
      description = "the host does not let a process handle its signals: \(reason)"
    case STEP_NO_NEW_PRIVILEGES, STEP_WORKER_FILTER, STEP_GUEST_FILTER:
      description = "the host does not allow seccomp filters: \(reason)"
    case STEP_WORKER: description = "the host allows no second thread: \(reason)"
    case STEP_LDT: description = "the host does not allow modify_ldt: \(reason)"
    case STEP_WATCH:
      description = "the host does not tell what the sandbox process waits for: \(reason)"
    case STEP_CODE: description = "32-bit code does not run in the sandbox process"
    case STEP_MAP_CONTROL, STEP_MAP_STATUS:
      description = "the host does not map memory where the sandbox needs it: \(reason)"
    default: description = "the sandbox process cannot be started: \(reason)"
    }
  }

  init(_ description: String) { self.description = description }
}

/// The program of the sandbox process as a file, made once for all processes.
struct SandboxImage: ~Copyable {
  let descriptor: Int32

  init() throws(SandboxError) {
    descriptor = switchback_stub_image()
    guard descriptor >= 0 else {
      throw SandboxError("no memory file for the sandbox: \(String(cString: strerror(errno)))")
    }
  }

  deinit { close(descriptor) }
}

/// One sandbox process. Its memory is guest RAM as far as it has been mapped, its own code, and two shared
/// areas. What is read from the status area may have been written by guest code.
struct Sandbox: ~Copyable {
  private var stub = StubHandle()
  private var commandCount = 0

  /// The largest number of commands that are carried out together.
  static let commandLimit = Int(CONTROL_COMMAND_LIMIT)

  /// - Parameters:
  ///   - ram: the memory file of guest RAM.
  ///   - failingStep: a step of the start to let fail, for tests.
  init(image: borrowing SandboxImage, ram: Int32, failingStep: UInt32 = 0) throws(SandboxError) {
    guard switchback_signal_frame_size() + 1024 < UInt64(STUB_STACK_SIZE) else {
      throw SandboxError("this processor's signal frames are larger than the sandbox expects")
    }
    var step: UInt32 = 0
    let code = switchback_stub_start(&stub, image.descriptor, ram, failingStep, &step)
    guard code == 0 else { throw SandboxError(step: step, code: code) }
  }

  deinit {
    var stub = stub
    switchback_stub_end_process(&stub)
  }

  /// Its process id.
  var process: Int32 { stub.process }

  private var control: UnsafeMutablePointer<StubControl> { stub.control.unsafelyUnwrapped }
  private var status: UnsafeMutablePointer<StubStatus> { stub.status.unsafelyUnwrapped }

  // MARK: Mappings

  /// Adds a command; the caller sees to it that there is room.
  mutating func add(_ command: StubCommand) {
    precondition(commandCount < Self.commandLimit)
    precondition(command.address + command.length <= 1 << 32)
    let commands = UnsafeMutableRawPointer(control) + Int(CONTROL_COMMANDS)
    commands.storeBytes(
      of: command, toByteOffset: commandCount * MemoryLayout<StubCommand>.stride,
      as: StubCommand.self)
    commandCount += 1
  }

  var hasCommands: Bool { commandCount > 0 }
  var roomForCommands: Int { Self.commandLimit - commandCount }

  /// Carries the commands out.
  /// - Returns: 0, the host's error number, or -1 when the process is dead.
  mutating func work() -> Int32 {
    guard commandCount > 0 else { return 0 }
    control.pointee.commandCount = UInt32(commandCount)
    commandCount = 0
    return switchback_stub_work(&stub)
  }

  // MARK: Running

  /// Breakpoints at a time, as many as the processor has.
  static let breakpointLimit = 4

  /// Has the guest's thread stop before the instructions at these linear addresses, and no others.
  /// - Returns: whether it does; otherwise nothing is known about where it stops.
  mutating func setBreakpoints(_ addresses: [UInt32]) -> Bool {
    precondition(addresses.count <= Self.breakpointLimit)
    return switchback_stub_set_breakpoints(&stub, addresses, UInt32(addresses.count)) == 0
  }

  /// Adds an entry of the local descriptor table, to be stored before the next run.
  func add(_ descriptor: StubDescriptor) {
    let count = Int(control.pointee.ldtCount)
    precondition(count < Int(CONTROL_LDT_ENTRIES))
    (UnsafeMutableRawPointer(control) + Int(CONTROL_LDT)).storeBytes(
      of: descriptor, toByteOffset: count * MemoryLayout<StubDescriptor>.stride,
      as: StubDescriptor.self)
    control.pointee.ldtCount = UInt32(count + 1)
  }

  func setSelectors(ds: UInt16, es: UInt16, fs: UInt16, gs: UInt16) {
    control.pointee.ds = ds
    control.pointee.es = es
    control.pointee.fs = fs
    control.pointee.gs = gs
  }

  /// NT and ID, which the frame does not restore.
  func setStickyFlags(_ flags: UInt32) { control.pointee.flags = flags | 2 }

  /// Runs until a trap or until the monotonic clock reads `deadline`.
  /// - Returns: whether there is a frame; the process is dead otherwise.
  mutating func run(until deadline: UInt64) -> Bool {
    switchback_stub_run(&stub, deadline) == Int32(STUB_STOPPED.rawValue)
  }

  /// Whether the guest thread really waits, as the host's kernel sees it.
  var isWaiting: Bool {
    var stub = stub
    return switchback_stub_is_waiting(&stub) != 0
  }

  /// Whether the process is there.
  mutating func isAlive() -> Bool { switchback_stub_has_died(&stub) == 0 }

  /// Whether something outside has killed it, as opposed to a signal that its own code raised.
  var wasKilled: Bool { stub.process <= 0 && stub.ending & 0x7F == SIGKILL }

  /// DS, ES, FS, GS as the trap found them.
  var selectors: (ds: UInt16, es: UInt16, fs: UInt16, gs: UInt16) {
    (status.pointee.ds, status.pointee.es, status.pointee.fs, status.pointee.gs)
  }

  /// The number of the signal that stopped it.
  var signal: Int32 { Int32(bitPattern: status.pointee.signal) }

  /// The frame of the last stop; nil if it does not lie where a frame may lie.
  var frame: SignalFrame? {
    let address = status.pointee.context
    let first = UInt64(STUB_STACK)
    let end = first + UInt64(STUB_STACK_SIZE)
    guard address >= first, address & 7 == 0,
      address <= end - UInt64(SignalFrame.contextSize)
    else { return nil }
    let view = UnsafeMutableRawPointer(status)
    let context = view + Int(address - UInt64(STUB_STATUS))
    let state = context.load(
      fromByteOffset: SignalFrame.statePointerOffset, as: UInt64.self)
    guard state >= first, state & 15 == 0, state <= end - UInt64(SignalFrame.stateSize) else {
      return nil
    }
    return SignalFrame(
      context: context, state: view + Int(state - UInt64(STUB_STATUS)))
  }
}
