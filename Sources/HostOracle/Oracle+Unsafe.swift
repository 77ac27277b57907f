import CHostOracle
import ISA

/// Runs cases on the host and on the interpreter and tells where they differ.
public final class Oracle {
  private let native: NativeRunner
  public let interpreter: InterpreterRunner
  private let ours = UnsafeMutablePointer<OracleOutcome>.allocate(capacity: 1)

  /// What came of a case.
  public enum Verdict {
    case same
    case skipped(String)
    case different([Difference])

    public var differences: [Difference] {
      if case .different(let list) = self { return list }
      return []
    }
  }

  /// Nil when the host cannot run 32-bit code for us.
  public init?() {
    guard let native = NativeRunner(), let interpreter = try? InterpreterRunner() else {
      return nil
    }
    self.native = native
    self.interpreter = interpreter
    ours.initialize(to: OracleOutcome())
    Self.fill(native.initialImage)
    interpreter.setInitialImage(native.initialImage)
  }

  deinit { ours.deallocate() }

  /// What all cases find in memory but for their patches: interesting values, the same in every run.
  static func fill(_ image: UnsafeMutableBufferPointer<UInt8>) {
    var random = RandomSource(seed: 1)
    for offset in stride(from: 0, to: image.count, by: 16) {
      let vector = random.vector()
      for k in 0..<8 {
        image[offset + k] = UInt8(truncatingIfNeeded: vector.0 >> (8 * UInt64(k)))
        image[offset + 8 + k] = UInt8(truncatingIfNeeded: vector.1 >> (8 * UInt64(k)))
      }
    }
  }

  /// Runs up to `NativeRunner.batchSize` cases on both.
  /// - Returns: a verdict per case, or nil when the host's side broke down.
  public func run(_ cases: ArraySlice<OracleCase>) -> [Verdict]? {
    guard native.run(cases) else { return nil }
    return cases.enumerated().map { index, item in
      let host = native.outcome(index)
      if let reason = HostDifferences.reasonToSkip(item, host: host.pointee) {
        return .skipped(reason)
      }
      interpreter.run(item, into: &ours.pointee)
      let differences = Comparison.differences(
        item, host: host, ours: ours, hostImage: native.image(index),
        ourImage: interpreter.image)
      return differences.isEmpty ? .same : .different(differences)
    }
  }

  /// The verdict on one case.
  public func run(_ item: OracleCase) -> Verdict {
    run([item][...])?.first ?? .skipped("the host's side broke down")
  }

  /// Both outcomes of a case, for a report.
  public func outcomes(_ item: OracleCase) -> (host: OracleOutcome, ours: OracleOutcome)? {
    guard native.run([item][...]) else { return nil }
    interpreter.run(item, into: &ours.pointee)
    return (native.outcome(0).pointee, ours.pointee)
  }
}
