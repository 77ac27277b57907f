/// The architectural state of the simulated processor, shared by every engine.
#ifndef SWITCHBACK_CPUSTATE_H
#define SWITCHBACK_CPUSTATE_H

#include <stdint.h>
#include "Instruction.h"
#include "FPUState.h"

struct CPUState;
struct MicroOp;

/// Executes one instruction. Returns 0 to go on with the next instruction of the block, anything else to
/// leave the block (a branch, a fault, an attention request in `CPUState.stop`).
typedef uint32_t (*Handler)(struct CPUState *_Nonnull cpu, const struct MicroOp *_Nonnull op);

/// An instruction in a decoded block.
typedef struct MicroOp {
  Handler _Nonnull handler;
  Instruction instruction;
  uint32_t cycles;        ///< What the timing model charges for this instruction.
  uint32_t cyclesBefore;  ///< Sum of `cycles` of the instructions before it in its block.
  uint16_t startOffset;   ///< From the block's first byte to this instruction's.
  uint16_t endOffset;     ///< From the block's first byte to the next instruction's.
  uint16_t index;         ///< Number of instructions before it in its block.
  uint16_t reserved;
} MicroOp;

/// A segment register with its hidden part. SDM vol. 3, 3.4.3.
typedef struct SegmentRegister {
  uint64_t readEnd;   ///< Exclusive bound of offsets that need no further check when read; 0 = always check.
  uint64_t writeEnd;  ///< The same for writes.
  uint32_t base;
  uint32_t limit;     ///< Inclusive, in bytes, granularity applied.
  uint32_t access;    ///< Type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable (null) 16.
  uint16_t selector;
  uint16_t reserved;
} SegmentRegister;

typedef struct DescriptorTableRegister {
  uint32_t base;
  uint32_t limit;  ///< 16 bits significant.
} DescriptorTableRegister;

/// One soft-TLB entry. A tag is the linear page address when the access may go straight to `addend + linear`,
/// 1 otherwise (no page address is odd).
typedef struct TLBEntry {
  uint32_t readTag;
  uint32_t writeTag;
  uint32_t executeTag;
  uint32_t physicalPage;  ///< Physical page address, for the instruction side.
  uint64_t addend;        ///< Host address minus linear address.
} TLBEntry;

enum { TLB_ENTRIES = 1024 };

/// A fault or trap that a handler has raised; the engine's loop delivers it.
typedef struct PendingFault {
  uint8_t vector;
  uint8_t hasErrorCode;
  uint16_t errorCode;
  uint32_t linearAddress;  ///< For #PF: becomes CR2 at delivery.
} PendingFault;

/// Cycles and instructions retired at one privilege level. Index 0: CPL 0...2, index 1: CPL 3.
typedef struct ModeCounters {
  uint64_t cycles;
  uint64_t instructions;
} ModeCounters;

typedef struct CPUState {
  // General registers first: emitted code and handlers reach them with an 8-bit displacement.
  uint32_t gpr[8];        ///< EAX ECX EDX EBX ESP EBP ESI EDI.
  uint32_t zero;          ///< Always 0: register number 8 stands for "no base" and "no index".
  uint32_t eip;           ///< Of the current block's first instruction while a block runs.
  int64_t flagResult;     ///< Lazy flags, see `Flags.swift`: low 32 bits zero = ZF, bit 63 = SF, low byte for PF.
  uint32_t flagCarries;   ///< Lazy flags: bit 31 CF, bit 30 CF^OF, bit 3 AF, bits 15:8 are XORed into PF's byte.
  uint32_t eflags;        ///< All other flags; the six arithmetic ones are 0 here, bit 1 is 1.
  uint32_t stop;          ///< `StopReason` bits: the block must be left after the current instruction.
  uint32_t stackMask;     ///< 0xFFFF or 0xFFFFFFFF from SS.B.
  const MicroOp *_Nullable op;  ///< The instruction being executed.
  TLBEntry *_Nonnull tlb; ///< The table in force: user at CPL 3, else supervisor.
  SegmentRegister segments[6];  ///< ES CS SS DS FS GS.
  uint64_t cycles;        ///< The virtual clock at the start of the current block.
  uint64_t deadline;      ///< The engine returns at the first instruction boundary with clock >= deadline.
  uint64_t instructions;  ///< Retired.
  ModeCounters modes[2];
  uint8_t cpl;
  uint8_t codeSize;       ///< Default operand/address size of CS in bytes: 2 or 4.
  uint8_t interruptLine;  ///< INTR from the interrupt controller, level.
  uint8_t nmiPending;
  uint8_t halted;
  uint8_t shadow;         ///< 1 while the instruction after STI or MOV SS has not completed.
  uint8_t nmiBlocked;     ///< Between NMI delivery and IRET.
  uint8_t reservedByte;
  PendingFault fault;
  uint32_t a20Mask;       ///< ANDed to physical addresses.
  uint32_t cr0, cr2, cr3, cr4;
  uint32_t dr[8];
  DescriptorTableRegister gdtr, idtr;
  SegmentRegister ldtr, tr;
  uint64_t efer;          ///< Only NXE is implemented.
  uint64_t tscOffset;     ///< TSC = clock + tscOffset.
  uint32_t sysenterCS, sysenterESP, sysenterEIP;
  uint32_t debugTriggered;  ///< DR6 bits found by data breakpoints during the current instruction.
  uint64_t pdpte[4];      ///< PAE page-directory pointers, loaded with CR3.
  FPUState fpu;
  TLBEntry *_Nonnull userTLB;
  TLBEntry *_Nonnull supervisorTLB;
  void *_Nullable processor;  ///< Unretained `Processor` (Swift).
} CPUState;

#endif
