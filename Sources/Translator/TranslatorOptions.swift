import ISA

/// How the translator works, as far as its user may choose; nothing here changes what a guest computes.
public struct TranslatorOptions: Sendable, Equatable {
  /// Bytes for emitted code, within `codeCacheRange`, a multiple of 4096.
  public var codeCache = 64 << 20
  /// Instructions of these families call the interpreter instead of being lowered.
  public var loweringOff: Set<Family> = []
  /// Entries of a block before it is translated.
  public var threshold: UInt32 = 8

  /// The smallest holds a few of the largest blocks; positions in the largest fit a displacement.
  public static let codeCacheRange = 128 << 10...512 << 20

  public init() {}
}
