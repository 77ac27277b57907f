import CHost
import CPU
import Glibc
import Host
import Memory
import Testing

@testable import DirectExecution

@Suite struct SandboxTests {
  /// Every step of the start that a host can refuse gives a reason that names what is missing.
  @Test(arguments: [
    (STEP_MAP_CONTROL, "map memory"), (STEP_SIGNAL_STACK, "signals"),
    (STEP_SIGNAL_ACTION, "signals"), (STEP_SIGNAL_MASK, "signals"),
    (STEP_NO_NEW_PRIVILEGES, "seccomp"), (STEP_LDT, "modify_ldt"), (STEP_WORKER, "thread"),
    (STEP_WORKER_FILTER, "seccomp"), (STEP_GUEST_FILTER, "seccomp"), (STEP_WATCH, "waits for"),
    (STEP_CODE, "32-bit code"),
  ]) func aStepThatFailsIsNamed(step: Int32, word: String) throws {
    do throws(SandboxError) {
      try HostCheck.run(failingStep: UInt32(step))
      Issue.record("the sandbox started")
    } catch { #expect(error.description.contains(word), "\(error)") }
  }

  @Test func thisHostHasWhatIsNeeded() throws { try HostCheck.run() }

  @Test func aKilledSandboxIsNoticed() throws {
    let ram = try HostMemory(size: 1 << 20)
    let image = try SandboxImage()
    var sandbox = try Sandbox(image: image, ram: ram.descriptor)
    let before = sandbox.isAlive()
    kill(sandbox.process, SIGKILL)
    let stopped = sandbox.run(until: HostClock.nanoseconds + 1_000_000)
    let after = sandbox.isAlive()
    let wasKilled = sandbox.wasKilled
    #expect(before && !stopped && !after && wasKilled)
  }

  @Test func nothingIsLeftBehind() throws {
    let ram = try HostMemory(size: 1 << 20)
    let image = try SandboxImage()
    let process = try start(ram, image)
    #expect(kill(process, 0) == -1)
  }

  private func start(_ ram: borrowing HostMemory, _ image: borrowing SandboxImage) throws -> Int32 {
    let sandbox = try Sandbox(image: image, ram: ram.descriptor)
    let process = sandbox.process
    #expect(kill(process, 0) == 0)
    return process
  }

  // MARK: Code

  private func isSuspicious(_ bytes: [UInt8], at offset: Int, next: UInt8? = 0) -> Bool {
    withPage(bytes, at: offset) { CodeScan.isSuspicious($0, next: next) }
  }

  /// Calls `body` with a page of NOPs and `bytes` among them.
  private func withPage<Result>(
    _ bytes: [UInt8], at offset: Int, _ body: (UnsafeRawPointer) -> Result
  ) -> Result {
    let page = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 8)
    defer { page.deallocate() }
    page.initializeMemory(as: UInt8.self, repeating: 0x90, count: 4096)
    for (i, byte) in bytes.enumerated() where offset + i < 4096 {
      page.storeBytes(of: byte, toByteOffset: offset + i, as: UInt8.self)
    }
    return body(page)
  }

