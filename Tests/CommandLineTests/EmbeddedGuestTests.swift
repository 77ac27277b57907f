import Foundation
import Host
import Testing

/// Static programs in the embedded guest, beside the host.
@Suite struct EmbeddedGuestTests {
  /// Compiles a static i386 program.
  static func build(_ source: String, in scratch: Scratch, options: [String] = ["-static"])
    throws -> String
  {
    let file = try scratch.file("p.c", Array(source.utf8))
    let built = try NativeProcess.run(
      "/usr/bin/gcc",
      arguments: ["gcc", "-m32", "-O1", "-o", "\(scratch.path)/p", file] + options
        + ["-lm"], environment: ["PATH=/usr/bin:/bin"], input: "/dev/null",
      directory: scratch.path)
    try #require(built.status == 0, "\(String(decoding: built.standardError, as: UTF8.self))")
    return "\(scratch.path)/p"
  }

  static func compare(_ command: [String], _ options: [String] = []) throws -> Program {
    try Program(
      ["compare", "--engines", "translator", "--repeat", "1", "--time-limit", "60"] + options
        + ["--"] + command)
  }

  /// Every part of the process and file interface that static programs lean on, twice in one guest.
  @Test(arguments: [["-static", "-no-pie"], ["-static-pie", "-fPIE"]])
  func systemCallsDoWhatTheHostDoes(options: [String]) throws {
    let scratch = try Scratch()
    let program = try Self.build(Self.systemCalls, in: scratch, options: options)
    let input = try scratch.file("input", Array("first line\nsecond line\n".utf8))
    let data = try scratch.file("data", Guests.data(100_000))
    let run = try Self.compare(
      [program, "an argument", "", data],
      ["--stdin", input, "--file", data, "--repeat", "2", "--engines", "interpreter,translator"])
    #expect(run.status == 0, "\(run.error)")
    #expect(run.output.contains("exit status 3"))
    #expect(run.output.contains("translator"))
  }

