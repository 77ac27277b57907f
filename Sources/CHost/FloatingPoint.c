// The guest's floating-point registers in the host's while translated code runs. Translated code asks for them
// where it needs them (`switchback_fpu_load`) and keeps them until it is left; the routines here move them
// between `CPUState.fpu` and the host's unit. x87 and MMX registers move by FXSAVE and FXRSTOR, XMM registers
// and MXCSR by moves, each only if translated code has used them.
#include <stddef.h>
#include <string.h>

#include "TranslatedCode.h"

enum { CR0_EM_TS = 0xC, CR0_NE = 0x20, CR4_OSFXSR = 0x200, X87_MASKS = 0x3F };

/// The image of FXSAVE64. SDM vol. 1, table 10-2.
typedef struct FXSaveImage {
  uint16_t control, status;
  uint8_t tags, reserved;
  uint16_t opcode;
  uint64_t instruction, operand;
  uint32_t mxcsr, mxcsrMask;
  uint8_t stack[8][16];
  uint8_t xmm[16][16];
  uint8_t reserved2[96];
} FXSaveImage;
_Static_assert(sizeof(FXSaveImage) == 512, "the image has 512 bytes");

/// The registers of the image from the state's, and back: it has them in stack order.
static void pack(CPUState *cpu) {
  FXSaveImage *image = cpu->translated.fpuImage;
  const FPUState *f = &cpu->fpu;
  image->control = f->control;
  image->status = f->status;
  image->tags = f->tags;
  image->opcode = 0;
  image->instruction = image->operand = 0;
  image->mxcsr = 0x1F80;
  uint32_t top = f->status >> 11;
  for (uint32_t n = 0; n < 8; n++) memcpy(image->stack[n], f->registers[(top + n) & 7], 16);
  cpu->translated.x87Opcode = 0;
}

__attribute__((used)) static void switchback_fpu_unpack(CPUState *cpu) {
  const FXSaveImage *image = cpu->translated.fpuImage;
  TranslatedState *t = &cpu->translated;
  FPUState *f = &cpu->fpu;
  f->control = image->control;
  f->status = image->status;
  f->tags = image->tags;
  uint32_t top = f->status >> 11;
  for (uint32_t n = 0; n < 8; n++) memcpy(f->registers[(top + n) & 7], image->stack[n], 10);
  // The host's pointers are those of emitted code: the code has written the guest's to the state.
  if (t->x87Opcode & X87_IS_SET) {
    f->opcode = t->x87Opcode & 0x7FF;
    f->instructionSelector = cpu->segments[1].selector;
  }
  uint32_t operand = t->x87Opcode >> 16;
  if (operand & X87_IS_SET) f->operandSelector = cpu->segments[operand & 7].selector;
  t->x87Opcode = 0;
}

int switchback_fpu_allows(const CPUState *cpu, uint32_t need) {
  if (cpu->cr0 & CR0_EM_TS) return 0;
  if (need & FPU_XMM && !(cpu->cr4 & CR4_OSFXSR)) return 0;
  // Without NE an unmasked exception is an interrupt right after its instruction, which the host's unit does
  // not report then.
  if (cpu->cr0 & CR0_NE) return 1;
  if (need & FPU_CONTROL) return 0;
  return !(need & FPU_X87) || (cpu->fpu.control & X87_MASKS) == X87_MASKS;
}

/// Notes that the host's registers hold `parts` from now on; they are loaded next.
static void mark(CPUState *cpu, uint32_t parts) {
  TranslatedState *t = &cpu->translated;
  t->fpuLive = parts;
  uint32_t has = parts | (cpu->cr0 & CR0_NE ? FPU_CONTROL : 0);
  for (uint32_t need = 0; need < 8; need++) t->fpuReady[need] = (need & ~has) == 0;
  if (parts & FPU_X87) pack(cpu);
}

/// Prepares the state, which is in memory, for being loaded with the parts in `need` as well.
/// @return whether the guest may use them.
__attribute__((used)) uint32_t switchback_fpu_prepare(CPUState *cpu, uint32_t need) {
  TranslatedState *t = &cpu->translated;
  need |= t->fpuLive;
  if (!switchback_fpu_allows(cpu, need)) {
    t->fpuLive = 0;
    memset(t->fpuReady, 0, sizeof t->fpuReady);
    return 0;
  }
  mark(cpu, need & (FPU_X87 | FPU_XMM));
  return 1;
}

/// After a handler that returned `leave`, with the whole state in memory: prepares it for being loaded again.
/// @return what the call-out leaves with.
__attribute__((used)) uint32_t switchback_fpu_after_handler(CPUState *cpu, uint32_t leave) {
  TranslatedState *t = &cpu->translated;
  if (leave == 0 && switchback_fpu_prepare(cpu, 0)) return 0;
  if (leave == 0) t->exitLeave = leave = STOP_ATTENTION;
  t->fpuLive = 0;
  memset(t->fpuReady, 0, sizeof t->fpuReady);
  return leave;
}