  /// A breakpoint at the opcode is enough unless the instruction begins with a prefix, or is held back.
  @Test func breakpointsAreOfferedWhereTheyStop() {
    func breakpoints(_ bytes: [UInt8], at offset: Int = 1000) -> [Int]? {
      withPage(bytes, at: offset) { CodeScan.breakpoints($0, limit: 4) }
    }
    #expect(breakpoints([0x90]) == [])
    #expect(breakpoints([0x0F, 0xA2]) == [1000])
    #expect(breakpoints([0x0F, 0xA2, 0x90, 0x0F, 0x31]) == [1000, 1003])
    #expect(breakpoints(Array([[0x0F, 0xA2], [0x0F, 0xA2]].joined())) == [1000, 1002])
    let four = Array(repeatElement([0x0F, 0xA2] as [UInt8], count: 4).joined())
    #expect(breakpoints(four)?.count == 4)
    #expect(breakpoints(four + [0x0F, 0xA2]) == nil)
    for prefix in [0x66, 0x67, 0xF2, 0xF3, 0x2E, 0x65] as [UInt8] {
      #expect(isSuspicious([prefix, 0x0F, 0xA2], at: 1000))
      #expect(isSuspicious([prefix, prefix, 0x0F, 0xA2], at: 1000))
      #expect(breakpoints([prefix, 0x0F, 0xA2]) == nil)
    }
    #expect(breakpoints([0xF1, 0x0F, 0xA2]) == nil)  // INT1
    #expect(breakpoints([0x8E, 0xD0, 0x0F, 0xA2]) == nil)  // MOV SS,AX
    #expect(breakpoints([0x17, 0x0F, 0xA2]) == nil)  // POP SS
    #expect(breakpoints([0x8E, 0x54, 0x24, 0x04, 0x0F, 0xA2]) == nil)  // MOV SS,[ESP+4]
    #expect(breakpoints([0x0F, 0xA2], at: 5) == nil)
    #expect(breakpoints([0x0F], at: 4095) == nil)
  }

  @Test func breakpointsAreSetInALivingProcess() throws {
    let image = try SandboxImage()
    let ram = try HostMemory(size: 1 << 20)
    var sandbox = try Sandbox(image: image, ram: ram.descriptor)
    for addresses: [UInt32] in [[0x1000, 0x2000, 0x3000, 0x4000], [0x5000], []] {
      let isSet = sandbox.setBreakpoints(addresses)
      #expect(isSet)
      let isWaiting = sandbox.isWaiting
      #expect(isWaiting)
    }
    var isAlive = sandbox.isAlive()
    #expect(isAlive)
    kill(sandbox.process, SIGKILL)
    let isSet = sandbox.setBreakpoints([0x1000])
    #expect(!isSet)
    // The host's kernel lets nobody trace it some time before it says that it is dead.
    for _ in 0..<500 where isAlive {
      isAlive = sandbox.isAlive()
      usleep(10_000)
    }
    #expect(!isAlive)
  }

  @Test func instructionsThatShowTheHostAreFound() {
    for offset in 0..<4095 {
      #expect(isSuspicious([0x0F, 0xA2], at: offset), "\(offset)")
      #expect(!isSuspicious([0x0F, 0x84], at: offset), "\(offset)")
    }
    for code in [
      [0x0F, 0x31], [0x0F, 0x05], [0x0F, 0x34], [0x0F, 0x01, 0xF9], [0x0F, 0x01, 0xD0],
    ]
      as [[UInt8]]
    {
      #expect(isSuspicious(code, at: 1000))
    }
    #expect(!isSuspicious([0x0F, 0x01, 0x02], at: 1000))
    // Across the end of the page.
    #expect(isSuspicious([0x0F], at: 4095, next: 0xA2))
    #expect(isSuspicious([0x0F], at: 4095, next: nil))
    #expect(isSuspicious([0x0F], at: 4095, next: 1))
    #expect(isSuspicious([0x0F], at: 4095, next: 5))
    #expect(!isSuspicious([0x0F], at: 4095, next: 0xB6))
    #expect(isSuspicious([0x0F, 0x01], at: 4094))
  }

  /// Bytes that look like RDTSC, SYSCALL and SYSENTER but are the end of one instruction and the beginning of another.
  @Test func operandsAreNoInstructions() {
    let operands: [[UInt8]] = [
      [0x83, 0xE0, 0x0F, 0x31, 0xC8],  // AND EAX,15; XOR EAX,ECX
      [0xC1, 0xE1, 0x0F, 0x31, 0xD1],  // SHL ECX,15; XOR ECX,EDX
      [0x83, 0xE0, 0x0F, 0x05, 0x00, 0x10, 0x00, 0x00],  // AND EAX,15; ADD EAX,4096
      [0xC1, 0xE8, 0x0F, 0x34, 0x55],  // SHR EAX,15; XOR AL,55h
      [0xE8, 0x0F, 0xA2, 0x00, 0x00],  // CALL with a distance of A20Fh
    ]
    for code in operands {
      #expect(!isSuspicious([0x89, 0xD8, 0x01, 0xF0] + code, at: 1000))
    }
    // The same bytes where an instruction begins.
    for second in [0x31, 0x05, 0x34] as [UInt8] {
      #expect(isSuspicious([0x89, 0xD8, 0x83, 0xE0, 0x07, 0x0F, second], at: 1000))
      #expect(isSuspicious([0x0F, second], at: 0))
    }
  }

