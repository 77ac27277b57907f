import Host
import Testing

@testable import Machine

@Suite struct InitialRamdiskTests {
  private func sample() -> InitialRamdisk {
    var disk = InitialRamdisk()
    disk.addFile("/bin/tool", [1, 2, 3, 4, 5], permissions: 0o755)
    disk.addFile("bin/tool", [9])
    disk.addLink("bin/alias", to: "tool")
    disk.addCharacterDevice("dev/console", major: 5, minor: 1)
    return disk
  }

  @Test func headersAndContentsAreAligned() {
    let bytes = sample().bytes
    #expect(bytes.count % 512 == 0)
    var offset = 0
    var names: [String] = []
    while true {
      #expect(Array(bytes[offset..<(offset + 6)]) == Array("070701".utf8))
      func field(_ number: Int) -> Int {
        let start = offset + 6 + number * 8
        return Int(String(decoding: bytes[start..<(start + 8)], as: UTF8.self), radix: 16) ?? -1
      }
      let nameSize = field(11)
      let name = String(
        decoding: bytes[(offset + 110)..<(offset + 110 + nameSize - 1)], as: UTF8.self)
      let contents = (offset + 110 + nameSize + 3) & ~3
      if name == "bin/tool" {
        #expect(field(1) == 0o100_755)
        #expect(Array(bytes[contents..<(contents + 5)]) == [1, 2, 3, 4, 5])
      }
      if name == "dev/console" { #expect(field(9) == 5 && field(10) == 1) }
      if name == "TRAILER!!!" { break }
      names.append(name)
      offset = (contents + field(6) + 3) & ~3
    }
    #expect(names == ["bin", "bin/tool", "bin/alias", "dev", "dev/console"])
  }

  @Test(.enabled(if: HostFile.isExecutable("/usr/bin/cpio"), "cpio is installed"))
  func theRealToolListsIt() throws {
    let path = "/tmp/switchback-cpio-\(HostClock.nanoseconds)"
    defer { HostFile.remove(path) }
    try HostFile.write(sample().bytes, to: path)
    let run = try NativeProcess.run(
      "/usr/bin/cpio", arguments: ["cpio", "-t", "--quiet"], environment: [], input: path,
      directory: "/")
    #expect(run.status == 0)
    #expect(
      String(decoding: run.standardOutput, as: UTF8.self)
        == "bin\nbin/tool\nbin/alias\ndev\ndev/console\n")
  }
}

@Suite struct GuestChannelTests {
  private func frame(_ type: Character, _ payload: [UInt8]) -> [UInt8] {
    let count = UInt32(payload.count)
    return [type.asciiValue ?? 0]
      + (0..<4).map { UInt8(truncatingIfNeeded: count >> UInt32($0 * 8)) } + payload
  }

  @Test func framesBecomeMessages() throws {
    var channel = GuestChannel()
    var messages: [GuestChannel.Message] = []
    let stream =
      frame("R", []) + frame("S", []) + frame("E", [0, 3, 0, 0]) + frame("1", [104, 105])
      + frame("2", []) + frame("Q", [])
    for byte in stream {
      if let message = try channel.feed(byte) { messages.append(message) }
    }
    #expect(
      messages == [
        .ready, .started, .ended(0x300), .standardOutput([104, 105]), .standardError([]), .done,
      ])
  }

  @Test func foreignBytesAreGarbled() {
    #expect(throws: GuestChannel.Garbled.self) {
      var channel = GuestChannel()
      for byte in Array("Booting".utf8) { _ = try channel.feed(byte) }
    }
  }
}

@Suite struct PNGTests {
  @Test func pictureHasChunksWithChecksums() {
    let bytes = PNG.encode(width: 2, height: 1, pixels: [0xFF00_00FF, 0xFF00_FF00])
    #expect(Array(bytes[..<8]) == [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
    // The checksum of an empty IEND chunk is a constant of the format.
    #expect(Array(bytes.suffix(8)) == [0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82])
    let data = bytes.firstRange(of: [0, 255, 0, 0, 0, 255, 0])
    #expect(data != nil)
  }
}
