import Glibc

/// What the reports say about the computer that a run was measured on.
public struct HostInfo: Sendable, Equatable {
  /// The processor's name as `/proc/cpuinfo` has it.
  public let cpu: String
  /// The kernel's name and release.
  public let kernel: String
  /// Processors that this process may run on.
  public let cores: Int

  public init(cpu: String, kernel: String, cores: Int) {
    self.cpu = cpu
    self.kernel = kernel
    self.cores = cores
  }

  /// This computer.
  public static let current = HostInfo(
    cpu: modelName(in: HostFile.read("/proc/cpuinfo", limit: 1 << 16) ?? []) ?? "unknown",
    kernel: [
      HostFile.read("/proc/sys/kernel/ostype", limit: 256),
      HostFile.read("/proc/sys/kernel/osrelease", limit: 256),
    ].map { trimmed($0 ?? []) }.filter { !$0.isEmpty }.joined(separator: " "),
    cores: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))

  /// Bytes of this process that are in the host's memory; pages that are mapped twice count twice. 0 when unknown.
  public static var residentBytes: UInt64 {
    let fields = trimmed(HostFile.read("/proc/self/statm", limit: 256) ?? []).split(separator: " ")
    guard fields.count > 1, let pages = UInt64(fields[1]) else { return 0 }
    return pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
  }

  /// The clock of this computer's first processor in hertz as its kernel tells it, 2 GHz if it does not.
  public static let hertz: Double = {
    let megahertz = value(of: "cpu MHz", in: HostFile.read("/proc/cpuinfo", limit: 1 << 16) ?? [])
    return max(1, megahertz.flatMap(Double.init) ?? 2000) * 1e6
  }()

  /// The value of the first "model name" line of a `/proc/cpuinfo` text.
  static func modelName(in cpuinfo: [UInt8]) -> String? {
    value(of: "model name", in: cpuinfo)
  }

  private static func value(of name: String, in cpuinfo: [UInt8]) -> String? {
    for line in cpuinfo.split(separator: 10) where line.starts(with: name.utf8) {
      guard let colon = line.firstIndex(of: 58) else { continue }
      return trimmed(Array(line[(colon + 1)...]))
    }
    return nil
  }

  private static func trimmed(_ bytes: [UInt8]) -> String {
    String(decoding: bytes.filter { $0 != 10 }.drop { $0 == 32 }, as: UTF8.self)
  }
}
