import GuestPrograms

/// What runs in the guest of `compare`.
enum GuestInit {
  /// The first process of a Linux guest.
  static var image: [UInt8] { GuestPrograms.initProgram }
  /// The Multiboot kernel that takes the place of Linux for static programs.
  static var embeddedKernel: [UInt8] { GuestPrograms.embeddedKernel }
}
