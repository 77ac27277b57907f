import CHostOracle
import ISA

/// Runs many random cases of a row and collects what fails.
public struct Campaign {
  public let oracle: Oracle
  public var generator: CaseGenerator

  /// What came of a row.
  public struct Tally {
    public var cases = 0
    public var skipped: [String: Int] = [:]
    public var failures = 0
    /// The first failing cases, as generated.
    public var examples: [OracleCase] = []
    /// How often each vector ended a case.
    public var vectors: [UInt32: Int] = [:]
  }

  public init(oracle: Oracle, seed: UInt64) {
    self.oracle = oracle
    generator = CaseGenerator(seed: seed)
  }

  /// Compares at least `count` cases of `row`, or finds out that there are none.
  /// - Returns: nil when the host's side broke down.
  public mutating func run(_ row: Row, count: Int, examples: Int = 2) -> Tally? {
    var tally = Tally()
    var attempts = 0
    while tally.cases < count, attempts < count * 10 {
      var batch: [OracleCase] = []
      while batch.count < NativeRunner.batchSize, attempts < count * 10 {
        attempts += 1
        if let item = generator.next(row: row) { batch.append(item) }
      }
      guard let verdicts = oracle.run(batch[...]) else { return nil }
      for (item, verdict) in zip(batch, verdicts) {
        switch verdict {
        case .same: tally.cases += 1
        case .skipped(let reason): tally.skipped[reason, default: 0] += 1
        case .different:
          tally.cases += 1
          guard differsAgain(item) else { continue }
          tally.failures += 1
          if tally.examples.count < examples { tally.examples.append(item) }
        }
      }
      if tally.failures > 200 { break }
    }
    return tally
  }

  /// Whether a case that differed differs once more by itself. AMD's processors forget FIP, FDP and FOP when the
  /// host switches processes in the middle of one.
  private func differsAgain(_ item: OracleCase) -> Bool {
    if case .different = oracle.run(item) { return true }
    return false
  }
}

extension Row {
  /// Mnemonic, operands and encoding.
  public var title: String {
    let operands = operandList.map { "\($0)" }.joined(separator: ",")
    return "\(mnemonic) \(operands) [\(encoding.text)]"
  }
}
