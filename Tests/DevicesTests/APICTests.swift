import Bus
import Testing

@testable import Devices

/// The two APICs and the 8259s, wired as on the board.
private final class Board {
  let clock = TestClock()
  let pic = PICPair()
  let local: LocalAPIC
  let io: IOAPIC
  let wires: InterruptWires
  var request = false
  var nonMaskable = 0
  var base: UInt32? = 0xFEE0_0000

  init() {
    local = LocalAPIC(queue: clock.queue, external: pic)
    io = IOAPIC(processor: local)
    wires = InterruptWires(legacy: pic, apic: io)
    pic.interruptRequestChanged = { [unowned local] in local.setExternalRequest($0) }
    local.requestChanged = { [unowned self] in request = $0 }
    local.nonMaskableRequested = { [unowned self] in nonMaskable += 1 }
    local.baseChanged = { [unowned self] in base = $0 }
  }

  func set(_ register: UInt32, _ value: UInt32) {
    local.writeMemory(offset: register, width: .dword, value: value)
  }
  func get(_ register: UInt32) -> UInt32 { local.readMemory(offset: register, width: .dword) }

  /// Writes an entry of the redirection table.
  func redirect(_ input: UInt32, _ entry: UInt64) {
    for half in 0..<2 as Range<UInt32> {
      io.writeMemory(offset: 0, width: .dword, value: 0x10 + input * 2 + (1 - half))
      io.writeMemory(
        offset: 0x10, width: .dword,
        value: UInt32(truncatingIfNeeded: entry >> UInt64((1 - half) * 32)))
    }
  }

  /// Initializes the 8259s with vectors 20h and 28h, all lines open.
  func enablePIC() {
    for (chip, base) in [(pic.primary, 0x20), (pic.secondary, 0x28)] {
      chip.write(0, 0x11)
      chip.write(1, UInt8(base))
      chip.write(1, chip === pic.primary ? 4 : 2)
      chip.write(1, 1)
      chip.write(1, 0)
    }
  }
}

@Suite struct LocalAPICTests {
  @Test func passesTheLegacyInterruptsOnAfterReset() {
    let board = Board()
    board.enablePIC()
    board.wires.setLine(3, asserted: true)
    #expect(board.request)
    #expect(board.local.acknowledge() == 0x23)
    #expect(!board.request)
    // Switched off in the MSR they still come, and the registers are gone.
    board.local.setBase(0xFEE0_0000)
    #expect(board.base == nil && !board.local.isOn)
    board.wires.setLine(1, asserted: true)
    #expect(board.request && board.local.acknowledge() == 0x21)
    board.local.setBase(0xFED1_0800)
    #expect(board.base == 0xFED1_0000)
  }

  @Test func prioritiesNestInterrupts() {
    let board = Board()
    board.set(0xF0, 0x1FF)
    board.set(0x310, 0)
    board.set(0x300, 0x4_0041)  // to self
    board.set(0x300, 0x4_0055)
    #expect(board.request)
    #expect(board.get(0x220) == 1 << 1 | 1 << 21)  // 40h-5Fh
    #expect(board.local.acknowledge() == 0x55)
    #expect(board.get(0x120) == 1 << 21)
    #expect(board.get(0xA0) == 0x50)
    #expect(!board.request)  // 41h waits
    board.set(0x300, 0x4_0061)
    #expect(board.request && board.local.acknowledge() == 0x61)
    board.set(0xB0, 0)
    #expect(!board.request)
    board.set(0xB0, 0)
    #expect(board.request)
    board.set(0x80, 0x40)
    #expect(!board.request)
    board.set(0x80, 0)
    #expect(board.local.acknowledge() == 0x41)
    // Nothing is pending now.
    #expect(board.local.acknowledge() == 0xFF)
  }

