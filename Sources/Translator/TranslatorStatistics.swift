/// What the translator counts.
public struct TranslatorStatistics: Sendable {
  public var blocks: UInt64 = 0
  public var guestBytes: UInt64 = 0
  public var hostBytes: UInt64 = 0
  public var evictions: UInt64 = 0
  public var invalidations: UInt64 = 0
  public var chained: UInt64 = 0
  public var lookups: UInt64 = 0
  public var entries: UInt64 = 0
  public var signals: UInt64 = 0
  public var instructions: UInt64 = 0
}
