#define _GNU_SOURCE
#include "DirectSandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AT(type, field, offset) _Static_assert(offsetof(type, field) == offset, #field)
AT(StubControl, run, CONTROL_RUN);
AT(StubControl, work, CONTROL_WORK);
AT(StubControl, commandCount, CONTROL_COMMAND_COUNT);
AT(StubControl, flags, CONTROL_FLAGS);
AT(StubControl, ldtCount, CONTROL_LDT_COUNT);
AT(StubControl, failStep, CONTROL_FAIL_STEP);
AT(StubControl, ds, CONTROL_DS);
AT(StubControl, es, CONTROL_ES);
AT(StubControl, fs, CONTROL_FS);
AT(StubControl, gs, CONTROL_GS);
AT(StubControl, guestProgram, CONTROL_GUEST_PROGRAM);
AT(StubControl, workerProgram, CONTROL_WORKER_PROGRAM);
AT(StubControl, ldt, CONTROL_LDT);
AT(StubControl, filters, CONTROL_FILTERS);
AT(StubControl, commands, CONTROL_COMMANDS);
AT(StubStatus, stop, STATUS_STOP);
AT(StubStatus, work, STATUS_WORK);
AT(StubStatus, workError, STATUS_WORK_ERROR);
AT(StubStatus, failedStep, STATUS_FAILED_STEP);
AT(StubStatus, failedError, STATUS_FAILED_ERROR);
AT(StubStatus, signal, STATUS_SIGNAL);
AT(StubStatus, context, STATUS_CONTEXT);
AT(StubStatus, ds, STATUS_DS);
AT(StubStatus, es, STATUS_ES);
AT(StubStatus, fs, STATUS_FS);
AT(StubStatus, gs, STATUS_GS);
AT(StubStatus, worker, STATUS_WORKER);
_Static_assert(sizeof(StubControl) <= STUB_CONTROL_SIZE, "control area");
_Static_assert(sizeof(StubInstruction) == sizeof(struct sock_filter), "sock_filter");
_Static_assert(sizeof(StubProgram) == sizeof(struct sock_fprog), "sock_fprog");

extern const char switchback_stub_begin[], switchback_stub_end[];
extern const char switchback_stub_guest_wake[], switchback_stub_guest_wait[],
    switchback_stub_guest_return[], switchback_stub_guest_ldt[], switchback_stub_worker_map[],
    switchback_stub_worker_unmap[], switchback_stub_worker_protect[],
    switchback_stub_worker_wait[], switchback_stub_worker_done[];

