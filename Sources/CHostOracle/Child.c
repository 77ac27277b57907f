// The child's side. Between cases it stands in a signal handler: an exception of the case enters the handler,
// which stores the outcome, writes the next case's registers into the signal frame and returns into that case.
//
// A case may load FS, which also destroys the base that libc's thread-local storage needs, so nothing here may
// use TLS once cases run: no errno, no stack protector (see Package.swift), system calls by hand.
#include "Internal.h"

#include <asm/ldt.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static Shared *shared;
/// The case that the previous tick of the timer found.
static uint32_t lastTickCase;
static int running;

static long call(long number, long a, long b, long c, long d) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = 0;
  register long r9 __asm__("r9") = 0;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

/// NT and ID, which rt_sigreturn keeps as they are, for the next case.
__attribute__((used)) static uint64_t stickyFlags = 2;

// The case leaves AC, NT and ID as it likes: they are cleared before any C code runs.
void oracleHandlerEntry(int, siginfo_t *, void *);
__asm__(
    ".text\n"
    ".hidden oracleHandler\n"
    ".globl oracleHandlerEntry\n"
    ".hidden oracleHandlerEntry\n"
    ".type oracleHandlerEntry, @function\n"
    "oracleHandlerEntry:\n"
    "  pushq $2\n"
    "  popfq\n"
    "  subq $8, %rsp\n"
    "  call oracleHandler\n"
    "  addq $16, %rsp\n"
    "  pushq stickyFlags(%rip)\n"
    "  popfq\n"
    "  movl $15, %eax\n"  // rt_sigreturn
    "  syscall\n"
    "  ud2\n"
    ".size oracleHandlerEntry, .-oracleHandlerEntry\n");

static const int registerOrder[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX,
                                     REG_RSP, REG_RBP, REG_RSI, REG_RDI};

static uint8_t *fxsaveImage(ucontext_t *context) { return (uint8_t *)context->uc_mcontext.fpregs; }

static void storeOutcome(ucontext_t *context, int signal) {
  greg_t *registers = context->uc_mcontext.gregs;
  OracleOutcome *outcome = &shared->outcomes[shared->current];
  OracleRegisters *to = &outcome->registers;
  outcome->signal = signal;
  outcome->vector = (uint32_t)registers[REG_TRAPNO];
  outcome->errorCode = (uint32_t)registers[REG_ERR];
  outcome->faultAddress = (uint32_t)registers[REG_CR2];
  for (int i = 0; i < 8; i++) to->gpr[i] = (uint32_t)registers[registerOrder[i]];
  to->eip = (uint32_t)registers[REG_RIP];
  to->eflags = (uint32_t)registers[REG_EFL];
  uint16_t *selectors = to->selectors;
  __asm__ volatile("movw %%es, %0" : "=m"(selectors[0]));
  __asm__ volatile("movw %%ds, %0" : "=m"(selectors[3]));
  __asm__ volatile("movw %%fs, %0" : "=m"(selectors[4]));
  __asm__ volatile("movw %%gs, %0" : "=m"(selectors[5]));
  selectors[1] = (uint16_t)registers[REG_CSGSFS];
  selectors[2] = (uint16_t)((uint64_t)registers[REG_CSGSFS] >> 48);
  memcpy(to->fxsave, fxsaveImage(context), sizeof to->fxsave);
  memcpy(shared->images[shared->current], shared->image, sizeof shared->image);
}

static void loadCase(ucontext_t *context) {
  const OracleCase *c = &shared->cases[shared->current];
  const OracleRegisters *from = &c->registers;
  memset(shared->code, 0xCC, sizeof shared->code);
  uint32_t offset = c->codeOffset % ORACLE_PAGE;
  uint32_t length = c->codeLength;
  if (length > ORACLE_CODE_BYTES) length = ORACLE_CODE_BYTES;
  if (length > ORACLE_PAGE - offset) length = ORACLE_PAGE - offset;
  memcpy(shared->code + offset, c->code, length);
  memcpy(shared->image, shared->initialImage, sizeof shared->image);
  for (uint32_t i = 0; i < c->patchCount && i < ORACLE_PATCHES; i++)
    if (c->patches[i].offset <= sizeof shared->image - 4)
      memcpy(shared->image + c->patches[i].offset, &c->patches[i].value, 4);

  greg_t *registers = context->uc_mcontext.gregs;
  for (int i = 0; i < 8; i++) registers[registerOrder[i]] = from->gpr[i];
  registers[REG_RIP] = from->eip;
  registers[REG_EFL] = from->eflags;
  stickyFlags = 2 | (from->eflags & (1 << 14 | 1 << 21));
  registers[REG_CSGSFS] =
      (greg_t)((uint64_t)from->selectors[1] | (uint64_t)from->selectors[2] << 48);
  uint8_t *image = fxsaveImage(context);
  // Bytes 464...511 are the kernel's.
  memcpy(image, from->fxsave, 464);
  uint64_t *stateBits = (uint64_t *)(image + 512);
  *stateBits |= 3;
  __asm__ volatile("movw %0, %%es" ::"m"(from->selectors[0]));
  __asm__ volatile("movw %0, %%ds" ::"m"(from->selectors[3]));
  __asm__ volatile("movw %0, %%fs" ::"m"(from->selectors[4]));
  __asm__ volatile("movw %0, %%gs" ::"m"(from->selectors[5]));
}