  private static let systemCalls = """
    #define _GNU_SOURCE
    #include <errno.h>
    #include <fcntl.h>
    #include <math.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <sys/resource.h>
    #include <sys/stat.h>
    #include <sys/time.h>
    #include <sys/uio.h>
    #include <time.h>
    #include <unistd.h>
    static __thread int local = 7;
    static char zeros[200000];
    static void say(const char *what, long value) { printf("%s %ld\\n", what, value); }
    int main(int argc, char **argv, char **environment) {
      for (int i = 1; i < argc; i++) puts(argv[i] + (i == 3 ? strlen(argv[i]) - 4 : 0));
      for (; *environment; environment++) puts(*environment);
      char line[100], path[300];
      while (fgets(line, sizeof line, stdin)) fputs(line, stdout);
      say("local", ++local);
      for (int i = 0; i < 200000; i += 4096) say("zero", zeros[i]++);
      printf("%.17g %.17g %Lg\\n", sqrt(argc), sin(1.0 + argc), powl(1.5L, argc));
      FILE *file = fopen(argv[3], "r");
      long sum = 0;
      for (int c; (c = getc(file)) != EOF;) sum = sum * 31 + c;
      say("sum", sum);
      struct stat status;
      say("fstat", fstat(fileno(file), &status));
      say("size", status.st_size);
      say("stat", stat("/nowhere", &status));
      say("errno", errno);
      int fd = open("created", O_RDWR | O_CREAT | O_EXCL, 0600);
      struct iovec parts[2] = {{"abc", 3}, {"defgh", 5}};
      say("writev", writev(fd, parts, 2));
      say("pwrite", pwrite(fd, "X", 1, 9000));
      say("lseek", lseek(fd, -2, SEEK_END));
      say("read", read(fd, line, 10));
      say("byte", line[1]);
      say("pread", pread(fd, line, 4, 2));
      say("equal", memcmp(line, "cdef", 4));
      say("truncate", ftruncate(fd, 5));
      say("end", lseek(fd, 0, SEEK_END));
      int copy = dup(fd);
      say("dup", write(copy, "!", 1) + lseek(fd, 0, SEEK_CUR));
      say("unlink", unlink("created"));
      say("again", access("created", F_OK));
      say("link", readlink("/proc/self/exe", path, sizeof path) == (long)strlen(argv[0]));
      say("cwd", strcmp(getcwd(path, sizeof path), "/tmp"));
      char *memory = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      memory[40000] = 5;
      memory = mremap(memory, 65536, 1 << 20, MREMAP_MAYMOVE);
      say("remapped", memory[40000] + memory[900000]);
      say("protect", mprotect(memory + 4096, 4096, PROT_NONE));
      say("denied", write(1, memory + 4096, 1));
      say("errno", errno);
      say("unmap", munmap(memory + 8192, 8192));
      memory[16384]++;
      char *mapped = mmap(0, 5000, PROT_READ, MAP_PRIVATE, fileno(file), 4096);
      say("mapped", mapped[0] + mapped[4999]);
      void *big = malloc(3 << 20);
      memset(big, 1, 3 << 20);
      big = realloc(big, 30 << 20);
      say("big", ((char *)big)[(3 << 20) - 1]);
      free(big);
      for (int i = 0; i < 3000; i++) free(malloc(i * 37)), local += !malloc(100);
      struct timeval now;
      gettimeofday(&now, 0);
      struct timespec a, b;
      clock_gettime(CLOCK_MONOTONIC, &a);
      clock_gettime(CLOCK_MONOTONIC, &b);
      say("time", time(0) - now.tv_sec < 2 && now.tv_sec > 1700000000);
      say("monotonic", b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
      struct sigaction action;
      signal(SIGUSR1, SIG_IGN);
      say("raise", raise(SIGUSR1));
      sigaction(SIGUSR1, 0, &action);
      say("ignored", action.sa_handler == SIG_IGN);
      say("tty", isatty(1));
      struct rlimit limit;
      say("limit", getrlimit(RLIMIT_NOFILE, &limit));
      fprintf(stderr, "to standard error\\n");
      return 3;
    }
    """

  @Test(.enabled(if: Guests.arePresent, "make guests fetches it")) func busyboxRuns() throws {
    let scratch = try Scratch()
    let data = try scratch.file("data", Guests.data(1 << 18))
    for command in [
      ["sha256sum", data], ["gzip", "-c", data], ["sort", data], ["md5sum", data],
      ["awk", "BEGIN { for (i = 0; i < 20000; i++) s += i * i % 7; print s }"],
      ["sh", "-c", "i=0; while [ $i -lt 500 ]; do i=$((i + 1)); done; echo $i"],
    ] {
      let run = try Self.compare([Guests.busybox] + command, ["--file", data])
      #expect(run.status == 0, "\(command): \(run.error)")
    }
  }

  @Test(arguments: [
    ("abort()", "signal 6"), ("*(volatile int *)8 = 1", "signal 11"),
    ("volatile int zero = 0; return argc * 100 / zero", "signal 8"),
    ("__builtin_trap()", "signal 4"),
    ("((char *)main)[0] = 1", "signal 11"),
  ]) func aDeathIsAResultLikeAnyOther(body: String, expected: String) throws {
    let scratch = try Scratch()
    let program = try Self.build(
      "#include <stdlib.h>\nint main(int argc, char **argv) { \(body); return 0; }", in: scratch)
    let run = try Self.compare([program])
    #expect(run.status == 0, "\(run.error)")
    #expect(run.output.contains(expected))
  }

