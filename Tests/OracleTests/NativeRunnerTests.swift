import HostOracle
import Testing

/// The registers of a case with flat segments, masked floating-point exceptions and zeroes elsewhere.
func flatCase(_ code: [UInt8]) -> OracleCase {
  var result = OracleCase()
  result.registers.eip = UInt32(ORACLE_CODE)
  result.registers.eflags = 0x202
  result.registers.gpr.4 = UInt32(ORACLE_STACK) + 0x800
  let data = UInt16(ORACLE_FLAT_DATA)
  result.registers.selectors = (data, UInt16(ORACLE_FLAT_CODE), data, data, data, data)
  withUnsafeMutableBytes(of: &result.registers.fxsave) {
    $0.storeBytes(of: 0x37F, as: UInt16.self)
    $0.storeBytes(of: 0x1F80, toByteOffset: 24, as: UInt32.self)
  }
  withUnsafeMutableBytes(of: &result.code) { $0.copyBytes(from: code) }
  result.codeLength = UInt32(code.count)
  return result
}

/// What the host does with known sequences.
@Suite(.serialized) struct NativeRunnerTests {
  @Test func addition() throws {
    let runner = try #require(NativeRunner())
    var item = flatCase([0x01, 0xC8])  // add eax, ecx
    item.registers.gpr.0 = 0x8000_0000
    item.registers.gpr.1 = 0x8000_0001
    #expect(runner.run([item]))
    let outcome = runner.outcome(0).pointee
    #expect(outcome.vector == 3)
    #expect(outcome.registers.gpr.0 == 1)
    #expect(outcome.registers.eip == UInt32(ORACLE_CODE) + 3)
    #expect(outcome.registers.eflags & 0x8D5 == 0x801)  // OF CF
  }

  @Test func faults() throws {
    let runner = try #require(NativeRunner())
    let cases = [
      flatCase([0xA1, 0x78, 0x56, 0x34, 0x12]),  // mov eax, [12345678h]
      flatCase([0xF7, 0xF0]),  // div eax
      flatCase([0xF4]),  // hlt
      flatCase([0x0F, 0x0B]),  // ud2
      flatCase([0xCD, 0x05]),  // int 5
      flatCase([0xD9, 0xEB]),  // fldpi
    ]
    #expect(runner.run(cases[...]))
    let outcomes = cases.indices.map { runner.outcome($0).pointee }
    #expect(outcomes.map(\.vector) == [14, 0, 13, 6, 13, 3])
    #expect(outcomes.map(\.errorCode) == [4, 0, 0, 0, 0x2A, 0])
    #expect(outcomes[0].faultAddress == 0x1234_5678)
    #expect(outcomes.prefix(5).allSatisfy { $0.registers.eip == UInt32(ORACLE_CODE) })
  }

  /// A case that does not end and one that leaves 32-bit mode must not hurt their neighbours.
  @Test func runawaysAreStopped() throws {
    let runner = try #require(NativeRunner())
    let cases = [
      flatCase([0xEB, 0xFE]),  // jmp $
      flatCase([0xCD, 0x80]),  // int 80h
      flatCase([0x40]),  // inc eax
    ]
    #expect(runner.run(cases[...]))
    #expect(runner.outcome(0).pointee.signal == Int32(ORACLE_TIMED_OUT))
    #expect(runner.outcome(1).pointee.signal == 31)  // SIGSYS
    #expect(runner.outcome(2).pointee.vector == 3)
    #expect(runner.outcome(2).pointee.registers.gpr.0 == 1)
  }

  /// 16-bit code and a segment with a base come from the LDT.
  @Test func localDescriptorTable() throws {
    let runner = try #require(NativeRunner())
    runner.initialImage[0x10] = 0x5A
    var item = flatCase([0x64, 0xA0, 0x10, 0x00])  // mov al, fs:[10h]
    item.registers.eip = 0
    item.registers.selectors.1 = 0x0F
    item.registers.selectors.4 = 0x07
    #expect(runner.run([item]))
    #expect(runner.outcome(0).pointee.registers.gpr.0 == 0x5A)
  }
}
