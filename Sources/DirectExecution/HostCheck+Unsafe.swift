import CHost
import CPU
import Host
import Memory

/// Finds out whether the host has what direct execution needs, by running a few bytes of 32-bit code in a sandbox.
enum HostCheck {
  /// INC EAX; UD2. In 64-bit mode 40h is a prefix.
  private static let code: [UInt8] = [0x40, 0x0F, 0x0B]
  private static let address: UInt32 = 0x1000_0000

  /// - Parameter failingStep: a step to let fail, for tests.
  /// - Throws: what is missing.
  static func run(failingStep: UInt32 = 0) throws(SandboxError) {
    let image = try SandboxImage()
    let memory: HostMemory
    do {
      memory = try HostMemory(size: 4096, name: "sandbox-check")
    } catch { throw SandboxError("\(error)") }
    memory.baseAddress.copyMemory(from: code, byteCount: code.count)
    var sandbox = try Sandbox(image: image, ram: memory.descriptor, failingStep: failingStep)
    let failure = SandboxError(step: UInt32(STEP_CODE), code: 0)
    guard failingStep != UInt32(STEP_CODE), let frame = sandbox.frame else { throw failure }
    sandbox.add(
      StubCommand(
        operation: STUB_MAP.rawValue, protection: 5, address: UInt64(address), length: 4096,
        offset: 0))
    guard sandbox.work() == 0 else { throw SandboxError(step: UInt32(STEP_MAP_STATUS), code: 0) }

    let cpu = CPU.create()
    defer { cpu.free() }
    cpu.eax = 41
    cpu.pointee.eip = address
    frame.load(cpu, signalMask: Trap.signalMask)
    frame.setSegments(cs: HostSegments.flatCode, ss: HostSegments.flatData)
    let data = HostSegments.flatData
    sandbox.setSelectors(ds: data, es: data, fs: 0, gs: 0)
    guard sandbox.run(until: HostClock.nanoseconds + 2_000_000_000), let after = sandbox.frame,
      after.cs == HostSegments.flatCode, after.trap == 6, after.rip == UInt64(address) + 1
    else { throw failure }
    after.store(cpu)
    guard cpu.eax == 42 else { throw failure }
  }
}
