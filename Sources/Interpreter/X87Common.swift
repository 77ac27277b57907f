import CPU
import ISA
import Memory

// What all x87 instructions share. The arithmetic is done by the host's x87 unit (X87Shims.h): one
// register at a time while every exception is masked and the operands are there, otherwise with the
// whole state loaded, so that stack faults, unmasked exceptions and tags are the hardware's own.

/// #NM by CR0.EM or TS; #MF when an unmasked exception is pending. SDM vol. 3, 2.5 and 6.15.
@inline(__always)
func x87Check(_ cpu: CPU) throws(Fault) {
  if cpu.pointee.cr0 & 0xC | UInt32(cpu.fpu.pointee.status & 0x80) != 0 { try x87Refuse(cpu) }
}

/// The check of the non-waiting instructions: #NM only.
@inline(__always)
func x87CheckAvailable(_ cpu: CPU) throws(Fault) {
  if cpu.pointee.cr0 & 0xC != 0 { throw .deviceNotAvailable }
}

@inline(never)
func x87Refuse(_ cpu: CPU) throws(Fault) {
  if cpu.pointee.cr0 & 0xC != 0 { throw .deviceNotAvailable }
  try x87ReportError(cpu)
}

/// A waiting instruction found FSW.ES set: #MF with CR0.NE. Without it FERR# goes to the interrupt
/// controller; the instruction goes on, as with IGNNE# asserted, and the interrupt comes after it.
func x87ReportError(_ cpu: CPU) throws(Fault) {
  if cpu.pointee.cr0 & 0x20 != 0 { throw .x87Error }
  x87AssertFERR(cpu)
}

/// Drives FERR# when CR0.NE is 0 and an exception has become pending.
func x87AssertFERR(_ cpu: CPU) {
  guard cpu.pointee.cr0 & 0x20 == 0, cpu.fpu.hasPendingError else { return }
  cpu.processor.floatingPointError()
  cpu.requestAttention()
}

/// Records FIP, FCS and FOP. SDM vol. 1, 8.1.8.
@inline(__always)
func x87Note(_ cpu: CPU, _ op: Op) {
  let fpu = cpu.fpu
  fpu.pointee.instructionOffset = cpu.currentEIP(op)
  fpu.pointee.instructionSelector = cpu.cs.pointee.selector
  fpu.pointee.opcode = op.pointee.instruction.selector
}

/// Records them and FDP, FDS.
@inline(__always)
func x87Note(_ cpu: CPU, _ op: Op, operand offset: UInt32) {
  x87Note(cpu, op)
  let fpu = cpu.fpu
  fpu.pointee.operandOffset = offset
  fpu.pointee.operandSelector = cpu.segment(op.pointee.instruction.segment).pointee.selector
}

/// Physical number of ST(i), `i` being the rm field.
@inline(__always)
func x87Other(_ op: Op, _ top: UInt32) -> UInt32 {
  (top &+ UInt32(op.pointee.instruction.modrm)) & 7
}

/// Executes the instruction with the whole state in the host's unit. The exceptions are masked
/// while one is pending, which only IGNNE# allows.
private func x87RunWhole(_ fpu: FPU, _ op: Op, _ operand: inout X87Value, _ flags: UInt32) -> UInt32
{
  let pending = fpu.hasPendingError
  let control = fpu.pointee.control
  if pending {
    fpu.pointee.control |= 0x3F
    fpu.updateSummary()
  }
  let opcode = UInt32(op.pointee.instruction.selector >> 8)
  let result = x87ExecuteWhole(fpu, opcode, UInt32(op.pointee.instruction.modrm), &operand, flags)
  if pending {
    fpu.pointee.control = control
    fpu.updateSummary()
  }
  return result
}

/// The general case of every instruction that does not store to memory.
@inline(never)
func x87Whole(_ cpu: CPU, _ op: Op, _ low: UInt64 = 0, _ high: UInt16 = 0) -> UInt32 {
  var operand = X87Value(significand: low, signExponent: high)
  let old = cpu.arithmeticFlags
  let flags = x87RunWhole(cpu.fpu, op, &operand, old)
  if flags != old { cpu.setArithmeticFlags(flags) }
  x87AssertFERR(cpu)
  return cpu.pointee.stop
}

/// The general case of the stores: `write` gets what the instruction stored, if it did; otherwise `probe` raises the
/// fault that storing would have raised. The state changes when neither has faulted.
@inline(never)
func x87WholeStore(
  _ cpu: CPU, _ op: Op, probe: () throws(Fault) -> Void,
  _ write: (X87Value) throws(Fault) -> Void
) throws(Fault) -> UInt32 {
  var operand = X87Value(significand: 0, signExponent: 0)
  var state = cpu.fpu.pointee
  // Flags that are pending already (IGNNE#) say nothing about this store.
  let old = state.status
  _ = x87RunWhole(&state, op, &operand, 0)
  let raised = state.status & ~old & ~state.control
  // Unmasked invalid operation, overflow and underflow leave the destination alone; inexact does
  // not.
  if raised & 0x19 == 0 { try write(operand) } else { try probe() }
  cpu.fpu.pointee = state
  x87AssertFERR(cpu)
  return cpu.pointee.stop
}
