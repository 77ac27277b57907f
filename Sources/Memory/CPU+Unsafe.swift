@_exported import CHost

/// The architectural state of the processor, as every engine and helper passes it around. It is a plain
/// C structure; extensions of this type are the processor's operations.
public typealias CPU = UnsafeMutablePointer<CPUState>

/// A decoded instruction in a block, as handlers receive it.
public typealias Op = UnsafePointer<MicroOp>

/// A segment register of a processor state.
public typealias SegmentPointer = UnsafeMutablePointer<SegmentRegister>

extension CPU {
  /// General register `number` (0...7), or 0 for number 8.
  @inlinable public subscript(gpr number: UInt8) -> UInt32 {
    @inline(__always) get {
      UnsafeRawPointer(self).load(fromByteOffset: Int(number) &* 4, as: UInt32.self)
    }
    @inline(__always) nonmutating set {
      UnsafeMutableRawPointer(self).storeBytes(
        of: newValue, toByteOffset: Int(number) &* 4, as: UInt32.self)
    }
  }

  /// The low word of general register `number`.
  @inlinable public subscript(gpr16 number: UInt8) -> UInt16 {
    @inline(__always) get {
      UnsafeRawPointer(self).load(fromByteOffset: Int(number) &* 4, as: UInt16.self)
    }
    @inline(__always) nonmutating set {
      UnsafeMutableRawPointer(self).storeBytes(
        of: newValue, toByteOffset: Int(number) &* 4, as: UInt16.self)
    }
  }

  /// Byte register `number`: AL CL DL BL AH CH DH BH.
  @inlinable public subscript(gpr8 number: UInt8) -> UInt8 {
    @inline(__always) get {
      UnsafeRawPointer(self).load(
        fromByteOffset: Int(number & 3) &* 4 &+ Int(number >> 2), as: UInt8.self)
    }
    @inline(__always) nonmutating set {
      UnsafeMutableRawPointer(self).storeBytes(
        of: newValue, toByteOffset: Int(number & 3) &* 4 &+ Int(number >> 2), as: UInt8.self)
    }
  }

  /// The register `number` in the width of `T` (8, 16 or 32 bits).
  @inlinable @inline(__always)
  public func register<T: FixedWidthInteger & UnsignedInteger>(_ number: UInt8, as: T.Type) -> T {
    if T.bitWidth == 8 { return T(truncatingIfNeeded: self[gpr8: number]) }
    if T.bitWidth == 16 { return T(truncatingIfNeeded: self[gpr16: number]) }
    return T(truncatingIfNeeded: self[gpr: number])
  }

  /// Writes register `number` in the width of `T`; the other bits stay.
  @inlinable @inline(__always)
  public func setRegister<T: FixedWidthInteger & UnsignedInteger>(_ number: UInt8, _ value: T) {
    if T.bitWidth == 8 {
      self[gpr8: number] = UInt8(truncatingIfNeeded: value)
    } else if T.bitWidth == 16 {
      self[gpr16: number] = UInt16(truncatingIfNeeded: value)
    } else {
      self[gpr: number] = UInt32(truncatingIfNeeded: value)
    }
  }

  @inlinable public var eax: UInt32 {
    @inline(__always) get { self[gpr: 0] }
    @inline(__always) nonmutating set { self[gpr: 0] = newValue }
  }
  @inlinable public var ecx: UInt32 {
    @inline(__always) get { self[gpr: 1] }
    @inline(__always) nonmutating set { self[gpr: 1] = newValue }
  }
  @inlinable public var edx: UInt32 {
    @inline(__always) get { self[gpr: 2] }
    @inline(__always) nonmutating set { self[gpr: 2] = newValue }
  }
  @inlinable public var ebx: UInt32 {
    @inline(__always) get { self[gpr: 3] }
    @inline(__always) nonmutating set { self[gpr: 3] = newValue }
  }
  @inlinable public var esp: UInt32 {
    @inline(__always) get { self[gpr: 4] }
    @inline(__always) nonmutating set { self[gpr: 4] = newValue }
  }
  @inlinable public var ebp: UInt32 {
    @inline(__always) get { self[gpr: 5] }
    @inline(__always) nonmutating set { self[gpr: 5] = newValue }
  }
  @inlinable public var esi: UInt32 {
    @inline(__always) get { self[gpr: 6] }
    @inline(__always) nonmutating set { self[gpr: 6] = newValue }
  }
  @inlinable public var edi: UInt32 {
    @inline(__always) get { self[gpr: 7] }
    @inline(__always) nonmutating set { self[gpr: 7] = newValue }
  }

