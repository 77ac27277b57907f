import Foundation
import Testing

/// The installed SeaBIOS (scripts/setup.sh) on every engine.
@Suite struct FirmwareTests {
  static let engines = ["interpreter", "translator"]

  @Test(arguments: engines) func showsItsBannerOnTheScreen(engine: String) throws {
    let scratch = try Scratch()
    let log = "\(scratch.path)/log"
    let run = try Program([
      "run", "--engine", engine, "--serial", "none", "--time-limit", "60", "--boot", "ad",
      "--bios-log", "file:\(log)", "--until", "SeaBIOS (version", "--until", "No bootable device",
    ])
    #expect(run.status == 0, "\(run.error)")
    let text = try String(contentsOfFile: log, encoding: .utf8)
    for line in [
      "Running on QEMU (i440fx)", "DMA interface supported", "RamSize: 0x10000000",
      "Using pmtimer, ioport 0x608", "Start SeaVGABIOS", "VBE DISPI", "PS2 keyboard initialized",
    ] {
      #expect(text.contains(line), "\(line) is missing in \(text)")
    }
  }

  @Test func enginesAgree() throws {
    let hashes = try Self.engines.map { engine in
      let run = try Program([
        "run", "--engine", engine, "--serial", "none", "--cycle-limit", "300000000", "--stats",
      ])
      #expect(run.status == 124)
      return run.error.split(separator: "\n").first { $0.hasPrefix("state hash") }
    }
    #expect(hashes[0] != nil)
    #expect(hashes[0] == hashes[1])
  }
}
