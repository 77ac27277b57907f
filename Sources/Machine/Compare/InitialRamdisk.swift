/// Builds an initial RAM disk: an uncompressed cpio archive in the "newc" format (Linux,
/// Documentation/driver-api/early-userspace/buffer-format.rst). All entries belong to root and carry the time
/// zero, so that equal contents give equal archives.
public struct InitialRamdisk: Sendable {
  private enum Mode {
    static let directory: UInt32 = 0o040_755
    static let regular: UInt32 = 0o100_000
    static let symbolicLink: UInt32 = 0o120_777
    static let characterDevice: UInt32 = 0o020_600
  }

  private var archive: [UInt8] = []
  private var names: Set<String> = []
  private var nextInode: UInt32 = 1

  public init() {}

  /// Adds a directory and those above it; nothing happens where they are there already.
  public mutating func addDirectory(_ path: String) {
    let parts = path.split(separator: "/")
    for count in 0..<parts.count {
      let name = parts[...count].joined(separator: "/")
      if !names.contains(name) { add(name, mode: Mode.directory, contents: []) }
    }
  }

  /// Adds a file and the directories above it; a path that is there already stays as it is.
  public mutating func addFile(_ path: String, _ contents: [UInt8], permissions: UInt32 = 0o644) {
    addEntry(path, mode: Mode.regular | (permissions & 0o7777), contents: contents)
  }

  /// Adds a symbolic link.
  public mutating func addLink(_ path: String, to target: String) {
    addEntry(path, mode: Mode.symbolicLink, contents: Array(target.utf8))
  }

  /// Adds a character device node.
  public mutating func addCharacterDevice(_ path: String, major: UInt32, minor: UInt32) {
    addEntry(path, mode: Mode.characterDevice, contents: [], device: (major, minor))
  }

  /// The finished archive.
  public var bytes: [UInt8] {
    var result = self
    result.add("TRAILER!!!", mode: 0, contents: [])
    // Pad to whole sectors, as cpio does.
    result.archive.append(contentsOf: repeatElement(0, count: -result.archive.count & 511))
    return result.archive
  }

  private mutating func addEntry(
    _ path: String, mode: UInt32, contents: [UInt8], device: (UInt32, UInt32) = (0, 0)
  ) {
    let parts = path.split(separator: "/")
    let name = parts.joined(separator: "/")
    guard !parts.isEmpty, !names.contains(name) else { return }
    addDirectory(parts.dropLast().joined(separator: "/"))
    add(name, mode: mode, contents: contents, device: device)
  }

  private mutating func add(
    _ name: String, mode: UInt32, contents: [UInt8], device: (UInt32, UInt32) = (0, 0)
  ) {
    names.insert(name)
    let nameBytes = Array(name.utf8) + [0]
    let fields: [UInt32] = [
      nextInode, mode, 0, 0, 1, 0, UInt32(contents.count), 0, 0, device.0, device.1,
      UInt32(nameBytes.count), 0,
    ]
    nextInode += 1
    archive.append(contentsOf: Array("070701".utf8))
    for field in fields { archive.append(contentsOf: hexadecimal(field).utf8) }
    archive.append(contentsOf: nameBytes)
    pad()
    archive.append(contentsOf: contents)
    pad()
  }

  private mutating func pad() {
    archive.append(contentsOf: repeatElement(0, count: -archive.count & 3))
  }
}
