import GuestPrograms

/// The first process of the guest.
enum GuestInit {
  static var image: [UInt8] { GuestPrograms.initProgram }
}
