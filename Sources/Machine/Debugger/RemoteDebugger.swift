import CPU
import Host
import Memory

/// The machine's side of GDB's remote serial protocol (GDB manual, appendix E): one target, one thread.
///
/// Between two packets the machine stands still or runs; it is asked by `Machine` at instruction boundaries.
final class RemoteDebugger {
  /// What the machine is to do after a packet.
  enum Action: Equatable {
    case stay
    case go
    case step
    /// The debugger has gone, or wants to leave the machine alone.
    case detach
    case kill
  }

  private enum Signal {
    static let interrupt = "02"
    static let trap = "05"
  }

  private unowned let machine: Machine
  private let listener: HostListener
  private var connection: HostConnection?
  private var reader = RemotePacketReader()
  private var acknowledges = true
  /// The machine stands still, or makes a single step.
  private var isServing = false
  private var input: ArraySlice<UInt8> = []

  /// Bytes of the largest packet that the debugger may send.
  private static let packetSize = 0x4000

  init(_ machine: Machine, listener: HostListener) {
    self.machine = machine
    self.listener = listener
  }

  private var cpu: CPU { machine.processor.cpu }
  private var registers: RemoteRegisters { RemoteRegisters(cpu: cpu) }
  private var breakpoints: Breakpoints { machine.processor.breakpoints }

  /// The linear address of the next instruction.
  private var place: UInt32 { cpu.cs.pointee.base &+ cpu.pointee.eip }

  // MARK: The machine's calls

  /// Waits until a debugger has connected and lets the machine start.
  func waitForDebugger() {
    while connection == nil, !machine.mustEnd() { connect(milliseconds: 50) }
    if connection != nil { stop(reply: nil) }
  }

  /// Looks for a new debugger and for its wish to stop, without waiting.
  func poll() {
    guard !isServing else { return }
    guard connection != nil else {
      // As with every stub, connecting stops the machine.
      connect(milliseconds: 0)
      if connection != nil { stop(reply: nil) }
      return
    }
    while let event = nextEvent(milliseconds: 0) {
      if event == .interrupt { return stop(reply: Signal.interrupt) }
    }
    if connection == nil { leave() }
  }

  /// The engine has come to a breakpoint.
  func reportBreakpoint() {
    breakpoints.isHit = false
    guard connection != nil else { return leave() }
    stop(reply: Signal.trap)
  }

  /// The run has ended.
  func reportEnd(status: Int32) {
    send("W" + hexadecimal(UInt8(truncatingIfNeeded: status)))
  }

  private func connect(milliseconds: Int32) {
    connection = listener.accept(milliseconds: milliseconds)
    reader = RemotePacketReader()
    acknowledges = true
    input = []
  }

  /// Without a debugger nothing may stop the machine.
  private func leave() {
    connection = nil
    breakpoints.removeAll()
    breakpoints.passed = nil
    machine.engine.dropDecodedCode()
  }

  /// Serves packets while the machine stands still.
  /// - Parameter reply: the signal to report first, nil if the debugger will ask.
  private func stop(reply: String?) {
    if let reply { send("T" + reply + "thread:01;") }
    isServing = true
    defer {
      isServing = false
      machine.clockWasStopped()
    }
    while machine.ending == nil {
      if machine.mustEnd() { return }
      guard let event = nextEvent(milliseconds: 50) else {
        if connection == nil { return leave() }
        continue
      }
      guard case .packet(let bytes) = event else { continue }
      let (reply, action) = answer(String(decoding: bytes, as: UTF8.self), bytes)
      switch action {
      case .stay: send(reply)
      case .go:
        breakpoints.passed = place
        return
      case .step:
        breakpoints.passed = place
        machine.stepOne()
        breakpoints.isHit = false
        if machine.ending == nil { send("T" + Signal.trap + "thread:01;") }
      case .detach:
        send(reply)
        return leave()
      case .kill:
        machine.end(.quit)
        return leave()
      }
    }
  }

  // MARK: Transport

