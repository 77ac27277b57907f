import Glibc

/// A raw disk image: a file or block device that is read and written at offsets. Opened once, with an advisory
/// lock against a second writer for as long as it is open.
///
/// Sendable although it is a class with state: after `init` one thread at a time uses it, its `HostWorker`.
public final class HostImage: @unchecked Sendable {
  /// What may happen to the file.
  public enum Access: Sendable {
    case readOnly
    case readWrite
    /// Read and write if that is allowed, else read.
    case readWriteIfPossible
    /// The file stays as it is; what is written goes to a temporary file without a name.
    case overlay
  }

  /// Bytes.
  public let size: UInt64
  /// Whether writes are refused.
  public let isReadOnly: Bool
  /// Whether the file may end before `size`; the rest reads as zeros and is added by the first write to it.
  private let mayBeShorter: Bool
  private let descriptor: Int32
  private var overlay: ImageOverlay?

  /// Something else has the image open for writing, or this would write to what something else reads.
  public static let isLocked = EWOULDBLOCK
  /// It is neither a file nor a block device.
  public static let hasNoOffsets = ESPIPE

  /// - Parameter paddedSize: what the size of a shorter file is taken to be.
  /// - Throws: an error, with the code `isLocked` if the image is in use.
  public init(path: String, access: Access, paddedSize: UInt64 = 0) throws(HostError) {
    var readOnly = access == .readOnly
    let reads = access == .readOnly || access == .overlay
    // O_NONBLOCK: opening a FIFO would wait for a writer.
    var descriptor = open(path, (reads ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK)
    if descriptor < 0, access == .readWriteIfPossible, errno == EACCES || errno == EROFS {
      readOnly = true
      descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    }
    guard descriptor >= 0 else { throw HostError("open \(path)") }
    do throws(HostError) {
      var status = stat()
      guard fstat(descriptor, &status) == 0 else { throw HostError("read \(path)") }
      let kind = status.st_mode & S_IFMT
      guard kind == S_IFREG || kind == S_IFBLK else {
        throw HostError("read \(path)", code: kind == S_IFDIR ? EISDIR : Self.hasNoOffsets)
      }
      let end = lseek(descriptor, 0, Int32(SEEK_END))
      guard end >= 0 else { throw HostError("read \(path)") }
      guard flock(descriptor, (readOnly || reads ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0 else {
        throw HostError("lock \(path)")
      }
      size = max(UInt64(end), paddedSize)
      mayBeShorter = paddedSize > 0
      if access == .overlay { overlay = try ImageOverlay() }
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    isReadOnly = readOnly
  }

  deinit { close(descriptor) }

  /// Reads `count` bytes that lie within `size`.
  /// - Returns: the bytes, or an `errno`.
  func read(at offset: UInt64, count: Int) -> (bytes: [UInt8], error: Int32) {
    var error: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      error = read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
      initialized = error == 0 ? count : 0
    }
    return (bytes, error)
  }

  private func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Int32 {
    guard let overlay else { return readBase(at: offset, into: buffer) }
    var done = 0
    while done < buffer.count {
      let (isWritten, length) = overlay.run(
        at: offset + UInt64(done), limit: buffer.count - done)
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + length])
      let error =
        isWritten
        ? transferAll(part.count) {
          pread(
            overlay.descriptor, part.baseAddress! + $0, part.count - $0,
            off_t(offset) + off_t(done + $0))
        } : readBase(at: offset + UInt64(done), into: part)
      guard error == 0 else { return error }
      done += length
    }
    return 0
  }

  private func readBase(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Int32 {
    var position = 0
    while position < buffer.count {
      let n = pread(
        descriptor, buffer.baseAddress! + position, buffer.count - position,
        off_t(offset) + off_t(position))
      if n < 0 && errno == EINTR { continue }
      guard n >= 0 else { return errno }
      if n == 0 {
        // The file has become shorter than it was.
        guard mayBeShorter else { return EIO }
        memset(buffer.baseAddress! + position, 0, buffer.count - position)
        return 0
      }
      position += n
    }
    return 0
  }

  /// Writes bytes that lie within `size`.
  /// - Returns: 0 or an `errno`.
  func write(_ bytes: [UInt8], at offset: UInt64) -> Int32 {
    guard !isReadOnly else { return EROFS }
    let target = overlay?.descriptor ?? descriptor
    let error = bytes.withUnsafeBytes { source in
      transferAll(source.count) {
        pwrite(target, source.baseAddress! + $0, source.count - $0, off_t(offset) + off_t($0))
      }
    }
    if error == 0 { overlay?.mark(at: offset, count: bytes.count) }
    return error
  }

  /// Makes what was written survive a crash of the host.
  /// - Returns: 0 or an `errno`.
  func flush() -> Int32 {
    // What is thrown away at the end need not survive anything.
    guard !isReadOnly, overlay == nil else { return 0 }
    return fdatasync(descriptor) == 0 ? 0 : errno
  }

  /// Repeats a call until it has moved `count` bytes.
  private func transferAll(_ count: Int, _ call: (Int) -> Int) -> Int32 {
    var done = 0
    while done < count {
      let n = call(done)
      if n < 0 && errno == EINTR { continue }
      guard n >= 0 else { return errno }
      guard n > 0 else { return EIO }
      done += n
    }
    return 0
  }
}

/// Sectors that were written instead of the image's: a file without a name and a map of what is in it.
private final class ImageOverlay {
  let descriptor: Int32
  /// One bit for each sector; a sector not in the map is the image's.
  private var map: [UInt64: [UInt64]] = [:]

  private static let sector: UInt64 = 512
  /// Sectors for which one entry of the map stands.
  private static let group: UInt64 = 4096

  init() throws(HostError) {
    // Not /tmp, which may be memory.
    let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp"
    var template = Array("\(directory)/switchback-XXXXXX".utf8CString)
    let file = mkstemp(&template)
    guard file >= 0 else { throw HostError("create a temporary file in \(directory)") }
    unlink(template)
    _ = fcntl(file, F_SETFD, FD_CLOEXEC)
    descriptor = file
  }

  deinit { close(descriptor) }

  private func isWritten(_ sector: UInt64) -> Bool {
    guard let bits = map[sector / Self.group] else { return false }
    let index = Int(sector % Self.group)
    return bits[index >> 6] >> UInt64(index & 63) & 1 != 0
  }

  /// How many bytes from `offset` on, at most `limit`, are alike, and where they are.
  func run(at offset: UInt64, limit: Int) -> (isWritten: Bool, length: Int) {
    let first = offset / Self.sector
    let last = (offset + UInt64(limit) - 1) / Self.sector
    let kind = isWritten(first)
    var sector = first + 1
    while sector <= last {
      if !kind, sector % Self.group == 0, map[sector / Self.group] == nil {
        sector += Self.group
        continue
      }
      guard isWritten(sector) == kind else { break }
      sector += 1
    }
    return (kind, Int(min(sector * Self.sector - offset, UInt64(limit))))
  }

  /// Notes that whole sectors were written.
  func mark(at offset: UInt64, count: Int) {
    guard count > 0 else { return }
    for sector in offset / Self.sector...(offset + UInt64(count) - 1) / Self.sector {
      let index = Int(sector % Self.group)
      map[sector / Self.group, default: [UInt64](repeating: 0, count: Int(Self.group / 64))][
        index >> 6] |= 1 << UInt64(index & 63)
    }
  }
}
