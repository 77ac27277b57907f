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
  uint16_t cyclesPerIteration;  ///< Charged for each iteration of a repeated string instruction.
} MicroOp;

/// What a handler returns other than 0, and bits of `CPUState.stop`.
enum StopBits {
  STOP_ATTENTION = 1u << 0,  ///< Interrupt line, IF, TF, RF, shadow, deadline: look again at the boundary.
  STOP_CODE = 1u << 1,       ///< Decoded code was written or unmapped.
  STOP_EXIT = 1u << 2,       ///< The machine wants the engine to return.
  STOP_SHUTDOWN = 1u << 3,   ///< Triple fault.
  LEAVE_SEQUENTIAL = 1u << 28,  ///< Reached the end of the block (the terminating micro-op only).
  LEAVE_RESTART = 1u << 29,     ///< The instruction has not completed; it runs again (interrupted REP).
  LEAVE_FAULT = 1u << 30,       ///< `CPUState.fault` was raised; the instruction has not completed.
  LEAVE_BRANCHED = 1u << 31,    ///< The instruction has completed and has set `eip`.
};

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
  uint64_t addend;  ///< Host address minus linear address.
} TLBEntry;

/// A page that code may be fetched from. Apart from the data entries, so that code and data do not evict
/// each other.
typedef struct TLBCodePage {
  uint32_t executeTag;    ///< The linear page address, or 1.
  uint32_t physicalPage;  ///< Physical page address; bit 0: the mapping is global.
} TLBCodePage;

enum { TLB_ENTRIES = 1024, TLB_LOCALS = 256 };

/// A translation look-aside buffer, direct-mapped by linear page number.
typedef struct TLB {
  TLBEntry entries[TLB_ENTRIES];
  uint32_t physicalPages[TLB_ENTRIES];  ///< Of `entries`: physical page address; bit 0: global.
  TLBCodePage code[TLB_ENTRIES];
  uint32_t localCount;          ///< Pages that are not global and have been entered since they were dropped last;
  uint16_t locals[TLB_LOCALS];  ///< the indices of as many as there is room for.
} TLB;

/// What a physical page is.
enum PhysicalPageFlags {
  PAGE_READABLE = 1,  ///< `host` may be read.
  PAGE_WRITABLE = 2,  ///< `host` may be written.
  PAGE_CODE = 4,      ///< Some engine holds code decoded from it: writes must be reported.
  PAGE_TRACKED = 16,  ///< The next write must be reported, once.
  PAGE_DEVICE = 8,    ///< Belongs to a memory-mapped device.
  PAGE_EXECUTED = 32, ///< The host's processor may be executing it as it is: the next write must be reported.
};

/// One 4 KiB page of guest-physical address space; both zero: nothing is there.
typedef struct PhysicalPage {
  uint8_t *_Nullable host;
  uint32_t flags;
} PhysicalPage;

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

/// What an instruction needs of the floating-point state.
enum FPUParts {
  FPU_X87 = 1,      ///< x87 and MMX registers, control and status word.
  FPU_XMM = 2,      ///< XMM registers and MXCSR.
  FPU_CONTROL = 4,  ///< To change the x87 control word.
};

enum { X87_IS_SET = 0x8000 };

/// Low bits of the budget that count instructions: a run may retire as many as they hold.
enum { BUDGET_SHIFT = 24 };

/// What translated code and the monitor tell each other.
typedef struct TranslatedState {
  uint64_t hostStack;    ///< Host RSP while translated code runs, which has its return stack there.
  uint64_t budget;       ///< R15: cycles left << BUDGET_SHIFT | instructions retired since entry.
  uint64_t returnStack;  ///< RSP: where the host return addresses of guest calls are pushed.
  uint64_t returnStackTop;  ///< Its value when it is empty: there lies the address of a stub.
  uint64_t returnStackLimit;  ///< A CALL that would store below it finds the guard page.
  uint64_t jumpTable;    ///< Code offsets by linear EIP, 4 bytes each; 0 = none.
  uint64_t cycleEnd;     ///< The clock when the budget has 0 cycles left.
  uint64_t window;       ///< Host address of linear address 0: the GS base.
  uint64_t faultPC;      ///< Host address of the instruction that raised a signal.
  uint64_t faultAddress; ///< Host address that it accessed.
  uint64_t resume;       ///< Where a call-out goes on.
  const MicroOp *_Nullable exitOp;  ///< The instruction of a call-out that asked to leave.
  void *_Nullable link;  ///< The jump that was taken to leave, for chaining.
  uint32_t exitLeave;    ///< What its handler returned.
  uint32_t hostFlags;    ///< The arithmetic flags in EFLAGS' layout.
  uint32_t faultIsWrite;
  uint32_t faultTrap;    ///< The host's exception vector.
  uint32_t translation;  ///< The number of the translation that makes a call-out.
  uint32_t callsLeft;    ///< Call-outs after which the monitor wants to look again.
  uint64_t codeStart;    ///< The range in which signals belong to translated code.
  uint64_t codeEnd;
  uint32_t fpuLive;      ///< `FPUParts` of the guest's state that are in the host's registers; 0 outside translated code.
  uint32_t fpuRestore;   ///< Those that were when translated code was left; loaded on entering it.
  uint32_t fpuReady[8];  ///< By a set of `FPUParts`: whether code that needs these may run now.
  /// FOP of the last x87 instruction that emitted code has executed since the state was loaded, and in the upper half
  /// the segment of the last one with a memory operand; each with X87_IS_SET, or 0 if there was none.
  uint32_t x87Opcode;
  void *_Nullable fpuImage;  ///< 512 bytes for FXSAVE.
  uint64_t *_Nullable callouts;  ///< Calls of handlers by instruction row.
} TranslatedState;

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
  TLB *_Nonnull tlb;      ///< The table in force: user at CPL 3, else supervisor; `slowTLB` to check every access.
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
  TLB *_Nonnull userTLB;
  TLB *_Nonnull supervisorTLB;
  TLB *_Nonnull slowTLB;  ///< Never filled: in force while alignment checks or data breakpoints are armed.
  void *_Nullable memory;     ///< Unretained `PhysicalMemory` (Swift).
  void *_Nullable processor;  ///< Unretained `Processor` (Swift).
  uint64_t codeGeneration;    ///< Counts what may change the code at a linear address: TLB flushes, writes to code.
  TranslatedState translated;
} CPUState;

#endif
