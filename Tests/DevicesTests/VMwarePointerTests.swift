import Bus
import Testing

@testable import Devices

@Suite struct VMwarePointerTests {
  private final class Fixture {
    let pointer = VMwarePointer()
    var registers = VMwarePointer.Registers(eax: 0, ebx: 0, ecx: 0, edx: 0)
    var interrupts = 0

    init() {
      pointer.readRegisters = { [unowned self] in registers }
      pointer.writeRegisters = { [unowned self] in registers = $0 }
      pointer.dataReady = { [unowned self] in interrupts += 1 }
    }

    @discardableResult
    func command(_ number: UInt32, _ argument: UInt32 = 0) -> VMwarePointer.Registers {
      registers = .init(eax: 0x564D_5868, ebx: argument, ecx: number, edx: 0x5658)
      registers.eax = pointer.readPort(offset: 0, width: .dword)
      return registers
    }

    /// What the Linux driver does.
    func enable() {
      command(41, 0x4541_4552)
      #expect(command(40).eax == 1)
      #expect(command(39, 1).eax == 0x3442_554A)
      command(41, 0x5342_4152)
    }
  }

  @Test func placesAndButtonsAreDelivered() {
    let f = Fixture()
    #expect(f.command(10).ebx == 0x564D_5868 && f.registers.eax == 6)
    f.pointer.move(x: 1, y: 2, wheel: 0, buttons: 1)
    f.enable()
    #expect(f.pointer.isAbsolute && f.interrupts == 0)
    f.pointer.move(x: 100, y: 65535, wheel: 0, buttons: 1)
    f.pointer.move(x: 100, y: 65535, wheel: 0, buttons: 1)
    f.pointer.move(x: 0, y: 7, wheel: -1, buttons: 6)
    #expect(f.interrupts == 2)
    #expect(f.command(40).eax == 8)
    #expect(f.command(39, 4) == .init(eax: 0x20, ebx: 100, ecx: 65535, edx: 0))
    #expect(f.command(39, 4) == .init(eax: 0x18, ebx: 0, ecx: 7, edx: 0xFFFF_FFFF))
    #expect(f.command(40).eax == 0)
    f.command(41, 0x4C45_5252)
    #expect(!f.pointer.isAbsolute)
  }

  @Test func wrongUseAnswersLikeAnEmptyPort() {
    let f = Fixture()
    #expect(f.command(40).eax == 0xFFFF_0000)
    #expect(f.command(4711).eax == .max)
    #expect(f.pointer.readPort(offset: 0, width: .byte) == 0xFF)
    f.registers.eax = 1
    #expect(f.pointer.readPort(offset: 0, width: .dword) == .max)
    f.enable()
    f.pointer.move(x: 1, y: 1, wheel: 0, buttons: 0)
    #expect(f.command(39, 5).eax == 0xFFFF_0000)
    #expect(f.command(40).eax == 0xFFFF_0000)
    f.enable()
    f.pointer.reset()
    #expect(!f.pointer.isAbsolute && f.command(39, 1).eax == 0xFFFF_0000)
  }

  @Test func aGuestThatDoesNotReadKeepsTheLastPlace() {
    let f = Fixture()
    f.enable()
    for x in 0..<2000 as Range<UInt16> { f.pointer.move(x: x, y: 0, wheel: 0, buttons: 0) }
    #expect(f.command(40).eax == 1024)
    var last: UInt32 = 0
    while f.command(40).eax > 0 { last = f.command(39, 4).ebx }
    #expect(last == 1999)
  }
}
