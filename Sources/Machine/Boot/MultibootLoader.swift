/// Loads a kernel by the Multiboot specification, version 0.6.96: an ELF file, or any file whose header gives
/// the addresses itself (the "a.out kludge").
public enum MultibootLoader {
  private static let headerMagic: UInt32 = 0x1BAD_B002
  private static let bootMagic: UInt32 = 0x2BAD_B002

  /// Physical addresses of what is placed below 640 KiB.
  private enum Place {
    static let descriptors: UInt32 = 0x1000
    static let information: UInt32 = 0x2000
    static let memoryMap: UInt32 = 0x3000
    static let modules: UInt32 = 0x4000
    static let loaderName: UInt32 = 0x5000
    static let commandLine: UInt32 = 0x6000
    static let commandLineLimit = 0x8000
    static let stack: UInt32 = 0x9_0000
  }

  private struct Header {
    var offset: Int
    var flags: UInt32
    var hasAddresses: Bool { flags & 0x1_0000 != 0 }
  }

  /// The header: 4-byte aligned in the first 8 KiB, with a checksum. Section 3.1.
  private static func findHeader(_ image: ByteReader) -> Header? {
    for offset in stride(from: 0, to: min(8192, image.count) - 11, by: 4)
    where image.u32(offset) == headerMagic {
      guard let flags = image.u32(offset + 4), let checksum = image.u32(offset + 8) else { break }
      if headerMagic &+ flags &+ checksum == 0 { return Header(offset: offset, flags: flags) }
    }
    return nil
  }

  /// Whether the file has a Multiboot header.
  static func recognizes(_ kernel: [UInt8]) -> Bool { findHeader(ByteReader(kernel)) != nil }

  /// - Parameters:
  ///   - module: contents of a boot module, if there is one, `moduleName` its command line.
  /// - Throws: `InputError` with a message naming the file and what is wrong with it.
  public static func load(
    kernel: [UInt8], name: String, module: [UInt8]?, moduleName: String, commandLine: String,
    memory: MemoryLayoutMap
  ) throws(InputError) -> BootImage {
    func bad(_ what: String) -> InputError { InputError(.badData, "\(name): \(what)") }
    let image = ByteReader(kernel)
    guard let header = findHeader(image) else { throw bad("no Multiboot header") }
    // Bits 0 and 1 ask for page-aligned modules and the memory map, bit 2 for video modes.
    guard header.flags & 0xFFF8 == 0 else {
      throw bad(
        "the Multiboot header demands unknown features (flags 0x"
          + String(header.flags, radix: 16) + ")")
    }
    let (segments, entryPoint) =
      header.hasAddresses
      ? try flatSegments(image, header, bad) : try elfSegments(image, bad)
    guard !segments.isEmpty else { throw bad("nothing to load") }

    // Sizes in memory, with what the file leaves zero.
    let kernelEnd = segments.map(\.end).max() ?? 0
    for segment in segments {
      guard segment.start >= 0x1_0000, segment.end <= UInt64(memory.ramSize),
        segment.end <= 0x9_0000 || segment.start >= 0x10_0000
      else {
        throw bad(
          "a segment at 0x\(String(segment.start, radix: 16))...0x\(String(segment.end, radix: 16)) "
            + "does not fit in \(memory.ramSize >> 20)M of guest memory")
      }
    }
    guard
      segments.contains(where: { $0.start <= UInt64(entryPoint) && UInt64(entryPoint) < $0.end })
    else { throw bad("the entry point 0x\(String(entryPoint, radix: 16)) lies outside the kernel") }

    var entry = BootImage.FlatEntry(
      eip: entryPoint, code: 0x08, data: 0x10, gdtBase: Place.descriptors, gdtLimit: 0x17)
    entry.eax = bootMagic
    entry.ebx = Place.information
    entry.esp = Place.stack
    var result = BootImage(kind: "multiboot", entry: .flat(entry))
    result.segments = segments.map {
      .init(address: UInt32($0.start), bytes: Array($0.bytes))
    }
    result.segments.append(
      .init(address: Place.descriptors, bytes: BootImage.descriptorTable(code: 0x08, data: 0x10)))

    let text = Array(commandLine.utf8)
    guard text.count < Place.commandLineLimit, !text.contains(0) else {
      throw InputError(
        .usage, "--append: \(text.count) bytes, at most \(Place.commandLineLimit - 1) are possible")
    }
    var information = ByteWriter(count: 88)
    var flags: UInt32 = 1 | 4 | 0x40 | 0x200
    information.put(639 as UInt32, at: 4)
    information.put((memory.ramSize >> 10) &- 1024, at: 8)
    information.put(Place.commandLine, at: 16)
    result.segments.append(.init(address: Place.commandLine, bytes: text + [0]))
    if let module, !module.isEmpty {
      let address = try placeModule(size: module.count, above: kernelEnd, memory: memory)
      flags |= 8
      information.put(1 as UInt32, at: 20)
      information.put(Place.modules, at: 24)
      var list = ByteWriter(count: 16)
      list.put(address, at: 0)
      list.put(address + UInt32(module.count), at: 4)
      list.put(Place.modules + 16, at: 8)
      let label = Array(moduleName.utf8.prefix(1024).filter { $0 != 0 }) + [0]
      result.segments.append(.init(address: Place.modules, bytes: list.bytes + label))
      result.segments.append(.init(address: address, bytes: module))
    }
    let map = memoryMap(memory)
    information.put(UInt32(map.count), at: 44)
    information.put(Place.memoryMap, at: 48)
    information.put(Place.loaderName, at: 64)
    information.put(flags, at: 0)
    result.segments.append(.init(address: Place.memoryMap, bytes: map))
    result.segments.append(.init(address: Place.loaderName, bytes: Array("Switchback\0".utf8)))
    result.segments.append(.init(address: Place.information, bytes: information.bytes))
    return result
  }

