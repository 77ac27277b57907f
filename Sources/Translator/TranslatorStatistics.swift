/// What the translator counts.
public struct TranslatorStatistics: Sendable {
  public var blocks: UInt64 = 0
  public var guestBytes: UInt64 = 0
  public var hostBytes: UInt64 = 0
  public var evictions: UInt64 = 0
  public var invalidations: UInt64 = 0
  public var chained: UInt64 = 0
  /// Jumps whose target was looked up outside emitted code.
  public var lookups: UInt64 = 0
  /// Lookups that found no translation, so that the interpreter went on.
  public var misses: UInt64 = 0
  /// Host time spent translating.
  public var nanoseconds: UInt64 = 0
  public var entries: UInt64 = 0
  public var signals: UInt64 = 0
  /// Blocks interpreted because the guest might not use their floating-point state then.
  public var refusals: UInt64 = 0
  public var instructions: UInt64 = 0
}
