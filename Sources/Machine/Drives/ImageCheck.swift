import Host

/// Finds out, before a machine is built, whether a file can be what its option says it is.
enum ImageCheck {
  /// The largest disk: 2 TB, where 32-bit sector numbers end.
  static let largestDisk: UInt64 = 2 << 40
  /// Enough for every magic number and an ISO 9660 volume descriptor.
  private static let headSize = 34 << 10
  /// Sectors that writing programs leave out at the end of a disc.
  private static let runOut: UInt64 = 300

  /// Sizes of floppy disks, in bytes.
  static let floppySizes: [UInt64] = [
    163_840, 184_320, 327_680, 368_640, 737_280, 1_228_800, 1_474_560, 1_720_320, 2_949_120,
  ]

  static func head(of path: String) -> [UInt8] { HostFile.read(path, limit: headSize) ?? [] }

  private static func has(_ text: String, at offset: Int, _ head: [UInt8]) -> Bool {
    let bytes = Array(text.utf8)
    return head.count >= offset + bytes.count
      && head[offset..<offset + bytes.count].elementsEqual(bytes)
  }

  private static func little(_ offset: Int, _ head: [UInt8]) -> UInt64 {
    head[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// What a file is that is no raw image.
  private static func foreignFormat(_ head: [UInt8]) -> String? {
    if head.starts(with: [0x51, 0x46, 0x49, 0xFB]) { return "a QCOW image" }
    if has("KDMV", at: 0, head) { return "a VMDK image" }
    if has("# Disk DescriptorFile", at: 0, head) { return "a VMDK descriptor" }
    if has("vhdxfile", at: 0, head) { return "a VHDX image" }
    if has("conectix", at: 0, head) { return "a VHD image" }
    // Its signature follows a text of 64 bytes.
    if head.dropFirst(64).starts(with: [0x7F, 0x10, 0xDA, 0xBE]) { return "a VDI image" }
    if head.starts(with: [0x1F, 0x8B]) || head.starts(with: [0xFD, 0x37, 0x7A, 0x58, 0x5A])
      || head.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) || head.starts(with: [0x42, 0x5A, 0x68])
    {
      return "a compressed file"
    }
    return nil
  }

  private static func reject(_ name: String, _ text: String) -> InputError {
    InputError(.badData, "\(name): \(text)")
  }

  private static func checkFormat(_ head: [UInt8], _ size: UInt64, _ name: String)
    throws(InputError)
  {
    guard size > 0 else { throw reject(name, "the file is empty") }
    if let format = foreignFormat(head) {
      throw reject(name, "\(format); only raw images can be used")
    }
  }

  /// Whether there is a file system of optical discs: ISO 9660 or UDF.
  private static func isOpticalDisc(_ head: [UInt8]) -> Bool {
    has("CD001", at: 0x8001, head) || has("BEA01", at: 0x8001, head)
  }

  /// Checks a hard disk's image.
  static func disk(_ head: [UInt8], size: UInt64, name: String) throws(InputError) {
    try checkFormat(head, size, name)
    guard size % 512 == 0 else {
      throw reject(name, "\(size) bytes are not whole sectors of 512 bytes; is it truncated?")
    }
    guard size <= largestDisk else { throw reject(name, "larger than 2 TB") }
    let isBootable = head.count >= 512 && head[510] == 0x55 && head[511] == 0xAA
    if isOpticalDisc(head) && !isBootable {
      throw reject(name, "a CD or DVD image; use --cdrom")
    }
    if isBootable { try checkPartitions(head, size, name) }
  }

  /// Looks whether the partitions of a master boot record end within the image.
  private static func checkPartitions(_ head: [UInt8], _ size: UInt64, _ name: String)
    throws(InputError)
  {
    let entries = (0..<4).map { 446 + $0 * 16 }
    // The boot sector of a file system has code where a table would be.
    guard entries.allSatisfy({ head[$0] & 0x7F == 0 }) else { return }
    for (number, entry) in entries.enumerated() {
      // A protective entry may be larger than the disk.
      guard head[entry + 4] != 0, head[entry + 4] != 0xEE else { continue }
      let end = (little(entry + 8, head) + little(entry + 12, head)) * 512
      guard end > size, !isOpticalDisc(head) else { continue }
      throw reject(
        name,
        "truncated: partition \(number + 1) ends at byte \(end), the image has \(size) bytes")
    }
  }

  /// Checks a CD's or DVD's image.
  static func opticalDisc(_ head: [UInt8], size: UInt64, name: String) throws(InputError) {
    try checkFormat(head, size, name)
    guard isOpticalDisc(head) else {
      throw reject(name, "no CD or DVD image: it has no ISO 9660 or UDF volume descriptor")
    }
    guard has("CD001", at: 0x8001, head), head.count >= 0x8000 + 84 else { return }
    let sectors = little(0x8000 + 80, head)
    guard (size + 2047) / 2048 + runOut >= sectors else {
      throw reject(
        name, "truncated: the volume has \(sectors * 2048) bytes, the image \(size) bytes")
    }
  }

  /// The size of a floppy disk, which its image may fill in part only.
  static func floppySize(_ size: UInt64, name: String) throws(InputError) -> UInt64 {
    guard size > 0 else { throw reject(name, "the file is empty") }
    guard size % 512 == 0 else {
      throw reject(name, "\(size) bytes are not whole sectors of 512 bytes; is it truncated?")
    }
    if floppySizes.contains(size) { return size }
    // Boot images are often as long as their contents.
    guard let whole = [1_474_560, 2_949_120].first(where: { size <= $0 }) else {
      throw reject(name, "\(size) bytes are more than a floppy disk of 2.88 MB holds")
    }
    return whole
  }

  /// Checks what is on a floppy disk.
  static func floppy(_ head: [UInt8], name: String) throws(InputError) {
    try checkFormat(head, UInt64(head.count), name)
  }
}