  /// What the guest cannot do is an error that names the call, and no number.
  @Test(arguments: [
    ("fork()", "(clone)"), ("int p[2]; pipe(p)", "(pipe2)"), ("socket(1, 1, 0)", "socket"),
    ("signal(10, (void (*)(int))_exit); raise(10)", "handle signal 10"),
    ("syscall(999)", "system call 999"), ("open(\"/usr/bin/true\", 1)", "packed file for writing"),
  ]) func unsupportedCallsAreNamed(body: String, expected: String) throws {
    let scratch = try Scratch()
    let program = try Self.build(
      """
      #include <fcntl.h>
      #include <signal.h>
      #include <sys/socket.h>
      #include <unistd.h>
      int main(int argc, char **argv) { \(body); return 0; }
      """, in: scratch)
    let run = try Self.compare([program], ["--file", "/usr/bin/true"])
    #expect(run.status == 1, "\(run.output)")
    #expect(run.error.contains(expected), "\(run.error)")
    #expect(run.output.isEmpty)
  }

  // MARK: Injected faults

  /// A program that finds out that it is in the guest, and then writes something else.
  @Test(arguments: [
    ("puts(\"different\")", "standard output differs"), ("return 9", "exit status 9"),
    ("fputs(\"different\", stderr)", "standard error differs"),
    ("*(volatile int *)0 = 0", "signal 11"), ("for (;;) {}", "time limit"),
  ]) func aGuestThatDoesSomethingElseGivesNoNumber(body: String, expected: String) throws {
    let scratch = try Scratch()
    let program = try Self.build(
      """
      #include <stdio.h>
      #include <string.h>
      #include <sys/utsname.h>
      int main(void) {
        struct utsname name;
        uname(&name);
        if (strstr(name.release, "switchback")) { \(body); }
        return 0;
      }
      """, in: scratch)
    let json = "\(scratch.path)/result.json"
    let run = try Self.compare([program], ["--json", json, "--time-limit", "3"])
    #expect(run.status == 1)
    #expect(run.error.contains(expected), "\(run.error)")
    #expect(run.output.isEmpty)
    #expect(HostFile.read(json, limit: 1) == nil)
  }

  @Test func aProgramThatDiffersFromItselfGivesNoNumber() throws {
    let scratch = try Scratch()
    let program = try Self.build(
      "#include <stdio.h>\n#include <time.h>\nint main(void) { struct timespec t; "
        + "clock_gettime(CLOCK_REALTIME, &t); printf(\"%ld\\n\", t.tv_nsec); return 0; }",
      in: scratch)
    let run = try Self.compare([program])
    #expect(run.status == 1)
    #expect(run.error.contains("does not do the same twice natively"), "\(run.error)")
  }

  @Test func aDynamicProgramNeedsAKernel() throws {
    let run = try Self.compare(["/bin/true"])
    // A 64-bit one is not even an i386 program.
    #expect(run.status == 65 && run.error.contains("not a 32-bit x86 ELF file"))
    let scratch = try Scratch()
    let file = try scratch.file("p.c", Array("int main(void) { return 0; }".utf8))
    let built = try NativeProcess.run(
      "/usr/bin/gcc", arguments: ["gcc", "-m32", "-o", "\(scratch.path)/p", file],
      environment: ["PATH=/usr/bin:/bin"], input: "/dev/null", directory: scratch.path)
    try #require(built.status == 0)
    let dynamic = try Self.compare(["\(scratch.path)/p"])
    #expect(dynamic.status == 64 && dynamic.error.contains("--kernel"), "\(dynamic.error)")
  }

  @Test func memoryThatDoesNotSufficeIsNamed() throws {
    let scratch = try Scratch()
    let program = try Self.build(
      """
      #include <stdlib.h>
      #include <string.h>
      int main(int argc, char **argv) {
        char *p = malloc(100 << 20);
        memset(p, argc, 100 << 20);
        return ((volatile char *)p)[77] - 1;
      }
      """, in: scratch)
    let run = try Self.compare([program], ["--memory", "64M"])
    #expect(run.status == 1)
    #expect(run.error.contains("memory is used up"), "\(run.error)")
  }
}
