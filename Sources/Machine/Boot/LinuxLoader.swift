/// Loads a Linux bzImage by the 32-bit boot protocol (Linux, Documentation/arch/x86/boot.rst and
/// zero-page.rst). The real-mode part of the image is not run; its header is copied into the zero page.
public enum LinuxLoader {
  /// Physical addresses of what is placed below 640 KiB.
  private enum Place {
    static let descriptors: UInt32 = 0x1000
    static let zeroPage: UInt32 = 0x1_0000
    static let commandLine: UInt32 = 0x2_0000
    static let stack: UInt32 = 0x9_0000
    /// The most that the command line may take, with its final zero.
    static let commandLineLimit = 0x1_0000
  }

  /// Offsets in the setup header, which has the same place in the image and in the zero page.
  private enum Header {
    static let start = 0x1F1
    static let bootFlag = 0x1FE
    static let jump = 0x201
    static let magic = 0x202
    static let version = 0x206
    static let loaderType = 0x210
    static let loadFlags = 0x211
    static let code32Start = 0x214
    static let initrdAddress = 0x218
    static let initrdSize = 0x21C
    static let heapEnd = 0x224
    static let commandLine = 0x228
    static let initrdLimit = 0x22C
    static let commandLineSize = 0x238
    static let preferredAddress = 0x258
    static let initSize = 0x260
  }

  /// Whether the file says that it is a Linux kernel image.
  static func recognizes(_ kernel: [UInt8]) -> Bool {
    let image = ByteReader(kernel)
    return image.u16(Header.bootFlag) == 0xAA55 && image.u32(Header.magic) == 0x5372_6448
  }

  /// - Parameters:
  ///   - kernel: the bzImage's bytes, `name` what to call it in messages.
  ///   - initrd: the initial RAM disk, if there is one.
  ///   - commandLine: the kernel's parameters.
  /// - Throws: `InputError` with a message naming the file and what is wrong with it.
  public static func load(
    kernel: [UInt8], name: String, initrd: [UInt8]?, commandLine: String, memory: MemoryLayoutMap
  ) throws(InputError) -> BootImage {
    func bad(_ what: String) -> InputError { InputError(.badData, "\(name): \(what)") }
    let image = ByteReader(kernel)
    guard recognizes(kernel), let version = image.u16(Header.version) else {
      throw bad("not a Linux kernel image (bzImage)")
    }
    guard version >= 0x0203 else {
      throw bad("boot protocol \(version >> 8).\(version & 0xFF) is too old, 2.03 is needed")
    }
    guard let loadFlags = image.u8(Header.loadFlags), loadFlags & 1 != 0 else {
      throw bad("a zImage that loads below 1 MiB; only bzImage is supported")
    }
    guard let sectors = image.u8(Header.start), let jump = image.u8(Header.jump),
      let code32Start = image.u32(Header.code32Start),
      let initrdLimit = image.u32(Header.initrdLimit)
    else { throw bad("truncated in the setup header") }
    let setupSize = (Int(sectors == 0 ? 4 : sectors) + 1) * 512
    guard setupSize < kernel.count else {
      throw bad("truncated: \(kernel.count) bytes end inside the setup part of \(setupSize) bytes")
    }
    let body = Array(kernel[setupSize...])
    if let systemSize = image.u32(Header.start + 3), version >= 0x0204,
      UInt64(systemSize) * 16 > UInt64(body.count) + 15
    {
      throw bad(
        "truncated: the header announces \(UInt64(systemSize) * 16) bytes of kernel, "
          + "\(body.count) are there")
    }
    let load: UInt32 = 0x10_0000
    let bodyEnd = UInt64(load) + UInt64(body.count)
    guard code32Start >= load, UInt64(code32Start) < bodyEnd else {
      throw bad("the entry point 0x\(String(code32Start, radix: 16)) lies outside the kernel")
    }

    // The kernel unpacks itself to its preferred address and needs `initSize` bytes there.
    var kernelEnd = bodyEnd
    if version >= 0x020A, let preferred = image.u64(Header.preferredAddress),
      let initSize = image.u32(Header.initSize)
    {
      let (end, overflow) = max(preferred, UInt64(load)).addingReportingOverflow(UInt64(initSize))
      kernelEnd = overflow ? .max : max(kernelEnd, end)
    }
    guard kernelEnd <= UInt64(memory.ramSize) else {
      let needed = kernelEnd == .max ? "more" : "\((kernelEnd + 0xF_FFFF) >> 20)M"
      throw bad("needs \(needed) of guest memory, there are \(memory.ramSize >> 20)M")
    }

    // The header ends where the jump at 0x200 leads.
    let headerEnd = min(Header.magic + Int(jump), 0x280)
    guard let header = image.slice(at: Header.start, count: max(0, headerEnd - Header.start)) else {
      throw bad("truncated in the setup header")
    }
    var zeroPage = ByteWriter(count: 4096)
    zeroPage.put(header, at: Header.start)

    let text = Array(commandLine.utf8)
    let textLimit = version >= 0x0206 ? Int(image.u32(Header.commandLineSize) ?? 255) : 255
    guard text.count <= textLimit, text.count < Place.commandLineLimit, !text.contains(0) else {
      throw InputError(
        .usage,
        "--append: \(text.count) bytes, the kernel takes \(min(textLimit, Place.commandLineLimit - 1))"
      )
    }

    var result = BootImage(
      kind: "linux",
      entry: .flat(
        {
          var entry = BootImage.FlatEntry(
            eip: code32Start, code: 0x10, data: 0x18, gdtBase: Place.descriptors, gdtLimit: 0x1F)
          entry.esp = Place.stack
          entry.esi = Place.zeroPage
          return entry
        }()))
    result.segments.append(.init(address: load, bytes: body))

    if let initrd, !initrd.isEmpty {
      let address = try placeInitrd(
        size: initrd.count, above: kernelEnd, limit: initrdLimit, memory: memory)
      zeroPage.put(address, at: Header.initrdAddress)
      zeroPage.put(UInt32(initrd.count), at: Header.initrdSize)
      result.segments.append(.init(address: address, bytes: initrd))
    }

    // 0xFF: a boot loader without an assigned number.
    zeroPage.put(0xFF as UInt8, at: Header.loaderType)
    zeroPage.put(loadFlags | 0x80, at: Header.loadFlags)
    zeroPage.put(0xFE00 as UInt16, at: Header.heapEnd)
    zeroPage.put(Place.commandLine, at: Header.commandLine)
    if let mode = try LinuxVideo.mode(commandLine: commandLine) {
      result.videoMode = mode
      LinuxVideo.put(mode, at: PC.framebufferAddress, into: &zeroPage)
    } else {
      putScreen(into: &zeroPage)
    }
    putMemoryMap(memory, into: &zeroPage)

    result.segments.append(.init(address: Place.zeroPage, bytes: zeroPage.bytes))
    result.segments.append(.init(address: Place.commandLine, bytes: text + [0]))
    result.segments.append(
      .init(
        address: Place.descriptors, bytes: BootImage.descriptorTable(code: 0x10, data: 0x18)))
    return result
  }

