import Bus
import Host

/// The drives that the user named.
public struct DriveSpecification: Sendable, Equatable {
  /// How a disk is attached.
  public enum Interface: String, Sendable, CaseIterable {
    case ide
    case virtio
  }
  /// A hard disk.
  public struct Disk: Sendable, Equatable {
    public var path: String
    public var interface: Interface
    public init(path: String, interface: Interface) {
      self.path = path
      self.interface = interface
    }
  }

  public var disks: [Disk] = []
  public var opticalDisc: String?
  public var floppy: String?
  /// Whether images stay as they are and writes go to temporary files.
  public var usesOverlay = false

  /// The most hard disks.
  public static let mostDisks = 4

  public init() {}
}

/// Opened images, ready to be put into a machine.
public struct DriveSet {
  struct Disk {
    var medium: any BlockMedium
    var interface: DriveSpecification.Interface
  }

  private(set) var disks: [Disk] = []
  private(set) var opticalDisc: (any BlockMedium)?
  private(set) var floppy: (any BlockMedium)?
  /// What is written back at the end, with its name for messages.
  private var images: [(name: String, medium: any BlockMedium)] = []

  public init() {}

  /// Opens, locks and checks the images.
  /// - Throws: `InputError` naming the option and what is wrong.
  public init(_ specification: DriveSpecification) throws(InputError) {
    for disk in specification.disks {
      let name = "--disk: \(disk.path)"
      let access: HostImage.Access = specification.usesOverlay ? .overlay : .readWrite
      let image = try Self.open(disk.path, name, access)
      try ImageCheck.disk(ImageCheck.head(of: disk.path), size: image.size, name: name)
      disks.append(Disk(medium: add(image, name), interface: disk.interface))
    }
    if let path = specification.opticalDisc {
      let name = "--cdrom: \(path)"
      let image = try Self.open(path, name, .readOnly)
      try ImageCheck.opticalDisc(ImageCheck.head(of: path), size: image.size, name: name)
      let whole = image.size / 2048 * 2048
      opticalDisc = add(image, name, size: whole)
    }
    if let path = specification.floppy {
      let name = "--floppy: \(path)"
      let access: HostImage.Access = specification.usesOverlay ? .overlay : .readWriteIfPossible
      var size: UInt64 = 0
      if let fileSize = HostFile.size(of: path) {
        size = try ImageCheck.floppySize(fileSize, name: name)
      }
      let image = try Self.open(path, name, access, paddedSize: size)
      try ImageCheck.floppy(ImageCheck.head(of: path), name: name)
      floppy = add(image, name)
    }
  }

  private mutating func add(_ image: HostImage, _ name: String, size: UInt64? = nil)
    -> any BlockMedium
  {
    let medium = DriveImage(image, size: size)
    images.append((name, medium))
    return medium
  }

  private static func open(
    _ path: String, _ name: String, _ access: HostImage.Access, paddedSize: UInt64 = 0
  ) throws(InputError) -> HostImage {
    do throws(HostError) {
      return try HostImage(path: path, access: access, paddedSize: paddedSize)
    } catch {
      if error.code == HostImage.isLocked {
        throw InputError(.noInput, "\(name): the image is in use by another machine")
      }
      if error.operation.contains("temporary") {
        throw InputError(.cannotCreate, "--snapshot: \(error)")
      }
      // What cannot be read at an offset: a terminal, a pipe, the null device.
      if error.code == HostImage.hasNoOffsets {
        throw InputError(.noInput, "\(name): neither a file nor a block device")
      }
      let option = name.prefix { $0 != ":" }
      let hint =
        access == .readWrite && HostFile.isPermissionMissing(error.code)
        ? "; with --snapshot it need not be writable" : ""
      throw InputError(.noInput, "\(option): \(error)\(hint)")
    }
  }

  /// Waits for everything that was written, and has the host put it on its disks.
  /// - Returns: a message for each image where that failed.
  func finish() -> [String] {
    images.compactMap { name, medium in
      guard !medium.isReadOnly, case .failed(let code) = medium.flush().wait() else { return nil }
      return "\(name): \(HostError("write to the image", code: code))"
    }
  }
}
