import Host

/// An i386 program with everything it needs to run elsewhere: its dynamic loader and its libraries, found as
/// the dynamic loader would find them (ld.so(8)), without running anything.
public struct ProgramFiles: Sendable {
  /// Absolute path of the program.
  public let path: String
  /// Path and contents of the program, its dynamic loader and libraries.
  public let files: [(path: String, contents: [UInt8])]
  /// Whether it needs neither a dynamic loader nor libraries.
  public let isStatic: Bool
  /// Directories of libraries that are not among the dynamic loader's defaults.
  public let libraryDirectories: [String]

  private static let defaultDirectories = [
    "/lib/i386-linux-gnu", "/usr/lib/i386-linux-gnu", "/lib32", "/usr/lib32", "/lib", "/usr/lib",
    "/lib/i686-linux-gnu", "/usr/lib/i686-linux-gnu",
  ]

  /// - Parameters:
  ///   - program: path as the user gave it.
  ///   - libraryPath: directories to look for libraries in before the dynamic loader's.
  /// - Throws: `InputError` naming the file that is missing or wrong.
  public init(program: String, libraryPath: [String] = []) throws(InputError) {
    let given = try libraryPath.map { directory throws(InputError) in
      guard let path = HostFile.absolutePath(directory), HostFile.isDirectory(path) else {
        throw InputError(.noInput, "--library-path: \(directory): no such directory")
      }
      return path
    }
    guard let path = HostFile.absolutePath(program) else {
      throw InputError(.noInput, "\(program): no such program")
    }
    var files: [(path: String, contents: [UInt8])] = []
    var directories: [String] = []
    var known: Set<String> = []
    var queue: [(path: String, contents: [UInt8])] = []

    func read(_ path: String) throws(InputError) -> [UInt8] {
      do throws(HostError) {
        return try HostFile.contents(of: path, limit: 512 << 20)
      } catch { throw InputError(.noInput, "\(error)") }
    }
    func parse(_ bytes: [UInt8], _ path: String) throws(InputError) -> ELFFile {
      do throws(ELFFile.Problem) {
        return try ELFFile(bytes)
      } catch { throw InputError(.badData, "\(path): \(error.message)") }
    }

    let contents = try read(path)
    let program = try parse(contents, path)
    guard HostFile.isExecutable(path) else {
      throw InputError(.badData, "\(path): not executable")
    }
    queue.append((path, contents))
    isStatic = program.interpreter == nil
    if let interpreter = program.interpreter {
      files.append((interpreter, try read(interpreter)))
      known.insert(HostFile.name(of: interpreter))
    }
    while let (path, contents) = queue.popLast() {
      files.append((path, contents))
      let libraries = try parse(contents, path).libraries
      let origin = HostFile.directory(of: path)
      let own = libraries.searchPath.map {
        $0.replacing("$ORIGIN", with: origin).replacing("${ORIGIN}", with: origin)
      }
      for name in libraries.needed where known.insert(HostFile.name(of: name)).inserted {
        let search = given + own + Self.configuredDirectories() + Self.defaultDirectories
        guard let found = Self.find(name, in: search) else {
          throw InputError(.noInput, "\(path): the library \(name) is not on this host")
        }
        queue.append(found)
        let directory = HostFile.directory(of: found.path)
        if !Self.defaultDirectories.contains(directory), !directories.contains(directory) {
          directories.append(directory)
        }
      }
    }
    self.path = path
    self.files = files
    libraryDirectories = directories
  }

  /// The first 32-bit library of that name.
  private static func find(
    _ name: String, in directories: [String]
  ) -> (path: String, contents: [UInt8])? {
    let candidates = name.contains("/") ? [name] : directories.map { "\($0)/\(name)" }
    for candidate in candidates {
      guard let head = HostFile.read(candidate, limit: 20), head.count == 20, head[4] == 1,
        head[18] == 3, let contents = HostFile.read(candidate, limit: 512 << 20)
      else { continue }
      return (candidate, contents)
    }
    return nil
  }

  /// The directories of `/etc/ld.so.conf` and the files that it includes.
  private static func configuredDirectories() -> [String] {
    let names = HostFile.entries(of: "/etc/ld.so.conf.d").filter { $0.hasSuffix(".conf") }.sorted()
    let files = ["/etc/ld.so.conf"] + names.map { "/etc/ld.so.conf.d/\($0)" }
    return files.flatMap { file in
      String(decoding: HostFile.read(file, limit: 1 << 16) ?? [], as: UTF8.self)
        .split(whereSeparator: \.isNewline).map(String.init).filter { $0.hasPrefix("/") }
    }
  }
}
