import Bus
import Testing

@testable import Devices

@Test func debugConsoleWritesAndIsFound() {
  let console = DebugConsole()
  var bytes: [UInt8] = []
  console.output = { bytes.append($0) }
  console.write(0, 0x48)
  console.write(0, 0x69)
  #expect(bytes == [0x48, 0x69])
  #expect(console.read(0) == 0xE9)
}

@Test(arguments: [(0, 1), (1, 3), (0x7F, 0xFF), (0x80, 1), (0xFF, 0xFF), (0xFFFF_FFFF, 0xFF)])
func debugExitComputesTheStatus(value: UInt32, status: UInt8) {
  let port = DebugExit()
  var got: UInt8?
  port.exit = { got = $0 }
  port.writePort(offset: 0, width: .dword, value: value)
  #expect(got == status)
}

@Test func postCodeIsRemembered() {
  let port = POSTCode()
  var codes: [UInt8] = []
  port.written = { codes.append($0) }
  port.write(0, 0x42)
  port.write(0, 0x43)
  #expect(port.code == 0x43)
  #expect(codes == [0x42, 0x43])
  #expect(port.read(0) == 0x43)
}
