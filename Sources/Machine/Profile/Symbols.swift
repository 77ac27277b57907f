/// Names of functions by address, from a System.map or the symbol table of an ELF file.
public struct Symbols: Sendable {
  private var addresses: [UInt32] = []
  private var names: [String] = []
  /// First addresses after the functions whose size is known; 0 otherwise.
  private var ends: [UInt32] = []

  public init() {}

  public var count: Int { addresses.count }

  /// Adds the functions of a file.
  /// - Throws: `InputError` if it is neither kind, or has no function.
  public mutating func add(_ file: [UInt8], name: String) throws(InputError) {
    let found = ELFFile.recognizes(file) ? try Self.elf(file, name) : Self.map(file)
    guard !found.isEmpty else {
      throw InputError(
        .badData, "\(name): no functions in it (a System.map or an ELF file is needed)")
    }
    let all = (zip(zip(addresses, ends), names).map { ($0.0, $0.1, $1) } + found)
      .sorted { $0.0 < $1.0 }
    addresses = all.map(\.0)
    ends = all.map(\.1)
    names = all.map(\.2)
  }

  /// The function that an address belongs to; nil before the first, after the end of one with a known size, or more
  /// than 1 MiB behind the last known start.
  public func name(of address: UInt32) -> String? {
    var low = 0
    var high = addresses.count
    while low < high {
      let middle = (low + high) / 2
      if addresses[middle] <= address { low = middle + 1 } else { high = middle }
    }
    guard low > 0, address - addresses[low - 1] < 1 << 20 else { return nil }
    guard ends[low - 1] == 0 || address < ends[low - 1] else { return nil }
    return names[low - 1]
  }

  private typealias Entry = (UInt32, UInt32, String)

  /// Lines `c1000000 T name`; only those in text sections.
  private static func map(_ file: [UInt8]) -> [Entry] {
    String(decoding: file, as: UTF8.self).split(whereSeparator: \.isNewline).compactMap { line in
      let words = line.split(separator: " ")
      guard words.count >= 3, ["t", "T", "w", "W"].contains(words[1]),
        let address = UInt64(words[0], radix: 16), address <= UInt64(UInt32.max)
      else { return nil }
      return (UInt32(address), 0, String(words[2]))
    }
  }

  /// Functions in the symbol table (gABI chapter 4: SHT_SYMTAB, STT_FUNC).
  private static func elf(_ file: [UInt8], _ name: String) throws(InputError) -> [Entry] {
    let reader = ByteReader(file)
    guard reader.u8(4) == 1, let table = reader.u32(32), let size = reader.u16(46),
      let sections = reader.u16(48)
    else { throw InputError(.badData, "\(name): not a complete 32-bit ELF file") }
    var entries: [Entry] = []
    for index in 0..<Int(sections) {
      let header = Int(table) + index * Int(size)
      guard reader.u32(header + 4) == 2, let offset = reader.u32(header + 16),
        let bytes = reader.u32(header + 20), let link = reader.u32(header + 24),
        let strings = reader.u32(Int(table) + Int(link) * Int(size) + 16)
      else { continue }
      for place in stride(from: Int(offset), to: Int(offset) + Int(bytes), by: 16) {
        guard let nameOffset = reader.u32(place), let value = reader.u32(place + 4),
          let length = reader.u32(place + 8), let info = reader.u8(place + 12)
        else { break }
        guard info & 15 == 2, value != 0,
          let text = reader.string(at: Int(strings) + Int(nameOffset))
        else { continue }
        entries.append((value, length == 0 ? 0 : value &+ length, text))
      }
    }
    return entries
  }
}
