import Memory
import Testing

@testable import Machine

@Suite struct MemoryShadowTests {
  private func write(_ memory: PhysicalMemory, _ value: UInt64) {
    memory.write(physical: 0xF_0010, size: 1, value)
  }
  private func read(_ memory: PhysicalMemory, _ address: UInt64 = 0xF_0010) -> UInt64 {
    memory.read(physical: address, size: 1)
  }

  @Test func readsAndWritesAreSwitchedApart() throws {
    let memory = try PhysicalMemory(ramSize: 2 << 20)
    var changes = 0
    memory.mapChanged = { changes += 1 }
    memory.mapROM([UInt8](repeating: 0xAB, count: 0x1_0000), at: 0xF_0000)
    let shadow = MemoryShadow(memory: memory)
    shadow.write(register: 0x59, value: 0x00)
    write(memory, 1)
    #expect(read(memory) == 0xAB)
    shadow.write(register: 0x59, value: 0x20)  // write RAM, read ROM
    write(memory, 2)
    #expect(read(memory) == 0xAB)
    shadow.write(register: 0x59, value: 0x10)  // read RAM only
    #expect(read(memory) == 2)
    write(memory, 3)
    #expect(read(memory) == 2)
    shadow.write(register: 0x59, value: 0x30)
    write(memory, 4)
    #expect(read(memory) == 4)
    shadow.write(register: 0x59, value: 0x00)
    #expect(read(memory) == 0xAB)
    #expect(changes >= 5)
  }

  @Test func eachRegisterHasTwoParts() throws {
    let memory = try PhysicalMemory(ramSize: 2 << 20)
    let shadow = MemoryShadow(memory: memory)
    for register in 0x59...0x5F { shadow.write(register: register, value: 0) }
    #expect(read(memory, 0xC_8000) == 0xFF)
    shadow.write(register: 0x5B, value: 0x30)
    memory.write(physical: 0xC_C000, size: 1, 5)
    memory.write(physical: 0xC_8000, size: 1, 5)
    #expect(read(memory, 0xC_C000) == 5)
    #expect(read(memory, 0xC_8000) == 0xFF)
    shadow.write(register: 0x5B, value: 0x33)
    #expect(read(memory, 0xC_8000) == 0)
  }
}

@Suite struct FirmwareLoaderTests {
  private func load(_ system: Int, _ video: [UInt8]) throws(InputError) -> BootImage {
    try FirmwareLoader.load(
      system: [UInt8](repeating: 0, count: system), systemName: "s", video: video, videoName: "v")
  }

  @Test func checksWhatTheFilesAre() throws {
    let video = [0x55, 0xAA, 1] + [UInt8](repeating: 0, count: 509)
    let image = try load(0x4_0000, video)
    #expect(image.roms.map(\.address) == [0xFFFC_0000, 0xE_0000])
    #expect(image.firmware?.videoROM == video)
    #expect(throws: InputError.self) { try load(0x1_0001, video) }
    #expect(throws: InputError.self) { try load(0, video) }
    #expect(throws: InputError.self) { try load(0x4_0000, [0x55, 0xAA, 2] + video.dropFirst(3)) }
    #expect(throws: InputError.self) { try load(0x4_0000, []) }
  }
}
