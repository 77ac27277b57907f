import Glibc

/// Whole-file reads and writes without a dependency on Foundation.
public enum HostFile {
  /// The first `limit` bytes of the file at `path`, or nil if it cannot be read.
  public static func read(_ path: String, limit: Int) -> [UInt8]? {
    try? contents(of: path, limit: limit)
  }

  /// The first `limit` bytes of the file at `path`.
  public static func contents(of path: String, limit: Int = .max) throws(HostError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw HostError("open \(path)") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw HostError("read \(path)") }
    guard status.st_mode & S_IFMT != S_IFDIR else {
      throw HostError("read \(path)", code: EISDIR)
    }
    var result: [UInt8] = []
    result.reserveCapacity(min(limit, max(0, Int(status.st_size)) + 1))
    while result.count < limit {
      // Files of /proc have no size: read until nothing comes.
      let chunk = min(limit - result.count, max(1 << 16, Int(status.st_size) - result.count))
      var code: Int32 = 0
      let part = [UInt8](unsafeUninitializedCapacity: chunk) { buffer, count in
        let n = Glibc.read(descriptor, buffer.baseAddress, chunk)
        code = n < 0 ? errno : 0
        count = max(0, n)
      }
      if code == EINTR { continue }
      guard code == 0 else { throw HostError("read \(path)", code: code) }
      if part.isEmpty { break }
      result += part
    }
    return result
  }

  /// Creates or replaces the file at `path`.
  public static func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o644)
    throws(HostError)
  {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw HostError("write \(path)") }
    defer { close(descriptor) }
    var offset = 0
    while offset < bytes.count {
      let n = bytes.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress! + offset, $0.count - offset)
      }
      if n < 0, errno == EINTR { continue }
      guard n > 0 else { throw HostError("write \(path)") }
      offset += n
    }
  }

  /// Deletes the file at `path`; nothing happens if there is none.
  public static func remove(_ path: String) { unlink(path) }

  /// Finds out whether `write` could work, without creating or changing anything.
  public static func checkWritable(_ path: String) throws(HostError) {
    var status = stat()
    if stat(path, &status) == 0 {
      guard status.st_mode & S_IFMT != S_IFDIR else {
        throw HostError("write \(path)", code: EISDIR)
      }
      guard access(path, W_OK) == 0 else { throw HostError("write \(path)") }
      return
    }
    guard errno == ENOENT, !path.isEmpty else { throw HostError("write \(path)", code: errno) }
    let parent = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) }
    guard access(parent ?? ".", W_OK | X_OK) == 0 else { throw HostError("write \(path)") }
  }

  /// The path with all symbolic links resolved, or nil if there is no such file.
  public static func absolutePath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// Whether the path names a regular file that may be executed.
  public static func isExecutable(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
      && access(path, X_OK) == 0
  }

  /// Where a program is that the user's PATH leads to; nil if it leads to none of that name.
  public static func installed(_ program: String) -> String? {
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
    return path.split(separator: ":").map { "\($0)/\(program)" }.first(where: isExecutable)
  }

  /// What follows the last slash.
  public static func name(of path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? ""
  }

  /// What precedes the last slash; "/" at the root, "." without one.
  public static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// The names in a directory; none if it cannot be read.
  public static func entries(of path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var result: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { result.append(name) }
    }
    return result
  }

  /// Whether an `errno` says that writing is not allowed.
  public static func isPermissionMissing(_ code: Int32) -> Bool {
    code == EACCES || code == EPERM || code == EROFS
  }

  /// Bytes of the regular file; nil if there is none.
  public static func size(of path: String) -> UInt64? {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return UInt64(max(0, status.st_size))
  }

  /// Whether the path names a directory.
  public static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
