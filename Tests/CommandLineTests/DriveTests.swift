import Foundation
import Host
import Machine
import Testing

extension Guests {
  /// A RAM disk whose init inserts the modules for disks and file systems first.
  static func driveRamDisk(_ script: String) throws -> [UInt8] {
    let order = try HostFile.contents(of: "\(directory)/modules/order")
    let names = String(decoding: order, as: UTF8.self).split(separator: "\n")
    let files = try names.map {
      ("modules/\($0).ko", try HostFile.contents(of: "\(directory)/modules/\($0).ko"))
    }
    let insert = names.map { "insmod /modules/\($0).ko || echo no module \($0)\n" }.joined()
    return try ramDisk(
      initScript: setUp + insert + "mkdir -p /a /b /c /d\n" + script, files: files)
  }

  static var haveModules: Bool {
    arePresent && HostFile.read("\(directory)/modules/order", limit: 1) != nil
  }
}

/// A tool of the host that makes or reads file systems.
@discardableResult
func tool(_ command: String..., directory: String = "/tmp") throws -> String {
  let path = ["/usr/bin", "/usr/sbin", "/sbin", "/bin"].map { "\($0)/\(command[0])" }
    .first { HostFile.isExecutable($0) }
  let run = try NativeProcess.run(
    try #require(path, "\(command[0]) is not installed"), arguments: command,
    environment: ["PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/tmp", "MTOOLS_SKIP_CHECK=1"],
    input: "/dev/null", directory: directory)
  #expect(
    run.status == 0, "\(command): \(String(decoding: run.standardError, as: UTF8.self))")
  return String(decoding: run.standardOutput, as: UTF8.self)
}