static const uint32_t hostControl = 0x1F80;

#define STATE(name) [name] "i"(offsetof(CPUState, name))
#define FIELD(name) [name] "i"(offsetof(CPUState, translated.name))

#define MOVE_XMM(n) "movaps %%xmm" #n ", %c[xmm]+16*" #n "(%%r14)\n"
#define LOAD_XMM(n) "movaps %c[xmm]+16*" #n "(%%r14), %%xmm" #n "\n"

// All routines have the CPUState in R14, the host's stack in RSP, and may change every register that a C function
// may.
__attribute__((naked, used)) static void routines(void) {
  __asm__ volatile(
      // Saves XMM registers and MXCSR and sets the host's control bits.
      ".globl switchback_fpu_save_xmm\n switchback_fpu_save_xmm:\n"
      "testb $2, %c[fpuLive](%%r14)\n"
      "je 1f\n"
      MOVE_XMM(0) MOVE_XMM(1) MOVE_XMM(2) MOVE_XMM(3)
      MOVE_XMM(4) MOVE_XMM(5) MOVE_XMM(6) MOVE_XMM(7)
      "stmxcsr %c[mxcsr](%%r14)\n"
      "movl %c[mxcsr](%%r14), %%eax\n"
      "andl $0xFFC0, %%eax\n"
      "cmpl $0x1F80, %%eax\n"
      "je 1f\n"
      "ldmxcsr %[host]\n"
      "1: retq\n"

      // Saves every live part, which stays marked as such, and leaves the host's unit empty.
      ".globl switchback_fpu_save\n switchback_fpu_save:\n"
      "callq switchback_fpu_save_xmm\n"
      "testb $1, %c[fpuLive](%%r14)\n"
      "je 2f\n"
      "movq %c[fpuImage](%%r14), %%rax\n"
      "fxsave64 (%%rax)\n"
      "fninit\n"
      "movq %%r14, %%rdi\n"
      "subq $8, %%rsp\n"
      "callq switchback_fpu_unpack\n"
      "addq $8, %%rsp\n"
      "2: retq\n"

      // Saves every live part on leaving translated code.
      ".globl switchback_fpu_suspend\n switchback_fpu_suspend:\n"
      "callq switchback_fpu_save\n"
      "movl %c[fpuLive](%%r14), %%eax\n"
      "movl %%eax, %c[fpuRestore](%%r14)\n"
      "xorl %%eax, %%eax\n"
      "movl %%eax, %c[fpuLive](%%r14)\n"
      "movq %%rax, %c[fpuReady](%%r14)\n movq %%rax, %c[fpuReady]+8(%%r14)\n"
      "movq %%rax, %c[fpuReady]+16(%%r14)\n movq %%rax, %c[fpuReady]+24(%%r14)\n"
      "retq\n"

      // Loads the live parts.
      ".globl switchback_fpu_restore\n switchback_fpu_restore:\n"
      "testb $1, %c[fpuLive](%%r14)\n"
      "je switchback_fpu_restore_xmm\n"
      "movq %c[fpuImage](%%r14), %%rax\n"
      "fxrstor64 (%%rax)\n"
      ".globl switchback_fpu_restore_xmm\n switchback_fpu_restore_xmm:\n"
      "testb $2, %c[fpuLive](%%r14)\n"
      "je 3f\n"
      LOAD_XMM(0) LOAD_XMM(1) LOAD_XMM(2) LOAD_XMM(3)
      LOAD_XMM(4) LOAD_XMM(5) LOAD_XMM(6) LOAD_XMM(7)
      "ldmxcsr %c[mxcsr](%%r14)\n"
      "3: retq\n"

      // Loads on entering translated code what was live when it was left.
      ".globl switchback_fpu_resume\n switchback_fpu_resume:\n"
      "subq $8, %%rsp\n"
      "movq %%r14, %%rdi\n"
      "movl %c[fpuRestore](%%r14), %%esi\n"
      "movl $0, %c[fpuRestore](%%r14)\n"
      "callq switchback_fpu_prepare\n"
      "addq $8, %%rsp\n"
      "jmp switchback_fpu_restore\n"
      :
      : FIELD(fpuLive), FIELD(fpuRestore), FIELD(fpuReady), FIELD(fpuImage),
        [xmm] "i"(offsetof(CPUState, fpu.xmm)), [mxcsr] "i"(offsetof(CPUState, fpu.mxcsr)),
        [host] "m"(hostControl));
}