  @Test func theTimerCountsDown() {
    let board = Board()
    board.set(0xF0, 0x1FF)
    board.set(0x3E0, 0x3)  // divide by 16: 6.25 MHz
    board.set(0x320, 0x31)
    board.set(0x380, 6250)
    board.clock.advance(microseconds: 500)
    #expect(abs(Int(board.get(0x390)) - 3125) <= 1)
    #expect(!board.request)
    board.clock.advance(microseconds: 501)
    #expect(board.request && board.local.acknowledge() == 0x31)
    #expect(board.get(0x390) == 0)
    board.set(0xB0, 0)
    board.clock.advance(microseconds: 3000)
    #expect(!board.request)
    // Periodic.
    board.set(0x320, 0x2_0032)
    board.set(0x380, 6250)
    for _ in 0..<3 {
      board.clock.advance(microseconds: 1000)
      #expect(board.request && board.local.acknowledge() == 0x32)
      board.set(0xB0, 0)
    }
    board.set(0x320, 0x3_0032)
    board.clock.advance(microseconds: 2000)
    #expect(!board.request)
  }

  @Test func badVectorsAreErrors() {
    let board = Board()
    board.set(0xF0, 0x1FF)
    board.set(0x370, 0xFE)
    board.set(0x300, 0x4_0005)
    #expect(board.local.acknowledge() == 0xFE)
    board.set(0x280, 0)
    #expect(board.get(0x280) == 0x40)
    board.set(0x280, 0)
    #expect(board.get(0x280) == 0)
    board.set(0x370, 0x03)  // an error vector that is an error itself
    board.set(0x300, 0x4_0005)
    #expect(board.get(0x200) == 0)
  }

  @Test func nonMaskableInterruptsAndMaskedEntries() {
    let board = Board()
    board.set(0xF0, 0x1FF)
    board.set(0x300, 0x4_0400)
    #expect(board.nonMaskable == 1)
    board.set(0xF0, 0xFF)
    #expect(board.get(0x320) & 0x1_0000 != 0)
    board.set(0x320, 0x31)
    #expect(board.get(0x320) == 0x1_0031)
  }
}

@Suite struct IOAPICTests {
  @Test func hasTwentyFourInputs() {
    let board = Board()
    board.io.writeMemory(offset: 0, width: .dword, value: 1)
    #expect(board.io.readMemory(offset: 0x10, width: .dword) == 0x0017_0011)
    board.redirect(5, 0xFF00_0000_0001_FFFF)
    board.io.writeMemory(offset: 0, width: .dword, value: 0x1A)
    #expect(board.io.readMemory(offset: 0x10, width: .dword) == 0x0001_AFFF)
  }

  @Test func edgesInterruptOnce() {
    let board = Board()
    board.set(0xF0, 0x1FF)
    board.redirect(2, 0x30)
    board.wires.setLine(0, asserted: true)  // the timer is on input 2
    #expect(board.request && board.local.acknowledge() == 0x30)
    board.set(0xB0, 0)
    #expect(!board.request)
    board.wires.setLine(0, asserted: false)
    board.wires.setLine(0, asserted: true)
    #expect(board.request)
  }

  @Test func levelsInterruptUntilTheyFall() {
    let board = Board()
    board.set(0xF0, 0x1FF)
    board.redirect(11, 0x8061)
    board.wires.setLine(11, asserted: true)
    #expect(board.local.acknowledge() == 0x61)
    #expect(board.get(0x1B0) == 1 << 1)  // level triggered
    board.set(0xB0, 0)
    #expect(board.request && board.local.acknowledge() == 0x61)
    board.wires.setLine(11, asserted: false)
    board.set(0xB0, 0)
    #expect(!board.request)
    // Masked while asserted, it comes when the mask is cleared.
    board.redirect(11, 0x1_8061)
    board.wires.setLine(11, asserted: true)
    #expect(!board.request)
    board.redirect(11, 0x8061)
    #expect(board.request)
  }

  @Test func destinationsMustMatch() {
    let board = Board()
    board.set(0xF0, 0x1FF)
    board.set(0xD0, 0x0100_0000)
    board.redirect(4, 0x0200_0000_0000_0844)
    board.wires.setLine(4, asserted: true)
    #expect(!board.request)
    board.wires.setLine(4, asserted: false)
    board.redirect(4, 0x0300_0000_0000_0944)  // lowest priority, logical, CPUs 0 and 1
    board.wires.setLine(4, asserted: true)
    #expect(board.request && board.local.acknowledge() == 0x44)
  }
}
