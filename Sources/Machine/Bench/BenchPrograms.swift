import Host

/// The programs of benchmarks/programs.
public enum BenchPrograms {
  public static let user = [
    "sieve", "fib", "crc32", "qsort", "calls", "dispatch", "branchy", "repmovs", "loopcopy",
    "bytecode", "adc", "strings", "tree", "chase", "stream", "lz", "compiler", "matmul_x87",
    "matmul_sse2", "nbody_x87", "nbody_sse2",
  ]
  public static let system = [
    "getppid", "pipe", "fork", "exec", "pagefault", "mmap", "switch20", "fileio",
  ]
  /// What measuring costs; not in any mean.
  public static let overhead = ["marks"]

  /// The suite of a program, nil if there is none of that name.
  public static func suite(of program: String) -> String? {
    if user.contains(program) { return "user" }
    if system.contains(program) { return "system" }
    return overhead.contains(program) ? "overhead" : nil
  }

  /// Units of work in a run: a unit takes about a millisecond natively. Few for what is slow.
  public static func work(_ engine: String) -> Int {
    switch engine {
    case "interpreter", "bochs": 5
    case "qemu": 20
    default: 100
    }
  }

  /// Compiles the programs by their Makefile.
  /// - Parameters:
  ///   - folder: where the sources are.
  ///   - output: a directory to write to.
  /// - Returns: the path of the binary.
  /// - Throws: `InputError` with the compiler's message.
  public static func build(folder: String, output: String) throws(InputError) -> String {
    guard HostFile.read("\(folder)/Makefile", limit: 1) != nil,
      let folder = HostFile.absolutePath(folder)
    else { throw InputError(.noInput, "--programs: \(folder): no benchmark programs there") }
    let built: NativeProcess.Result
    do {
      built = try NativeProcess.run(
        "/usr/bin/make", arguments: ["make", "-s", "-j2", "-C", folder, "OUT=\(output)"],
        environment: ["PATH=/usr/bin:/bin", "LC_ALL=C"], input: "/dev/null", directory: "/tmp")
    } catch {
      throw InputError(.unavailable, "the benchmark programs cannot be built: \(error)")
    }
    guard built.status == 0 else {
      let message = String(decoding: built.standardError.prefix(500), as: UTF8.self)
      throw InputError(.unavailable, "the benchmark programs cannot be built: \(message)")
    }
    return "\(output)/bench"
  }

  /// The first line that a program of the host prints about its version; nil without the program.
  public static func version(of program: String) -> String? {
    let run = try? NativeProcess.run(
      program, arguments: [program, "--version"], environment: ["PATH=/usr/bin:/bin", "LC_ALL=C"],
      input: "/dev/null", directory: "/tmp")
    return run.flatMap {
      String(decoding: $0.standardOutput, as: UTF8.self)
        .split(whereSeparator: \.isNewline).map { $0.trimmingPrefix { $0 == " " } }
        .first { !$0.isEmpty && $0.contains { $0.isNumber } }.map(String.init)
    }
  }
}
