/// What the switcher decided.
public struct SwitchingStatistics: Sendable {
  /// Engines that the switcher chooses between.
  public enum EngineName: String, Sendable { case translator, direct }

  /// A change of engine and why.
  public struct Switch: Hashable, Sendable {
    public var from: EngineName
    public var to: EngineName
    public var reason: String
  }

  /// Evaluations of the decision algorithm by outcome.
  public internal(set) var decisions: [Admission.Reason: UInt64] = [:]
  /// Evaluations that allowed direct execution where the policy preferred the translator.
  public internal(set) var declined: UInt64 = 0
  public internal(set) var switches: [Switch: UInt64] = [:]
}
