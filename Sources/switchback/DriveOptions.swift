import ArgumentParser
import Machine

/// The options that name drives; shared by `run` and `lockstep`.
struct DriveOptions: ParsableArguments {
  @Option(
    name: .customLong("disk"),
    help: ArgumentHelp(
      "A hard disk, as a raw image; up to 4. ',if=virtio' attaches it as a virtio disk instead of "
        + "an IDE disk.", valueName: "file[,if=ide|virtio]"),
    transform: Arguments.disk)
  var disks: [DriveSpecification.Disk] = []

  @Option(help: ArgumentHelp("A CD or DVD, as an ISO image.", valueName: "file"))
  var cdrom: String?

  @Option(
    help: ArgumentHelp("A floppy disk in drive A:, as a raw image.", valueName: "file"))
  var floppy: String?

  @Flag(help: "Leave the images as they are; what the guest writes is gone at the end.")
  var snapshot = false

  func validate() throws {
    guard disks.count <= DriveSpecification.mostDisks else {
      throw ValidationError("--disk can be given \(DriveSpecification.mostDisks) times at most")
    }
    let ide = disks.filter { $0.interface == .ide }.count
    guard ide < DriveSpecification.mostDisks || cdrom == nil else {
      throw ValidationError(
        "--cdrom and four IDE disks do not fit on two cables; use --disk FILE,if=virtio for one")
    }
  }

  /// The drives that the options name.
  var specification: DriveSpecification {
    var result = DriveSpecification()
    result.disks = disks
    result.opticalDisc = cdrom
    result.floppy = floppy
    result.usesOverlay = snapshot
    return result
  }
}
