import Foundation
import Host
import Testing

/// Counters of whole runs.
@Suite struct RunCounterTests {
  /// The exit status and the report of a ROM of 16-bit code.
  private func run(_ code: [UInt8], _ options: [String] = []) throws -> (Int32?, [String: Any]) {
    let scratch = try Scratch()
    let rom = try scratch.file("rom", romImage(code))
    let stats = "\(scratch.path)/s.json"
    let run = try Program(
      ["run", "--rom", rom, "--debug-exit", "--stats", stats, "--time-limit", "60"] + options)
    let data = Data(try HostFile.contents(of: stats))
    return (
      run.status, try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    )
  }

  private func exits(_ report: [String: Any], _ engine: String) -> [String: Int]? {
    (report["engines"] as? [String: [String: Any]])?[engine]?["exits"] as? [String: Int]
  }

  @Test(arguments: ["interpreter", "translator"]) func resetsAreExact(engine: String) throws {
    // INC BYTE [500h]; CMP BYTE [500h], 6; JE +5; MOV AL, 6; OUT CF9h, AL by DX; else the debug exit.
    let (status, report) = try run(
      [
        0xFE, 0x06, 0x00, 0x05, 0x80, 0x3E, 0x00, 0x05, 0x06, 0x74, 0x07, 0xBA, 0xF9, 0x0C, 0xB0,
        0x06, 0xEE, 0xF4, 0xE6, 0xF4, 0xF4,
      ], ["--engine", engine])
    #expect(status != 0)
    #expect((report["memory"] as? [String: Int])?["resets"] == 5, "\(report)")
    // Five by the reset, one by the debug exit.
    #expect(exits(report, engine) == ["stopped": 6])
  }

  @Test(arguments: ["interpreter", "translator"]) func aTripleFaultIsAnExit(engine: String) throws {
    // LIDT of nothing: MOV WORD [500h], 0; LIDT [500h]; INT3.
    let (status, report) = try run(
      [0xC7, 0x06, 0x00, 0x05, 0x00, 0x00, 0x0F, 0x01, 0x1E, 0x00, 0x05, 0xCC],
      ["--engine", engine])
    #expect(status == 70, "\(String(describing: status))")
    #expect(exits(report, engine) == ["shutdown": 1])
  }

  /// A processor that is meant to be faster than any host falls behind: what it did not do in time is caught up.
  @Test func catchingUpIsPartOfTheWhole() throws {
    // JMP to itself.
    let (_, report) = try run(
      [0xEB, 0xFE],
      [
        "--engine", "interpreter", "--clock", "host", "--mhz", "10000", "--cycle-limit",
        "2000000000",
      ])
    let time = try #require(report["time"] as? [String: Double])
    let virtual = try #require(report["virtual_seconds"] as? Double)
    #expect(time["catch_up"] ?? 0 > virtual / 2, "\(time)")
    #expect(abs(time.values.reduce(0, +) - virtual) < 1e-6, "\(time) \(virtual)")
    let modes = try #require(report["modes"] as? [String: [String: Int]])
    #expect(time["kernel"] == Double(modes["kernel"]?["cycles"] ?? 0) / 10e9)
  }

  /// A comparison's figures of a program that writes 1234 bytes and ends with 3.
  @Test func comparisonsReportWhatTheProgramDid() throws {
    let scratch = try Scratch()
    let program = try EmbeddedGuestTests.build(
      """
      #include <unistd.h>
      static char text[1234];
      static const volatile unsigned counts[] = {100000, 600000};
      int main(int argc, char **argv) {
        unsigned count = counts[argv[1][0] - '0'];
        __asm__ volatile("1: decl %0; jnz 1b" : "+r"(count));
        return write(1, text, sizeof text) == sizeof text ? 3 : 0;
      }
      """, in: scratch)
    func engines(_ count: Int) throws -> [String: [String: Any]] {
      let json = "\(scratch.path)/c.json"
      let run = try EmbeddedGuestTests.compare(
        [program, "\(count)"], ["--engines", "interpreter,translator,adaptive", "--json", json])
      try #require(run.status == 0, "\(run.error)")
      let data = Data(try HostFile.contents(of: json))
      let result = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      #expect(result["status"] as? Int == 3 << 8)
      #expect(result["output_bytes"] as? Int == 1234)
      return try #require(result["engines"] as? [String: [String: Any]])
    }
    let short = try engines(0)
    let long = try engines(1)
    for name in ["interpreter", "translator"] {
      func instructions(_ all: [String: [String: Any]]) -> Int {
        (all[name]?["instructions"] as? [String: Int])?["user"] ?? 0
      }
      #expect(instructions(long) - instructions(short) == 1_000_000)
    }
    for (name, figures) in long {
      let mix = try #require(figures["mix"] as? [String: Double])
      #expect(abs(mix.values.reduce(0, +) - 1) < 1e-9, "\(name): \(mix)")
      let time = try #require(figures["time"] as? [String: Double])
      let virtual = try #require(figures["virtual_seconds"] as? Double)
      #expect(abs(time.values.reduce(0, +) - virtual) < 1e-6, "\(name): \(time) \(virtual)")
      let slowdown = try #require(figures["slowdown"] as? [String: Any])
      let guest = try #require(slowdown["guest_seconds"] as? Double)
      let native = try #require(slowdown["native_seconds"] as? Double)
      #expect(abs((slowdown["factor"] as? Double ?? 0) - guest / native) < 1e-6 * guest / native)
    }
  }
}
