import ArgumentParser
import Frontend
import Host
import ISA
import Machine
import Translator

/// Where a debugger may connect.
struct DebugAddress: Sendable {
  var host: String
  var port: UInt16
}

/// Parsers of option values. Each throws a `ValidationError` that says what would be right; the argument
/// parser adds the option's name.
enum Arguments {
  /// A size of memory: a number of MiB, or with a suffix K, M or G.
  static func size(_ text: String) throws -> UInt64 {
    let scales: [Character: UInt64] = [
      "k": 1 << 10, "K": 1 << 10, "m": 1 << 20, "M": 1 << 20, "g": 1 << 30, "G": 1 << 30,
    ]
    let scale = text.last.flatMap { scales[$0] }
    guard let number = UInt64(scale == nil ? text[...] : text.dropLast()), text.first != "+" else {
      throw ValidationError("a size is a number with K, M or G, such as 256M")
    }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: scale ?? 1 << 20)
    return overflow ? .max : bytes
  }

  /// Guest memory within the machine's bounds.
  static func memory(_ text: String) throws -> UInt64 {
    let bytes = try size(text)
    guard bytes >= MachineConfiguration.smallestMemory,
      bytes <= MachineConfiguration.largestMemory
    else { throw ValidationError("memory must be between 16M and 3G") }
    guard bytes % (1 << 20) == 0 else {
      throw ValidationError("memory must be a whole number of MiB")
    }
    return bytes
  }

  /// The size of the code cache within its bounds.
  static func codeCache(_ text: String) throws -> Int {
    let bytes = try size(text)
    let range = TranslatorOptions.codeCacheRange
    guard range.contains(Int(clamping: bytes)) else {
      throw ValidationError(
        "the code cache must be between \(range.lowerBound >> 10)K and \(range.upperBound >> 20)M")
    }
    guard bytes % 4096 == 0 else {
      throw ValidationError("the code cache must be a multiple of 4K")
    }
    return Int(bytes)
  }

  /// Families of instructions, separated by commas.
  static func families(_ text: String) throws -> Set<Family> {
    if text == "none" { return [] }
    return Set(
      try text.split(separator: ",", omittingEmptySubsequences: false).map {
        guard let family = Family(rawValue: String($0)) else {
          throw ValidationError(
            "'\($0)' is not one of " + Family.allCases.map(\.rawValue).joined(separator: ","))
        }
        return family
      })
  }

  /// A linear address in hexadecimal.
  static func address(_ text: String) throws -> UInt32 {
    let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text[...]
    guard let value = UInt32(digits, radix: 16), digits.first != "+" else {
      throw ValidationError("a hexadecimal address of at most 32 bits is needed")
    }
    return value
  }

  static func seconds(_ text: String) throws -> Double {
    guard let value = Double(text), value.isFinite, value > 0, value <= 1e9 else {
      throw ValidationError("a time limit is a positive number of seconds")
    }
    return value
  }

  static func cycles(_ text: String) throws -> UInt64 {
    guard let value = UInt64(text), value > 0 else {
      throw ValidationError("a positive whole number is needed")
    }
    return value
  }

  static func mhz(_ text: String) throws -> UInt64 {
    guard let value = UInt64(text), (1...MachineConfiguration.largestMHz).contains(value) else {
      throw ValidationError("a whole number from 1 to \(MachineConfiguration.largestMHz) is needed")
    }
    return value
  }

  static func choice<Value: RawRepresentable & CaseIterable>(_: Value.Type, _ text: String) throws
    -> Value where Value.RawValue == String
  {
    guard let value = Value(rawValue: text) else {
      throw ValidationError(
        "use " + Value.allCases.map(\.rawValue).joined(separator: " or "))
    }
    return value
  }

  /// A timing model by its full name, or without the version at the end.
  static func timing(_ text: String) throws -> TimingModel {
    let named = TimingModel.allCases.first {
      $0.rawValue == text || $0.rawValue.hasPrefix(text + "-")
    }
    guard let named else { return try choice(TimingModel.self, text) }
    return named
  }

  static func engine(_ text: String) throws -> String {
    do { try Engines.check(text) } catch {
      throw ValidationError(error.message.replacing("--engine: ", with: ""))
    }
    return text
  }

  static func traces(_ text: String) throws -> Set<MachineConfiguration.TraceKind> {
    Set(
      try text.split(separator: ",", omittingEmptySubsequences: false).map {
        guard let kind = MachineConfiguration.TraceKind(rawValue: String($0)) else {
          throw ValidationError(
            "'\($0)' is not one of "
              + MachineConfiguration.TraceKind.allCases.map(\.rawValue).joined(separator: ","))
        }
        return kind
      })
  }

  /// Letters of drives, such as `cda`; commas may stand between them.
  static func bootOrder(_ text: String) throws -> [MachineConfiguration.BootDevice] {
    let order = text.filter { $0 != "," }.map(MachineConfiguration.BootDevice.init)
    guard !order.isEmpty, !order.contains(nil), Set(order).count == order.count else {
      throw ValidationError("use c (disk), d (CD) and a (floppy), each once at most")
    }
    return order.compactMap { $0 }
  }

  /// `FILE` with `,if=ide` or `,if=virtio` at the end; other commas belong to the name.
  static func disk(_ text: String) throws -> DriveSpecification.Disk {
    var path = text[...]
    var interface = DriveSpecification.Interface.ide
    if let comma = text.lastIndex(of: ","), text[comma...].hasPrefix(",if=") {
      interface = try choice(
        DriveSpecification.Interface.self, String(text[comma...].dropFirst(4)))
      path = text[..<comma]
    }
    guard !path.isEmpty else { throw ValidationError("a file name is needed") }
    return .init(path: String(path), interface: interface)
  }

  /// `PORT` on the loopback interface, or `HOST:PORT`.
  static func debugAddress(_ text: String) throws -> DebugAddress {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard let last = parts.last, let port = UInt16(last), parts.count <= 2 else {
      throw ValidationError("use PORT or HOST:PORT, with an IPv4 address as HOST")
    }
    let host = parts.count == 2 && !parts[0].isEmpty ? String(parts[0]) : "127.0.0.1"
    return DebugAddress(host: host, port: port)
  }

  /// `stdio`, `none` or `file:PATH`.
  static func destination(_ text: String) throws -> Console.Destination {
    if text == "stdio" { return .standardOutput }
    if text == "none" { return .none }
    if text.hasPrefix("file:"), text.count > 5 { return .file(String(text.dropFirst(5))) }
    throw ValidationError("use stdio, none or file:PATH")
  }

  static func typed(_ text: String) throws -> String {
    guard let result = InputScript.unescape(text) else {
      throw ValidationError("unknown escape; there are \\n \\r \\t \\e \\\\ \\xHH")
    }
    return result
  }

  /// Pixels of the window for one of the guest's.
  static func scale(_ text: String) throws -> Double {
    guard let value = Double(text), value >= 0.25, value <= 16 else {
      throw ValidationError("a number from 0.25 to 16 is needed")
    }
    return value
  }

  static func releaseKeys(_ text: String) throws -> ReleaseKeys {
    guard let keys = ReleaseKeys(text) else {
      throw ValidationError("use \(ReleaseKeys.choices), joined by + (ctrl+alt)")
    }
    return keys
  }
}

