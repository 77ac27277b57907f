import Bus
import Testing

@testable import Devices

/// A mirror that is told now and then shows what the VGA itself shows, whatever was done to it.
@Suite struct VideoMirrorTests {
  private func compare(
    _ vga: VGA, _ mirror: VideoMirror, _ copy: inout VideoFrame,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    mirror.apply(vga.takeUpdate())
    var original = VideoFrame()
    vga.isDirty = true
    vga.render(into: &original)
    mirror.render(into: &copy)
    #expect(original == copy, sourceLocation: sourceLocation)
  }

  @Test func mirrorsTheSameUnderRandomWrites() {
    for seed in 0..<40 as Range<UInt64> {
      var random = TestRandom(seed: seed)
      func below(_ limit: UInt32) -> UInt32 { UInt32.random(in: 0..<limit, using: &random) }
      let clock = TestClock()
      let vga = VGA(queue: clock.queue, memorySize: 1 << 20)
      let mirror = VideoMirror(vga.takeUpdate(), frequency: clock.queue.frequency)
      let framebuffer = vga.linearFramebuffer
      let ports = vga.displayInterface
      var copy = VideoFrame()
      compare(vga, mirror, &copy)
      for step in 0..<300 {
        switch below(10) {
        case 0:
          // A register with an index; small sizes keep the pictures small.
          let port = [UInt16(0x14), 0x24, 0x1E][Int(below(3))]
          let index = UInt8(below(25))
          if port != 0x24 || index > 7 {
            vga.writePort(
              offset: port, width: .word, value: UInt32(index) | below(256) << 8)
          }
        case 1:
          _ = vga.readPort(offset: 0x2A, width: .byte)
          vga.write(0x10, UInt8(below(32)) | (below(8) == 0 ? 0 : 0x20))
          vga.write(0x10, UInt8(below(256)))
        case 2:
          vga.write(0x18, UInt8(below(256)))
          for _ in 0..<3 { vga.write(0x19, UInt8(below(256))) }
          if below(4) == 0 { vga.write(0x16, UInt8(below(256))) }
        case 3:
          framebuffer.writeMemory(offset: below(1 << 20), width: .dword, value: below(.max))
        case 4 where below(4) == 0:
          // A mode of the display interface, or out of it.
          for (index, value) in [
            (4, 0), (1, below(40) * 8), (2, below(100)), (3, [8, 15, 16, 24, 32][Int(below(5))]),
            (4, below(2) | below(2) << 7 | below(2) << 5), (9, below(50)), (5, below(16)),
          ] {
            ports.writePort(offset: 0, width: .word, value: UInt32(index))
            ports.writePort(offset: 1, width: .word, value: value)
          }
        case 5 where below(2) == 0: clock.advance(microseconds: UInt64(below(500_000)))
        case 6 where below(10) == 0: vga.reset()
        default:
          vga.writeMemory(offset: below(0x20000), width: .word, value: below(.max))
        }
        if step % 50 == 49 || below(20) == 0 { compare(vga, mirror, &copy) }
      }
      compare(vga, mirror, &copy)
    }
  }

  /// What is not drawn again is what the frame held: a line of pixels, the cursor, a character that blinks.
  @Test func onlyChangedLinesAreDrawn() {
    let clock = TestClock()
    let vga = VGA(queue: clock.queue, memorySize: 1 << 20)
    let mirror = VideoMirror(vga.takeUpdate(), frequency: clock.queue.frequency)
    var frame = VideoFrame()
    func lines() -> Range<Int> {
      mirror.apply(vga.takeUpdate())
      return mirror.render(into: &frame)
    }
    let ports = vga.displayInterface
    for (index, value) in [(4, 0), (1, 320), (2, 200), (3, 32), (4, 1)] as [(UInt32, UInt32)] {
      ports.writePort(offset: 0, width: .word, value: index)
      ports.writePort(offset: 1, width: .word, value: value)
    }
    #expect(lines() == 0..<200)
    #expect(lines().isEmpty)
    // Line 100 is at 128000; changes are known by pages, and this one is 125 * 1024 to 129 * 1024.
    vga.linearFramebuffer.writeMemory(offset: 128_004, width: .dword, value: 0x123456)
    #expect(lines() == 99..<103)
    #expect(frame.pixels[100 * 320 + 1] == 0xFF56_3412)
  }

  @Test func changedMemoryIsCopied() {
    var changes = VideoMemoryChanges(size: 1 << 20)
    #expect(changes.wasCleared)
    changes.add(0..<0x40000)
    let all = 0..<0x10_0000
    #expect(changes.take(visible: all) == [0..<0x40000])
    #expect(changes.take(visible: all).isEmpty && !changes.wasCleared)
    changes.add(0x5003)
    changes.add(0x6000)
    changes.add(0xFFFFF)
    #expect(changes.take(visible: 0..<1) == [0x5000..<0x7000, 0xFF000..<0x10_0000])
    // Parts that are written freely are copied each time, as far as they are seen, and once more when that ends.
    changes.open(0x2_0000..<0x3_0000)
    for _ in 0..<2 {
      #expect(changes.take(visible: 0x2_8000..<0x8_0000) == [0x2_8000..<0x3_0000])
    }
    changes.close()
    #expect(changes.take(visible: 0..<1) == [0x2_0000..<0x3_0000])
    #expect(changes.take(visible: all).isEmpty)
  }

  /// The first write after a pause is tracked from at once, a picture that is written all the time more and more rarely.
  @Test func trackingDoesNotSlowDownABusyPicture() {
    let clock = TestClock()
    let vga = VGA(queue: clock.queue, memorySize: 1 << 20)
    var trackings: [Int] = []
    var number = 0
    vga.trackWrites = { trackings.append(number) }
    func updates(_ count: Int) {
      for _ in 0..<count {
        // The processor's writes are noticed once only until they are tracked again.
        if !vga.hasUntrackedWrites { vga.framebufferWritten(0..<0x1_0000) }
        _ = vga.takeUpdate()
        number += 1
        clock.advance(microseconds: 16_667)
      }
    }
    updates(60)
    #expect(trackings == [0, 2, 5, 10, 19, 28, 37, 46, 55])
    // What was written last is tracked in the end, and then nothing more.
    for _ in 0..<20 where vga.hasUntrackedWrites { updates(1) }
    #expect(!vga.hasUntrackedWrites && trackings.count == 10)
    _ = vga.takeUpdate()
    clock.advance(microseconds: 100_000)
    trackings = []
    updates(1)
    #expect(trackings == [number - 1])
  }

  @Test func picturesAreNumbered() {
    let clock = TestClock()
    let vga = VGA(queue: clock.queue, memorySize: 1 << 20)
    let first = vga.pictureNumber
    #expect(vga.pictureNumber == first)
    vga.writeMemory(offset: 0x18000, width: .byte, value: 0x41)
    #expect(vga.pictureNumber != first)
    let second = vga.pictureNumber
    // The cursor blinks.
    clock.advance(microseconds: 300_000)
    #expect(vga.pictureNumber != second)
  }

  @Test func repeatedLinesCountForTheShape() {
    let clock = TestClock()
    let vga = VGA(queue: clock.queue, memorySize: 1 << 20)
    #expect(vga.naturalSize == (720, 400))
    vga.sequencer[1] = 1
    #expect(vga.naturalSize == (640, 400))
    vga.graphics[6] = 5
    #expect(vga.naturalSize == (640, 400))
    vga.sequencer[1] = 9
    vga.crtc[1] = 39
    #expect(vga.naturalSize == (640, 400))
  }
}
