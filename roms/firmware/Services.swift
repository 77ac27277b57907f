import Roms

extension ROM {
  /// An expansion ROM that uses the firmware's services in real mode and says on port E9h what they answered.
  public static let services = ROM(name: "services", base64: servicesImage)
}

extension ROM {
  /// The first 48 sectors of a floppy or hard disk with a small system that uses INT 13h, limited segments and
  /// hardware tasks.
  public static let smallSystem = ROM(name: "smallsystem", base64: smallsystemImage)
}
