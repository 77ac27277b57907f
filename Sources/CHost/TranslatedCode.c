#define _GNU_SOURCE
#include "TranslatedCode.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { ARITHMETIC_FLAGS = 0x8D5 };

#define FIELD(name) [name] "i"(offsetof(CPUState, translated.name))

// Stores the guest's general registers and flags, the budget and the return stack; changes RAX and RCX.
#define SAVE_GUEST \
  "movl %%eax, 0(%%r14)\n movl %%ecx, 4(%%r14)\n movl %%edx, 8(%%r14)\n" \
  "movl %%ebx, 12(%%r14)\n movl %%r12d, 16(%%r14)\n movl %%ebp, 20(%%r14)\n" \
  "movl %%esi, 24(%%r14)\n movl %%edi, 28(%%r14)\n" \
  "lahf\n seto %%al\n movzbl %%ah, %%ecx\n movzbl %%al, %%eax\n shll $11, %%eax\n" \
  "orl %%ecx, %%eax\n" \
  "movl %%eax, %c[hostFlags](%%r14)\n" \
  "movq %%r15, %c[budget](%%r14)\n" \
  "movq %%rsp, %c[returnStack](%%r14)\n"

__attribute__((naked)) uint64_t switchback_enter(CPUState *cpu, uint64_t code) {
  __asm__ volatile(
      // Unwinders (a debugger's, a test runner's) stop here: what lies above a call-out is the guest.
      ".cfi_undefined %%rip\n"
      "pushq %%rbx\n pushq %%rbp\n pushq %%r12\n pushq %%r13\n pushq %%r14\n pushq %%r15\n"
      "subq $8, %%rsp\n"
      "movq %%rsp, %c[hostStack](%%rdi)\n"
      "movq %%rdi, %%r14\n"
      "movq %%rsi, %%r8\n"
      "movq %c[window](%%r14), %%rax\n"
      "wrgsbase %%rax\n"
      "movq %c[jumpTable](%%r14), %%r13\n"
      "addq $63, %%r13\n"
      "movq %c[budget](%%r14), %%r15\n"
      "cmpl $0, %c[fpuRestore](%%r14)\n"
      "je switchback_reload\n"
      "pushq %%r8\n subq $8, %%rsp\n"
      "callq switchback_fpu_resume\n"
      "addq $8, %%rsp\n popq %%r8\n"
      ".globl switchback_reload\n switchback_reload:\n"
      // SAHF and an addition that overflows as OF says: POPF takes ten times as long.
      "movl %c[hostFlags](%%r14), %%eax\n"
      "movl %%eax, %%ecx\n"
      "shrl $11, %%ecx\n"
      "andl $1, %%ecx\n"
      "movb %%al, %%ah\n"
      "addb $127, %%cl\n"
      "sahf\n"
      "movl 0(%%r14), %%eax\n movl 4(%%r14), %%ecx\n movl 8(%%r14), %%edx\n"
      "movl 12(%%r14), %%ebx\n movl 16(%%r14), %%r12d\n movl 20(%%r14), %%ebp\n"
      "movl 24(%%r14), %%esi\n movl 28(%%r14), %%edi\n"
      "movq %c[returnStack](%%r14), %%rsp\n"
      "jmpq *%%r8\n"

      // R8: the exit kind.
      ".globl switchback_leave\n switchback_leave:\n"
      SAVE_GUEST
      "movq %c[hostStack](%%r14), %%rsp\n"
      "cld\n"
      "cmpl $0, %c[fpuLive](%%r14)\n"
      "je 1f\n"
      "pushq %%r8\n subq $8, %%rsp\n"
      "callq switchback_fpu_suspend\n"
      "addq $8, %%rsp\n popq %%r8\n"
      "1: movq %%r8, %%rax\n"
      ".globl switchback_unwind\n switchback_unwind:\n"
      "addq $8, %%rsp\n"
      "popq %%r15\n popq %%r14\n popq %%r13\n popq %%r12\n popq %%rbp\n popq %%rbx\n"
      "retq\n"

      ".globl switchback_callout\n switchback_callout:\n"
      SAVE_GUEST
      "movq %%r10, %c[resume](%%r14)\n"
      "movq %c[hostStack](%%r14), %%rsp\n"
      "cmpl $0, %c[fpuLive](%%r14)\n"
      "jne 2f\n"
      "movq %%r14, %%rdi\n movq %%r9, %%rsi\n movl %%r11d, %%edx\n"
      "callq switchback_call_handler\n"
      "movq %c[budget](%%r14), %%r15\n"
      "movq %c[resume](%%r14), %%r8\n"
      "testl %%eax, %%eax\n"
      "je switchback_reload\n"
      "3: movl $2, %%eax\n"
      "jmp switchback_unwind\n"

      // The host's registers hold guest state that C code does not keep.
      "2: testl %%r11d, %%r11d\n"
      "pushq %%r9\n pushq %%r11\n"
      "js 4f\n"
      // The handler does not look at it, nor does C code use the x87 unit.
      "callq switchback_fpu_save_xmm\n"
      "popq %%rdx\n popq %%rsi\n movq %%r14, %%rdi\n"
      "callq switchback_call_handler\n"
      "testl %%eax, %%eax\n"
      "jne 5f\n"
      "callq switchback_fpu_restore_xmm\n"
      "6: movq %c[budget](%%r14), %%r15\n"
      "movq %c[resume](%%r14), %%r8\n"
      "jmp switchback_reload\n"
      "5: andl $1, %c[fpuLive](%%r14)\n"
      "callq switchback_fpu_suspend\n"
      "jmp 3b\n"
      "4: callq switchback_fpu_save\n"
      "popq %%rdx\n popq %%rsi\n movq %%r14, %%rdi\n"
      "callq switchback_call_handler\n"
      "movq %%r14, %%rdi\n movl %%eax, %%esi\n"
      "callq switchback_fpu_after_handler\n"
      "testl %%eax, %%eax\n"
      "jne 3b\n"
      "callq switchback_fpu_restore\n"
      "jmp 6b\n"

      // R9: the parts that a block needs, R10: where it goes on with them.
      ".globl switchback_fpu_load\n switchback_fpu_load:\n"
      SAVE_GUEST
      "movq %%r10, %c[resume](%%r14)\n"
      "movq %c[hostStack](%%r14), %%rsp\n"
      "pushq %%r9\n subq $8, %%rsp\n"
      "callq switchback_fpu_save\n"
      "addq $8, %%rsp\n popq %%rsi\n movq %%r14, %%rdi\n"
      "callq switchback_fpu_prepare\n"
      "movl %%eax, %%ecx\n"
      "movl $4, %%eax\n"
      "jrcxz 7f\n"
      "callq switchback_fpu_restore\n"
      "movq %c[resume](%%r14), %%r8\n"
      "jmp switchback_reload\n"
      "7: jmp switchback_unwind\n"
      :
      : FIELD(hostStack), FIELD(window), FIELD(jumpTable), FIELD(returnStack), FIELD(budget), FIELD(hostFlags),
        FIELD(resume), FIELD(fpuLive), FIELD(fpuRestore));
}