  /// The segment register with encoding `number` (0...5).
  @inlinable public func segment(_ number: UInt8) -> UnsafeMutablePointer<SegmentRegister> {
    (UnsafeMutableRawPointer(self) + MemoryLayout<CPUState>.offset(of: \.segments)!)
      .assumingMemoryBound(to: SegmentRegister.self) + Int(number)
  }

  @inlinable public var es: UnsafeMutablePointer<SegmentRegister> { segment(0) }
  @inlinable public var cs: UnsafeMutablePointer<SegmentRegister> { segment(1) }
  @inlinable public var ss: UnsafeMutablePointer<SegmentRegister> { segment(2) }
  @inlinable public var ds: UnsafeMutablePointer<SegmentRegister> { segment(3) }
  @inlinable public var fs: UnsafeMutablePointer<SegmentRegister> { segment(4) }
  @inlinable public var gs: UnsafeMutablePointer<SegmentRegister> { segment(5) }

  /// Debug register `number` (0...7).
  @inlinable public subscript(dr number: Int) -> UInt32 {
    get {
      UnsafeRawPointer(self).load(
        fromByteOffset: MemoryLayout<CPUState>.offset(of: \.dr)! &+ (number & 7) &* 4,
        as: UInt32.self)
    }
    nonmutating set {
      UnsafeMutableRawPointer(self).storeBytes(
        of: newValue,
        toByteOffset: MemoryLayout<CPUState>.offset(of: \.dr)! &+ (number & 7) &* 4,
        as: UInt32.self)
    }
  }

  /// PAE page-directory-pointer entry `number` (0...3).
  @inlinable public subscript(pdpte number: Int) -> UInt64 {
    get {
      UnsafeRawPointer(self).load(
        fromByteOffset: MemoryLayout<CPUState>.offset(of: \.pdpte)! &+ (number & 3) &* 8,
        as: UInt64.self)
    }
    nonmutating set {
      UnsafeMutableRawPointer(self).storeBytes(
        of: newValue,
        toByteOffset: MemoryLayout<CPUState>.offset(of: \.pdpte)! &+ (number & 3) &* 8,
        as: UInt64.self)
    }
  }

  /// The virtual clock in guest cycles, exact to the start of the current instruction.
  @inlinable public var now: UInt64 {
    guard let op = pointee.op else { return pointee.cycles }
    return pointee.cycles &+ UInt64(op.pointee.cyclesBefore)
  }

  /// EIP of the current instruction.
  @inlinable public func currentEIP(_ op: Op) -> UInt32 {
    pointee.eip &+ UInt32(op.pointee.startOffset)
  }

  /// EIP of the instruction after the current one.
  @inlinable @inline(__always) public func nextEIP(_ op: Op) -> UInt32 {
    pointee.eip &+ UInt32(op.pointee.endOffset)
  }

  /// The machine's physical memory.
  @inlinable public var memory: PhysicalMemory {
    Unmanaged<PhysicalMemory>.fromOpaque(pointee.memory.unsafelyUnwrapped)._withUnsafeGuaranteedRef
    { $0 }
  }

  /// Asks the engine to look at interrupts, traps and the deadline at the next instruction boundary.
  @inlinable public func requestAttention() {
    pointee.stop |= UInt32(STOP_ATTENTION.rawValue)
  }

  /// Allocates a zeroed state with empty TLBs. `free()` gives it back.
  public static func create() -> CPU {
    let cpu = CPU.allocate(capacity: 1)
    UnsafeMutableRawPointer(cpu).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<CPUState>.size)
    func table() -> UnsafeMutablePointer<TLB> {
      let tlb = UnsafeMutablePointer<TLB>.allocate(capacity: 1)
      UnsafeMutableRawPointer(tlb).initializeMemory(
        as: UInt32.self, repeating: 1, count: MemoryLayout<TLB>.size / 4)
      return tlb
    }
    cpu.pointee.userTLB = table()
    cpu.pointee.supervisorTLB = table()
    cpu.pointee.slowTLB = table()
    cpu.pointee.tlb = cpu.pointee.supervisorTLB
    cpu.pointee.a20Mask = ~0
    cpu.pointee.deadline = .max
    return cpu
  }

  /// Frees what `create()` allocated.
  public func free() {
    pointee.userTLB.deallocate()
    pointee.supervisorTLB.deallocate()
    pointee.slowTLB.deallocate()
    deallocate()
  }
}
