import Devices
import Host
import Synchronization

/// What passes between the thread that runs a machine and the one that shows it.
///
/// The machine's thread owns the machine. The other one leaves commands, which are obeyed between two runs of
/// the engine, and takes what has been published: changes of the picture, counters, the tone of the speaker.
/// Neither ever waits for the other.
public final class FrontPanel: Sendable {
  /// What a person does to the machine.
  public enum Command: Sendable, Equatable {
    case press(Key)
    case release(Key)
    /// Text to type on the guest's keyboard.
    case type(String)
    /// Relative movement, right and down positive; `wheel` is positive towards the user; `buttons`: bit 0 left,
    /// 1 right, 2 middle, 3 and 4 the side buttons.
    case mouse(dx: Int, dy: Int, wheel: Int, buttons: UInt8)
    /// The pointer's place, 0 to 65535 across and down the screen, for a guest that takes it.
    case pointer(x: UInt16, y: UInt16, wheel: Int, buttons: UInt8)
    /// Stops or continues the guest.
    case pause(Bool)
    case reset
    case powerButton
    /// Goes on with the engine of this name.
    case engine(String)
    /// Ends the run.
    case end(Ending)
  }

  /// What the machine is doing.
  public enum State: Sendable, Equatable {
    case running
    case paused
    /// The processor is halted and nothing but a reset can wake it.
    case halted
  }

  /// What one engine has done.
  public struct EngineWork: Sendable, Equatable {
    public var name: String
    public var instructions: UInt64
    public var nanoseconds: UInt64

    public init(name: String, instructions: UInt64, nanoseconds: UInt64) {
      self.name = name
      self.instructions = instructions
      self.nanoseconds = nanoseconds
    }
  }

  /// Counters since the start of the run.
  public struct Status: Sendable {
    public var state = State.running
    /// The engine in use.
    public var engine = ""
    /// Host time at which this was published.
    public var nanoseconds: UInt64 = 0
    /// Guest cycles per microsecond.
    public var mhz: UInt64 = 0
    public var cycles: UInt64 = 0
    public var idleCycles: UInt64 = 0
    public var catchUpCycles: UInt64 = 0
    public var instructions: UInt64 = 0
    public var work: [EngineWork] = []
    /// How often the engines returned.
    public var exits: UInt64 = 0
    /// Accesses and interrupts by device name.
    public var activity: [String: UInt64] = [:]
    /// The keyboard's lights: bit 0 Scroll Lock, 1 Num Lock, 2 Caps Lock.
    public var keyboardLights: UInt8 = 0
    /// Whether the guest takes places on the screen rather than movements of the mouse.
    public var takesPlaces = false
    /// Guest cycles a second.
    public var frequency: UInt64 = 0

    public init() {}
  }

  private let commands = Mutex<[Command]>([])
  private let hasCommands = Atomic<Bool>(false)
  private let update = Mutex<VideoUpdate?>(nil)
  private let hasUpdate = Atomic<Bool>(false)
  private let counters = Mutex<Status>(Status())
  private let tone = Atomic<UInt32>(0)
  private let isAwaited = Atomic<Bool>(false)
  private let wakeAction = Mutex<(@Sendable () -> Void)?>(nil)
  let waker: HostWaker

  /// - Throws: when the process has no file descriptor left.
  public init() throws(HostError) { waker = try HostWaker() }

  // MARK: The window's side

  public func send(_ command: Command) {
    commands.withLock { $0.append(command) }
    hasCommands.store(true, ordering: .releasing)
    waker.wake()
  }

  /// Has what has changed on the screen shown by `body`, while no further update is made.
  /// - Returns: what `body` returns; nil if nothing has changed.
  public func showUpdate<Result>(_ body: (VideoUpdate) -> Result) -> Result? {
    guard hasUpdate.load(ordering: .acquiring), let new = update.withLock({ $0 }) else {
      return nil
    }
    defer { hasUpdate.store(false, ordering: .releasing) }
    return body(new)
  }

  public var status: Status { counters.withLock { $0 } }

  /// Has `action` called on the machine's thread when the picture or the tone changes while `awaitNews` waits.
  public func wakeWindow(by action: (@Sendable () -> Void)?) {
    wakeAction.withLock { $0 = action }
  }

  /// Has `body` wait, unless there is a new picture or another tone than `toneHertz` already.
  public func awaitNews(toneHertz: UInt32, _ body: () -> Void) {
    isAwaited.store(true, ordering: .sequentiallyConsistent)
    if !hasUpdate.load(ordering: .sequentiallyConsistent), self.toneHertz == toneHertz { body() }
    isAwaited.store(false, ordering: .relaxed)
  }

  /// The frequency of the speaker's tone in hertz, 0 for silence.
  public var toneHertz: UInt32 { tone.load(ordering: .sequentiallyConsistent) }

  // MARK: The machine's side

  /// Whether `takeCommands` has something; costs nothing.
  var isAsking: Bool { hasCommands.load(ordering: .relaxed) }

  func takeCommands() -> [Command] {
    guard hasCommands.exchange(false, ordering: .acquiring) else { return [] }
    return commands.withLock { commands in
      defer { commands = [] }
      return commands
    }
  }

  /// Whether the last update of the picture has been shown.
  var wantsUpdate: Bool { !hasUpdate.load(ordering: .acquiring) }

  func publish(_ new: VideoUpdate) {
    update.withLock { $0 = new }
    hasUpdate.store(true, ordering: .sequentiallyConsistent)
    wakeWindow()
  }

  func publish(_ status: Status) { counters.withLock { $0 = status } }

  func publish(toneHertz: UInt32) {
    tone.store(toneHertz, ordering: .sequentiallyConsistent)
    wakeWindow()
  }

  /// Ends the wait in `awaitNews`, if there is one.
  public func wakeWindow() {
    guard isAwaited.load(ordering: .sequentiallyConsistent),
      isAwaited.exchange(false, ordering: .relaxed)
    else { return }
    wakeAction.withLock { $0?() }
  }
}
