import Foundation
import Host
import Testing

/// benchmarks/regression.py on results that are made up.
@Suite struct RegressionTests {
  private static let script =
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "benchmarks/regression.py").path

  private func result(_ factors: [String: Double], spread: Double = 0.01) -> [UInt8] {
    let rows = factors.sorted { $0.key < $1.key }.map { name, factor in
      """
      {"program": "\(name)", "suite": "user", "results": {"translator": {"work": 1,
       "native_seconds": {"spread": 0.0}, "guest_seconds": {"spread": \(spread)}, "factor": \(factor)}}}
      """
    }
    return Array(
      "{\"schema\": \"switchback-bench-1\", \"programs\": [\(rows.joined(separator: ","))]}".utf8)
  }

  private func run(_ arguments: [String]) throws -> (status: UInt32, output: String) {
    let run = try NativeProcess.run(
      "/usr/bin/python3", arguments: ["python3", Self.script] + arguments,
      environment: ["PATH=/usr/bin:/bin"], input: "/dev/null", directory: "/tmp")
    return (
      run.status >> 8, String(decoding: run.standardOutput + run.standardError, as: UTF8.self)
    )
  }

  @Test func whatGotSlowerIsNamed() throws {
    let scratch = try Scratch()
    let baseline = "\(scratch.path)/baseline.json"
    let first = try scratch.file("first", result(["a": 1.0, "b": 10, "c": 2]))
    #expect(try run([baseline, first, "--accept"]).status == 0)
    #expect(try run([baseline, first]).status == 0)
    let second = try scratch.file("second", result(["a": 1.1, "b": 13]))
    let (status, output) = try run([baseline, second])
    #expect(status == 1)
    #expect(output.contains("slower: b under translator: 10.00 -> 13.00"))
    #expect(output.contains("missing: c under translator"))
    #expect(output.contains("2 factors compared, 1 slower, 1 missing"))
    // Of three results the middle one counts.
    let third = try scratch.file("third", result(["a": 1.1, "b": 10.5, "c": 2]))
    #expect(try run([baseline, first, second, third]).status == 0)
    #expect(try run([baseline, second, second, third]).status == 1)
    let noisy = try scratch.file("noisy", result(["a": 1.1, "b": 13, "c": 2], spread: 0.3))
    #expect(try run([baseline, noisy]).status == 0)
    #expect(try run([baseline, "/nonexistent"]).status == 1)
    #expect(
      try run([baseline, try scratch.file("x", Array("{}".utf8))]).output.contains("neither"))
  }
}