  // MARK: Segments

  private func segment(
    _ base: UInt32, _ limit: UInt32, _ access: UInt32, selector: UInt16 = 0x33
  ) -> SegmentRegister {
    SegmentRegister(
      readEnd: 0, writeEnd: 0, base: base, limit: limit, access: access, selector: selector,
      reserved: 0)
  }

  @Test func flatSegmentsNeedNoDescriptor() {
    var segments = HostSegments(names: SelectorNames())
    let code = segments.selector(segment(0, .max, 0xC0FB), isCode: true)
    let data = segments.selector(segment(0, .max, 0xC0F3), isCode: false)
    let null = segments.selector(segment(0, 0, 1 << 16), isCode: false)
    #expect(code.0 == 0x23 && code.1 == nil)
    #expect(data.0 == 0x2B && data.1 == nil)
    #expect(null.0 == 0 && null.1 == nil)
    #expect(segments.meaning[0x2B] == 0x33)
  }

  @Test func segmentsWithABaseKeepTheirNumbers() throws {
    var segments = HostSegments(names: SelectorNames())
    let first = segments.selector(segment(0x1000, .max, 0xC0F3), isCode: false)
    let stored = try #require(first.1)
    #expect(first.0 == 0x37 && segments.meaning[0x37] == 0x33)
    #expect(stored.number == 6 && stored.base == 0x1000 && stored.limit == 0xFFFFF)
    #expect(stored.flags == 0x11)
    // The same in another register.
    let again = segments.selector(segment(0x1000, .max, 0xC0F2), isCode: false)
    #expect(again.0 == first.0 && again.1 == nil)
    // The same number in the other table.
    let other = segments.selector(segment(0x2000, .max, 0xC0F3, selector: 0x37), isCode: false)
    #expect(other.0 == 0xF && other.1?.number == 1 && segments.meaning[0xF] == 0x37)
    // Unchanged in the next run.
    segments.begin()
    let later = segments.selector(segment(0x1000, .max, 0xC0F3), isCode: false)
    #expect(later.0 == 0x37 && later.1 == nil)
    segments.begin()
    let changed = segments.selector(segment(0x3000, .max, 0xC0F3), isCode: false)
    #expect(changed.0 == 0x37 && changed.1?.base == 0x3000)
  }

  @Test func descriptorsSayWhatTheGuestsSay() throws {
    var segments = HostSegments(names: SelectorNames())
    // Read only, bytes, expand-down.
    let third = segments.selector(segment(0, 0xFFF, 0x40F4, selector: 0xF), isCode: false)
    let down = try #require(third.1)
    #expect(down.flags == 1 | 1 << 1 | 1 << 3 && down.limit == 0xFFF)
    let fourth = segments.selector(segment(0, 0xFFFFF, 0x40FE, selector: 0x17), isCode: true)
    let code = try #require(fourth.1)
    #expect(code.flags == 1 | 2 << 1)
  }

  @Test func theTableOfDescriptorsIsBounded() {
    var segments = HostSegments(names: SelectorNames())
    for i in 1..<8192 as Range<UInt16> {
      segments.begin()
      let (selector, descriptor) = segments.selector(
        segment(UInt32(i) << 12, .max, 0xC0F3, selector: i << 3 | 3), isCode: false)
      #expect(selector >> 3 <= 255 && selector & 7 == 7)
      #expect(descriptor != nil)
    }
  }
}
