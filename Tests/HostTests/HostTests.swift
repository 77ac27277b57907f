import Foundation
import Testing

@testable import Host

@Test func memoryIsZeroedPageAlignedAndCleared() throws {
  let memory = try HostMemory(size: 10_000)
  #expect(memory.size == 12_288)
  #expect(UInt(bitPattern: memory.baseAddress) % 4096 == 0)
  #expect(memory.descriptor >= 0)
  #expect(memory.bytes.allSatisfy { $0 == 0 })
  memory.bytes[12_287] = 7
  #expect(memory.residentSize >= 4096)
  memory.clear()
  #expect(memory.bytes.allSatisfy { $0 == 0 })
}

@Test func largeMemoryIsNotReservedUpFront() throws {
  let memory = try HostMemory(size: 3 << 30)
  memory.bytes[memory.size - 1] = 1
  #expect(memory.residentSize < 1 << 20)
}

@Test(arguments: [0, -1, Int.max])
func impossibleMemorySizesAreErrors(size: Int) {
  #expect(throws: HostError.self) { _ = try HostMemory(size: size) }
}

@Test func clockAdvancesAndSleeps() {
  let start = HostClock.nanoseconds
  HostClock.sleep(until: start + 2_000_000)
  #expect(HostClock.nanoseconds >= start + 2_000_000)
}

@Test func processorNameComesFromTheModelNameLine() {
  let text = "processor\t: 0\nmodel name\t: Fast CPU @ 2GHz\nmodel name\t: other\n"
  #expect(HostInfo.modelName(in: Array(text.utf8)) == "Fast CPU @ 2GHz")
  #expect(HostInfo.modelName(in: []) == nil)
  #expect(HostInfo.current.cores >= 1)
  #expect(!HostInfo.current.kernel.isEmpty)
}

@Test func filesRoundTripAndFailuresNameThePath() throws {
  let path = "/tmp/switchback-host-test-\(HostClock.nanoseconds)"
  defer { HostFile.remove(path) }
  let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
  try HostFile.write(bytes, to: path)
  #expect(try HostFile.contents(of: path) == bytes)
  #expect(try HostFile.contents(of: path, limit: 3) == Array(bytes[..<3]))
  let error = #expect(throws: HostError.self) { try HostFile.contents(of: "/nonexistent/x") }
  #expect(error?.description == "cannot open /nonexistent/x: No such file or directory")
  #expect(throws: HostError.self) { try HostFile.contents(of: "/tmp") }
}

/// Threads of a pool block signals; a program that is started from one must not inherit that.
@Test func nativeProgramsStartWithNoSignalBlocked() throws {
  var blocked = sigset_t()
  sigfillset(&blocked)
  var before = sigset_t()
  pthread_sigmask(SIG_BLOCK, &blocked, &before)
  defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
  let run = try NativeProcess.run(
    "/bin/grep", arguments: ["grep", "SigBlk", "/proc/self/status"], environment: [],
    input: "/dev/null", directory: "/")
  #expect(String(decoding: run.standardOutput, as: UTF8.self) == "SigBlk:\t0000000000000000\n")
  #expect(!run.timedOut)
}

@Test func nativeProgramsAreKilledAfterTheirTime() throws {
  let run = try NativeProcess.run(
    "/bin/sleep", arguments: ["sleep", "1000"], environment: [], input: "/dev/null",
    directory: "/", timeLimit: 0.05)
  #expect(run.timedOut && run.status == 9)
  let other = try NativeProcess.run(
    "/bin/true", arguments: ["true"], environment: [], input: "/dev/null", directory: "/",
    timeLimit: 100)
  #expect(!other.timedOut && other.status == 0)
}
