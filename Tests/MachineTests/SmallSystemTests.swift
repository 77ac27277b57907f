import FirmwareROMs
import Foundation
import Host
import Roms
import Testing

@testable import Machine

/// A system of a few hundred lines, booted from a floppy and from hard disks: INT 13h, segment limits, hardware
/// tasks switched by the timer, and the way back to real mode.
@Suite struct SmallSystemTests {
  enum Drive: String, CaseIterable, CustomTestStringConvertible {
    case floppy, ide, virtio
    var testDescription: String { rawValue }
  }

  private func run(_ drive: Drive, engine: String, path: String, overlay: Bool) throws -> [String] {
    var specification = DriveSpecification()
    specification.usesOverlay = overlay
    switch drive {
    case .floppy: specification.floppy = path
    case .ide: specification.disks = [.init(path: path, interface: .ide)]
    case .virtio: specification.disks = [.init(path: path, interface: .virtio)]
    }
    let image = try FirmwareLoader.load(
      system: FirmwareLoader.find(FirmwareLoader.systemName, option: "bios"), systemName: "bios",
      video: FirmwareLoader.find(FirmwareLoader.videoName, option: "bios"), videoName: "video",
      options: [])
    var configuration = MachineConfiguration()
    configuration.memory = 16 << 20
    configuration.debugExit = true
    configuration.timeLimit = 60
    configuration.cycleLimit = 20_000_000_000
    configuration.startTime = MachineConfiguration.fixedStartTime
    let machine = try Machine(
      configuration: configuration, image: image,
      console: Console(serial: .capture, debug: .capture, readsInput: false), engine: engine,
      drives: DriveSet(specification))
    var text: [UInt8] = []
    machine.debugOutput = { text.append($0) }
    let ending = machine.run()
    let output = String(decoding: text, as: UTF8.self)
    #expect(ending == .debugExit(1), "\(output)")
    #expect(machine.finishDrives() == [])
    #expect(
      String(decoding: machine.pc.screenText, as: UTF8.self).contains("The small system is done."))
    return output.split(separator: "\n").map(String.init)
  }

  @Test(arguments: Drive.allCases, Engines.available)
  func bootsAndRuns(drive: Drive, engine: String) throws {
    let path = NSTemporaryDirectory() + "/small-\(drive)-\(engine)-\(getpid())"
    defer { unlink(path) }
    var disk = ROM.smallSystem.image
    let size = drive == .floppy ? 1_474_560 : 4 << 20
    disk += [UInt8](repeating: 0, count: size - disk.count)
    try Data(disk).write(to: URL(filePath: path))
    let lines = try run(drive, engine: engine, path: path, overlay: false)
    func words(_ name: String) -> [String]? {
      lines.first { $0.split(separator: " ").first == name[...] }.map {
        $0.split(separator: " ").dropFirst().map(String.init)
      }
    }
    #expect(words("loaded") == ["600D"])
    #expect(words("drive")?.first == (drive == .floppy ? "0000" : "0080"))
    if drive == .floppy { #expect(words("drive") == ["0000", "0012", "0002"]) }
    // 1: no change line; 3: a hard disk.
    #expect(words("type") == [drive == .floppy ? "0001" : "0003"])
    #expect(lines.contains("written"))
    #expect(words("track") == ["0000"])
    #expect(words("first") == ["AA55"])
    #expect(words("beyond")?.first?.hasPrefix("01") == true, "\(lines)")
    #expect(words("faults") == ["0001", "000D"])
    #expect(words("tasks") == ["000A", "000A", "000A"])
    #expect(words("again") == ["0000"])
    if drive != .floppy {
      #expect(words("extensions") == ["AA55", "2000", "0200"])
      #expect(words("read") == ["0000"])
      #expect(words("write") == ["0000"])
      #expect(words("outside")?.first?.hasPrefix("01") == true, "\(lines)")
    }
    // What the guest wrote is in the image, and nothing else changed.
    var value: UInt16 = 0x1234
    for word in 0..<16 * 256 {
      disk[48 * 512 + 2 * word] = UInt8(truncatingIfNeeded: value)
      disk[48 * 512 + 2 * word + 1] = UInt8(truncatingIfNeeded: value >> 8)
      value = value &* 25173 &+ 13849
    }
    if drive != .floppy {
      // The last sector was written once more, beginning with BEEFh and going on as sector 0.
      disk.replaceSubrange(63 * 512..<64 * 512, with: disk[0..<512])
      disk[63 * 512] = 0xEF
      disk[63 * 512 + 1] = 0xBE
    }
    #expect(try HostFile.contents(of: path) == disk)
  }
}
