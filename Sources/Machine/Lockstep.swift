import CPU
import Host
import ISA

/// Runs the same guest on two engines side by side and finds the first instruction after which they differ.
///
/// Both machines stop at the same cycles and their processor states are compared there; memory is compared
/// more rarely. At a difference both start over, which works because runs are reproducible, and go on from the
/// last point where everything agreed in small steps: see `LockstepSearch`.
public struct Lockstep {
  /// One side.
  public enum Side: String, Sendable, CaseIterable {
    case interpreter
    /// Decodes every block anew.
    case uncached = "interpreter-uncached"
    case translator
  }

  public enum Result: Sendable, Equatable {
    /// No difference up to here.
    case equal(ending: Ending, instructions: UInt64, cycles: UInt64, hash: UInt64)
    /// The first difference, described for people.
    case different(String)
  }

  public var configuration: MachineConfiguration
  public var image: BootImage
  /// Both sides get overlays of their own: the images are not written.
  public var drives = DriveSpecification()
  public var sides: (Side, Side) = (.interpreter, .uncached)
  /// Guest cycles between comparisons.
  public var interval: UInt64 = 100_000
  /// Intervals between comparisons of memory.
  public var memoryEvery = 500

  public init(configuration: MachineConfiguration, image: BootImage) {
    self.configuration = configuration
    self.configuration.clock = .cycles
    self.configuration.startTime = MachineConfiguration.fixedStartTime
    self.image = image
  }

  /// Told of each machine before it runs; for tests.
  var prepare: (Machine, Side) -> Void = { _, _ in }

  func makeMachine(_ side: Side) throws -> Machine {
    var configuration = configuration
    configuration.cachesBlocks = side != .uncached
    configuration.timeLimit = nil
    var drives = drives
    drives.usesOverlay = true
    let machine = try Machine(
      configuration: configuration, image: image,
      console: Console(serial: .capture, debug: .capture, readsInput: false),
      engine: side == .translator ? "translator" : "interpreter", drives: DriveSet(drives))
    prepare(machine, side)
    return machine
  }

  func makePair() throws -> (Machine, Machine) {
    (try makeMachine(sides.0), try makeMachine(sides.1))
  }

  /// - Throws: `InputError` if the machines cannot be built.
  public func run() throws -> Result {
    let (first, second) = try makePair()
    let start = HostClock.nanoseconds
    var agreed: UInt64 = 0
    var memoryAgreed: UInt64 = 0
    var target = interval
    var count = 0
    while true {
      first.advance(to: target)
      second.advance(to: target)
      count += 1
      let comparesMemory = count % memoryEvery == 0 || first.ending != nil
      guard agree(first, second, memory: comparesMemory) else {
        return .different(try LockstepSearch(self).describe(from: memoryAgreed, to: target))
      }
      agreed = first.processor.cpu.pointee.cycles
      if comparesMemory { memoryAgreed = agreed }
      var ending = first.ending
      if let limit = configuration.timeLimit,
        Double(HostClock.nanoseconds &- start) > limit * 1e9
      {
        ending = ending ?? .timeLimit
      }
      if let signal = HostSignals.caught { ending = ending ?? .signal(signal) }
      if let ending {
        return .equal(
          ending: ending, instructions: first.processor.cpu.pointee.instructions, cycles: agreed,
          hash: first.stateHash)
      }
      target = max(target, agreed) &+ interval
    }
  }

  func agree(_ a: Machine, _ b: Machine, memory: Bool) -> Bool {
    guard a.ending == b.ending, a.processorHash == b.processorHash else { return false }
    return !memory || a.stateHash == b.stateHash
  }
}

extension Machine {
  /// Every register that the digest covers, by name.
  func registerList() -> [(name: String, value: String)] {
    let cpu = processor.cpu
    let state = cpu.pointee
    var list: [(name: String, value: String)] = []
    for (number, name) in ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"].enumerated() {
      list.append((name, hexadecimal(cpu[gpr: UInt8(number)])))
    }
    list.append(("EIP", hexadecimal(state.eip)))
    list.append(("EFLAGS", hexadecimal(cpu.eflags)))
    for (number, name) in ["ES", "CS", "SS", "DS", "FS", "GS"].enumerated() {
      let segment = cpu.segment(UInt8(number)).pointee
      list.append(
        (
          name,
          "\(hexadecimal(segment.selector)):\(hexadecimal(segment.base)):"
            + "\(hexadecimal(segment.limit)):\(hexadecimal(segment.access, digits: 5))"
        ))
    }
    for (name, value) in [
      ("CR0", state.cr0), ("CR2", state.cr2), ("CR3", state.cr3), ("CR4", state.cr4),
      ("GDT", state.gdtr.base), ("IDT", state.idtr.base),
    ] { list.append((name, hexadecimal(value))) }
    for number in 0..<8 { list.append(("DR\(number)", hexadecimal(cpu[dr: number]))) }
    list.append(("cycles", String(state.cycles)))
    list.append(("instructions", String(state.instructions)))
    list.append(("halted", String(state.halted)))
    list.append(("shadow", String(state.shadow)))
    var fpu = StateHasher()
    fpu.combine(state.fpu)
    list.append(("x87, MMX, SSE (digest)", hexadecimal(fpu.value)))
    return list
  }
}
