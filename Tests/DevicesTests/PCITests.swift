import Bus
import Testing

@testable import Devices

extension PCIHostBridge {
  fileprivate func select(_ device: UInt32, _ function: UInt32, _ offset: UInt32) {
    writePort(
      offset: 0, width: .dword,
      value: 0x8000_0000 | device << 11 | function << 8 | offset & 0xFC)
  }
  fileprivate func get(
    _ device: UInt32, _ function: UInt32, _ offset: UInt32, _ width: AccessWidth
  ) -> UInt32 {
    select(device, function, offset)
    return readPort(offset: 4 + UInt16(offset & 3), width: width)
  }
  fileprivate func set(
    _ device: UInt32, _ function: UInt32, _ offset: UInt32, _ width: AccessWidth, _ value: UInt32
  ) {
    select(device, function, offset)
    writePort(offset: 4 + UInt16(offset & 3), width: width, value: value)
  }
}

@Test func configurationMechanismOneFindsTheFunctions() {
  let bridge = PCIHostBridge()
  let lines = TestLines()
  let isa = PIIX3ISABridge(controller: lines)
  let power = PIIX4PowerManagementFunction()
  bridge.attach(isa.function, device: 1, function: 0)
  bridge.attach(power.function, device: 1, function: 3)
  #expect(bridge.get(0, 0, 0, .dword) == 0x1237_8086)
  #expect(bridge.get(1, 0, 0, .dword) == 0x7000_8086)
  #expect(bridge.get(1, 3, 2, .word) == 0x7113)
  #expect(bridge.get(1, 0, 0x0B, .byte) == 0x06)
  #expect(bridge.get(1, 0, 0x0E, .byte) == 0x80)
  #expect(bridge.get(2, 0, 0, .dword) == 0xFFFF_FFFF)
  bridge.writePort(offset: 0, width: .dword, value: 0x0000_0800)  // not enabled
  #expect(bridge.readPort(offset: 4, width: .dword) == 0xFFFF_FFFF)
  #expect(bridge.readPort(offset: 0, width: .dword) == 0x0000_0800)
  bridge.writePort(offset: 0, width: .dword, value: 0x8001_0800)  // bus 1
  #expect(bridge.readPort(offset: 4, width: .dword) == 0xFFFF_FFFF)
  bridge.set(0, 0, 0, .dword, 0)  // read-only
  #expect(bridge.get(0, 0, 0, .dword) == 0x1237_8086)
}

@Test func resetControlResetsOnTheRisingBit() {
  let bridge = PCIHostBridge()
  var resets = 0
  bridge.resetRequested = { resets += 1 }
  bridge.write(1, 0x02)
  #expect(resets == 0)
  bridge.write(1, 0x06)
  #expect(resets == 1)
  bridge.writePort(offset: 0, width: .dword, value: 0x8000_0600)
  #expect(resets == 1)
}

@Test func baseAddressesAreSizedAndRemapped() {
  let bridge = PCIHostBridge()
  let function = PCIFunction(
    vendor: 0x1234, device: 0x1111, classCode: 0x030000, interruptPin: 1)
  var memory: [UInt32?] = []
  var ports: [UInt32?] = []
  function.addBaseAddress(0, .memory(size: 0x100_0000)) { memory.append($0) }
  function.addBaseAddress(1, .io(size: 16)) { ports.append($0) }
  bridge.attach(function, device: 2, function: 0)
  bridge.set(2, 0, 4, .word, 3)
  bridge.set(2, 0, 0x10, .dword, 0xFFFF_FFFF)
  #expect(bridge.get(2, 0, 0x10, .dword) == 0xFF00_0000)
  bridge.set(2, 0, 0x14, .dword, 0xFFFF_FFFF)
  #expect(bridge.get(2, 0, 0x14, .dword) == 0xFFFF_FFF1)
  #expect(memory.compactMap { $0 }.isEmpty || memory.last == .some(nil))
  bridge.set(2, 0, 0x10, .dword, 0xE000_0000)
  bridge.set(2, 0, 0x14, .dword, 0xC050)
  #expect(memory.last == 0xE000_0000)
  #expect(ports.last == 0xC050)
  bridge.set(2, 0, 4, .word, 0)
  #expect(memory.last == .some(nil))
  #expect(ports.last == .some(nil))
  bridge.set(2, 0, 0x3C, .byte, 11)
  #expect(bridge.get(2, 0, 0x3C, .word) == 0x010B)
}

@Test func pciInterruptsAreRoutedSharedAndRerouted() {
  let lines = TestLines()
  let isa = PIIX3ISABridge(controller: lines)
  let a = isa.interruptLine(device: 2, pin: 0)  // PIRQB
  let b = isa.interruptLine(device: 3, pin: 3)  // PIRQB as well
  a.set(true)
  #expect(!lines.levels.contains(true))
  isa.route([10, 11, 10, 11])
  #expect(lines.levels[11])
  b.set(true)
  a.set(false)
  #expect(lines.levels[11])
  isa.function.write(0x61, 5)
  #expect(!lines.levels[11])
  #expect(lines.levels[5])
  b.set(false)
  #expect(!lines.levels[5])
  isa.function.write(0x61, 0)  // not a line that PIRQs reach
  b.set(true)
  #expect(!lines.levels.contains(true))
}

@Test func powerManagementBaseIsReported() {
  let power = PIIX4PowerManagementFunction()
  var bases: [UInt16?] = []
  power.baseChanged = { bases.append($0) }
  power.enable(base: 0x600)
  #expect(power.base == 0x600)
  #expect(power.function.read(dword: 0x40) == 0x601)
  power.function.write(0x40, width: 4, value: 0xB000)
  power.reset()
  #expect(bases.last == .some(nil))
  #expect(bases.contains(0xB000))
}

@Test func expansionROMsHaveTheirOwnEnableBit() {
  let function = PCIFunction(vendor: 1, device: 2, classCode: 0x030000)
  var base: UInt32?
  function.addExpansionROM(size: 0x1_0000) { base = $0 }
  function.write(4, 0x02)
  function.write(0x30, width: 4, value: 0xFFFF_FFFE)
  #expect(function.read(dword: 0x30) == 0xFFFF_0000)
  function.write(0x30, width: 4, value: 0xFE00_0000)
  #expect(base == nil)
  function.write(0x30, 0x01)
  #expect(base == 0xFE00_0000)
  function.write(4, 0)
  #expect(base == nil)
  let rom = ExpansionROM([0x55, 0xAA, 0x03])
  #expect(rom.size == 4096)
  #expect(rom.readMemory(offset: 0, width: .dword) == 0xFF03_AA55)
}
