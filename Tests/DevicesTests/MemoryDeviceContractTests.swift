import Bus
import Testing

@testable import Devices

/// A device with memory-mapped registers as the contract test sees it.
struct MemoryDeviceUnderTest: CustomTestStringConvertible, Sendable {
  var name: String
  var size: UInt32
  /// Whether a reset makes it as new.
  var resets = true
  var make: @Sendable (EventQueue) -> (any MemoryMappedDevice, reset: () -> Void)

  var testDescription: String { name }

  static let all: [MemoryDeviceUnderTest] = [
    MemoryDeviceUnderTest(name: "local APIC", size: 4096) { queue in
      let apic = LocalAPIC(queue: queue, external: PICPair())
      return (apic, { apic.reset() })
    },
    MemoryDeviceUnderTest(name: "I/O APIC", size: 4096) { queue in
      let apic = IOAPIC(processor: LocalAPIC(queue: queue, external: PICPair()))
      return (apic, { apic.reset() })
    },
    MemoryDeviceUnderTest(name: "HPET", size: 4096) { queue in
      let timer = HPET(queue: queue, wires: PICPair())
      return (timer, { timer.reset() })
    },
    MemoryDeviceUnderTest(name: "VGA memory", size: 0x20000) { queue in
      let vga = VGA(queue: queue, memorySize: 1 << 18)
      return (vga, { vga.reset() })
    },
    MemoryDeviceUnderTest(name: "framebuffer", size: 1 << 18) { queue in
      let vga = VGA(queue: queue, memorySize: 1 << 18)
      return (vga.linearFramebuffer, { vga.reset() })
    },
    MemoryDeviceUnderTest(name: "expansion ROM", size: 4096) { _ in
      (ExpansionROM([0x55, 0xAA]), {})
    },
  ]
}

@Test(arguments: MemoryDeviceUnderTest.all)
func memoryDeviceSurvivesEveryAccess(_ subject: MemoryDeviceUnderTest) {
  for seed in 1...20 as ClosedRange<UInt64> {
    let clock = TestClock()
    let (device, reset) = subject.make(clock.queue)
    var random = TestRandom(seed: seed)
    for _ in 0..<1000 {
      // Registers are usually written at aligned addresses, and a wide access may reach past the end.
      var offset = UInt32.random(in: 0..<subject.size, using: &random)
      if Bool.random(using: &random) { offset &= ~15 }
      let width = AccessWidth.allCases.randomElement(using: &random)!
      if Bool.random(using: &random) {
        let value = UInt32.random(in: 0...(.max), using: &random)
        device.writeMemory(offset: offset, width: width, value: value >> (value & 31))
      } else {
        _ = device.readMemory(offset: offset, width: width)
      }
      if UInt8.random(in: 0..<8, using: &random) == 0 {
        clock.advance(microseconds: UInt64.random(in: 0..<30, using: &random))
      }
    }
    clock.advance(microseconds: 10_000)
    reset()
  }
}

@Test(arguments: MemoryDeviceUnderTest.all)
func memoryDeviceIsAsNewAfterReset(_ subject: MemoryDeviceUnderTest) {
  let clock = TestClock()
  let (used, reset) = subject.make(clock.queue)
  let (fresh, resetFresh) = subject.make(clock.queue)
  var random = TestRandom(seed: 3)
  for _ in 0..<2000 {
    used.writeMemory(
      offset: UInt32.random(in: 0..<subject.size, using: &random) & ~15, width: .dword,
      value: UInt32.random(in: 0...(.max), using: &random))
  }
  clock.advance(microseconds: 1000)
  reset()
  resetFresh()
  for offset in stride(from: 0, to: min(subject.size, 4096), by: 4) {
    #expect(
      used.readMemory(offset: offset, width: .dword)
        == fresh.readMemory(offset: offset, width: .dword), "offset \(offset)")
  }
}
