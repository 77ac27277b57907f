import Bus
import CPU
import Host
import ISA
import Interpreter
import Memory

/// A processor that exists to have code translated and looked at, not to run it: flat 32-bit ring-0 code in
/// global pages, as a kernel's.
public final class TranslationBench {
  /// What became of a piece of code.
  public enum Item: Sendable {
    case translated(TranslationListing)
    /// Code that the translator leaves to the interpreter: linear address, bytes, and why.
    case interpreted(address: UInt32, bytes: [UInt8], text: String, reason: String)
    /// The bytes end within an instruction.
    case truncated(address: UInt32, bytes: [UInt8])
  }

  /// The most code that fits, in bytes.
  public static let limit = 1 << 20

  private let processor: Processor
  private let interpreter: Interpreter
  private let translator: Translator
  private static let tables: UInt32 = 0x1000
  private static let code: UInt32 = 0x10_0000

  /// - Throws: when the host lacks address space or the FSGSBASE instructions.
  public init(options: TranslatorOptions = .init(), timing: TimingModel = .pentium)
    throws(HostError)
  {
    let memory = try PhysicalMemory(ramSize: 4 << 20)
    processor = Processor(memory: memory, ports: PortBus())
    interpreter = Interpreter(processor: processor, timing: timing, cacheSize: 8 << 20)
    translator = try Translator(processor: processor, interpreter: interpreter, options: options)
    start()
  }

  private func start() {
    let cpu = processor.cpu
    cpu.pointee.cr0 = 0x8000_0011
    cpu.pointee.cr4 = 0x680  // OSXMMEXCPT OSFXSR PGE
    cpu.pointee.cr3 = Self.tables
    for number in 0..<6 as Range<UInt8> {
      let segment = cpu.segment(number)
      segment.pointee.base = 0
      segment.pointee.limit = ~0
      segment.pointee.access = number == 1 ? 0xC09B : 0xC093
      segment.updateBounds()
    }
    cpu.pointee.codeSize = 4
    cpu.pointee.stackMask = ~0
    cpu.pointee.deadline = .max
  }

  /// Maps the pages of `count` bytes at `address` to the bench's code.
  private func map(_ address: UInt32, count: Int) {
    let memory = processor.memory
    func store(_ value: UInt32, _ physical: UInt32) {
      memory.writeBytes((0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }, at: physical)
    }
    for offset in stride(from: 0, to: Self.code, by: 4096) {
      memory.writeBytes([UInt8](repeating: 0, count: 4096), at: offset)
    }
    let pages = UInt32((Int(address & 0xFFF) + count + 4095) >> 12)
    for page in 0..<pages {
      let linear = (address & 0xFFFF_F000) &+ page << 12
      // A directory entry needs one of at most two tables.
      let table = Self.tables + 0x1000 + ((linear ^ address) >> 22 != 0 ? 0x1000 : 0)
      store(table | 3, Self.tables + (linear >> 22) * 4)
      store(Self.code + page << 12 | 0x103, table + (linear >> 12 & 0x3FF) * 4)
    }
    processor.cpu.flushTLB(includingGlobal: true)
  }

  /// Translates `bytes` block by block, as if each were hot.
  /// - Parameter address: linear, of the first byte.
  public func translate(_ bytes: [UInt8], at address: UInt32) -> [Item] {
    precondition(bytes.count <= Self.limit)
    map(address, count: bytes.count)
    processor.memory.writeBytes(bytes, at: Self.code + (address & 0xFFF))
    interpreter.dropDecodedCode()
    var items: [Item] = []
    var offset = 0
    while offset < bytes.count {
      let place = address &+ UInt32(offset)
      let count = Self.instructions(bytes[offset...])
      guard count > 0 else {
        items.append(.truncated(address: place, bytes: Array(bytes[offset...])))
        break
      }
      interpreter.limitBlocks(to: count)
      processor.cpu.pointee.eip = place
      guard let block = try? interpreter.currentBlock() else { break }
      let length = max(1, Int(block.pointee.length))
      let end = min(offset + length, bytes.count)
      if let number = translator.translate(block) {
        items.append(.translated(translator.listing(number)))
      } else {
        items.append(
          .interpreted(
            address: place, bytes: Array(bytes[offset..<end]),
            text: block.ops.pointee.instruction.row == .max
              ? "(bad)" : block.ops.pointee.instruction.text(at: place),
            reason: "too long"))
      }
      offset = end
    }
    return items
  }

  /// How many instructions are complete in `bytes`, counted up to the largest block.
  private static func instructions(_ bytes: ArraySlice<UInt8>) -> Int {
    var offset = bytes.startIndex
    var count = 0
    while offset < bytes.endIndex, count < Block.maximumInstructions {
      let rest = Array(bytes[offset..<min(offset + Decoder.maximumLength, bytes.endIndex)])
      switch Decoder.decode(rest, codeSize: 4) {
      case .instruction(let instruction): offset += max(1, Int(instruction.length))
      case .truncated: return count
      case .invalid, .tooLong: return count + 1
      }
      count += 1
    }
    return count
  }
}
