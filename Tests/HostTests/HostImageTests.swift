import Foundation
import Testing

@testable import Host

/// Images as files of the host.
@Suite struct HostImageTests {
  private let path = "/tmp/switchback-image-test-\(UUID().uuidString)"

  private func make(_ contents: [UInt8]) throws { try HostFile.write(contents, to: path) }

  private func code(_ access: HostImage.Access) -> Int32 {
    do throws(HostError) {
      _ = try HostImage(path: path, access: access)
      return 0
    } catch {
      return error.code
    }
  }

  /// One writer, or any number of readers and overlays.
  @Test func anImageHasOneWriter() throws {
    try make([UInt8](repeating: 1, count: 4096))
    defer { unlink(path) }
    do {
      let writer = try HostImage(path: path, access: .readWrite)
      for access in [.readOnly, .readWrite, .readWriteIfPossible, .overlay] as [HostImage.Access] {
        #expect(code(access) == HostImage.isLocked)
      }
      #expect(writer.size == 4096)
    }
    let reader = try HostImage(path: path, access: .overlay)
    #expect(code(.readOnly) == 0 && code(.overlay) == 0)
    #expect(code(.readWrite) == HostImage.isLocked)
    #expect(reader.write([2], at: 0) == 0)
  }

  /// What an overlay reads is what was written or the image's, whatever the two lie like.
  @Test func overlaysHoldWhatWasWritten() throws {
    var random = SystemRandomNumberGenerator()
    var model = (0..<64 << 10).map { UInt8(truncatingIfNeeded: $0 / 512) }
    let before = model
    try make(before)
    defer { unlink(path) }
    let worker = HostWorker(try HostImage(path: path, access: .overlay))
    for _ in 0..<500 {
      let first = Int.random(in: 0..<128, using: &random)
      let count = Int.random(in: 1...min(20, 128 - first), using: &random)
      let range = first * 512..<(first + count) * 512
      if Bool.random(using: &random) {
        let bytes = range.map { _ in UInt8.random(in: 0...255, using: &random) }
        model.replaceSubrange(range, with: bytes)
        // In the order of the calls: nobody waits for the write.
        _ = worker.write(bytes, at: UInt64(range.lowerBound))
      }
      let read = worker.read(at: UInt64(range.lowerBound), count: range.count).wait()
      #expect(read.error == 0 && read.bytes == Array(model[range]))
    }
    #expect(worker.flush().wait().error == 0)
    worker.stop()
    #expect(try HostFile.contents(of: path) == before)
  }

  /// A file that somebody else makes shorter gives errors; one that may be short is filled up.
  @Test func whatIsNotThereIsAnErrorOrZero() throws {
    try make([UInt8](repeating: 1, count: 4096))
    defer { unlink(path) }
    do {
      let image = try HostImage(path: path, access: .readWrite)
      #expect(truncate(path, 1024) == 0)
      #expect(image.read(at: 0, count: 1024).bytes == [UInt8](repeating: 1, count: 1024))
      #expect(image.read(at: 512, count: 1024).error == EIO)
    }
    let floppy = try HostImage(path: path, access: .readWrite, paddedSize: 4096)
    #expect(floppy.size == 4096)
    #expect(
      floppy.read(at: 512, count: 1024).bytes
        == [UInt8](repeating: 1, count: 512) + [UInt8](repeating: 0, count: 512))
    #expect(floppy.write([7], at: 4095) == 0)
    #expect(try HostFile.contents(of: path).last == 7)
  }

  @Test func readersDoNotWrite() throws {
    try make([UInt8](repeating: 1, count: 512))
    defer { unlink(path) }
    let image = try HostImage(path: path, access: .readOnly)
    #expect(image.isReadOnly && image.write([2], at: 0) == EROFS && image.flush() == 0)
    #expect(try HostFile.contents(of: path) == [UInt8](repeating: 1, count: 512))
  }
}
