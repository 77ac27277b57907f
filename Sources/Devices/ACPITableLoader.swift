/// The machine's ACPI tables as files of the firmware configuration device, with the script by which the
/// firmware places them and puts their addresses in (QEMU, "docs/specs/acpi_hest_ghes", "bios-linker-loader").
public struct ACPITableLoader {
  /// "etc/acpi/rsdp", "etc/acpi/tables" and "etc/table-loader".
  public let files: [FirmwareConfiguration.File]

  private static let rootFile = "etc/acpi/rsdp"
  private static let tableFile = "etc/acpi/tables"

  /// Where the firmware may put a file.
  private enum Zone: UInt8 {
    case high = 1
    /// F0000h-FFFFFh, where the RSDP is searched for.
    case lowBIOS = 2
  }

  public init(_ configuration: ACPITables.Configuration) {
    // Addresses are offsets within the file, to which the firmware adds the file's place. The RSDP, which
    // comes first, is a file of its own.
    var configuration = configuration
    configuration.address = 0 &- 64
    let all = ACPITables(configuration)
    let tables = all.tables.dropFirst()
    var blob: [UInt8] = []
    for table in tables {
      blob += [UInt8](repeating: 0, count: Int(table.address) - blob.count) + table.bytes
    }
    var script =
      Self.allocate(Self.rootFile, alignment: 16, .lowBIOS)
      + Self.allocate(Self.tableFile, alignment: 64, .high)
      + Self.pointer(in: Self.rootFile, at: 16, size: 4)
    for table in tables {
      for pointer in table.pointers {
        script += Self.pointer(
          in: Self.tableFile, at: table.address + pointer.offset, size: pointer.size)
      }
      if table.hasChecksum {
        script += Self.checksum(
          Self.tableFile, at: table.address + 9, start: table.address,
          count: UInt32(table.bytes.count))
      }
    }
    script += Self.checksum(Self.rootFile, at: 8, start: 0, count: 20)
    files = [
      .init(name: Self.rootFile, contents: all.tables[0].bytes),
      .init(name: Self.tableFile, contents: blob),
      .init(name: "etc/table-loader", contents: script),
    ]
  }

  // MARK: Commands of 128 bytes

  private static func command(_ number: UInt32, _ body: [UInt8]) -> [UInt8] {
    let bytes = AML.little(number, 4) + body
    return bytes + [UInt8](repeating: 0, count: 128 - bytes.count)
  }

  private static func name(_ text: String) -> [UInt8] {
    Array(text.utf8) + [UInt8](repeating: 0, count: 56 - text.utf8.count)
  }

  private static func allocate(_ file: String, alignment: UInt32, _ zone: Zone) -> [UInt8] {
    command(1, name(file) + AML.little(alignment, 4) + [zone.rawValue])
  }

  /// Adds the place of the tables to the number at `offset`.
  private static func pointer(in file: String, at offset: UInt32, size: UInt8) -> [UInt8] {
    command(2, name(file) + name(tableFile) + AML.little(offset, 4) + [size])
  }

  private static func checksum(_ file: String, at offset: UInt32, start: UInt32, count: UInt32)
    -> [UInt8]
  {
    command(
      3, name(file) + AML.little(offset, 4) + AML.little(start, 4) + AML.little(count, 4))
  }
}