/// Reads and checks the files that a command names.
enum Files {
  /// The largest input file, in bytes.
  private static let limit = 2 << 30

  /// - Throws: `InputError.noInput` naming the option and the file.
  static func read(_ path: String, option: String) throws(InputError) -> [UInt8] {
    do throws(HostError) {
      return try HostFile.contents(of: path, limit: limit)
    } catch { throw InputError(.noInput, "\(option): \(error)") }
  }

  /// The bytes of arguments that are code: a file's where there is one of that name, else pairs of
  /// hexadecimal digits.
  static func code(_ input: [String], option: String) throws(InputError) -> [UInt8] {
    let digits = input.joined().filter { $0 != " " }
    let isHexadecimal = digits.allSatisfy { $0.isASCII && $0.isHexDigit }
    if input.count == 1, !isHexadecimal || HostFile.absolutePath(input[0]) != nil {
      return try read(input[0], option: option)
    }
    guard isHexadecimal, digits.count % 2 == 0 else {
      throw InputError(
        .usage,
        "\(option): '\(input.joined(separator: " "))' is neither a file nor pairs of hexadecimal digits"
      )
    }
    let nibbles = digits.compactMap(\.hexDigitValue)
    return stride(from: 0, to: nibbles.count, by: 2).map {
      UInt8(nibbles[$0] << 4 | nibbles[$0 + 1])
    }
  }

  /// Checks that a file can be written, without touching it.
  /// - Throws: `InputError.cannotCreate`.
  static func checkWritable(_ path: String, option: String) throws(InputError) {
    do throws(HostError) {
      try HostFile.checkWritable(path)
    } catch { throw InputError(.cannotCreate, "\(option): \(error)") }
  }

  static func write(_ text: String, to path: String, option: String) throws(InputError) {
    try write(Array(text.utf8), to: path, option: option)
  }

  static func write(_ bytes: [UInt8], to path: String, option: String) throws(InputError) {
    do throws(HostError) {
      try HostFile.write(bytes, to: path)
    } catch { throw InputError(.cannotCreate, "\(option): \(error)") }
  }
}
