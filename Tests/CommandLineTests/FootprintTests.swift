import Foundation
import Host
import Roms
import SystemROMs
import Testing

/// How much of the host's memory a run takes.
@Suite(.serialized) struct FootprintTests {
  /// The resident bytes at the end of a run.
  private func residentBytes(_ options: [String], status: Int32) throws -> Int {
    let scratch = try Scratch()
    let path = "\(scratch.path)/report.json"
    let run = try Program(
      ["run", "--engine", "translator", "--time-limit", "300", "--stats", path] + options)
    #expect(run.status == status, "\(run.output.suffix(1000)) \(run.error.suffix(1000))")
    let data = Data(try HostFile.contents(of: path))
    let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    return try #require((json["memory"] as? [String: Any])?["host_resident_bytes"] as? Int)
  }

  /// The ROM `churn` with another number of programs.
  private func churn(programs: UInt32, _ scratch: Scratch) throws -> String {
    let rom = try #require(ROM.systemTests.first { $0.name == "churn" })
    var image = rom.image
    let magic: [UInt8] = [0xD5, 0xEE, 0xE5, 0x70]
    let place = try #require(
      (0..<image.count - 8).first { Array(image[$0..<$0 + 4]) == magic })
    for byte in 0..<4 {
      image[place + 4 + byte] = UInt8(truncatingIfNeeded: programs >> UInt32(byte * 8))
    }
    return try scratch.file("churn-\(programs).rom", image)
  }

  @Test func codeThatComesAndGoesTakesNoMoreMemory() throws {
    let scratch = try Scratch()
    func measure(_ programs: UInt32) throws -> Int {
      try residentBytes(
        [
          "--rom", churn(programs: programs, scratch), "-m", "64M", "--debug-exit", "--serial",
          "none", "--code-cache", "1M",
        ], status: 1)
    }
    // Everything that is kept has a bound that is reached long before.
    let warm = try measure(20_000)
    let later = try measure(60_000)
    print("churn: \(warm >> 20) MiB after 20000 programs, \(later >> 20) after 60000")
    #expect(later < warm + 16 << 20)
  }

  @Test(.enabled(if: Guests.arePresent, "make guests fetches them"))
  func aBootFitsIntoItsMemory() throws {
    let scratch = try Scratch()
    let script = Guests.setUp + "ls -lR / | sha256sum; poweroff -f\n"
    let disk = try scratch.file("initrd", try Guests.ramDisk(initScript: script))
    let bytes = try residentBytes(
      [
        "--kernel", Guests.kernel, "--initrd", disk, "--append",
        "console=ttyS0 cryptomgr.notests", "-m", "256M",
      ], status: 0)
    print("a 256 MiB guest after a boot: \(bytes >> 20) MiB")
    #expect(bytes < (256 + 64 + 128) << 20)
  }
}