int switchback_stub_image(void) {
  int image = memfd_create("switchback-stub", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (image < 0) return -1;
  size_t size = (size_t)(switchback_stub_end - switchback_stub_begin);
  if (write(image, switchback_stub_begin, size) != (ssize_t)size || fchmod(image, 0700) != 0) {
    int code = errno ? errno : EIO;
    close(image);
    errno = code;
    return -1;
  }
  return image;
}

// MARK: The filters

/// A program under construction; jumps to "refuse" lead to the next rule.
typedef struct Filter {
  StubInstruction *code;
  uint32_t length;
  uint32_t rule;  ///< Index of the first instruction of the rule.
} Filter;

enum { NEXT_RULE = 0xFF };

static void add(Filter *f, uint16_t code, uint32_t operand, uint8_t yes, uint8_t no) {
  f->code[f->length++] = (StubInstruction){code, yes, no, operand};
}

static void load(Filter *f, uint32_t offset) { add(f, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0); }
static void equals(Filter *f, uint32_t value) {
  add(f, BPF_JMP | BPF_JEQ | BPF_K, value, 0, NEXT_RULE);
}

static void argument(Filter *f, int number, uint64_t value) {
  uint32_t offset = (uint32_t)offsetof(struct seccomp_data, args) + (uint32_t)number * 8;
  load(f, offset);
  equals(f, (uint32_t)value);
  load(f, offset + 4);
  equals(f, (uint32_t)(value >> 32));
}

/// The upper half of an argument is zero.
static void below4GiB(Filter *f, int number) {
  load(f, (uint32_t)offsetof(struct seccomp_data, args) + (uint32_t)number * 8 + 4);
  equals(f, 0);
}

/// Starts a rule: this system call at the site that ends at `label`.
static void site(Filter *f, const char *label, uint32_t number) {
  uint64_t address = STUB_CODE + (uint64_t)(label - switchback_stub_begin);
  f->rule = f->length;
  load(f, offsetof(struct seccomp_data, instruction_pointer));
  equals(f, (uint32_t)address);
  load(f, offsetof(struct seccomp_data, instruction_pointer) + 4);
  equals(f, (uint32_t)(address >> 32));
  load(f, offsetof(struct seccomp_data, nr));
  equals(f, number);
}

/// Ends a rule: allow, and let every failed comparison go on behind it.
static void allow(Filter *f) {
  add(f, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
  for (uint32_t i = f->rule; i < f->length; i++)
    if (f->code[i].whenFalse == NEXT_RULE) f->code[i].whenFalse = (uint8_t)(f->length - i - 1);
}

static void begin(Filter *f) {
  load(f, offsetof(struct seccomp_data, arch));
  add(f, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
  add(f, BPF_RET | BPF_K, SECCOMP_RET_TRAP, 0, 0);
}

static void finish(Filter *f) { add(f, BPF_RET | BPF_K, SECCOMP_RET_TRAP, 0, 0); }

static void wake(Filter *f, const char *label, uint64_t address) {
  site(f, label, SYS_futex);
  argument(f, 0, address);
  argument(f, 1, FUTEX_WAKE);
  argument(f, 2, 1);
  allow(f);
}

static void wait_for(Filter *f, const char *label, uint64_t address) {
  site(f, label, SYS_futex);
  argument(f, 0, address);
  argument(f, 1, FUTEX_WAIT);
  argument(f, 3, 0);
  allow(f);
}

static void make_filters(StubControl *control) {
  Filter guest = {control->filters, 0, 0};
  begin(&guest);
  wake(&guest, switchback_stub_guest_wake, STUB_STATUS + STATUS_STOP);
  wait_for(&guest, switchback_stub_guest_wait, STUB_CONTROL + CONTROL_RUN);
  site(&guest, switchback_stub_guest_return, SYS_rt_sigreturn);
  allow(&guest);
  for (int i = 0; i < CONTROL_LDT_ENTRIES; i++) {
    site(&guest, switchback_stub_guest_ldt, SYS_modify_ldt);
    argument(&guest, 0, 0x11);
    argument(&guest, 1, STUB_CONTROL + CONTROL_LDT + (uint64_t)i * 16);
    argument(&guest, 2, 16);
    allow(&guest);
  }
  finish(&guest);
  control->guestProgram =
      (StubProgram){(uint16_t)guest.length, STUB_CONTROL + CONTROL_FILTERS};

  Filter worker = {control->filters + guest.length, 0, 0};
  begin(&worker);
  site(&worker, switchback_stub_worker_map, SYS_mmap);
  below4GiB(&worker, 0);
  below4GiB(&worker, 1);
  argument(&worker, 3, MAP_SHARED | MAP_FIXED | MAP_POPULATE);
  argument(&worker, 4, STUB_RAM_DESCRIPTOR);
  allow(&worker);
  site(&worker, switchback_stub_worker_unmap, SYS_munmap);
  below4GiB(&worker, 0);
  below4GiB(&worker, 1);
  allow(&worker);
  site(&worker, switchback_stub_worker_protect, SYS_mprotect);
  below4GiB(&worker, 0);
  below4GiB(&worker, 1);
  allow(&worker);
  wait_for(&worker, switchback_stub_worker_wait, STUB_CONTROL + CONTROL_WORK);
  wake(&worker, switchback_stub_worker_done, STUB_STATUS + STATUS_WORK);
  finish(&worker);
  control->workerProgram = (StubProgram){
      (uint16_t)worker.length, STUB_CONTROL + CONTROL_FILTERS + guest.length * sizeof(StubInstruction)};
}

// MARK: The process

/// The child between vfork and exec.
static void __attribute__((noreturn)) become_stub(int image, int ram, int control, pid_t parent) {
  static char *const arguments[] = {(char *)"switchback-stub", 0};
  static char *const environment[] = {0};
  // Dies with the monitor, also if that has died already.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  int highImage = fcntl(image, F_DUPFD, 10), highRAM = fcntl(ram, F_DUPFD, 10),
      highControl = fcntl(control, F_DUPFD, 10);
  if (highImage < 0 || highRAM < 0 || highControl < 0 ||
      dup2(highRAM, STUB_RAM_DESCRIPTOR) < 0 || dup2(highControl, STUB_CONTROL_DESCRIPTOR) < 0)
    _exit(2);
  close(0);
  close(1);
  close(2);
  syscall(SYS_close_range, STUB_CONTROL_DESCRIPTOR + 1, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
  syscall(SYS_execveat, highImage, "", arguments, environment, AT_EMPTY_PATH);
  _exit(3);
}

int switchback_stub_has_died(StubHandle *stub) {
  if (stub->process <= 0) return 1;
  if (waitpid(stub->process, &stub->ending, WNOHANG) != stub->process) return 0;
  stub->process = 0;
  return 1;
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/// Waits until `*word` is `value` or the clock reaches `deadline`. @return whether it is.
static int wait_word(uint32_t *word, uint32_t value, uint64_t deadline) {
  for (;;) {
    uint32_t seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    if (seen == value) return 1;
    struct timespec t = {(time_t)(deadline / 1000000000), (long)(deadline % 1000000000)};
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, &t, 0, FUTEX_BITSET_MATCH_ANY) != 0 &&
        errno == ETIMEDOUT)
      return __atomic_load_n(word, __ATOMIC_ACQUIRE) == value;
  }
}

static void wake_word(uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE, 1, 0, 0, 0); }

/// The same for a stub that must answer soon: slices of time, so that its death is noticed.
static int wait_answer(StubHandle *stub, uint32_t *word, uint32_t value) {
  for (int i = 0; i < 40; i++) {
    if (wait_word(word, value, now() + (i < 2 ? 2000000 : 50000000))) return 1;
    if (switchback_stub_has_died(stub)) return 0;
  }
  return 0;
}

void switchback_stub_end_process(StubHandle *stub) {
  if (stub->process > 0) {
    kill(stub->process, SIGKILL);
    while (waitpid(stub->process, 0, 0) < 0 && errno == EINTR) continue;
  }
  if (stub->control) munmap(stub->control, STUB_CONTROL_SIZE + STUB_STATUS_SIZE);
  if (stub->memory >= 0) close(stub->memory);
  if (stub->waits >= 0) close(stub->waits);
  *stub = (StubHandle){.memory = -1, .processor = -1, .waits = -1};
}

int switchback_stub_start(StubHandle *stub, int image, int ram, uint32_t failStep, uint32_t *step) {
  *stub = (StubHandle){.memory = -1, .processor = -1, .waits = -1};
  *step = 0;
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  stub->memory = memfd_create("switchback-control", MFD_CLOEXEC);
  if (stub->memory < 0) return errno;
  int code;
  if (ftruncate(stub->memory, STUB_CONTROL_SIZE + STUB_STATUS_SIZE) != 0) goto failed;
  void *view = mmap(0, STUB_CONTROL_SIZE + STUB_STATUS_SIZE, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_POPULATE, stub->memory, 0);
  if (view == MAP_FAILED) goto failed;
  stub->control = view;
  stub->status = (StubStatus *)((char *)view + STUB_CONTROL_SIZE);
  make_filters(stub->control);
  stub->control->failStep = failStep;
  stub->status->stop = ~0u;
  stub->status->work = ~0u;
  pid_t parent = getpid();
  pid_t child = vfork();
  if (child == 0) become_stub(image, ram, stub->memory, parent);
  if (child < 0) goto failed;
  stub->process = child;
  if (!wait_answer(stub, &stub->status->stop, 0) || !wait_answer(stub, &stub->status->work, 0)) {
    *step = stub->status->failedStep;
    errno = *step ? (int)stub->status->failedError : ENOEXEC;
    goto failed;
  }
  stub->worker = (int32_t)stub->status->worker;
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/syscall", child);
  stub->waits = open(path, O_RDONLY | O_CLOEXEC);
  *step = STEP_WATCH;
  errno = EPERM;
  if (stub->waits < 0 || failStep == STEP_WATCH || !switchback_stub_is_waiting(stub)) goto failed;
  *step = 0;
  return 0;
failed:
  code = errno;
  switchback_stub_end_process(stub);
  return code ? code : EINVAL;
}

/// Both sides on one CPU: a hand-over is then a switch of context and no interrupt.
static void follow(StubHandle *stub) {
  int processor = sched_getcpu();
  if (processor < 0 || processor == stub->processor) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  if (sched_setaffinity(stub->process, sizeof set, &set) != 0) return;
  if (stub->worker > 0) sched_setaffinity(stub->worker, sizeof set, &set);
  stub->processor = processor;
}

int switchback_stub_work(StubHandle *stub) {
  if (stub->process <= 0) return -1;
  StubControl *c = stub->control;
  uint32_t next = c->work + 1;
  __atomic_store_n(&c->work, next, __ATOMIC_RELEASE);
  wake_word(&c->work);
  if (!wait_answer(stub, &stub->status->work, next)) return -1;
  c->commandCount = 0;
  return (int)stub->status->workError;
}

int switchback_stub_run(StubHandle *stub, uint64_t deadline) {
  if (stub->process <= 0) return STUB_DEAD;
  follow(stub);
  StubControl *c = stub->control;
  uint32_t next = c->run + 1;
  __atomic_store_n(&c->run, next, __ATOMIC_RELEASE);
  wake_word(&c->run);
  int stopped = wait_word(&stub->status->stop, next, deadline);
  if (!stopped) {
    // Signals that come while it is in its handler wait until it goes on; it may also be dead.
    syscall(SYS_tgkill, stub->process, stub->process, SIGUSR1);
    stopped = wait_answer(stub, &stub->status->stop, next);
  }
  c->ldtCount = 0;
  return stopped ? STUB_STOPPED : STUB_DEAD;
}

int switchback_stub_is_waiting(StubHandle *stub) {
  char expected[40], text[40];
  int length = snprintf(expected, sizeof expected, "%d 0x%llx ", SYS_futex,
                        (unsigned long long)(STUB_CONTROL + CONTROL_RUN));
  // It may be on its way from waking us.
  for (int i = 0; i < 200; i++) {
    ssize_t n = pread(stub->waits, text, (size_t)length, 0);
    if (n == length && memcmp(text, expected, (size_t)length) == 0) return 1;
    if (n <= 0) return 0;
    struct timespec pause = {0, i < 10 ? 1000 : 100000};
    nanosleep(&pause, 0);
  }
  return 0;
}

static int set_debug_register(pid_t process, size_t n, uint64_t value) {
  size_t offset = offsetof(struct user, u_debugreg) + n * sizeof(unsigned long long);
  return ptrace(PTRACE_POKEUSER, process, offset, value) == 0 ? 0 : errno;
}

int switchback_stub_set_breakpoints(StubHandle *stub, const uint32_t *addresses, uint32_t count) {
  enum { CONTROL = 7 };
  if (stub->process <= 0) return ESRCH;
  pid_t process = stub->process;
  if (ptrace(PTRACE_SEIZE, process, 0, 0) != 0) return errno;
  int code, status = 0;
  // It cannot be let go of unless it stops; it fails only for a thread that is gone.
  if (ptrace(PTRACE_INTERRUPT, process, 0, 0) != 0) return errno;
  pid_t stopped;
  do stopped = waitpid(process, &status, __WALL);
  while (stopped < 0 && errno == EINTR);
  if (stopped != process || !WIFSTOPPED(status)) {
    stub->ending = status;
    stub->process = 0;
    return ESRCH;
  }
  uint64_t enabled = 0;
  code = set_debug_register(process, CONTROL, 0);
  for (uint32_t i = 0; i < count && !code; i++) {
    code = set_debug_register(process, i, addresses[i]);
    // Local, one byte, on execution.
    enabled |= (uint64_t)1 << 2 * i;
  }
  if (!code && count) code = set_debug_register(process, CONTROL, enabled);
  if (ptrace(PTRACE_DETACH, process, 0, 0) != 0 && !code) code = errno;
  return code;
}

uint64_t switchback_signal_frame_size(void) {
  uint64_t size = getauxval(51 /* AT_MINSIGSTKSZ */);
  return size ? size : 4096;
}
