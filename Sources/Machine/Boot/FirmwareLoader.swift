import Host

/// Loads a system firmware (a PC BIOS) and finds the installed one.
public enum FirmwareLoader {
  /// Where Debian and QEMU keep SeaBIOS.
  public static let directories = ["/usr/share/seabios", "/usr/share/qemu"]
  public static let systemName = "bios-256k.bin"
  public static let videoName = "vgabios-stdvga.bin"

  /// Sizes that a system firmware may have, in bytes.
  private static let sizes = (64 << 10)...(4 << 20)
  /// The largest expansion ROM.
  private static let largestVideo = 128 << 10

  /// - Parameters:
  ///   - system: the system firmware, whose end is at 4 GiB and at 1 MiB.
  ///   - video: the expansion ROM of the video card.
  ///   - options: further expansion ROMs.
  /// - Throws: `InputError` if one of them cannot be what it should.
  public static func load(
    system: [UInt8], systemName: String, video: [UInt8], videoName: String,
    options: [(contents: [UInt8], name: String)] = []
  ) throws(InputError) -> BootImage {
    guard sizes.contains(system.count), system.count % (64 << 10) == 0 else {
      throw InputError(
        .badData,
        "\(systemName): \(system.count) bytes are no PC firmware (a multiple of 64 KiB up to 4 MiB)"
      )
    }
    guard isExpansionROM(video) else {
      throw InputError(.badData, "\(videoName): not an expansion ROM for a video card")
    }
    for option in options where !isExpansionROM(option.contents) {
      throw InputError(
        .badData, "\(option.name): not an expansion ROM (55h AAh, its length in 512 bytes, sum 0)")
    }
    var image = try ROMLoader.load(rom: system, name: systemName)
    image.kind = "firmware"
    image.firmware = .init(videoROM: video, optionROMs: options.map(\.contents))
    return image
  }

  /// An expansion ROM begins with 55h AAh and its length in 512 bytes; its bytes sum to zero. PCI 2.1, 6.3.1.
  private static func isExpansionROM(_ bytes: [UInt8]) -> Bool {
    guard bytes.count >= 512, bytes.count <= largestVideo, bytes[0] == 0x55, bytes[1] == 0xAA,
      bytes[2] > 0, Int(bytes[2]) * 512 <= bytes.count
    else { return false }
    return bytes.prefix(Int(bytes[2]) * 512).reduce(0, &+) == 0
  }

  /// Finds one of the installed files.
  /// - Throws: `InputError` naming the Debian package if it is not there.
  public static func find(_ name: String, option: String) throws(InputError) -> [UInt8] {
    for directory in directories {
      if let bytes = HostFile.read("\(directory)/\(name)", limit: 16 << 20) { return bytes }
    }
    throw InputError(
      .noInput,
      "\(option): no \(name) in \(directories.joined(separator: " or ")); "
        + "install the package seabios")
  }
}
