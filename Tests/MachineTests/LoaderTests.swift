import Testing

@testable import Machine

private let memory = MemoryLayoutMap(ramSize: 64 << 20)

private func loadLinux(
  _ kernel: [UInt8], initrd: [UInt8]? = nil, commandLine: String = ""
) throws -> BootImage {
  try LinuxLoader.load(
    kernel: kernel, name: "k", initrd: initrd, commandLine: commandLine, memory: memory)
}

private func loadMultiboot(_ kernel: [UInt8], module: [UInt8]? = nil) throws -> BootImage {
  try MultibootLoader.load(
    kernel: kernel, name: "k", module: module, moduleName: "m", commandLine: "x=1", memory: memory)
}

private func contents(_ image: BootImage, at address: UInt32) -> ByteReader? {
  image.segments.first { $0.address == address }.map { ByteReader($0.bytes) }
}

@Suite struct LinuxLoaderTests {
  @Test func placesKernelZeroPageAndCommandLine() throws {
    let image = try loadLinux(SampleKernels.linux(body: [1, 2, 3]), commandLine: "console=ttyS0")
    #expect(contents(image, at: 0x10_0000)?.bytes == [1, 2, 3])
    guard case .flat(let entry) = image.entry else {
      Issue.record("not a flat entry")
      return
    }
    #expect(entry.eip == 0x10_0000)
    let zeroPage = try #require(contents(image, at: entry.esi))
    #expect(zeroPage.count == 4096)
    #expect(zeroPage.u32(0x202) == 0x5372_6448)
    #expect(zeroPage.u8(0x210) == 0xFF)
    let textAddress = try #require(zeroPage.u32(0x228))
    #expect(contents(image, at: textAddress)?.string(at: 0) == "console=ttyS0")
    // Flat code and data at the selectors that the protocol names.
    let table = try #require(contents(image, at: entry.gdtBase))
    #expect(entry.code == 0x10 && entry.data == 0x18)
    #expect(table.u64(0x10) == 0x00CF_9A00_0000_FFFF)
    #expect(table.u64(0x18) == 0x00CF_9200_0000_FFFF)
  }

  @Test func memoryMapCoversRAMWithoutTheHole() throws {
    let image = try loadLinux(SampleKernels.linux())
    let zeroPage = try #require(contents(image, at: 0x1_0000))
    let count = Int(zeroPage.u8(0x1E8) ?? 0)
    var usable: UInt64 = 0
    for index in 0..<count where zeroPage.u32(0x2D0 + index * 20 + 16) == 1 {
      usable += zeroPage.u64(0x2D0 + index * 20 + 8) ?? 0
    }
    #expect(usable == (64 << 20) - 0x10_0000 + 0x9_FC00)
  }

  @Test func ramDiskIsPageAlignedAtTheTop() throws {
    let disk = [UInt8](repeating: 7, count: 5000)
    let image = try loadLinux(SampleKernels.linux(), initrd: disk)
    let zeroPage = try #require(contents(image, at: 0x1_0000))
    let address = try #require(zeroPage.u32(0x218))
    #expect(address % 4096 == 0)
    #expect(UInt64(address) + 5000 <= 64 << 20)
    #expect(zeroPage.u32(0x21C) == 5000)
    #expect(contents(image, at: address)?.bytes == disk)
  }

  @Test(arguments: [
    ("short", Array(SampleKernels.linux()[..<0x200])),
    ("no magic", [UInt8](repeating: 0, count: 4096)),
    ("setup only", Array(SampleKernels.linux()[..<1024])),
    ("body cut off", Array(SampleKernels.linux(body: [UInt8](repeating: 1, count: 512))[..<1200])),
    ("too large", SampleKernels.linux(initSize: 0x7000_0000)),
    (
      "old protocol",
      {
        var k = SampleKernels.linux()
        k[0x207] = 1
        return k
      }()
    ),
    (
      "zImage",
      {
        var k = SampleKernels.linux()
        k[0x211] = 0
        return k
      }()
    ),
    (
      "entry outside",
      {
        var k = SampleKernels.linux()
        k[0x217] = 0x7F
        return k
      }()
    ),
  ]) func badKernelsAreBadData(name: String, kernel: [UInt8]) {
    let error = #expect(throws: InputError.self) { try loadLinux(kernel) }
    #expect(error?.kind == .badData)
    #expect(error?.message.hasPrefix("k: ") == true)
  }

  @Test func tooLargeRAMDiskAndTooLongCommandLineAreRefused() {
    let disk = [UInt8](repeating: 0, count: 60 << 20)
    #expect(throws: InputError.self) { try loadLinux(SampleKernels.linux(), initrd: disk) }
    let error = #expect(throws: InputError.self) {
      try loadLinux(SampleKernels.linux(), commandLine: String(repeating: "x", count: 3000))
    }
    #expect(error?.kind == .usage)
  }
}

