/// The sandbox process ("stub") that runs the guest's ring-3 code in compatibility mode, seen from the monitor.
#ifndef SWITCHBACK_DIRECTSANDBOX_H
#define SWITCHBACK_DIRECTSANDBOX_H

#include <stdint.h>
#include "DirectStubLayout.h"

/// A change of the stub's mappings.
typedef struct StubCommand {
  uint32_t operation;   ///< `STUB_MAP`, `STUB_UNMAP` or `STUB_PROTECT`.
  uint32_t protection;  ///< PROT_ bits.
  uint64_t address;     ///< Below 4 GiB, as is `address + length`.
  uint64_t length;
  uint64_t offset;      ///< In guest RAM.
} StubCommand;

/// System-call numbers, so that the stub need not translate them.
enum StubOperation { STUB_MAP = 9, STUB_PROTECT = 10, STUB_UNMAP = 11 };

/// An entry of the stub's local descriptor table, as modify_ldt(2) takes it.
typedef struct StubDescriptor {
  uint32_t number;
  uint32_t base;
  uint32_t limit;
  uint32_t flags;  ///< 32-bit 0, contents 2:1, read/execute only 3, pages 4, absent 5, useable 6.
} StubDescriptor;

/// A seccomp program as prctl(2) takes it; the address is the stub's.
typedef struct StubProgram {
  uint16_t length;
  uint64_t address;
} StubProgram;

typedef struct StubInstruction {
  uint16_t code;
  uint8_t whenTrue;
  uint8_t whenFalse;
  uint32_t operand;
} StubInstruction;

/// Written by the monitor only; the stub can read it.
typedef struct StubControl {
  uint32_t run;           ///< A new value lets the guest thread go on.
  uint32_t work;          ///< A new value makes the worker execute the commands.
  uint32_t commandCount;
  uint32_t flags;         ///< NT and ID for the guest's EFLAGS.
  uint32_t ldtCount;      ///< Entries of `ldt` to store before going on.
  uint32_t failStep;      ///< For tests: the step of the start that fails.
  uint32_t reserved[2];
  uint16_t ds, es, fs, gs;
  uint64_t reserved2;
  StubProgram guestProgram, workerProgram;
  uint8_t reserved3[48];
  StubDescriptor ldt[CONTROL_LDT_ENTRIES];
  uint8_t reserved4[256];
  StubInstruction filters[448];
  StubCommand commands[CONTROL_COMMAND_LIMIT];
} StubControl;

/// Written by the stub, and by guest code that has got out of 32-bit mode: nothing in it can be trusted.
typedef struct StubStatus {
  uint32_t stop;       ///< The value of `StubControl.run` that the guest thread has run for.
  uint32_t work;       ///< The value of `StubControl.work` that the worker is done with.
  uint32_t workError;  ///< errno of the command that failed, 0 for none.
  uint32_t failedStep;
  uint32_t failedError;
  uint32_t signal;
  uint64_t context;    ///< The stub's address of the ucontext.
  uint16_t ds, es, fs, gs;
  uint32_t worker;  ///< Thread id of the worker, stored before any guest code runs.
} StubStatus;

/// What a stub is made of.
typedef struct StubHandle {
  int32_t process;             ///< Its process id.
  int32_t memory;              ///< The file behind control and status area.
  StubControl *_Nullable control;
  StubStatus *_Nullable status;
  int32_t processor;           ///< The host CPU that it is bound to, -1 for none.
  int32_t worker;              ///< Thread id of the worker.
  int32_t ending;              ///< Its wait(2) status when it has died.
  int32_t waits;               ///< `/proc/PID/syscall`: whether the guest thread is in a system call.
} StubHandle;

/// What became of a stub that was made to run.
enum StubResult {
  STUB_STOPPED = 0,  ///< The guest thread has trapped or was interrupted; its frame tells.
  STUB_DEAD = 1,     ///< It is no more, or does not answer.
};

/// Starts a stub and waits for its first stop.
/// @param image the program (`switchback_stub_image`); ram: guest RAM; failStep: a step to let fail, 0.
/// @return 0, or errno; the step of the start that failed is in `step` then, 0 if it did not come that far.
int switchback_stub_start(StubHandle *_Nonnull stub, int image, int ram, uint32_t failStep,
                          uint32_t *_Nonnull step);

/// A memory file with the stub's program; -1 with `errno` set.
int switchback_stub_image(void);

/// Ends the process and frees everything.
void switchback_stub_end_process(StubHandle *_Nonnull stub);

/// Executes the commands in the control area.
/// @return 0, the errno of the command that failed, or -1 if the stub is dead.
int switchback_stub_work(StubHandle *_Nonnull stub);

/// Whether the process has died; `ending` tells how.
int switchback_stub_has_died(StubHandle *_Nonnull stub);

/// Lets the guest thread run until it stops or CLOCK_MONOTONIC reaches `deadline` (nanoseconds), when it is
/// interrupted. Commands in the control area are executed first.
/// @return a StubResult
int switchback_stub_run(StubHandle *_Nonnull stub, uint64_t deadline);

/// Whether the guest thread waits for `StubControl.run`, as the host's kernel sees it: guest code that has got out
/// of 32-bit mode can claim to have stopped. Once it waits it goes on waiting.
int switchback_stub_is_waiting(StubHandle *_Nonnull stub);

/// Has the guest thread, which must be waiting, stop by SIGTRAP before it executes the instructions at `count`
/// linear addresses, at most 4, and at no others: in the debug registers, which stay as they are set when ptrace
/// has let go of the thread. The first time takes the host's kernel some milliseconds, others some microseconds.
/// @return 0, or an errno: then any of the addresses may be set, or the stub is dead.
int switchback_stub_set_breakpoints(StubHandle *_Nonnull stub, const uint32_t *_Nullable addresses,
                                    uint32_t count);

/// Bytes that a signal frame may need on this host.
uint64_t switchback_signal_frame_size(void);

#endif