  private func nextEvent(milliseconds: Int32) -> RemotePacketReader.Event? {
    if input.isEmpty, let connection {
      guard let bytes = connection.read(limit: 4096, milliseconds: milliseconds) else {
        self.connection = nil
        return nil
      }
      input = bytes[...]
    }
    while let byte = input.popFirst() {
      guard let event = reader.feed(byte) else { continue }
      if acknowledges, event != .interrupt {
        _ = connection?.write([event == .damaged ? UInt8(ascii: "-") : UInt8(ascii: "+")])
      }
      return event
    }
    return nil
  }

  private func send(_ body: String) {
    if let connection, !connection.write(RemotePacketReader.frame(body)) { self.connection = nil }
  }

  // MARK: Packets

  /// Answers one packet; an empty answer means that it is not known.
  func answer(_ text: String, _ bytes: [UInt8]) -> (reply: String, action: Action) {
    let arguments = text.dropFirst()
    switch text.first {
    case "?": return ("T" + Signal.trap + "thread:01;", .stay)
    case "g": return (allRegisters, .stay)
    case "G": return (writeAll(arguments), .stay)
    case "p":
      let value = Int(arguments, radix: 16).flatMap { registers.read($0) }
      return (value.map { RemoteText.hex($0) } ?? "E01", .stay)
    case "P": return (writeOne(arguments), .stay)
    case "m": return (readMemory(arguments), .stay)
    case "M": return (writeMemory(arguments), .stay)
    case "X": return (writeBinary(bytes), .stay)
    case "Z": return (changeBreakpoint(arguments, inserts: true), .stay)
    case "z": return (changeBreakpoint(arguments, inserts: false), .stay)
    case "c", "s", "C", "S": return resume(text)
    case "v": return extended(text)
    case "D": return ("OK", .detach)
    case "k": return ("", .kill)
    case "H", "T": return ("OK", .stay)
    case "q", "Q": return (query(text), .stay)
    default: return ("", .stay)
    }
  }

  /// `c`, `s` and, with a signal that the machine does not know, `C`, `S`; an address may follow.
  private func resume(_ text: String) -> (String, Action) {
    let isStep = text.hasPrefix("s") || text.hasPrefix("S")
    var address = text.dropFirst()[...]
    if text.hasPrefix("C") || text.hasPrefix("S") {
      address = address.drop { $0 != ";" }.dropFirst()
    }
    if let address = RemoteText.number(address) { cpu.pointee.eip = address }
    return ("", isStep ? .step : .go)
  }

  private func extended(_ text: String) -> (String, Action) {
    if text == "vCont?" { return ("vCont;c;C;s;S", .stay) }
    guard text.hasPrefix("vCont;") else {
      return text.hasPrefix("vKill") ? ("OK", .kill) : ("", .stay)
    }
    // The first action that applies to the one thread.
    switch text.dropFirst(6).first {
    case "c", "C": return ("", .go)
    case "s", "S": return ("", .step)
    default: return ("E01", .stay)
    }
  }

  private func query(_ text: String) -> String {
    if text.hasPrefix("qSupported") {
      return "PacketSize=" + String(Self.packetSize, radix: 16)
        + ";qXfer:features:read+;QStartNoAckMode+;swbreak-;hwbreak-;vContSupported+"
    }
    if text == "QStartNoAckMode" {
      defer { acknowledges = false }
      return "OK"
    }
    let features = "qXfer:features:read:target.xml:"
    if text.hasPrefix(features) {
      return part(of: RemoteRegisters.description, text.dropFirst(features.count))
    }
    switch text {
    case "qC": return "QC01"
    case "qfThreadInfo": return "m01"
    case "qsThreadInfo": return "l"
    case "qAttached": return "1"
    default: return ""
    }
  }

  /// `offset,length` of a document: `m` and a part, or `l` and the last part.
  private func part(of document: String, _ range: Substring) -> String {
    let numbers = range.split(separator: ",").map { RemoteText.number($0) }
    guard numbers.count == 2, let offset = numbers[0], let length = numbers[1] else { return "E01" }
    let rest = document.utf8.dropFirst(Int(offset))
    let count = min(Int(length), Self.packetSize)
    return (rest.count > count ? "m" : "l") + String(decoding: rest.prefix(count), as: UTF8.self)
  }

