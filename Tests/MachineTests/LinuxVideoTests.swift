import Devices
import Testing

@testable import Machine

@Suite struct LinuxVideoTests {
  @Test(arguments: [
    ("quiet", nil), ("vga=normal", nil), ("vga=0x301", VideoMode(width: 640, height: 480, bits: 8)),
    ("vga=791 quiet", VideoMode(width: 1024, height: 768, bits: 16)),
    ("a vga=0x318", VideoMode(width: 1024, height: 768, bits: 24)),
    ("vga=0x301 vga=0x344", VideoMode(width: 1024, height: 768, bits: 32)),
  ]) func modesOfTheCommandLine(text: String, mode: VideoMode?) throws {
    #expect(try LinuxVideo.mode(commandLine: text) == mode)
  }

  @Test(arguments: ["vga=0x399", "vga=", "vga=-1", "vga=0x", "vga=99999999999999999999"])
  func othersAreRefused(text: String) {
    #expect(throws: InputError.self) { try LinuxVideo.mode(commandLine: text) }
  }

  @Test func theMachineStartsInTheMode() throws {
    var image = BootImage(kind: "linux", entry: .reset)
    for number in [0x101, 0x111, 0x112, 0x115, 0x110, 0x145] {
      let mode = try #require(VideoMode(vbe: number))
      image.videoMode = mode
      var configuration = MachineConfiguration()
      configuration.memory = MachineConfiguration.smallestMemory
      let machine = try Machine(
        configuration: configuration, image: image,
        console: Console(serial: .none, debug: .none, readsInput: false))
      #expect(machine.pc.screen.width == mode.width && machine.pc.screen.height == mode.height)
      // The last pixel, where the guest is told that it is; 63 is white in the palette.
      let last = UInt64(mode.pitch * mode.height - mode.bytesPerPixel)
      machine.memory.write(physical: UInt64(PC.framebufferAddress) + last, size: 1, 0x3F)
      #expect(machine.pc.screen.pixels.last != machine.pc.screen.pixels.first)
    }
  }
}