/// The lazy flags of the interpreter from the host's, see Flags.swift.
static void flags_to_lazy(CPUState *cpu) {
  uint32_t bits = cpu->translated.hostFlags;
  uint32_t zero = bits >> 6 & 1, carry = bits & 1, overflow = bits >> 11 & 1, parity = bits >> 2 & 1;
  cpu->flagResult = (int64_t)((uint64_t)(bits >> 7 & 1) << 63 | (zero ^ 1));
  cpu->flagCarries = carry << 31 | (carry ^ overflow) << 30 | (bits >> 4 & 1) << 3 |
                     (zero ^ parity) << 8;
}

static void flags_from_lazy(CPUState *cpu) {
  uint32_t c = cpu->flagCarries;
  uint32_t odd = __builtin_parity((cpu->flagResult ^ c >> 8) & 0xFF);
  cpu->translated.hostFlags = c >> 31 | (odd ^ 1) << 2 | (c >> 3 & 1) << 4 |
                              (uint32_t)((uint32_t)cpu->flagResult == 0) << 6 |
                              (uint32_t)(cpu->flagResult < 0) << 7 | ((c ^ c << 1) >> 31) << 11;
}

void switchback_flags_to_lazy(CPUState *cpu) { flags_to_lazy(cpu); }
void switchback_flags_from_lazy(CPUState *cpu) { flags_from_lazy(cpu); }

int switchback_is_flat(const CPUState *cpu) {
  enum { ES, CS, SS, DS, FS, GS, NULL_SEGMENT = 1 << 16, EFLAGS_DF = 0x400 };
  static const uint64_t all = UINT64_C(1) << 32;
  const SegmentRegister *s = cpu->segments;
  if (cpu->codeSize != 4 || cpu->eflags & EFLAGS_DF || cpu->stackMask != UINT32_MAX || s[CS].base != 0 ||
      s[CS].limit != UINT32_MAX || cpu->tlb == cpu->slowTLB)
    return 0;
  if (s[DS].base | s[ES].base | s[SS].base) return 0;
  if (s[DS].writeEnd != all || s[DS].readEnd != all || s[ES].writeEnd != all || s[ES].readEnd != all ||
      s[SS].writeEnd != all || s[SS].readEnd != all)
    return 0;
  // FS and GS may have a base, but no limit to check.
  for (int n = FS; n <= GS; n++)
    if (!(s[n].access & NULL_SEGMENT) && (s[n].writeEnd != all || s[n].readEnd != all)) return 0;
  return 1;
}

