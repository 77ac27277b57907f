import Bus
import CPU
import Host
import Memory
import Translator

/// The readable trace of `--trace`, and the memory of the last exceptions and interrupts for a dump.
final class Tracer {
  private let kinds: Set<MachineConfiguration.TraceKind>
  /// Where the trace goes; standard error without one.
  var output: HostOutput?

  /// One delivered exception or interrupt.
  struct Delivery {
    var vector: UInt8
    var errorCode: UInt16?
    var eip: UInt32
    var instructions: UInt64
    /// Its delivery met another fault.
    var failed = false
  }

  private var ring: [Delivery] = []
  private var ringStart = 0
  private static let ringSize = 16

  init(kinds: Set<MachineConfiguration.TraceKind>) { self.kinds = kinds }

  /// The last deliveries, oldest first.
  var lastDeliveries: [Delivery] { Array(ring[ringStart...] + ring[..<ringStart]) }

  func attach(to machine: Machine) {
    let cpu = machine.processor.cpu
    let showsInterrupts = kinds.contains(.irq)
    let showsFaults = kinds.contains(.faults)
    machine.processor.traceInterrupt = { [unowned self] vector, errorCode, eip in
      record(
        Delivery(
          vector: vector, errorCode: errorCode, eip: eip,
          instructions: cpu.pointee.instructions))
      let isFault = vector < 32
      if isFault ? showsFaults : showsInterrupts {
        let code = errorCode.map { " error \(hexadecimal($0))" } ?? ""
        let name = isFault ? "fault \(exceptionName(vector))" : "irq vector \(hexadecimal(vector))"
        line("\(cpu.pointee.cycles) \(name)\(code) at \(hexadecimal(eip))")
      }
    }
    machine.processor.traceFailedDelivery = { [unowned self] vector, errorCode, eip in
      record(
        Delivery(
          vector: vector, errorCode: errorCode, eip: eip,
          instructions: cpu.pointee.instructions, failed: true))
      guard showsFaults else { return }
      line("\(cpu.pointee.cycles) undelivered \(exceptionName(vector)) at \(hexadecimal(eip))")
    }
    if kinds.contains(.blocks) {
      machine.engine.traceBlock = { [unowned self] address in
        line("\(cpu.pointee.cycles) block \(hexadecimal(address)) interpreter")
      }
      machine.translator?.traceTranslation = { [unowned self] listing in
        let lines = listing.text.split(separator: "\n")
        line("\(cpu.pointee.cycles) translated " + lines.joined(separator: "\n  "))
      }
    }
    guard kinds.contains(.io) else { return }
    machine.ports.trace = { [unowned self] isWrite, port, width, value, name in
      let digits = hexadecimal(value, digits: width.rawValue * 2)
      line("\(cpu.now) io \(isWrite ? "write" : "read") \(hexadecimal(port)) \(digits) \(name)")
    }
    machine.memory.trace = { [unowned self] isWrite, address, width, value, name in
      let digits = hexadecimal(value, digits: width.rawValue * 2)
      line(
        "\(cpu.now) mmio \(isWrite ? "write" : "read") \(hexadecimal(address)) \(digits) \(name)")
    }
  }

  /// Exceptions, interrupts and INT n delivered, by vector.
  private(set) var vectorCounts = [UInt64](repeating: 0, count: 256)

  private func record(_ delivery: Delivery) {
    if !delivery.failed { vectorCounts[Int(delivery.vector)] &+= 1 }
    if ring.count < Self.ringSize {
      ring.append(delivery)
    } else {
      ring[ringStart] = delivery
      ringStart = (ringStart + 1) % Self.ringSize
    }
  }

  func line(_ text: String) {
    if let output { output.write(text + "\n") } else { writeToStandardError(text + "\n") }
  }
}

/// The mnemonic of an exception. SDM vol. 3, table 6-1.
func exceptionName(_ vector: UInt8) -> String {
  let names = [
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#CSO", "#TS", "#NP", "#SS",
    "#GP", "#PF", "#15", "#MF", "#AC", "#MC", "#XM",
  ]
  return Int(vector) < names.count ? names[Int(vector)] : "vector \(hexadecimal(vector))"
}

/// `value` in hexadecimal with as many digits as its type has.
func hexadecimal<T: FixedWidthInteger & UnsignedInteger>(_ value: T, digits: Int? = nil) -> String {
  let text = String(value, radix: 16)
  return String(repeating: "0", count: max(0, (digits ?? T.bitWidth / 4) - text.count)) + text
}