  // MARK: Registers

  private var allRegisters: String {
    (0..<RemoteRegisters.count).reduce(into: "") {
      $0 += RemoteText.hex(registers.read($1) ?? [])
    }
  }

  private func writeAll(_ text: Substring) -> String {
    guard var bytes = RemoteText.bytes(text)?[...] else { return "E01" }
    for number in 0..<RemoteRegisters.count {
      let value = Array(bytes.prefix(RemoteRegisters.size(number)))
      guard value.count == RemoteRegisters.size(number) else { break }
      bytes = bytes.dropFirst(value.count)
      _ = registers.write(number, value)
    }
    return "OK"
  }

  private func writeOne(_ text: Substring) -> String {
    let parts = text.split(separator: "=")
    guard parts.count == 2, let number = Int(parts[0], radix: 16),
      let value = RemoteText.bytes(parts[1])
    else { return "E01" }
    return registers.write(number, value) ? "OK" : "E02"
  }

  // MARK: Memory

  /// `address,length` with whatever follows a colon.
  private func range(_ text: Substring) -> (address: UInt32, count: Int)? {
    let parts = text.prefix { $0 != ":" }.split(separator: ",")
    guard parts.count == 2, let address = RemoteText.number(parts[0]),
      let count = RemoteText.number(parts[1]), count <= UInt32(Self.packetSize)
    else { return nil }
    return (address, Int(count))
  }

  /// By linear address; as much as is mapped.
  private func readMemory(_ text: Substring) -> String {
    guard let (address, count) = range(text) else { return "E01" }
    var bytes: [UInt8] = []
    while bytes.count < count {
      let linear = address &+ UInt32(bytes.count)
      guard let physical = cpu.peekTranslate(linear).flatMap({ UInt32(exactly: $0) }) else { break }
      let n = min(count - bytes.count, 4096 - Int(linear & 0xFFF))
      bytes += machine.memory.readBytes(at: physical, count: n)
    }
    return bytes.isEmpty && count > 0 ? "E0E" : RemoteText.hex(bytes)
  }

  private func writeMemory(_ text: Substring) -> String {
    let data = text.drop { $0 != ":" }.dropFirst()
    guard let (address, count) = range(text), let bytes = RemoteText.bytes(data),
      bytes.count == count
    else { return "E01" }
    return write(bytes, at: address)
  }

  private func writeBinary(_ packet: [UInt8]) -> String {
    guard let colon = packet.firstIndex(of: UInt8(ascii: ":")) else { return "E01" }
    let header = String(decoding: packet[1..<colon], as: UTF8.self)
    guard let (address, count) = range(header[...]) else { return "E01" }
    let data = Array(packet[(colon + 1)...])
    return data.count == count ? write(data, at: address) : "E01"
  }

  private func write(_ bytes: [UInt8], at address: UInt32) -> String {
    var done = 0
    while done < bytes.count {
      let linear = address &+ UInt32(done)
      guard let physical = cpu.peekTranslate(linear).flatMap({ UInt32(exactly: $0) }) else {
        return "E0E"
      }
      let n = min(bytes.count - done, 4096 - Int(linear & 0xFFF))
      machine.memory.writeBytes(Array(bytes[done..<done + n]), at: physical)
      done += n
    }
    return "OK"
  }

  // MARK: Breakpoints

  /// `type,address,kind`: software (0) and hardware (1) breakpoints are the same here.
  private func changeBreakpoint(_ text: Substring, inserts: Bool) -> String {
    let parts = text.prefix { $0 != ";" }.split(separator: ",")
    guard parts.count == 3, let address = RemoteText.number(parts[1]) else { return "E01" }
    guard parts[0] == "0" || parts[0] == "1" else { return "" }
    if inserts {
      breakpoints.insert(address)
    } else {
      _ = breakpoints.remove(address)
    }
    machine.engine.dropDecodedCode()
    return "OK"
  }
}
