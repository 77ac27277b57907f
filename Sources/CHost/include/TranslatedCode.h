/// Entering and leaving translated code, and the signals that it raises.
#ifndef SWITCHBACK_TRANSLATEDCODE_H
#define SWITCHBACK_TRANSLATEDCODE_H

#include "CPUState.h"

/// Why translated code was left; the result of `switchback_enter`.
enum TranslatedExit {
  TRANSLATED_LOOKUP = 0,   ///< `eip` has no translation known to the jump that led there (`link`, if not null).
  TRANSLATED_LEAVE = 2,    ///< A call-out's handler returned `exitLeave` for `exitOp`.
  TRANSLATED_SIGNAL = 3,   ///< The instruction at `faultPC` raised a signal; nothing of it has happened.
  TRANSLATED_REFUSED = 4,  ///< Block `translation` needs floating-point state that the guest may not use now; nothing of it has run.
};

/// In the block's cycles that a call-out passes.
enum {
  CALLOUT_USES_FPU = 1u << 31,    ///< The handler reads or writes floating-point state.
  CALLOUT_MAY_BEND = 1u << 30,  ///< It changes what `switchback_is_flat` looks at.
};

/// Whether every segment is flat, so that offsets are linear addresses, code is 32-bit, strings ascend and no access
/// has to be checked one by one: translated code takes that for granted.
int switchback_is_flat(const CPUState *_Nonnull cpu);

/// Runs translated code at `code` until it leaves. General registers and arithmetic flags are loaded from and
/// stored to the state.
uint64_t switchback_enter(CPUState *_Nonnull cpu, uint64_t code);

/// Addresses that emitted code jumps to. R8 holds an exit kind for the first, R9 the micro-op, R10 the address
/// to go on at and R11 the block's cycles for the second.
extern const char switchback_leave[];
extern const char switchback_callout[];
extern const char switchback_fpu_load[];
const void *_Nonnull switchback_leave_address(void);
const void *_Nonnull switchback_callout_address(void);
/// R9 holds the `FPUParts` that the code at R10 needs in the host's registers.
const void *_Nonnull switchback_fpu_load_address(void);

/// Whether the guest may use `need` now without asking the interpreter, and the host's unit would do the same.
int switchback_fpu_allows(const CPUState *_Nonnull cpu, uint32_t need);

/// Installs the handlers of SIGSEGV, SIGBUS and SIGFPE on an alternate stack for the calling thread.
/// @return 0, or errno.
int switchback_install_handlers(CPUState *_Nonnull cpu);

/// Leaves all signals of the calling thread to whoever handled them before.
void switchback_release_handlers(void);

/// The lazy flags of the state from `hostFlags`, and back.
void switchback_flags_to_lazy(CPUState *_Nonnull cpu);
void switchback_flags_from_lazy(CPUState *_Nonnull cpu);

/// Whether the kernel lets user code set the GS base.
int switchback_has_fsgsbase(void);

#endif
