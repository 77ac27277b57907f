/// The parts of a 32-bit x86 ELF file that loading a kernel and finding a program's libraries need (System V
/// ABI, Intel386 supplement; gABI chapters 4 and 5).
public struct ELFFile: Sendable {
  /// Why a file is not usable.
  public struct Problem: Error, Equatable {
    public let message: String
  }

  /// A program header.
  struct ProgramHeader: Sendable, Equatable {
    static let load: UInt32 = 1
    static let dynamic: UInt32 = 2
    static let interpreter: UInt32 = 3
    var type: UInt32
    var offset: UInt32
    var virtualAddress: UInt32
    var physicalAddress: UInt32
    var fileSize: UInt32
    var memorySize: UInt32
  }

  let reader: ByteReader
  let entry: UInt32
  let type: UInt16
  let programHeaders: [ProgramHeader]

  /// Whether the file starts like an ELF file.
  static func recognizes(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]) }

  /// - Throws: `Problem` unless the file is a complete 32-bit x86 executable or shared object.
  public init(_ bytes: [UInt8]) throws(Problem) {
    let reader = ByteReader(bytes)
    guard Self.recognizes(bytes) else { throw Problem(message: "not an ELF file") }
    guard let bits = reader.u8(4), let order = reader.u8(5), let type = reader.u16(16),
      let machine = reader.u16(18), let entry = reader.u32(24), let tableOffset = reader.u32(28),
      let entrySize = reader.u16(42), let entryCount = reader.u16(44)
    else { throw Problem(message: "truncated in the ELF header") }
    guard bits == 1, order == 1, machine == 3 else {
      throw Problem(message: "not a 32-bit x86 ELF file")
    }
    guard type == 2 || type == 3 else {
      throw Problem(message: "neither an executable nor a shared object")
    }
    guard entrySize >= 32 || entryCount == 0 else {
      throw Problem(message: "program headers of \(entrySize) bytes are too short")
    }
    var headers: [ProgramHeader] = []
    for index in 0..<Int(entryCount) {
      let base = Int(tableOffset) + index * Int(entrySize)
      guard let type = reader.u32(base), let offset = reader.u32(base + 4),
        let virtualAddress = reader.u32(base + 8), let physicalAddress = reader.u32(base + 12),
        let fileSize = reader.u32(base + 16), let memorySize = reader.u32(base + 20)
      else { throw Problem(message: "truncated in the program headers") }
      headers.append(
        ProgramHeader(
          type: type, offset: offset, virtualAddress: virtualAddress,
          physicalAddress: physicalAddress, fileSize: fileSize, memorySize: memorySize))
    }
    self.reader = reader
    self.entry = entry
    self.type = type
    programHeaders = headers
  }

  /// The loadable segments in file order.
  /// - Throws: `Problem` if one reaches outside the file or the address space.
  func loadSegments() throws(Problem) -> [(header: ProgramHeader, bytes: ArraySlice<UInt8>)] {
    var result: [(header: ProgramHeader, bytes: ArraySlice<UInt8>)] = []
    for header in programHeaders where header.type == ProgramHeader.load && header.memorySize > 0 {
      guard header.fileSize <= header.memorySize else {
        throw Problem(message: "a segment is larger in the file than in memory")
      }
      guard let bytes = reader.slice(at: Int(header.offset), count: Int(header.fileSize)) else {
        throw Problem(message: "truncated: a segment reaches beyond the end of the file")
      }
      result.append((header, bytes))
    }
    return result
  }

  /// The path of the dynamic loader that the program asks for, nil for a static program.
  public var interpreter: String? {
    programHeaders.first { $0.type == ProgramHeader.interpreter }.flatMap {
      reader.string(at: Int($0.offset))
    }
  }

  /// What the dynamic section says about libraries.
  public struct Libraries: Sendable, Equatable {
    /// Names of the libraries that the file needs (DT_NEEDED).
    public var needed: [String] = []
    /// Directories to search (DT_RUNPATH, or DT_RPATH without one), `$ORIGIN` not replaced.
    public var searchPath: [String] = []
  }

  /// The libraries that the file names; empty for a static program.
  public var libraries: Libraries {
    guard let dynamic = programHeaders.first(where: { $0.type == ProgramHeader.dynamic }) else {
      return Libraries()
    }
    var entries: [(tag: UInt32, value: UInt32)] = []
    for index in 0..<Int(dynamic.fileSize / 8) {
      let base = Int(dynamic.offset) + index * 8
      guard let tag = reader.u32(base), let value = reader.u32(base + 4), tag != 0 else { break }
      entries.append((tag, value))
    }
    func first(_ tag: UInt32) -> UInt32? { entries.first { $0.tag == tag }?.value }
    guard let tableAddress = first(5), let table = fileOffset(of: tableAddress) else {
      return Libraries()
    }
    func string(_ value: UInt32) -> String? { reader.string(at: table + Int(value)) }
    let path = (first(29) ?? first(15)).flatMap(string) ?? ""
    return Libraries(
      needed: entries.filter { $0.tag == 1 }.compactMap { string($0.value) },
      searchPath: path.split(separator: ":").map(String.init))
  }

  private func fileOffset(of address: UInt32) -> Int? {
    for header in programHeaders where header.type == ProgramHeader.load {
      if address >= header.virtualAddress, address - header.virtualAddress < header.fileSize {
        return Int(header.offset) + Int(address - header.virtualAddress)
      }
    }
    return nil
  }
}