@Suite struct MultibootLoaderTests {
  @Test func loadsAnELFKernelWithItsModule() throws {
    let image = try loadMultiboot(SampleKernels.multiboot(), module: [9, 8, 7])
    guard case .flat(let entry) = image.entry else {
      Issue.record("not a flat entry")
      return
    }
    #expect(entry.eip == 0x10_000C)
    #expect(entry.eax == 0x2BAD_B002)
    let information = try #require(contents(image, at: entry.ebx))
    let flags = try #require(information.u32(0))
    #expect(flags & 0x4D == 0x4D)
    #expect(information.u32(8) == 63 << 10)
    let textAddress = try #require(information.u32(16))
    let text = try #require(contents(image, at: textAddress))
    #expect(text.string(at: 0) == "x=1")
    let listAddress = try #require(information.u32(24))
    let module = try #require(contents(image, at: listAddress))
    let start = try #require(module.u32(0))
    #expect(start % 4096 == 0)
    #expect(module.u32(4) == start + 3)
    #expect(contents(image, at: start)?.bytes == [9, 8, 7])
  }

  @Test func loadsByTheHeadersOwnAddresses() throws {
    var file = ByteWriter(count: 64)
    let flags: UInt32 = 0x1_0000
    for (index, value) in [
      0x1BAD_B002, flags, 0 &- 0x1BAD_B002 &- flags, 0x20_0010, 0x20_0000, 0, 0x20_1000,
      0x20_0030,
    ].enumerated() { file.put(value, at: 16 + index * 4) }
    let image = try loadMultiboot(file.bytes)
    #expect(contents(image, at: 0x20_0000)?.count == 64)
    guard case .flat(let entry) = image.entry else { return }
    #expect(entry.eip == 0x20_0030)
  }

  @Test(arguments: [
    ("no header", SampleKernels.elf(segments: [(0x10_0000, [0xF4], 1)], entry: 0x10_0000)),
    ("unknown demand", SampleKernels.multiboot(flags: 8)),
    ("beyond memory", SampleKernels.multiboot(address: 0x7000_0000)),
    ("below 64 KiB", SampleKernels.multiboot(address: 0x1000)),
    ("huge bss", SampleKernels.multiboot(memorySize: 0xF000_0000)),
    ("entry outside", SampleKernels.multiboot(entryOffset: 0x1000)),
    ("file smaller than segment", Array(SampleKernels.multiboot()[..<96])),
    ("memory smaller than file", SampleKernels.multiboot(memorySize: 8)),
  ]) func badKernelsAreBadData(name: String, kernel: [UInt8]) {
    let error = #expect(throws: InputError.self) { try loadMultiboot(kernel) }
    #expect(error?.kind == .badData)
  }
}

@Suite struct ROMLoaderTests {
  @Test func endsAtFourGiBAndBelowOneMiB() throws {
    let image = try ROMLoader.load(rom: SampleKernels.rom([0xF4]), name: "r")
    #expect(image.entry == .reset)
    #expect(image.roms.map(\.address) == [0xFFFF_0000, 0xF_0000])
    let large = try ROMLoader.load(rom: [UInt8](repeating: 1, count: 256 << 10), name: "r")
    #expect(large.roms.map(\.address) == [0xFFFC_0000, 0xE_0000])
    let odd = try ROMLoader.load(rom: [UInt8](repeating: 1, count: 5000), name: "r")
    #expect(odd.roms[0].address == 0xFFFF_E000)
    #expect(odd.roms[0].bytes.count == 8192)
    #expect(odd.roms[0].bytes[3191] == 0xFF && odd.roms[0].bytes[3192] == 1)
  }

  @Test(arguments: [0, 15, ROMLoader.largest + 1]) func badSizesAreRefused(size: Int) {
    let rom = [UInt8](repeating: 0, count: size)
    #expect(throws: InputError.self) { try ROMLoader.load(rom: rom, name: "r") }
  }
}

/// Any bytes either load or give an `InputError`; nothing traps.
@Suite struct LoaderFuzzTests {
  private func load(_ bytes: [UInt8]) {
    var configuration = MachineConfiguration()
    configuration.memory = 64 << 20
    do throws(InputError) {
      let image = try KernelLoader.load(
        kernel: bytes, name: "k", initrd: [1, 2, 3], initrdName: "i", commandLine: "a",
        configuration: configuration)
      for segment in image.segments { #expect(segment.end <= 64 << 20) }
    } catch { #expect([64, 65].contains(error.status)) }
  }

  @Test func randomBytes() {
    var random = TestRandom(seed: 1)
    for _ in 0..<2000 { load(random.bytes(random.below(2000))) }
  }

  @Test(arguments: [SampleKernels.linux(), SampleKernels.multiboot()])
  func damagedKernels(kernel: [UInt8]) {
    var random = TestRandom(seed: 2)
    for _ in 0..<20_000 {
      var bytes = kernel
      // Damage the headers, where the fields are.
      for _ in 0...random.below(4) {
        let header = kernel.count > 1024 ? 0x1F0 + random.below(0x80) : random.below(kernel.count)
        bytes[header] = UInt8(truncatingIfNeeded: random.next() >> 40)
      }
      if random.below(4) == 0 { bytes.removeLast(random.below(bytes.count)) }
      load(bytes)
    }
  }

  @Test func damagedProgramsWithLibraries() {
    var random = TestRandom(seed: 3)
    let elf = SampleKernels.elf(
      segments: [(0x1000, [UInt8](repeating: 3, count: 64), 64)], entry: 0x1000)
    for _ in 0..<20_000 {
      var bytes = elf
      for _ in 0...random.below(6) {
        bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next() >> 40)
      }
      if let file = try? ELFFile(bytes) {
        _ = file.interpreter
        _ = file.libraries
        _ = try? file.loadSegments()
      }
    }
  }
}
