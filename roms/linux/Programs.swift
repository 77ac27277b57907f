import Roms

/// Programs of ours that run inside a Linux guest.
public enum GuestPrograms {
  /// The first process of a guest in which `switchback compare` runs a program: a static i386 ELF file.
  public static var initProgram: [UInt8] { ROM(name: "init", base64: initImage).image }
}
