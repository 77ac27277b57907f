import CHost
import Glibc

/// Runs a program natively on the host and measures it.
public enum NativeProcess {
  /// What a run gave.
  public struct Result: Sendable, Equatable {
    /// As `wait4` gives it.
    public var status: UInt32
    public var standardOutput: [UInt8]
    public var standardError: [UInt8]
    /// From before the process was created until its end was known.
    public var seconds: Double
    public var userSeconds: Double
    public var systemSeconds: Double
    /// Whether it was killed because its time was over.
    public var timedOut = false
  }

  /// - Parameters:
  ///   - program: path of the executable, `arguments` with argument 0.
  ///   - environment: all variables, as `NAME=value`.
  ///   - input: path of the file that is its standard input.
  ///   - directory: its working directory.
  ///   - timeLimit: seconds after which it is killed; nil for no limit.
  /// - Throws: an error if it cannot be started.
  public static func run(
    _ program: String, arguments: [String], environment: [String], input: String,
    directory: String, timeLimit: Double? = nil
  ) throws(HostError) -> Result {
    let output = try temporaryFile()
    defer { close(output) }
    let error = try temporaryFile()
    defer { close(error) }
    let standardInput = open(input, O_RDONLY | O_CLOEXEC)
    guard standardInput >= 0 else { throw HostError("open \(input)") }
    defer { close(standardInput) }
    let here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard here >= 0, chdir(directory) == 0 else { throw HostError("enter \(directory)") }
    defer {
      _ = fchdir(here)
      close(here)
    }

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, standardInput, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO)
    // The program starts with the signals at their defaults and none blocked, as it does in the guest: threads
    // of thread pools block most of them.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var defaults = sigset_t()
    sigfillset(&defaults)
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF) | Int16(POSIX_SPAWN_SETSIGMASK))

    var argumentVector = arguments.map { strdup($0) } + [nil]
    var variables = environment.map { strdup($0) } + [nil]
    defer { for pointer in argumentVector + variables { free(pointer) } }

    var process: pid_t = 0
    let start = HostClock.nanoseconds
    let code = posix_spawn(
      &process, program, &actions, &attributes, &argumentVector, &variables)
    guard code == 0 else { throw HostError("start \(program)", code: code) }
    let timedOut = timeLimit.map { !isOver(process, after: $0) } ?? false
    if timedOut { kill(process, SIGKILL) }
    var status: Int32 = 0
    var usage = rusage()
    while wait4(process, &status, 0, &usage) < 0 {
      guard errno == EINTR else { throw HostError("wait for \(program)") }
    }
    let end = HostClock.nanoseconds
    return Result(
      status: UInt32(bitPattern: status), standardOutput: contents(output),
      standardError: contents(error), seconds: Double(end &- start) / 1e9,
      userSeconds: seconds(usage.ru_utime), systemSeconds: seconds(usage.ru_stime),
      timedOut: timedOut)
  }

  /// Waits until a child has ended, at most so many seconds.
  private static func isOver(_ process: pid_t, after limit: Double) -> Bool {
    let milliseconds = Int32(min(max(limit, 0) * 1000, Double(Int32.max)))
    return switchback_wait_for_end(process, milliseconds) != 0
  }

  /// A file without a name, in memory where the host has that.
  private static func temporaryFile() throws(HostError) -> Int32 {
    let descriptor = switchback_memory_file("switchback-output")
    guard descriptor >= 0 else { throw HostError("create a temporary file") }
    return descriptor
  }

  private static func contents(_ descriptor: Int32) -> [UInt8] {
    let size = lseek(descriptor, 0, SEEK_END)
    guard size > 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
      while count < Int(size) {
        let n = pread(descriptor, buffer.baseAddress! + count, Int(size) - count, off_t(count))
        guard n > 0 else { return }
        count += n
      }
    }
  }

  /// Keeps this process and those it starts on the processor that it runs on now, so that runs compare.
  /// - Returns: the processor's number, nil if the host does not allow it.
  public static func pinToOneProcessor() -> Int? {
    let processor = switchback_pin_to_one_processor()
    return processor < 0 ? nil : Int(processor)
  }

  private static func seconds(_ time: timeval) -> Double {
    Double(time.tv_sec) + Double(time.tv_usec) / 1e6
  }
}
