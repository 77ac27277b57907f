import CHostOracle

/// Runs cases on the host CPU. One instance serves one thread at a time.
///
/// A case starts with the given registers and the memory image, runs in 32-bit compatibility mode at
/// CPL 3 and ends with its first exception; the code page is INT3 behind the code.
public final class NativeRunner {
  /// The most cases of one batch.
  public static let batchSize = Int(ORACLE_BATCH)
  /// Size of the memory image in bytes: two data pages, the read-only page, the stack page.
  public static let imageSize = Int(ORACLE_IMAGE_PAGES * ORACLE_PAGE)

  private let process: OpaquePointer

  /// Starts the child process; nil when the host's kernel refuses what it needs (32-bit code, an LDT).
  public init?() {
    guard let process = oracleStart() else { return nil }
    self.process = process
  }

  deinit { oracleStop(process) }

  /// What every case finds in memory.
  public var initialImage: UnsafeMutableBufferPointer<UInt8> {
    UnsafeMutableBufferPointer(start: oracleInitialImage(process), count: Self.imageSize)
  }

  /// Runs up to `batchSize` cases; `outcome` tells what came of them.
  /// - Returns: false when the child died and could not be started again.
  public func run(_ cases: ArraySlice<OracleCase>) -> Bool {
    let place = oracleCases(process)
    for (index, item) in cases.prefix(Self.batchSize).enumerated() { place[index] = item }
    return oracleRun(process, UInt32(min(cases.count, Self.batchSize))) == 0
  }

  /// The outcome of case `index` of the last batch, valid until the next `run`.
  public func outcome(_ index: Int) -> UnsafePointer<OracleOutcome> {
    precondition(index >= 0 && index < Self.batchSize)
    return UnsafePointer(oracleOutcomes(process) + index)
  }

  /// The memory image after case `index` of the last batch, valid until the next `run`.
  public func image(_ index: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: oracleImage(process, UInt32(index)), count: Self.imageSize)
  }
}