/// Runs the interpreter's handler for one instruction of a block that has been charged `blockCycles`.
__attribute__((used)) uint32_t switchback_call_handler(CPUState *cpu, const MicroOp *op,
                                                       uint32_t blockCycles) {
  TranslatedState *t = &cpu->translated;
  int mayBend = (blockCycles & CALLOUT_MAY_BEND) != 0;
  blockCycles &= ~(CALLOUT_USES_FPU | CALLOUT_MAY_BEND);
  uint32_t row = op->instruction.row;
  if (row != UINT16_MAX) t->callouts[row]++;
  t->exitOp = op;
  uint64_t start = t->cycleEnd - (uint64_t)((int64_t)t->budget >> BUDGET_SHIFT) - blockCycles;
  cpu->cycles = start;
  cpu->op = op;
  flags_to_lazy(cpu);
  uint32_t leave = op->handler(cpu, op);
  cpu->op = 0;
  // Iterations of repeated instructions have added to the clock.
  t->budget -= (cpu->cycles - start) << BUDGET_SHIFT;
  if (leave == 0 && mayBend && !switchback_is_flat(cpu)) leave = STOP_ATTENTION;
  if (leave == 0 && --t->callsLeft == 0) leave = STOP_ATTENTION;
  if (leave != 0) {
    t->exitLeave = leave;
    return leave;
  }
  flags_from_lazy(cpu);
  return 0;
}

static _Thread_local CPUState *active;

enum { SIGNALS = 3 };
static const int signals[SIGNALS] = {SIGSEGV, SIGBUS, SIGFPE};
static struct sigaction previous[SIGNALS];
static pthread_once_t installed = PTHREAD_ONCE_INIT;

static const struct sigaction *previous_action(int number) {
  int i = 0;
  while (i < SIGNALS - 1 && signals[i] != number) i++;
  return &previous[i];
}
extern const char switchback_unwind_signal[];

__attribute__((naked, used)) static void unwind_signal(void) {
  __asm__ volatile(
      ".globl switchback_unwind_signal\n switchback_unwind_signal:\n"
      "cld\n"
      "cmpl $0, %c[fpuLive](%%r14)\n"
      "je 1f\n"
      "callq switchback_fpu_suspend\n"
      "1: movl $3, %%eax\n"
      "jmp switchback_unwind\n"
      :
      : FIELD(fpuLive));
}

static void on_signal(int number, siginfo_t *info, void *context) {
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  CPUState *cpu = active;
  uint64_t pc = (uint64_t)r[REG_RIP];
  if (!cpu || pc < cpu->translated.codeStart || pc >= cpu->translated.codeEnd) {
    const struct sigaction *before = previous_action(number);
    if (before->sa_flags & SA_SIGINFO)
      before->sa_sigaction(number, info, context);
    else
      sigaction(number, before, 0);  // decides when the instruction runs again
    return;
  }
  TranslatedState *t = &cpu->translated;
  uint64_t address = (uint64_t)info->si_addr;
  if (address < t->returnStackLimit && address >= t->returnStackLimit - 8 && (uint64_t)r[REG_RSP] == t->returnStackLimit) {
    // The stack of return addresses is full: the CALL runs again with an empty one.
    r[REG_RSP] = (greg_t)t->returnStackTop;
    return;
  }
  static const int order[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_R12, REG_RBP, REG_RSI, REG_RDI};
  for (int i = 0; i < 8; i++) cpu->gpr[i] = (uint32_t)r[order[i]];
  t->hostFlags = (uint32_t)r[REG_EFL] & ARITHMETIC_FLAGS;
  t->budget = (uint64_t)r[REG_R15];
  t->returnStack = (uint64_t)r[REG_RSP];
  t->faultPC = pc;
  t->faultAddress = address;
  t->faultIsWrite = (r[REG_ERR] & 2) != 0;
  t->faultTrap = (uint32_t)r[REG_TRAPNO];
  r[REG_RSP] = (greg_t)t->hostStack;
  r[REG_RIP] = (greg_t)switchback_unwind_signal;
  r[REG_EFL] &= ~(greg_t)0x400;
}

static void install_actions(void) {
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < SIGNALS; i++) sigaction(signals[i], &action, &previous[i]);
}

int switchback_install_handlers(CPUState *cpu) {
  enum { STACK_SIZE = 1 << 16 };
  static _Thread_local void *stack;
  if (!stack) {
    stack = mmap(0, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) {
      stack = 0;
      return errno;
    }
    stack_t alternate = {.ss_sp = stack, .ss_size = STACK_SIZE};
    if (sigaltstack(&alternate, 0)) return errno;
  }
  active = cpu;
  pthread_once(&installed, install_actions);
  return 0;
}

void switchback_release_handlers(void) { active = 0; }

int switchback_has_fsgsbase(void) { return (getauxval(AT_HWCAP2) & 2) != 0; }

const void *switchback_leave_address(void) { return switchback_leave; }
const void *switchback_callout_address(void) { return switchback_callout; }
const void *switchback_fpu_load_address(void) { return switchback_fpu_load; }
