import ArgumentParser
import Memory

extension Arguments {
  /// `default`, or parts `NAME=SIZE:WAYS:LINE:LATENCY` separated by commas, NAME being l1i, l1d or l2;
  /// `tlb=ENTRIES:WAYS:LATENCY`; `memory=LATENCY`. Parts that are left out keep their defaults.
  static func caches(_ text: String) throws -> CacheModel.Configuration {
    var result = CacheModel.Configuration()
    guard text != "default" else { return result }
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let sides = part.split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false
      ).map(String.init)
      let fields = sides.count == 2 ? sides[1].split(separator: ":").map(String.init) : []
      switch (sides[0], fields.count) {
      case ("l1i", 4): result.instruction = try geometry(fields, part)
      case ("l1d", 4): result.data = try geometry(fields, part)
      case ("l2", 4): result.second = try geometry(fields, part)
      case ("tlb", 3):
        result.tlb = try geometry([fields[0], fields[1], "4096", fields[2]], part, unit: 4096)
      case ("memory", 1): result.memory = try number(fields[0], part, 1_000_000)
      default:
        throw ValidationError(
          "'\(part)' is not l1i=, l1d= or l2=SIZE:WAYS:LINE:LATENCY, tlb=ENTRIES:WAYS:LATENCY, "
            + "memory=LATENCY or default")
      }
    }
    return result
  }

  private static func number(_ text: String, _ part: Substring, _ limit: UInt32) throws -> UInt32 {
    guard let value = UInt32(text), value <= limit else {
      throw ValidationError("'\(part)': \(text) is not a number up to \(limit)")
    }
    return value
  }

  private static func geometry(
    _ fields: [String], _ part: Substring, unit: UInt32 = 1
  ) throws -> CacheModel.Geometry {
    let isCount = unit > 1 || fields[0].allSatisfy(\.isNumber)
    let size = isCount ? UInt64(try number(fields[0], part, 1 << 28)) : try Self.size(fields[0])
    guard size * UInt64(unit) <= 1 << 28 else { throw ValidationError("'\(part)': too large") }
    let result = CacheModel.Geometry(
      size: UInt32(size) * unit, ways: try number(fields[1], part, 64),
      line: try number(fields[2], part, 4096), latency: try number(fields[3], part, 1_000_000))
    guard result.isPossible else {
      throw ValidationError(
        "'\(part)': lines from 4 bytes, and size / ways / line, must be powers of two")
    }
    return result
  }
}
