import Roms

/// Programs of ours that run programs of Linux in a guest.
public enum GuestPrograms {
  /// The first process of a guest in which `switchback compare` runs a program: a static i386 ELF file.
  public static var initProgram: [UInt8] { ROM(name: "init", base64: initImage).image }

  /// A Multiboot kernel that runs one static program and serves its system calls.
  public static var embeddedKernel: [UInt8] { ROM(name: "embedded", base64: embeddedImage).image }
}
