// SIGFPE of the SSE shims: how an unmasked exception of the guest comes back to the shim that ran
// it.
#define _GNU_SOURCE  // REG_RIP
#include "SSEShims.h"

#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

/// The length of a register-to-register SSE instruction that is followed by STMXCSR, as the shims
/// write it; 0 for anything else.
static size_t shimInstructionLength(const uint8_t *code) {
  size_t n = 0;
  if (code[n] == 0x66 || code[n] == 0xF2 || code[n] == 0xF3) n++;
  if ((code[n] & 0xF0) == 0x40) n++;  // REX
  if (code[n] != 0x0F) return 0;
  int hasPredicate = code[n + 1] == 0xC2;
  if (code[n + 2] < 0xC0) return 0;
  n += 3 + hasPredicate;
  const uint8_t *next = code + n;
  if ((*next & 0xF0) == 0x40) next++;
  if (next[0] != 0x0F || next[1] != 0xAE || (next[2] >> 3 & 7) != 3) return 0;
  return n;
}

static struct sigaction previousAction;

static void skipTrappedInstruction(int number, siginfo_t *info, void *context) {
  ucontext_t *user = context;
  greg_t *registers = user->uc_mcontext.gregs;
  size_t length = shimInstructionLength((const uint8_t *)registers[REG_RIP]);
  if (length == 0 || user->uc_mcontext.fpregs == NULL) {
    // Not ours: what was there before, or the default, decides when the instruction runs again.
    sigaction(SIGFPE, &previousAction, NULL);
    return;
  }
  user->uc_mcontext.fpregs->mxcsr |= MXCSR_MASKS;
  registers[REG_RIP] += (greg_t)length;
}

__attribute__((constructor)) static void installHandler(void) {
  struct sigaction action = {0};
  action.sa_sigaction = skipTrappedInstruction;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigaction(SIGFPE, &action, &previousAction);
}
