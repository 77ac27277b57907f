import Devices
import ISA
import Memory
import Translator

/// What a machine is made of and how long it runs.
public struct MachineConfiguration: Sendable, Equatable {
  /// What virtual time follows.
  public enum Clock: String, Sendable, CaseIterable {
    /// The host's monotonic clock; idle sleeps.
    case host
    /// The counted cycles; idle is skipped and every run is the same.
    case cycles
  }

  /// Kinds of drives to boot from, by the letters of `--boot`.
  public enum BootDevice: Character, Sendable, CaseIterable {
    case floppy = "a"
    case disk = "c"
    case opticalDisc = "d"

    /// In the boot order of the CMOS memory.
    var code: UInt8 {
      switch self {
      case .floppy: 1
      case .disk: 2
      case .opticalDisc: 3
      }
    }
  }

  /// What the readable trace shows.
  public enum TraceKind: String, Sendable, CaseIterable {
    case blocks, switches, irq, io, faults
  }

  /// RAM in bytes: `smallestMemory`...`largestMemory`, a multiple of 1 MiB.
  public var memory: UInt64 = 256 << 20
  /// Whether the board has power management with ACPI tables, the two APICs, the event timer.
  public var hasACPI = true
  public var hasAPIC = true
  public var hasHPET = true
  /// What a firmware tries to boot from, in this order.
  public var bootOrder: [BootDevice] = [.disk, .opticalDisc, .floppy]
  public var clock = Clock.cycles
  /// Guest cycles per microsecond of virtual time.
  public var mhz: UInt64 = MachineConfiguration.defaultMHz(for: .cycles)
  /// What instructions are charged.
  public var timing: TimingModel = .pentium
  /// The date of the real-time clock at the start, in seconds since 1970; the host's if nil.
  public var startTime: Int64?
  /// Whether `--type` presses keys rather than sending characters on the serial line.
  public var typesOnKeyboard = false
  /// What the guest takes its keyboard for, to type text.
  public var keyboardLayout = KeyLayout.us
  /// Whether the machine waits for its debugger before the first instruction.
  public var startsPaused = false
  /// Whether port F4h ends the run.
  public var debugExit = false
  /// Whether a reset by the guest ends the run.
  public var endsOnReset = false
  /// Wall seconds after which the run ends, if limited.
  public var timeLimit: Double?
  /// Guest cycles after which the run ends, if limited.
  public var cycleLimit: UInt64?
  /// The run ends well as soon as this has appeared on the serial line, port E9h or the text screen.
  public var until: String?
  public var trace: Set<TraceKind> = []
  /// Whether the adaptive engine may execute directly although the clock counts cycles: such runs differ.
  public var directWithCycles = false
  /// A step of the sandbox's start that is made to fail, for tests; 0 for none.
  public var failingSandboxStep: UInt32 = 0
  /// Caches to model; the interpreter only.
  public var cacheModel: CacheModel.Configuration?
  /// Whether decoded blocks are kept; off, every instruction is decoded when it is executed.
  public var cachesBlocks = true
  /// The size of the code cache, and what is not lowered.
  public var translator = TranslatorOptions()

  public static let smallestMemory: UInt64 = 16 << 20
  public static let largestMemory: UInt64 = 3 << 30
  public static let largestMHz: UInt64 = 10_000

  /// Guest cycles per microsecond unless told otherwise. Counted cycles need a processor of plausible speed. By the host's
  /// clock a processor that is too fast costs nothing, as its clock is set forward, and one that the engines outrun waits; but
  /// Linux takes it that none is faster than this when it looks whether the timer's interrupt works.
  public static func defaultMHz(for clock: Clock) -> UInt64 { clock == .host ? 4000 : 200 }
  /// The same where guests are compared with the host: about as fast as it, so that the ticks of a guest's timer take the
  /// part of the time that they take natively.
  public static let comparedMHz: UInt64 = 2000
  /// 2026-01-01 00:00 UTC: where the real-time clock starts when runs must be equal.
  public static let fixedStartTime: Int64 = 1_767_225_600

  public init() {}
}
