import Roms

extension ROM {
  /// An expansion ROM that uses the firmware's services in real mode and says on port E9h what they answered.
  public static let services = ROM(name: "services", base64: servicesImage)
}
