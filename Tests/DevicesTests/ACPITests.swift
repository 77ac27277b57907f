import Bus
import Foundation
import Testing

@testable import Devices

private func makePower(timerBits: UInt64 = 32) -> (TestClock, TestLines, ACPIPowerManagement) {
  let clock = TestClock(frequency: ACPIPowerManagement.timerHertz)
  let lines = TestLines()
  return (
    clock, lines,
    ACPIPowerManagement(queue: clock.queue, interrupt: lines.line(9), timerBits: timerBits)
  )
}

extension PortDevice {
  fileprivate func word(_ offset: UInt16) -> UInt32 { readPort(offset: offset, width: .word) }
  fileprivate func set(_ offset: UInt16, _ value: UInt32) {
    writePort(offset: offset, width: .word, value: value)
  }
}

@Test func acpiIsSwitchedOnByTheCommandPort() {
  let (_, _, power) = makePower()
  #expect(power.word(4) & 1 == 0)
  power.commandPort.write(0, 0xF1)
  #expect(power.word(4) & 1 == 1)
  #expect(power.isACPIEnabled)
  power.commandPort.write(0, 0xF0)
  #expect(power.word(4) & 1 == 0)
  power.commandPort.write(1, 0x77)
  #expect(power.commandPort.read(1) == 0x77)
}

@Test func powerButtonRaisesTheSCIUntilItsStatusIsCleared() {
  let (_, lines, power) = makePower()
  var off = 0
  power.powerOffRequested = { off += 1 }
  power.pressPowerButton()
  #expect(off == 1)  // no ACPI yet
  power.commandPort.write(0, 0xF1)
  power.set(2, 0x0100)
  power.pressPowerButton()
  #expect(lines.levels[9])
  #expect(off == 1)
  #expect(power.word(0) == 0x0100)
  power.set(0, 0x0100)
  #expect(!lines.levels[9])
}

@Test func sleepEnableEntersTheState() {
  let (_, _, power) = makePower()
  var off = 0
  var slept: [UInt8] = []
  power.powerOffRequested = { off += 1 }
  power.sleepRequested = { slept.append($0) }
  power.set(4, 0x0001)
  #expect(off == 0)
  power.set(4, 0x2401)
  #expect(slept == [1])
  power.set(4, 0x2001)
  #expect(off == 1)
  #expect(power.word(4) == 0x0001)
}

@Test(arguments: [24, 32] as [UInt64])
func pmTimerCountsAndOverflows(bits: UInt64) {
  let (clock, lines, power) = makePower(timerBits: bits)
  clock.advance(12_345)
  #expect(power.readPort(offset: 8, width: .dword) == 12_345)
  power.commandPort.write(0, 0xF1)
  power.set(2, 0x0001)
  clock.advance((1 << (bits - 1)) - 12_345 - 1)
  #expect(!lines.levels[9])
  clock.advance(1)
  #expect(lines.levels[9])
  power.set(0, 0x0001)
  #expect(!lines.levels[9])
  clock.advance(1 << (bits - 1))
  #expect(lines.levels[9])
  #expect(power.readPort(offset: 8, width: .dword) == 0)
}

@Test func acpiTablesHaveCorrectChecksumsAndLinks() {
  let tables = ACPITables()
  let bySignature = Dictionary(uniqueKeysWithValues: tables.tables.map { ($0.signature, $0) })
  for table in tables.tables where table.signature != "FACS" {
    #expect(table.bytes.reduce(0, &+) == 0, "\(table.signature)")
  }
  func dword(_ table: String, _ offset: Int) -> UInt32 {
    bySignature[table]!.bytes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }
  #expect(tables.rootPointer == 0xE0000)
  #expect(dword("RSD PTR ", 16) == bySignature["RSDT"]!.address)
  #expect(dword("RSDT", 36) == bySignature["FACP"]!.address)
  #expect(dword("FACP", 36) == bySignature["FACS"]!.address)
  #expect(dword("FACP", 40) == bySignature["DSDT"]!.address)
  #expect(dword("FACP", 4) == 244)
  #expect(bySignature["FACS"]!.address % 64 == 0)
  for (table, next) in zip(tables.tables, tables.tables.dropFirst()) {
    #expect(table.address + UInt32(table.bytes.count) <= next.address)
  }
}

@Test func amlEncodesNamesIntegersAndLengths() {
  #expect(AML.name("\\_S5") == [0x5C, 0x5F, 0x53, 0x35, 0x5F])
  #expect(AML.name("A.B").prefix(2) == [0x2E, 0x41])
  #expect(AML.integer(0x1234) == [0x0B, 0x34, 0x12])
  #expect(AML.eisaID("PNP0A03") == [0x0C, 0x41, 0xD0, 0x0A, 0x03])
  #expect(AML.buffer([UInt8](repeating: 0, count: 100)).prefix(3) == [0x11, 0x48, 0x06])
}

/// Runs a program; nil when it is not installed.
private func run(_ arguments: [String], in directory: URL) throws -> (Int32, String)? {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = arguments
  process.currentDirectoryURL = directory
  let pipe = Pipe()
  process.standardOutput = pipe
  process.standardError = pipe
  try process.run()
  let output = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return (process.terminationStatus, String(decoding: output, as: UTF8.self))
}

private let hasIASL = ["/usr/bin/iasl", "/usr/local/bin/iasl"].contains {
  FileManager.default.isExecutableFile(atPath: $0)
}

@Test(.enabled(if: hasIASL, "iasl (Debian package acpica-tools) is not installed"))
func acpiTablesSatisfyTheReferenceCompiler() throws {
  let directory = FileManager.default.temporaryDirectory
    .appendingPathComponent("acpi-\(UInt64.random(in: 0...(.max)))")
  try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: directory) }
  for table in ACPITables().tables where ["DSDT", "FACP"].contains(table.signature) {
    let file = "\(table.signature.lowercased()).aml"
    try Data(table.bytes).write(to: directory.appendingPathComponent(file))
    let disassembly = try #require(try run(["iasl", "-d", file], in: directory))
    #expect(disassembly.0 == 0, "\(disassembly.1)")
    #expect(!disassembly.1.contains("Invalid"), "\(disassembly.1)")
    guard table.signature == "DSDT" else { continue }
    let compiled = try #require(try run(["iasl", "dsdt.dsl"], in: directory))
    #expect(compiled.1.contains("0 Errors"), "\(compiled.1)")
    #expect(compiled.1.contains(" 0 Warnings"), "\(compiled.1)")
  }
}