  /// The highest page-aligned place for the RAM disk that the kernel's header and the memory allow.
  private static func placeInitrd(
    size: Int, above kernelEnd: UInt64, limit: UInt32, memory: MemoryLayoutMap
  ) throws(InputError) -> UInt32 {
    var top = min(UInt64(memory.ramSize), UInt64(limit) + 1)
    // Tables at the top of RAM are not ours to overwrite.
    for range in memory.ranges
    where range.kind != .usable && range.start >= 0x10_0000 && range.start < top {
      top = range.start
    }
    guard UInt64(size) <= top, ((top - UInt64(size)) & ~0xFFF) >= kernelEnd else {
      let needed = (kernelEnd + UInt64(size) + 0x10_0FFF) >> 20
      throw InputError(
        .badData,
        "--initrd: \(size) bytes do not fit beside the kernel in \(memory.ramSize >> 20)M "
          + "of guest memory, about \(needed)M are needed")
    }
    return UInt32((top - UInt64(size)) & ~0xFFF)
  }

  /// `screen_info`: an 80x25 VGA text screen with the cursor at the top.
  private static func putScreen(into zeroPage: inout ByteWriter) {
    zeroPage.put(3 as UInt8, at: 0x06)  // video mode
    zeroPage.put(80 as UInt8, at: 0x07)  // columns
    zeroPage.put(3 as UInt16, at: 0x0A)  // what INT 10h, AH=12h leaves in BX: colour, 256 KiB
    zeroPage.put(25 as UInt8, at: 0x0E)  // lines
    zeroPage.put(1 as UInt8, at: 0x0F)  // a VGA
    zeroPage.put(16 as UInt16, at: 0x10)  // lines a character
  }

  private static func putMemoryMap(_ memory: MemoryLayoutMap, into zeroPage: inout ByteWriter) {
    let extended = UInt32(min(memory.ramSize, 0xC000_0000) >> 10) &- 1024
    zeroPage.put(UInt16(min(extended, 0xFC00)), at: 0x02)  // ext_mem_k
    zeroPage.put(extended, at: 0x1E0)  // alt_mem_k
    zeroPage.put(UInt64(memory.acpiRoot), at: 0x70)
    let ranges = memory.ranges.filter { $0.size > 0 }.prefix(128)
    zeroPage.put(UInt8(ranges.count), at: 0x1E8)
    for (index, range) in ranges.enumerated() {
      let offset = 0x2D0 + index * 20
      zeroPage.put(range.start, at: offset)
      zeroPage.put(range.size, at: offset + 8)
      zeroPage.put(range.kind.rawValue, at: offset + 16)
    }
  }
}
