import CHost
import CPU
import ISA
import Interpreter

/// A translated block for people: guest instructions beside the host code that was emitted for them.
public struct TranslationListing: Sendable {
  /// One host instruction.
  public struct HostLine: Sendable, Equatable {
    public var position: Int
    public var bytes: [UInt8]
    public var text: String
  }

  /// A guest instruction, or a part of the block that belongs to none.
  public struct Part: Sendable {
    /// Linear address of the guest instruction, nil for the head and the exits.
    public var address: UInt32?
    public var bytes: [UInt8]
    /// The guest instruction, or what the part is.
    public var text: String
    /// Whether the interpreter executes it.
    public var isCallout: Bool
    public var host: [HostLine]
  }

  /// Linear address of the block.
  public let address: UInt32
  public let guestBytes: Int
  public let hostBytes: Int
  /// Guest cycles that the block takes off the budget.
  public let cycles: UInt32
  public let parts: [Part]

  /// Host code on the right of guest code.
  public var text: String {
    var lines = [
      "block \(Self.hex(address)): \(parts.filter { $0.address != nil }.count) instructions, "
        + "\(guestBytes) bytes, \(cycles) cycles; \(hostBytes) bytes of host code"
    ]
    for part in parts {
      var left = part.text
      if let address = part.address {
        let bytes = part.bytes.map { Self.hex($0) }.joined(separator: " ")
        left = Self.padded(Self.hex(address) + "  " + bytes, 34) + left
      } else {
        left = "(\(left))"
      }
      for (index, line) in part.host.enumerated() {
        let bytes = line.bytes.map { Self.hex($0) }.joined()
        lines.append(
          Self.padded(index == 0 ? left : "", 62) + " | "
            + Self.padded("+" + String(line.position, radix: 16), 6) + Self.padded(bytes, 23)
            + line.text)
      }
      if part.host.isEmpty { lines.append(Self.padded(left, 62) + " |") }
    }
    return lines.map { $0.trimmingTrailingSpaces }.joined(separator: "\n") + "\n"
  }

  /// The host instructions of each part without what depends on addresses of the host: for goldens.
  public var golden: String {
    parts.map { part in
      "  " + part.text + (part.isCallout ? "  [interpreter]" : "") + "\n"
        + part.host.map { "    " + $0.text + "\n" }.joined()
    }.joined()
  }

  static func hex<T: FixedWidthInteger & UnsignedInteger>(_ value: T) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, T.bitWidth / 4 - text.count)) + text
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}

extension String {
  fileprivate var trimmingTrailingSpaces: String {
    String(reversed().drop { $0 == " " }.reversed())
  }
}

extension Translator {
  /// The listing of translation `number`.
  func listing(_ number: Int) -> TranslationListing {
    let t = translations[number]
    let disassembler = disassembler(for: t)
    let codeBase = "0x" + String(code.address(0), radix: 16)
    func host(_ range: Range<Int>, isExit: Bool = false) -> [TranslationListing.HostLine] {
      var disassembler = disassembler
      if isExit {
        // A jump is named by the position of its displacement.
        let constantName = disassembler.constantName
        disassembler.constantName = { value in
          (t.start..<t.end).contains(Int(clamping: value))
            ? "link +0x" + String(Int(value) - t.start, radix: 16) : constantName(value)
        }
      }
      let bytes = code.bytes(range)
      var lines: [TranslationListing.HostLine] = []
      var offset = 0
      while offset < bytes.count {
        let position = range.lowerBound + offset
        let (length, text) = disassembler.instruction(bytes[offset...], at: position)
        let end = min(offset + length, bytes.count)
        lines.append(
          .init(
            position: position - t.start, bytes: Array(bytes[offset..<end]),
            text: text.replacing(codeBase, with: "codeBase")))
        offset = end
      }
      return lines
    }
    let guest = guestBytes(t.block).map { pointer in
      (0..<Int(t.block.pointee.length)).map { pointer[$0] }
    }
    var parts = [
      TranslationListing.Part(
        address: nil, bytes: [], text: "budget", isCallout: false,
        host: host(t.start..<position(t, 0)))
    ]
    for index in 0..<t.instructionCount {
      let op = t.block.ops[index]
      let address = t.eip &+ UInt32(op.startOffset)
      let code = host(position(t, index)..<position(t, index + 1))
      parts.append(
        .init(
          address: address,
          bytes: guest.map { Array($0[Int(op.startOffset)..<Int(op.endOffset)]) } ?? [],
          text: op.instruction.row == .max ? "(bad)" : op.instruction.text(at: address),
          isCallout: code.contains { $0.text.hasSuffix("callout") }, host: code))
    }
    parts.append(
      .init(
        address: nil, bytes: [], text: "exits", isCallout: false,
        host: host(position(t, t.instructionCount)..<t.end, isExit: true)
          + host(t.stubs, isExit: true)))
    return TranslationListing(
      address: t.eip, guestBytes: Int(t.block.pointee.length),
      hostBytes: t.end - t.start + t.stubs.count,
      cycles: t.block.pointee.cycles, parts: parts)
  }

  private func disassembler(for t: Translation) -> HostDisassembler {
    let stubs = Mirror(reflecting: exits).children.compactMap { child in
      (child.value as? Int).map { (child.label ?? "", $0) }
    }
    let firstOp = UInt64(UInt(bitPattern: t.block.ops))
    let stride = UInt64(MemoryLayout<MicroOp>.stride)
    let endOfOps = firstOp + stride * UInt64(t.instructionCount + 1)
    let starts = translations
    var result = HostDisassembler()
    result.stateName = StateOffset.name
    result.positionName = { position in
      if position >= t.start, position <= t.end {
        return "+0x" + String(position - t.start, radix: 16)
      }
      if let stub = stubs.first(where: { $0.1 == position }) { return stub.0 }
      if position == 0 { return "lookup" }
      if let other = starts.first(where: { $0.start == position }) {
        return "block \(TranslationListing.hex(other.eip))"
      }
      return "code+0x" + String(position, radix: 16)
    }
    result.constantName = { value in
      if value >= firstOp, value < endOfOps { return "op \((value - firstOp) / stride)" }
      return nil
    }
    return result
  }
}
