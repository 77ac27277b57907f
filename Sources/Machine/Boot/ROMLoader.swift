/// Maps a bare ROM image: its end is at 4 GiB, where the processor starts, and its last part also below 1 MiB,
/// as a PC's chip set decodes the firmware. SDM vol. 3, 9.1.4.
public enum ROMLoader {
  /// The largest image, in bytes.
  public static let largest = 16 << 20
  /// The most that is also visible below 1 MiB.
  private static let lowWindow = 128 << 10

  /// - Throws: `InputError` if the image is too small to hold a reset vector or too large.
  public static func load(rom: [UInt8], name: String) throws(InputError) -> BootImage {
    guard rom.count >= 16 else {
      throw InputError(
        .badData, "\(name): \(rom.count) bytes are too few for a ROM with a reset vector (16)")
    }
    guard rom.count <= largest else {
      throw InputError(
        .badData, "\(name): \(rom.count) bytes are too many for a ROM (\(largest >> 20) MiB)")
    }
    // Whole pages: what lies before the image reads as an erased chip does.
    let padding = (4096 - rom.count % 4096) % 4096
    let image = [UInt8](repeating: 0xFF, count: padding) + rom
    var result = BootImage(kind: "rom", entry: .reset)
    result.roms.append(.init(address: 0 &- UInt32(image.count), bytes: image))
    let low = Array(image.suffix(lowWindow))
    result.roms.append(.init(address: 0x10_0000 - UInt32(low.count), bytes: low))
    return result
  }
}
