import Bus

/// The geometry of a floppy disk.
public struct FloppyGeometry: Equatable, Sendable {
  public var cylinders: Int
  public var heads: Int
  public var sectors: Int
  /// What the CMOS memory calls the drive: 1 = 360 KB, 2 = 1.2 MB, 3 = 720 KB, 4 = 1.44 MB, 5 = 2.88 MB.
  public var driveType: UInt8
  /// The data rate as the rate select register has it: 0 = 500, 1 = 300, 2 = 250, 3 = 1000 kbit/s.
  public var rate: UInt8

  static let sectorSize = 512

  private static let all: [FloppyGeometry] = [
    .init(cylinders: 40, heads: 1, sectors: 8, driveType: 1, rate: 2),
    .init(cylinders: 40, heads: 1, sectors: 9, driveType: 1, rate: 2),
    .init(cylinders: 40, heads: 2, sectors: 8, driveType: 1, rate: 2),
    .init(cylinders: 40, heads: 2, sectors: 9, driveType: 1, rate: 2),
    .init(cylinders: 80, heads: 2, sectors: 9, driveType: 3, rate: 2),
    .init(cylinders: 80, heads: 2, sectors: 15, driveType: 2, rate: 0),
    .init(cylinders: 80, heads: 2, sectors: 18, driveType: 4, rate: 0),
    .init(cylinders: 80, heads: 2, sectors: 21, driveType: 4, rate: 0),
    .init(cylinders: 80, heads: 2, sectors: 36, driveType: 5, rate: 3),
  ]

  /// Bytes of a disk.
  public var size: UInt64 { UInt64(cylinders * heads * sectors * Self.sectorSize) }

  /// The geometry of a disk of a size; nil if there is none.
  public init?(size: UInt64) {
    guard let match = Self.all.first(where: { $0.size == size }) else { return nil }
    self = match
  }

  private init(cylinders: Int, heads: Int, sectors: Int, driveType: UInt8, rate: UInt8) {
    self.cylinders = cylinders
    self.heads = heads
    self.sectors = sectors
    self.driveType = driveType
    self.rate = rate
  }

  /// The byte at which a sector begins; nil if there is no such.
  func offset(cylinder: Int, head: Int, sector: Int) -> UInt64? {
    guard (0..<cylinders).contains(cylinder), (0..<heads).contains(head),
      (1...sectors).contains(sector)
    else { return nil }
    return UInt64(((cylinder * heads + head) * sectors + sector - 1) * Self.sectorSize)
  }
}

/// A floppy drive with a disk in it, or none.
final class FloppyDrive {
  let medium: (any BlockMedium)?
  let geometry: FloppyGeometry?
  /// Where the heads are.
  var cylinder = 0
  /// The disk may be another one than before; a step with a disk in the drive ends that.
  var hasChanged = true

  init(medium: (any BlockMedium)?) {
    let geometry = medium.flatMap { FloppyGeometry(size: $0.size) }
    self.medium = geometry == nil ? nil : medium
    self.geometry = geometry
  }

  /// Whether there is a drive at all: it is there for its disk.
  var isPresent: Bool { medium != nil }
  var isWriteProtected: Bool { medium?.isReadOnly ?? false }

  private static let lastCylinder = 83

  func step(to target: Int) {
    guard isPresent else { return }
    cylinder = min(max(target, 0), Self.lastCylinder)
    hasChanged = false
  }
}
