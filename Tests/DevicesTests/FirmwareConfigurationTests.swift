import Bus
import Testing

@testable import Devices

@Suite struct FirmwareConfigurationTests {
  /// The device with 4 KiB of guest memory at address 0.
  final class Board {
    let device = FirmwareConfiguration()
    var memory = [UInt8](repeating: 0xEE, count: 4096)

    init() {
      device.readMemory = { [unowned self] address, count in
        address + UInt64(count) <= 4096
          ? Array(memory[Int(address)..<Int(address) + count]) : []
      }
      device.writeMemory = { [unowned self] address, bytes in
        for (i, byte) in bytes.enumerated() where address + UInt64(i) < 4096 {
          memory[Int(address) + i] = byte
        }
      }
      device.configure(
        memory: 0x1234_5678, showsBootMenu: true,
        files: [
          .init(name: "etc/one", contents: [1, 2, 3]), .init(name: "two", contents: [4]),
        ])
    }

    func select(_ key: UInt16) { device.writePort(offset: 0, width: .word, value: UInt32(key)) }
    func read(_ count: Int) -> [UInt8] { (0..<count).map { _ in device.read(1) } }

    /// Puts a request at 100h and starts it.
    func request(_ control: UInt32, _ length: UInt32, _ address: UInt64) -> [UInt8] {
      let bytes =
        [control.bigEndian, length.bigEndian, UInt32(address >> 32).bigEndian]
        + [UInt32(truncatingIfNeeded: address).bigEndian]
      for (i, word) in bytes.enumerated() {
        memory.replaceSubrange(0x100 + i * 4..<0x104 + i * 4, with: AML.little(word, 4))
      }
      device.writePort(offset: 4, width: .dword, value: 0)
      device.writePort(offset: 8, width: .dword, value: UInt32(0x100).bigEndian)
      return Array(memory[0x100..<0x104])
    }
  }

  @Test func itemsAreReadByteByByte() {
    let board = Board()
    board.select(0)
    #expect(board.read(6) == Array("QEMU".utf8) + [0, 0])
    board.select(1)
    #expect(board.device.readPort(offset: 1, width: .dword) == 3)
    board.select(3)
    #expect(board.read(8) == [0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0])
    board.select(0x1234)
    #expect(board.read(2) == [0, 0])
  }

  @Test func theDirectoryNamesTheFiles() {
    let board = Board()
    board.select(0x19)
    #expect(board.read(4) == [0, 0, 0, 2])
    let entry = board.read(64)
    #expect(Array(entry[0..<8]) == [0, 0, 0, 3, 0, 0x20, 0, 0])
    #expect(String(decoding: entry[8..<15], as: UTF8.self) == "etc/one")
    #expect(entry[15...].allSatisfy { $0 == 0 })
    board.select(0x20)
    #expect(board.read(4) == [1, 2, 3, 0])
  }

  @Test func requestsMoveItemsToMemory() {
    let board = Board()
    // "QEMU" in memory order.
    #expect(board.device.readPort(offset: 4, width: .dword) == 0x554D_4551)
    #expect(board.device.read(4) == 0x51 && board.device.read(11) == 0x47)
    // Select and read past the end.
    #expect(board.request(0x0020_000A, 4, 0x200) == [0, 0, 0, 0])
    #expect(Array(board.memory[0x200..<0x205]) == [1, 2, 3, 0, 0xEE])
    // Select and skip, then read.
    #expect(board.request(0x0020_000C, 1, 0) == [0, 0, 0, 0])
    #expect(board.request(0x0000_0002, 1, 0x300) == [0, 0, 0, 0])
    #expect(board.memory[0x300] == 2)
    // Nothing can be written.
    #expect(board.request(0x0020_0018, 1, 0x300) == [0, 0, 0, 1])
    // Nobody needs more than 16 MiB, and the machine stands still while it is moved.
    #expect(board.request(0x0020_000A, 0xFFFF_FFFF, 0x300) == [0, 0, 0, 1])
    #expect(board.memory[0x300] == 2)
  }

  @Test func theLoaderScriptPlacesTheTables() throws {
    let files = ACPITableLoader(.init()).files
    let root = try #require(files.first { $0.name == "etc/acpi/rsdp" }).contents
    let tables = try #require(files.first { $0.name == "etc/acpi/tables" }).contents
    let script = try #require(files.first { $0.name == "etc/table-loader" }).contents
    #expect(script.count % 128 == 0)
    // What a firmware does, with the tables at 0FFF_0000h.
    let base: UInt32 = 0x0FFF_0000
    var blobs = ["etc/acpi/rsdp": root, "etc/acpi/tables": tables]
    func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
      bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
    for command in stride(from: 0, to: script.count, by: 128).map({ script[$0..<$0 + 128] }) {
      let body = Array(command)
      let name = String(decoding: body[4..<60].prefix { $0 != 0 }, as: UTF8.self)
      switch number(body[0..<4]) {
      case 1: #expect(blobs[name] != nil)
      case 2:
        let offset = Int(number(body[116..<120]))
        let old = number(blobs[name]![offset..<offset + 4])
        blobs[name]!.replaceSubrange(offset..<offset + 4, with: AML.little(old &+ base, 4))
      case 3:
        let offset = Int(number(body[60..<64]))
        let start = Int(number(body[64..<68]))
        let length = Int(number(body[68..<72]))
        let sum = blobs[name]![start..<start + length].reduce(UInt8(0), &+)
        blobs[name]![offset] &-= sum
      default: Issue.record("unknown command")
      }
    }
    // The same tables as those that are made for this place.
    var configuration = ACPITables.Configuration()
    configuration.address = base &- 64
    let expected = ACPITables(configuration)
    #expect(blobs["etc/acpi/rsdp"] == expected.tables[0].bytes)
    for table in expected.tables.dropFirst() {
      let start = Int(table.address - base)
      #expect(
        Array(blobs["etc/acpi/tables"]![start..<start + table.bytes.count]) == table.bytes,
        "\(table.signature)")
    }
  }
}
