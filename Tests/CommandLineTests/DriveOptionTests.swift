import Foundation
import Host
import Testing

/// What is refused before a machine is built: one line, the status, and images as they were.
@Suite struct DriveOptionTests {
  private static func sector(_ edit: (inout [UInt8]) -> Void = { _ in }) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    edit(&bytes)
    return bytes
  }
  private static func put(_ text: String, _ offset: Int, _ bytes: inout [UInt8]) {
    bytes.replaceSubrange(offset..<offset + text.utf8.count, with: Array(text.utf8))
  }
  private static let disc = sector { put("CD001", 0x8001, &$0) }

  struct Case: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var options: [String]
    var contents: [UInt8]
    var status: Int32
    var mentions: String
  }

  static let cases: [Case] = [
    Case(
      testDescription: "an empty disk", options: ["--disk", "@"], contents: [], status: 65,
      mentions: "empty"),
    Case(
      testDescription: "an empty floppy", options: ["--floppy", "@"], contents: [], status: 65,
      mentions: "empty"),
    Case(
      testDescription: "part of a sector", options: ["--disk", "@"],
      contents: Array(sector().dropLast()), status: 65, mentions: "truncated"),
    Case(
      testDescription: "a disk without its end", options: ["--disk", "@"],
      contents: sector {
        $0[510] = 0x55
        $0[511] = 0xAA
        $0[446 + 4] = 0x83
        $0[446 + 8] = 1
        $0[446 + 13] = 8
      }, status: 65, mentions: "partition 1 ends"),
    Case(
      testDescription: "a CD as a disk", options: ["--disk", "@"], contents: disc, status: 65,
      mentions: "--cdrom"),
    Case(
      testDescription: "QCOW", options: ["--disk", "@"],
      contents: sector { $0.replaceSubrange(0..<4, with: [0x51, 0x46, 0x49, 0xFB]) }, status: 65,
      mentions: "QCOW"),
    Case(
      testDescription: "a compressed disk", options: ["--disk", "@"],
      contents: sector { $0.replaceSubrange(0..<2, with: [0x1F, 0x8B]) }, status: 65,
      mentions: "compressed"),
    Case(
      testDescription: "no CD", options: ["--cdrom", "@"], contents: sector(), status: 65,
      mentions: "ISO 9660"),
    Case(
      testDescription: "a CD without its end", options: ["--cdrom", "@"],
      contents: sector {
        put("CD001", 0x8001, &$0)
        $0[0x8000 + 82] = 1
      }, status: 65, mentions: "truncated"),
    Case(
      testDescription: "a large floppy", options: ["--floppy", "@"],
      contents: [UInt8](repeating: 0, count: 3 << 20), status: 65, mentions: "2.88"),
    Case(
      testDescription: "the same disk twice", options: ["--disk", "@", "--disk", "@"],
      contents: sector(), status: 66, mentions: "in use"),
    Case(
      testDescription: "an interface that there is not", options: ["--disk", "@,if=scsi"],
      contents: sector(), status: 64, mentions: "ide or virtio"),
    Case(
      testDescription: "five disks",
      options: Array(repeating: ["--disk", "@"], count: 5).flatMap { $0 },
      contents: sector(), status: 64, mentions: "4 times"),
    Case(
      testDescription: "no place for a CD",
      options: Array(repeating: ["--disk", "@"], count: 4).flatMap { $0 } + ["--cdrom", "@"],
      contents: sector(), status: 64, mentions: "two cables"),
    Case(
      testDescription: "a directory", options: ["--disk", "/tmp"], contents: [], status: 66,
      mentions: "directory"),
    Case(
      testDescription: "a device that is no disk", options: ["--disk", "/dev/null"], contents: [],
      status: 66, mentions: "/dev/null: neither a file nor a block device"),
    Case(
      testDescription: "a file that there is not", options: ["--cdrom", "/nonexistent/cd"],
      contents: [], status: 66, mentions: "--cdrom: cannot open /nonexistent/cd"),
    Case(
      testDescription: "no floppy", options: ["--floppy", "/nonexistent/f"], contents: [],
      status: 66, mentions: "/nonexistent/f"),
  ]

  @Test(arguments: cases) func refuses(_ subject: Case) throws {
    let scratch = try Scratch()
    let path = try scratch.file("image", subject.contents)
    let options = subject.options.map { $0.replacingOccurrences(of: "@", with: path) }
    let run = try Program(["run", "--serial", "none", "--time-limit", "20"] + options)
    #expect(run.status == subject.status, "\(run.testDescription)")
    #expect(run.error.contains(subject.mentions), "\(run.error)")
    #expect(run.error.hasPrefix("switchback: ") || subject.status == 64)
    #expect(subject.status == 64 || run.error.filter { $0 == "\n" }.count == 1, "\(run.error)")
    #expect(try HostFile.contents(of: path) == subject.contents)
  }

  @Test func aNamedPipeIsNoImage() throws {
    let scratch = try Scratch()
    let path = "\(scratch.path)/pipe"
    #expect(mkfifo(path, 0o600) == 0)
    for option in ["--disk", "--cdrom", "--floppy"] {
      let run = try Program(["run", option, path])
      #expect(run.status == 66 && run.error.contains(path), "\(run.testDescription)")
    }
  }
}