/// Real file systems on every kind of drive, driven by Debian's kernel.
@Suite(.serialized, .enabled(if: Guests.haveModules, "make guests fetches them"))
struct DriveTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func path(_ name: String) -> String { "\(scratch.path)/\(name)" }

  private func image(_ name: String, megabytes: Int) throws -> String {
    let file = try scratch.file(name, [])
    #expect(truncate(file, megabytes << 20) == 0)
    return file
  }

  private func boot(_ script: String, _ options: [String]) throws -> [String] {
    let disk = try scratch.file("initrd", try Guests.driveRamDisk(script))
    return [
      "run", "--kernel", Guests.kernel, "--initrd", disk, "--append",
      "console=ttyS0 quiet cryptomgr.notests", "--time-limit", "300",
    ] + options
  }

  /// Files go from the CD to an IDE disk, a virtio disk and a floppy, and the host reads them there.
  @Test(arguments: FirmwareTests.engines + ["adaptive"])
  func filesOnEveryDrive(engine: String) throws {
    let large = Guests.data(6 << 20)
    let small = Guests.data(700_001).suffix(700_000)
    let direct = engine == "adaptive" ? ["--direct"] : []
    try FileManager.default.createDirectory(
      atPath: path("cd"), withIntermediateDirectories: false)
    let first = try scratch.file("cd/large", large)
    let second = try scratch.file("cd/small", Array(small))
    try tool("xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", path("cd.iso"), path("cd"))
    let ide = try image("ide", megabytes: 32)
    let virtio = try image("virtio", megabytes: 32)
    for disk in [ide, virtio] { try tool("mkfs.ext4", "-q", "-F", disk) }
    let floppy = try image("floppy", megabytes: 0)
    try tool("mformat", "-C", "-f", "1440", "-i", floppy, "::")
    let run = try Program(
      try boot(
        """
        mount -t iso9660 /dev/sr0 /c
        mount -t ext4 /dev/sda /a && mount -t ext4 /dev/vda /b && mount -t vfat /dev/fd0 /d
        cp /c/large /a && cp /a/large /b && cp /c/small /d
        mkdir /a/many && for i in $(seq 300); do echo file $i >/a/many/$i; done
        rm -f /a/many/1* && gzip -c /b/large >/b/packed
        umount /a /b /d
        echo 3 >/proc/sys/vm/drop_caches
        mount -t ext4 /dev/vda /b && gunzip -c /b/packed | sha256sum && umount /b
        poweroff -f

        """,
        [
          "--engine", engine, "--disk", ide, "--disk", "\(virtio),if=virtio", "--floppy", floppy,
          "--cdrom", path("cd.iso"),
        ] + direct))
    #expect(run.status == 0, "\(run.output.suffix(2000))")
    #expect(run.output.contains(try Guests.sha256(first)), "\(run.output.suffix(2000))")
    for (disk, name) in [(ide, "a"), (virtio, "b")] {
      try tool("e2fsck", "-f", "-n", disk)
      try tool("debugfs", "-R", "dump /large \(path(name))", disk)
      #expect(try Guests.sha256(path(name)) == Guests.sha256(first))
    }
    #expect(try tool("debugfs", "-R", "cat /many/287", ide) == "file 287\n")
    #expect(!(try tool("debugfs", "-R", "ls -p /many", ide)).contains("/187/"))
    try tool("mcopy", "-i", floppy, "::small", path("d"))
    #expect(try Guests.sha256(path("d")) == Guests.sha256(second))
  }

  /// A guest that writes and syncs, then goes on writing; the simulator is killed meanwhile.
  @Test func aKillLosesNothingThatWasFlushed() throws {
    let data = Guests.data(3 << 20)
    let disk = try image("disk", megabytes: 32)
    try tool("mkfs.ext4", "-q", "-F", disk)
    try FileManager.default.createDirectory(
      atPath: path("cd"), withIntermediateDirectories: false)
    let file = try scratch.file("cd/file", data)
    try tool("xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", path("cd.iso"), path("cd"))
    let process = Process()
    process.executableURL = URL(filePath: Program.path)
    process.arguments = try boot(
      """
      mount -t iso9660 /dev/sr0 /c; mount -t ext4 /dev/sda /a
      cp /c/file /a/kept; sync; echo FLUSHED
      while true; do cp /c/file /a/other; rm /a/other; done

      """, ["--engine", "translator", "--disk", disk, "--cdrom", path("cd.iso")])
    let output = Pipe()
    process.standardOutput = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    var text = ""
    while !text.contains("FLUSHED") {
      let part = output.fileHandleForReading.availableData
      guard !part.isEmpty else { break }
      text += String(decoding: part, as: UTF8.self)
    }
    usleep(200_000)
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    #expect(text.contains("FLUSHED"), "\(text.suffix(2000))")
    // The journal is played back, as the next mount would; 1 says that it was.
    let check = try NativeProcess.run(
      "/sbin/e2fsck", arguments: ["e2fsck", "-f", "-y", disk], environment: [],
      input: "/dev/null", directory: "/tmp")
    #expect(check.status >> 8 <= 1)
    try tool("debugfs", "-R", "dump /kept \(path("kept"))", disk)
    #expect(try Guests.sha256(path("kept")) == Guests.sha256(file))
  }

  @Test func anOverlayLeavesTheImageAlone() throws {
    let disk = try image("disk", megabytes: 16)
    try tool("mkfs.ext4", "-q", "-F", disk)
    let floppy = try image("floppy", megabytes: 0)
    try tool("mformat", "-C", "-f", "720", "-i", floppy, "::")
    let before = try [disk, floppy].map { try Guests.sha256($0) }
    #expect(chmod(disk, 0o400) == 0)
    let run = try Program(
      try boot(
        """
        mount -t ext4 /dev/sda /a; mount -t vfat /dev/fd0 /d
        head -c 3000000 /dev/urandom >/a/x; head -c 300000 /dev/urandom >/d/x
        sha256sum /a/x /d/x >/tmp/sums
        umount /a /d; echo 3 >/proc/sys/vm/drop_caches
        mount -t ext4 /dev/sda /a; mount -t vfat /dev/fd0 /d
        sha256sum -c /tmp/sums
        poweroff -f

        """,
        ["--engine", "translator", "--snapshot", "--disk", disk, "--floppy", floppy]))
    #expect(run.status == 0)
    #expect(
      run.output.contains("/a/x: OK") && run.output.contains("/d/x: OK"),
      "\(run.output.suffix(2000))")
    #expect(try [disk, floppy].map { try Guests.sha256($0) } == before)
  }

  /// The host refuses to let a file grow, the image or what holds the writes of `--snapshot`: the guest gets
  /// errors, what was written before stays.
  @Test(arguments: [[], ["--snapshot"]]) func aFullHostGivesErrors(options: [String]) throws {
    let disk = try image("disk", megabytes: 24)
    let arguments = try boot(
      """
      echo READY; read go
      yes 0123456789abcdef | tr -d '\\n' |
        dd of=/dev/sda bs=64k count=128 iflag=fullblock conv=fsync 2>/dev/null
      echo first $?
      dd if=/dev/zero of=/dev/sda bs=64k seek=256 count=16 conv=fsync
      echo second $?
      echo 3 >/proc/sys/vm/drop_caches
      dd if=/dev/sda bs=1M count=8 2>/dev/null | sha256sum
      poweroff -f

      """, ["--engine", "translator", "--disk", disk] + options)
    // Once it has its memory, the machine may not write files beyond 12 MiB: like a full disk, without root.
    let shell = """
      mkfifo "$1/in" && exec 3<>"$1/in"
      "$0" "${@:2}" <&3 >"$1/out" &
      until grep -q READY "$1/out" || ! kill -0 $!; do sleep 0.1; done
      prlimit --pid $! --fsize=12582912 && echo >&3
      wait $!
      """
    let run = try NativeProcess.run(
      "/bin/bash", arguments: ["bash", "-c", shell, Program.path, scratch.path] + arguments,
      environment: ["PATH=/usr/bin:/bin"], input: "/dev/null", directory: "/tmp")
    let output = try String(contentsOfFile: path("out"), encoding: .utf8)
    let error = String(decoding: run.standardError, as: UTF8.self)
    #expect(run.status == 0, "\(output.suffix(2000)) \(error)")
    #expect(output.contains("first 0"), "\(output.suffix(2000))")
    #expect(output.contains("second 1"), "\(output.suffix(2000))")
    let pattern = Array("0123456789abcdef".utf8)
    let expected = (0..<8 << 20).map { pattern[$0 & 15] }
    #expect(output.contains(try Guests.sha256(try scratch.file("expected", expected))))
    let start = try HostFile.contents(of: disk, limit: 8 << 20)
    #expect(start == (options.isEmpty ? expected : [UInt8](repeating: 0, count: 8 << 20)))
  }

  /// Sectors on both sides of where 28 bits end, and the last ones of 2 TB, in an image that is nearly all hole.
  @Test(arguments: [("ide", "sda"), ("virtio", "vda")])
  func disksOfTwoTerabytes(interface: String, name: String) throws {
    let disk = try image("disk", megabytes: 2 << 20)
    let sectors: [UInt64] = [8, 0x0FFF_FFFC, 0x1000_0008, 0x8000_0000, 0xFFFF_FFF8]
    let run = try Program(
      try boot(
        """
        blockdev --getsize64 /dev/\(name)
        for sector in \(sectors.map(String.init).joined(separator: " ")); do
          yes sector $sector | head -c 4096 >/tmp/data
          dd if=/tmp/data of=/dev/\(name) bs=512 seek=$sector conv=fsync 2>/dev/null
          echo 3 >/proc/sys/vm/drop_caches
          dd if=/dev/\(name) bs=512 count=8 skip=$sector 2>/dev/null | cmp - /tmp/data && echo same $sector
        done
        dd if=/tmp/data of=/dev/\(name) bs=512 seek=4294967296 || echo beyond the end
        poweroff -f

        """, ["--engine", "translator", "--disk", "\(disk),if=\(interface)"]))
    #expect(run.status == 0, "\(run.output.suffix(2000))")
    for text in ["2199023255552"] + sectors.map({ "same \($0)" }) + ["beyond the end"] {
      #expect(run.output.contains(text), "\(text): \(run.output.suffix(2000))")
    }
    let file = try FileHandle(forReadingFrom: URL(filePath: disk))
    for sector in sectors {
      try file.seek(toOffset: sector * 512)
      let line = Array("sector \(sector)\n".utf8)
      let expected = (0..<4096).map { line[$0 % line.count] }
      #expect(try file.read(upToCount: 4096).map(Array.init) == expected)
    }
    // The host's file has no more than what was written, and some of its own.
    var status = stat()
    #expect(stat(disk, &status) == 0 && status.st_blocks < 1 << 12)
  }

  /// Two runs with drives are equal to the last bit, however fast the host's disk is.
  @Test func drivesAreReproducible() throws {
    let disk = try image("disk", megabytes: 16)
    try tool("mkfs.ext4", "-q", "-F", disk)
    let arguments = try boot(
      """
      mount -t ext4 /dev/sda /a; cp /bin/busybox /a; sync; sha256sum /a/busybox; poweroff -f

      """, ["--engine", "translator", "--snapshot", "--disk", disk, "--stats"])
    let hashes = try (0..<2).map { _ in
      let run = try Program(arguments)
      #expect(run.status == 0, "\(run.output.suffix(2000))")
      return run.error.split(separator: "\n").first { $0.hasPrefix("state hash") }
    }
    #expect(hashes[0] != nil && hashes[0] == hashes[1])
  }
}
