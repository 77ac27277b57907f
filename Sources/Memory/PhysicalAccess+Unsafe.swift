// The processor's own way to physical memory. `CPU.memory` hands out a strong reference, whose counting costs
// more than a page walk; these borrow the object instead.

extension CPU {
  @inline(__always)
  private func withMemory<R>(_ body: (PhysicalMemory) -> R) -> R {
    Unmanaged<PhysicalMemory>.fromOpaque(pointee.memory.unsafelyUnwrapped)
      ._withUnsafeGuaranteedRef(body)
  }

  @inline(__always)
  func physicalPage(_ physical: UInt32) -> PhysicalPage { withMemory { $0.page(physical) } }

  @inline(__always)
  func isDevice(_ physical: UInt64) -> Bool { withMemory { $0.isDevice(physical) } }

  @inline(__always)
  func readPhysical(_ physical: UInt64, size: Int) -> UInt64 {
    withMemory { $0.read(physical: physical, size: size) }
  }
  @inline(__always)
  func writePhysical(_ physical: UInt64, size: Int, _ value: UInt64) {
    withMemory { $0.write(physical: physical, size: size, value) }
  }

  @inline(__always)
  func read32(physical: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: readPhysical(physical, size: 4))
  }
  @inline(__always)
  func read64(physical: UInt64) -> UInt64 { readPhysical(physical, size: 8) }
  @inline(__always)
  func write32(physical: UInt64, _ value: UInt32) {
    writePhysical(physical, size: 4, UInt64(value))
  }
  @inline(__always)
  func write64(physical: UInt64, _ value: UInt64) { writePhysical(physical, size: 8, value) }
}
