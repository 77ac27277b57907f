import Foundation
import Host
import Machine
import Testing

/// Real boot loaders through SeaBIOS's INT 13h: CD, hard disk, floppy disk.
@Suite(.serialized, .enabled(if: Guests.arePresent, "make guests fetches them"))
struct BootTests {
  private let scratch: Scratch
  private static let commandLine = "console=ttyS0 quiet cryptomgr.notests"

  init() throws { scratch = try Scratch() }

  private func path(_ name: String) -> String { "\(scratch.path)/\(name)" }

  private func ramDisk() throws -> String {
    try scratch.file(
      "initrd",
      try Guests.ramDisk(initScript: Guests.setUp + "echo BOOTED $(uname -r)\npoweroff -f\n"))
  }

  private func expectBoot(_ options: [String], engine: String) throws {
    let direct = FirmwareTests.engines.contains(engine) ? [] : ["--direct"]
    let run = try Program(["run", "--engine", engine, "--time-limit", "300"] + direct + options)
    #expect(run.status == 0, "\(run.output.suffix(2000)) \(run.error)")
    #expect(run.output.contains("BOOTED 6.1"), "\(run.output.suffix(2000))")
  }

  /// Ring-3 code runs directly with `adaptive` and `direct`.
  private static let engines = Engines.available

  @Test(arguments: engines) func anIsolinuxCD(engine: String) throws {
    try FileManager.default.createDirectory(
      atPath: path("cd"), withIntermediateDirectories: false)
    for (source, name) in [
      ("/usr/lib/ISOLINUX/isolinux.bin", "isolinux.bin"),
      ("/usr/lib/syslinux/modules/bios/ldlinux.c32", "ldlinux.c32"),
      (Guests.kernel, "vmlinuz"), (try ramDisk(), "initrd"),
    ] {
      try FileManager.default.copyItem(atPath: source, toPath: path("cd/\(name)"))
    }
    _ = try scratch.file(
      "cd/isolinux.cfg",
      Array(
        """
        SERIAL 0
        DEFAULT linux
        LABEL linux
          KERNEL vmlinuz
          APPEND initrd=initrd \(Self.commandLine)

        """.utf8))
    try tool(
      "xorriso", "-as", "mkisofs", "-quiet", "-o", path("cd.iso"), "-b", "isolinux.bin", "-c",
      "boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", path("cd"))
    try expectBoot(["--cdrom", path("cd.iso")], engine: engine)
  }

  /// GRUB in the gap before a FAT partition with the kernel, as grub-install puts it there.
  private func grubDisk() throws -> String {
    let modules = "/usr/lib/grub/i386-pc"
    let configuration = try scratch.file(
      "grub.cfg",
      Array(
        """
        linux /vmlinuz \(Self.commandLine)
        initrd /initrd
        boot

        """.utf8))
    try tool(
      "grub-mkimage", "-O", "i386-pc", "-o", path("core.img"), "-p", "(hd0,msdos1)/", "-c",
      configuration, "biosdisk", "part_msdos", "fat", "linux", "normal")
    var start = try HostFile.contents(of: "\(modules)/boot.img")
    // One active FAT partition from 1 MiB on; GRUB's second part is in the gap before it.
    let sectors: UInt32 = 46 << 11
    start.replaceSubrange(
      446..<458, with: [0x80, 0, 2, 0, 0x0C, 0xFF, 0xFF, 0xFF, 0, 8, 0, 0])
    start.replaceSubrange(
      458..<462, with: (0..<4).map { UInt8(truncatingIfNeeded: sectors >> UInt32($0 * 8)) })
    start.replaceSubrange(462..<510, with: [UInt8](repeating: 0, count: 48))
    let disk = try scratch.file("disk", start + HostFile.contents(of: path("core.img")))
    #expect(truncate(disk, 48 << 20) == 0)
    try tool("mformat", "-i", "\(disk)@@1M", "-F", "-T", "\(sectors)", "-h", "16", "-s", "63", "::")
    try tool("mcopy", "-i", "\(disk)@@1M", Guests.kernel, "::vmlinuz")
    try tool("mcopy", "-i", "\(disk)@@1M", try ramDisk(), "::initrd")
    return disk
  }

  @Test(
    arguments: [
      ("interpreter", "ide"), ("translator", "ide"), ("translator", "virtio"), ("adaptive", "ide"),
      ("direct", "ide"),
    ])
  func aGRUBDisk(engine: String, interface: String) throws {
    try expectBoot(["--disk", "\(grubDisk()),if=\(interface)"], engine: engine)
  }

  @Test(arguments: engines) func theGRUBRescueDisks(engine: String) throws {
    let directory = "/usr/lib/grub-rescue"
    for options in [
      ["--floppy", "\(directory)/grub-rescue-floppy.img", "--boot", "a"],
      ["--cdrom", "\(directory)/grub-rescue-cdrom.iso", "--boot", "d"],
      ["--disk", "\(directory)/grub-rescue-cdrom.iso"],
    ] {
      let run = try Program(
        [
          "run", "--engine", engine, "--serial", "none", "--snapshot", "--time-limit", "200",
          "--until", "GNU GRUB",
        ] + options)
      #expect(run.status == 0, "\(options) \(run.error)")
    }
  }

  /// The order of --boot decides, not the order of the options.
  @Test func theBootOrder() throws {
    let directory = "/usr/lib/grub-rescue"
    let disk = try scratch.file("disk", [UInt8](repeating: 0, count: 1 << 20))
    let run = try Program([
      "run", "--serial", "none", "--snapshot", "--time-limit", "100", "--floppy",
      "\(directory)/grub-rescue-floppy.img", "--cdrom", "\(directory)/grub-rescue-cdrom.iso",
      "--disk", disk, "--boot", "cda", "--until", "Booting from DVD/CD",
    ])
    #expect(run.status == 0, "\(run.error)")
  }
}