  /// A piece of the kernel in physical memory; `end` includes the zeroed tail.
  private struct Piece {
    var start: UInt64
    var end: UInt64
    var bytes: ArraySlice<UInt8>
  }

  private static func elfSegments(
    _ image: ByteReader, _ bad: (String) -> InputError
  ) throws(InputError) -> ([Piece], UInt32) {
    let elf: ELFFile
    let loads: [(header: ELFFile.ProgramHeader, bytes: ArraySlice<UInt8>)]
    do throws(ELFFile.Problem) {
      elf = try ELFFile(image.bytes)
      loads = try elf.loadSegments()
    } catch { throw bad(error.message) }
    let pieces = loads.map { header, bytes in
      Piece(
        start: UInt64(header.physicalAddress),
        end: UInt64(header.physicalAddress) + UInt64(header.memorySize), bytes: bytes)
    }
    // The entry is a virtual address where the two differ (GRUB's reading of the specification).
    var entry = elf.entry
    for (header, _) in loads
    where elf.entry >= header.virtualAddress
      && elf.entry - header.virtualAddress < header.memorySize
    {
      entry = elf.entry &- header.virtualAddress &+ header.physicalAddress
    }
    return (pieces, entry)
  }

  /// Section 3.1.3: the header gives the load address, the end of data and of bss, and the entry.
  private static func flatSegments(
    _ image: ByteReader, _ header: Header, _ bad: (String) -> InputError
  ) throws(InputError) -> ([Piece], UInt32) {
    guard let headerAddress = image.u32(header.offset + 12),
      let loadAddress = image.u32(header.offset + 16), let loadEnd = image.u32(header.offset + 20),
      let bssEnd = image.u32(header.offset + 24), let entry = image.u32(header.offset + 28)
    else { throw bad("truncated in the Multiboot header") }
    guard headerAddress >= loadAddress, Int(headerAddress - loadAddress) <= header.offset else {
      throw bad("the Multiboot header's addresses contradict its place in the file")
    }
    let offset = header.offset - Int(headerAddress - loadAddress)
    let size = loadEnd == 0 ? image.count - offset : Int(loadEnd) - Int(loadAddress)
    guard size > 0, let bytes = image.slice(at: offset, count: size) else {
      throw bad("truncated: the Multiboot header announces \(size) bytes to load")
    }
    let dataEnd = UInt64(loadAddress) + UInt64(size)
    return (
      [Piece(start: UInt64(loadAddress), end: max(dataEnd, UInt64(bssEnd)), bytes: bytes)], entry
    )
  }

  private static func placeModule(
    size: Int, above kernelEnd: UInt64, memory: MemoryLayoutMap
  ) throws(InputError) -> UInt32 {
    let address = (max(kernelEnd, 0x10_0000) + 0xFFF) & ~0xFFF
    let top = memory.ranges.last { $0.kind == .usable }?.end ?? UInt64(memory.ramSize)
    guard address + UInt64(size) <= top else {
      throw InputError(
        .badData,
        "--initrd: \(size) bytes do not fit beside the kernel in \(memory.ramSize >> 20)M "
          + "of guest memory")
    }
    return UInt32(address)
  }

  private static func memoryMap(_ memory: MemoryLayoutMap) -> [UInt8] {
    var map = ByteWriter(count: 0)
    for range in memory.ranges.prefix(100) where range.size > 0 {
      map.append(20 as UInt32)
      map.append(range.start)
      map.append(range.size)
      map.append(range.kind.rawValue)
    }
    return map.bytes
  }
}
