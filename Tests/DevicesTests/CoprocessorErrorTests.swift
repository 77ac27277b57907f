import Bus
import Testing

@testable import Devices

private final class Lines: InterruptSink {
  var asserted: Set<Int> = []
  func setLine(_ line: Int, asserted level: Bool) {
    if level { asserted.insert(line) } else { asserted.remove(line) }
  }
}

@Test func coprocessorErrorIsLatchedUntilPortF0IsWritten() {
  let lines = Lines()
  let device = CoprocessorError(interrupt: InterruptLine(lines, line: 13))
  device.signal()
  #expect(lines.asserted == [13])
  device.writePort(offset: 0, width: .byte, value: 0)
  #expect(lines.asserted.isEmpty)
  device.signal()
  device.reset()
  #expect(lines.asserted.isEmpty)
}
