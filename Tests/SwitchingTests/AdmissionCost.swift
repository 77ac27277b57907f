import Bus
import CPU
import Foundation
import Host
import Memory
import Testing

@testable import Switching

/// What a decision costs: a measurement, made by `make admission` only.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["SWITCHBACK_ADMISSION"] != nil))
struct AdmissionCost {
  @Test func ofADecision() throws {
    let processor = Processor(
      memory: try PhysicalMemory(ramSize: 1 << 20), ports: PortBus())
    let cpu = processor.cpu
    let count = 20_000_000
    var sum = 0
    func nanoseconds(_ body: () -> Void) -> Double {
      let start = HostClock.nanoseconds
      body()
      return Double(HostClock.nanoseconds - start) / Double(count)
    }
    let admitted = VirtualState(bits: 0x81CD)
    let words = (0..<64).map { admitted.bits ^ (UInt32($0) * 0x9E5) & 0xFFFF }
    // From memory, or the compiler would know what it is.
    let same = [VirtualState](repeating: admitted, count: 64)
    let frequent = nanoseconds {
      for i in 0..<count where Admission.evaluate(same[i & 63]) == .direct { sum += 1 }
    }
    let mixed = nanoseconds {
      for i in 0..<count where Admission.evaluate(VirtualState(bits: words[i & 63])) == .direct {
        sum += 1
      }
    }
    cpu.pointee.cr0 |= 1
    let kernel = nanoseconds {
      for _ in 0..<count where Admission.evaluate(VirtualState(cpu)) == .direct { sum += 1 }
    }
    let ghz = HostInfo.hertz / 1e9
    for (name, time) in [
      ("the frequent state, packed", frequent), ("mixed states, packed", mixed),
      ("registers at ring 0, packing included", kernel),
    ] {
      print("admission: \(name): \(time) ns, \(time * ghz) cycles")
    }
    #expect(sum >= count)
  }
}
