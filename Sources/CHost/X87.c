// The parts of the x87 shims that are not worth inlining. The contract is in X87Shims.h.
#include "X87Shims.h"

#include <stdatomic.h>
#include <string.h>

_Thread_local X87HostOwner x87HostOwner = {NULL, UINT64_MAX};

static _Atomic uint64_t nextBinding = 1;

void x87Attach(FPUState *f) {
  __asm__ volatile("fnclex");
  f->hostBinding = atomic_fetch_add_explicit(&nextBinding, 1, memory_order_relaxed);
  x87HostOwner = (X87HostOwner){f, f->hostBinding};
}

// One function of four bytes for each x87 instruction: `opcode modrm ret nop`. First the 8 x 64
// register forms (ModRM C0...FF), then the 8 x 8 memory forms with the operand at (%rdi).
__asm__(
    ".pushsection .text\n"
    ".p2align 4\n"
    "switchbackX87Thunks:\n"
    ".set .Lopcode, 0xd8\n"
    ".rept 8\n"
    "  .set .Lmodrm, 0xc0\n"
    "  .rept 64\n"
    "    .byte .Lopcode, .Lmodrm, 0xc3, 0x90\n"
    "    .set .Lmodrm, .Lmodrm + 1\n"
    "  .endr\n"
    "  .set .Lopcode, .Lopcode + 1\n"
    ".endr\n"
    ".set .Lopcode, 0xd8\n"
    ".rept 8\n"
    "  .set .Lmodrm, 0x07\n"
    "  .rept 8\n"
    "    .byte .Lopcode, .Lmodrm, 0xc3, 0x90\n"
    "    .set .Lmodrm, .Lmodrm + 8\n"
    "  .endr\n"
    "  .set .Lopcode, .Lopcode + 1\n"
    ".endr\n"
    ".popsection\n");
extern const uint8_t switchbackX87Thunks[] __asm__("switchbackX87Thunks");

enum { ARITHMETIC_FLAGS = 0x8D5 };

/// The 108-byte state of FNSAVE in 32-bit protected-mode format, registers in stack order. SDM vol.
/// 1, figure 8-9.
typedef struct __attribute__((packed)) SavedState {
  uint16_t control, reserved1, status, reserved2, tags, reserved3;
  uint32_t pointers[4];
  X87Value stack[8];
} SavedState;

uint32_t x87ExecuteWhole(
    FPUState *f, uint32_t opcode, uint32_t modrm, X87Value *operand, uint32_t flags) {
  SavedState state;
  memset(&state, 0, sizeof state);
  state.control = f->control;
  state.status = f->status;
  uint32_t top = f->status >> 11 & 7;
  for (uint32_t n = 0; n < 8; n++) {
    if (!(f->tags >> n & 1)) state.tags |= 3 << (2 * n);
    state.stack[n] = X87_R(f, top + n);
  }
  uint32_t index = (opcode & 7) * 64 + (modrm & 63);
  if (modrm < 0xC0) index = 512 + (opcode & 7) * 8 + (modrm >> 3 & 7);
  const uint8_t *thunk = switchbackX87Thunks + 4 * index;
  uint64_t hostFlags = (flags & ARITHMETIC_FLAGS) | 2;
  // FNSAVE does not wait, so a pending exception stays in the image, and it leaves a clean unit.
  __asm__ volatile(
      "lea -128(%%rsp), %%rsp\n\t"  // The call must not write to the red zone.
      "frstor (%[state])\n\tpushq %[flags]\n\tpopfq\n\tcall *%[thunk]\n\t"
      "pushfq\n\tpopq %[flags]\n\tfnsave (%[state])\n\tlea 128(%%rsp), %%rsp"
      : [flags] "+r"(hostFlags)
      : [state] "r"(&state), [thunk] "r"(thunk), "D"(operand)
      : "memory", "cc", "rax");
  f->status = state.status;
  top = f->status >> 11 & 7;
  f->tags = 0;
  for (uint32_t n = 0; n < 8; n++) {
    if ((state.tags >> (2 * n) & 3) != 3) f->tags |= 1 << n;
    X87_R(f, top + n) = state.stack[n];
  }
  return (uint32_t)hostFlags & ARITHMETIC_FLAGS;
}
