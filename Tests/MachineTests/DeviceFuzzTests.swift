import Bus
import Foundation
import Host
import Testing

@testable import Machine

/// Random accesses to every port and every piece of device memory of a whole machine with all its drives.
/// SWITCHBACK_DEVICE_FUZZ sets how many times a million there are.
@Suite struct DeviceFuzzTests {
  /// Where devices are, besides which anything is tried.
  private static let ports: [ClosedRange<UInt16>] = [
    0x000...0x3FF, 0x0CF8...0x0CFF, 0x1CE...0x1D0, 0x3B0...0x3DF, 0x3F0...0x3FF, 0x402...0x402,
    0x4D0...0x4D1, 0x510...0x51B, 0x600...0x63F, 0xC000...0xC07F, 0x1F0...0x1F7, 0x170...0x177,
    0x3F0...0x3F7,
  ]
  private static let memory: [ClosedRange<UInt32>] = [
    0xA_0000...0xB_FFFF, 0xC_0000...0xF_FFFF, 0xE000_0000...0xE0FF_FFFF,
    0xFEBF_0000...0xFEBF_FFFF, 0xFEC0_0000...0xFEC0_0FFF, 0xFED0_0000...0xFED0_0FFF,
    0xFEE0_0000...0xFEE0_0FFF,
  ]

  private struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state
    }
  }

  private static let millions =
    ProcessInfo.processInfo.environment["SWITCHBACK_DEVICE_FUZZ"].flatMap(UInt64.init) ?? 2

  /// Images in a folder of their own.
  private func makeDrives(_ folder: String) throws -> DriveSpecification {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var disc = [UInt8](repeating: 0, count: 20 << 11)
    disc.replaceSubrange(0x8001..<0x8006, with: Array("CD001".utf8))
    for (name, contents) in [
      ("ide", [UInt8](repeating: 0x11, count: 1 << 20)),
      ("slave", [UInt8](repeating: 0, count: 512)),
      ("virtio", [UInt8](repeating: 0x22, count: 1 << 20)), ("cd", disc),
      ("floppy", [UInt8](repeating: 0, count: 737_280)),
    ] {
      try Data(contents).write(to: URL(filePath: "\(folder)/\(name)"))
    }
    var drives = DriveSpecification()
    drives.disks = [
      .init(path: "\(folder)/ide", interface: .ide),
      .init(path: "\(folder)/slave", interface: .ide),
      .init(path: "\(folder)/virtio", interface: .virtio),
    ]
    drives.opticalDisc = "\(folder)/cd"
    drives.floppy = "\(folder)/floppy"
    return drives
  }

  /// Gives the controllers on PCI ports where `ports` expects them.
  private func map(_ machine: Machine) {
    // Device 1 function 1 and device 4 of bus 0: a base address, then the command register.
    let writes: [(UInt32, UInt32)] = [
      (0x8000_0920, 0xC000), (0x8000_0904, 5), (0x8000_2010, 0xC040), (0x8000_2004, 5),
    ]
    for (address, value) in writes {
      machine.ports.write(0xCF8, width: .dword, value: address)
      machine.ports.write(0xCFC, width: .dword, value: value)
    }
  }

  @Test(arguments: 1...(millions * 4))
  func nothingBreaksTheMachine(seed: UInt64) throws {
    let folder = NSTemporaryDirectory() + "/device-fuzz-\(getpid())-\(seed)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var configuration = MachineConfiguration()
    configuration.memory = 16 << 20
    configuration.startTime = MachineConfiguration.fixedStartTime
    let machine = try Machine(
      configuration: configuration,
      image: ROMLoader.load(rom: [UInt8](repeating: 0xF4, count: 0x10000), name: "rom"),
      console: Console(serial: .none, debug: .none, readsInput: false),
      drives: DriveSet(makeDrives(folder)))
    map(machine)
    var random = Random(state: seed &* 0x9E37_79B9_7F4A_7C15)
    var frame = machine.pc.screen
    for step in 0..<250_000 {
      let bits = random.next()
      let width = AccessWidth.allCases[Int(bits & 0xFF) % 3]
      // Small values and single bits mean more to devices than noise.
      var value = UInt32(truncatingIfNeeded: bits >> 32)
      if bits & 0x100 != 0 { value >>= value & 31 }
      if bits & 0x600 == 0 {
        let range = Self.memory[Int(bits >> 11 & 0xFF) % Self.memory.count]
        let size = width.rawValue
        var address = UInt32.random(in: range, using: &random) & ~UInt32(size - 1)
        if bits & 0x1000_0000 != 0 { address &= ~0xFF }
        if bits & 0x8000 != 0 {
          machine.memory.write(physical: UInt64(address), size: size, UInt64(value))
        } else {
          _ = machine.memory.read(physical: UInt64(address), size: size)
        }
      } else {
        let range = Self.ports[Int(bits >> 11 & 0xFF) % Self.ports.count]
        let port =
          bits & 0xF0_0000 == 0
          ? UInt16(truncatingIfNeeded: value) : UInt16.random(in: range, using: &random)
        if bits & 0x8000 != 0 {
          machine.ports.write(port, width: width, value: value)
        } else {
          _ = machine.ports.read(port, width: width)
        }
      }
      if bits & 0xFF00_0000 == 0 {
        machine.processor.cpu.pointee.cycles &+= UInt64(value & 0x1FFF)
        machine.events.runDue()
      }
      if step % 50_000 == 0 {
        frame = machine.pc.screen
        #expect(frame.pixels.count == frame.width * frame.height)
        _ = machine.pc.screenText
        machine.pc.reset()
        map(machine)
      }
    }
    #expect(machine.events.nextTime > 0)
  }
}