static void waitForParent(void) {
  __atomic_store_n(&shared->state, STATE_IDLE, __ATOMIC_RELEASE);
  __atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
  call(SYS_futex, (long)&shared->state, FUTEX_WAKE, 1, 0);
  while (__atomic_load_n(&shared->state, __ATOMIC_ACQUIRE) != STATE_RUNNING) {
    struct timespec second = {1, 0};
    call(SYS_futex, (long)&shared->state, FUTEX_WAIT, STATE_IDLE, (long)&second);
    if (call(SYS_getppid, 0, 0, 0, 0) != shared->parent) call(SYS_exit_group, 0, 0, 0, 0);
  }
}

__attribute__((used, visibility("hidden"))) void oracleHandler(int signal, siginfo_t *information,
                                                               void *argument) {
  (void)information;
  ucontext_t *context = argument;
  if (signal == SIGVTALRM) {
    // Two ticks in one case: it runs away.
    if (!running || lastTickCase != shared->current) {
      lastTickCase = shared->current;
      stickyFlags = (uint64_t)context->uc_mcontext.gregs[REG_EFL] & (1 << 14 | 1 << 21);
      return;
    }
    signal = ORACLE_TIMED_OUT;
  }
  if (running) {
    storeOutcome(context, signal);
    __atomic_store_n(&shared->current, shared->current + 1, __ATOMIC_RELEASE);
  }
  running = 1;
  lastTickCase = UINT32_MAX;
  if (signal == SIGUSR1 || shared->current >= shared->count) waitForParent();
  loadCase(context);
}

/// Cases may contain INT 80h by accident: all system calls but the handler's own become SIGSYS.
static int confine(void) {
#define ALLOW(number)                                          \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),           \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      ALLOW(SYS_rt_sigreturn),
      ALLOW(SYS_futex),
      ALLOW(SYS_getppid),
      ALLOW(SYS_exit_group),
      ALLOW(SYS_tgkill),
      ALLOW(SYS_restart_syscall),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
  };
  struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int mapPages(int descriptor) {
  struct {
    uintptr_t address;
    size_t pages;
    int protection;
    size_t offset;
  } regions[] = {
      {ORACLE_CODE, 1, PROT_READ | PROT_EXEC, offsetof(Shared, code)},
      {ORACLE_DATA, 2, PROT_READ | PROT_WRITE, offsetof(Shared, image)},
      {ORACLE_READ_ONLY, 1, PROT_READ, offsetof(Shared, image) + 2 * ORACLE_PAGE},
      {ORACLE_STACK, 1, PROT_READ | PROT_WRITE, offsetof(Shared, image) + 3 * ORACLE_PAGE},
  };
  // Nothing else may be where the cases' random addresses reach: the parent may have memory there.
  munmap((void *)0x10000, 0x100000000 - 0x10000);
  for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
    void *wanted = (void *)regions[i].address;
    void *got = mmap(wanted, regions[i].pages * ORACLE_PAGE, regions[i].protection,
                     MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, descriptor,
                     (off_t)regions[i].offset);
    if (got != wanted) return -1;
  }
  return 0;
}

static int loadLDT(void) {
  for (unsigned i = 0; i < ORACLE_LDT_ENTRIES; i++) {
    struct user_desc entry;
    memset(&entry, 0, sizeof entry);
    entry.entry_number = i;
    entry.base_addr = oracleSegments[i].base;
    entry.limit = oracleSegments[i].limit;
    entry.seg_32bit = oracleSegments[i].is32;
    entry.contents = oracleSegments[i].contents;
    entry.read_exec_only = oracleSegments[i].restricted;
    entry.seg_not_present = !oracleSegments[i].present;
    if (syscall(SYS_modify_ldt, 0x11, &entry, sizeof entry) != 0) return -1;
  }
  return 0;
}

void oracleChild(Shared *memory, int descriptor) {
  static const int signals[] = {SIGSEGV, SIGBUS,  SIGFPE,    SIGILL,
                                SIGTRAP, SIGSYS, SIGVTALRM, SIGUSR1};
  shared = memory;
  running = 0;
  lastTickCase = UINT32_MAX;
  if (mapPages(descriptor) != 0 || loadLDT() != 0) _exit(1);

  stack_t stack = {0};
  stack.ss_size = 128 * 1024;
  stack.ss_sp =
      mmap(0, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, 0) != 0) _exit(1);
  struct sigaction action = {0};
  action.sa_sigaction = oracleHandlerEntry;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
    if (sigaction(signals[i], &action, 0) != 0) _exit(1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, 0);
  struct itimerval period = {{0, 10000}, {0, 10000}};
  setitimer(ITIMER_VIRTUAL, &period, 0);
  long pid = getpid();
  if (confine() != 0) _exit(1);
  call(SYS_tgkill, pid, pid, SIGUSR1, 0);
  _exit(1);
}
