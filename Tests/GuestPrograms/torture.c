// What can go wrong when ring-3 code runs directly: every part prints lines that are the same on every correct
// i386 Linux system. Built with gcc -m32 -O1 -msse2 -mfpmath=387 -pthread.
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static const char *self;

static uint32_t hash(uint32_t h, uint32_t x) { return (h ^ x) * 16777619u; }

// MARK: Threads

static __thread uint32_t local_value;
static uint32_t shared_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *thread(void *argument) {
  local_value = (uint32_t)(uintptr_t)argument;
  for (int i = 0; i < 20000; i++) {
    local_value = hash(local_value, (uint32_t)i);
    if (i % 100 == 0) {
      pthread_mutex_lock(&lock);
      shared_count++;
      pthread_mutex_unlock(&lock);
      sched_yield();
    }
  }
  return (void *)(uintptr_t)local_value;
}

static void threads(void) {
  pthread_t t[8];
  for (int i = 0; i < 8; i++) pthread_create(&t[i], 0, thread, (void *)(uintptr_t)(i + 1));
  for (int i = 0; i < 8; i++) {
    void *result;
    pthread_join(t[i], &result);
    printf("thread %d: %08x\n", i, (uint32_t)(uintptr_t)result);
  }
  printf("shared %u\n", shared_count);
}

// MARK: Floating point under preemption

static volatile sig_atomic_t ticks;
static void tick(int number) {
  (void)number;
  // Spoils the registers that the kernel must have saved.
  __asm__ volatile("fninit\n fldpi\n fldpi\n fldpi\n pxor %%xmm0,%%xmm0\n pxor %%xmm7,%%xmm7" ::: "memory");
  ticks++;
}

static void floating(void) {
  struct itimerval timer = {{0, 2000}, {0, 2000}};
  signal(SIGALRM, tick);
  setitimer(ITIMER_REAL, &timer, 0);
  double a = 1, b = 0;
  long double c = 1;
  uint32_t errors = 0;
  for (int round = 0; round < 60 || (ticks < 20 && round < 4000); round++) {
    a = 1, b = 0, c = 1;
    for (int i = 1; i < 20000; i++) {
      b += a / i;
      a = -a;
      c = c * 1.0000001L + 1.0L / i;
    }
    union { double d; uint64_t u; } x = {b};
    union { double d; uint64_t u; } y = {(double)c};
    static uint64_t first_x, first_y;
    if (round == 0) first_x = x.u, first_y = y.u;
    errors += x.u != first_x || y.u != first_y;
    uint32_t before[4] = {1, 2, 3, (uint32_t)round}, after[4];
    __asm__ volatile("movups %1,%%xmm5\n mov $30000,%%ecx\n 1: dec %%ecx\n jnz 1b\n movups %%xmm5,%0"
                     : "=m"(after) : "m"(before) : "ecx", "xmm5");
    errors += memcmp(before, after, 16) != 0;
  }
  memset(&timer, 0, sizeof timer);
  setitimer(ITIMER_REAL, &timer, 0);
  printf("floating: %.12f %.9Lf errors %u ticks %s\n", b, c, errors, ticks > 5 ? "many" : "few");
}

// MARK: Signals of faults

static ucontext_t caught_context;
static siginfo_t caught;
static volatile int caught_number;
static uintptr_t resume_at;

static void on_fault(int number, siginfo_t *info, void *context) {
  __asm__ volatile("pushf\n andl $~0x40000,(%esp)\n popf");
  ucontext_t *u = context;
  caught = *info;
  caught_number = number;
  memcpy(&caught_context, u, sizeof caught_context);
  u->uc_mcontext.gregs[REG_EIP] = (greg_t)resume_at;
  u->uc_mcontext.gregs[REG_EFL] &= ~0x40100;
}

#define FAULT(name, code)                                                                          \
  do {                                                                                             \
    uintptr_t at;                                                                                  \
    caught_number = 0;                                                                             \
    __asm__ volatile("call 9f\n 9: pop %%eax\n add $8f-9b,%%eax\n mov %%eax,%1\n"                  \
                     "sub $8f-7f,%%eax\n mov %%eax,%0\n jmp 7f\n 7:" code "\n 8:"                 \
                     : "=m"(at), "=m"(resume_at)::"eax", "ecx", "edx", "edi", "memory", "cc");            \
    printf("%s: signal %d code %d eip %+d", name, caught_number, caught_number ? caught.si_code : 0, \
           caught_number ? (int)((uintptr_t)caught_context.uc_mcontext.gregs[REG_EIP] - at) : 0);  \
    if (caught_number) printf(" trap %d", (int)caught_context.uc_mcontext.gregs[REG_TRAPNO]);      \
    if (caught_number == SIGSEGV && caught_context.uc_mcontext.gregs[REG_TRAPNO] == 14)            \
      printf(" err %x address %lx", (unsigned)caught_context.uc_mcontext.gregs[REG_ERR] & 6,       \
             (unsigned long)caught.si_addr);                                                       \
    printf("\n");                                                                                  \
  } while (0)

static void faults(void) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
  for (int i = 0; i < 5; i++) sigaction(numbers[i], &action, 0);
  FAULT("hlt", "hlt");
  FAULT("cli", "cli");
  FAULT("in", "in $0x80,%%al");
  FAULT("rdmsr", "rdmsr");
  FAULT("cr0", "mov %%cr0,%%eax");
  FAULT("lgdt", "lgdt 0");
  FAULT("int 3", ".byte 0xcd,3");
  FAULT("int3", "int3");
  FAULT("int 4", ".byte 0xcd,4");
  FAULT("into", "mov $0x7f,%%al\n add $1,%%al\n into");
  FAULT("int 13", "int $13");
  FAULT("int 128+1", "int $0x81");
  FAULT("ud2", "ud2");
  FAULT("divide", "xor %%ecx,%%ecx\n div %%ecx");
  FAULT("bad ds", "mov $0x1234,%%eax\n mov %%eax,%%ds");
  FAULT("bad es", "mov $0xfff7,%%eax\n mov %%eax,%%es");
  FAULT("kernel read", "mov 0xc0100000,%%eax");
  FAULT("null read", "xor %%ecx,%%ecx\n mov (%%ecx),%%eax");
  FAULT("null write", "xor %%ecx,%%ecx\n mov %%eax,8(%%ecx)");
  FAULT("null call", "xor %%ecx,%%ecx\n mov (%%ecx),%%edx");
  FAULT("top read", "mov 0xfffff000,%%eax");
  FAULT("null selector", "xor %%eax,%%eax\n mov %%eax,%%fs\n mov %%fs:0,%%eax");
  FAULT("single step", "pushf\n orl $0x100,(%%esp)\n popf\n nop\n nop");
  FAULT("alignment", "pushf\n orl $0x40000,(%%esp)\n popf\n mov %%esp,%%eax\n mov 1(%%eax),%%ecx\n"
                     "pushf\n andl $~0x40000,(%%esp)\n popf");
  FAULT("x87", "fninit\n push $0x360\n fldcw (%%esp)\n pop %%eax\n fldz\n fld1\n fdivp\n fwait\n nop");
  __asm__ volatile("fninit");
  FAULT("sse", "push $0x1d00\n ldmxcsr (%%esp)\n pop %%eax\n xorps %%xmm0,%%xmm0\n divps %%xmm0,%%xmm0");
  uint32_t mxcsr = 0x1f80;
  __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
  // A string instruction that meets the end of its page.
  char *page = mmap((void *)0x30000000, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  munmap(page + 4096, 4096);
  FAULT("rep stosb", "mov $0x30000f00,%%edi\n mov $0x200,%%ecx\n mov $7,%%al\n cld\n rep stosb");
  printf("ecx %lx edi %lx\n", (long)caught_context.uc_mcontext.gregs[REG_ECX],
         (long)caught_context.uc_mcontext.gregs[REG_EDI]);
}

// MARK: Memory

static char *guarded;
static volatile int unguarded;
static void on_guard(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  char *page = (char *)((uintptr_t)info->si_addr & ~4095ul);
  if (page < guarded || page >= guarded + (64 << 12)) _exit(99);
  mprotect(page, 4096, PROT_READ | PROT_WRITE);
  unguarded++;
}

static void memory(void) {
  struct sigaction action = {.sa_sigaction = on_guard, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, 0);
  guarded = mmap(0, 64 << 12, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 64; i += 3) guarded[i << 12] += (char)(i + round);
    mprotect(guarded, 64 << 12, round & 1 ? PROT_READ : PROT_NONE);
  }
  mprotect(guarded, 64 << 12, PROT_READ);
  uint32_t h = 0;
  for (int i = 0; i < 64; i++) h = hash(h, (uint8_t)guarded[i << 12]);
  printf("guarded %08x after %d faults\n", h, unguarded);
  signal(SIGSEGV, SIG_DFL);
  uint32_t sum = 0;
  for (int i = 0; i < 400; i++) {
    char *p = mmap(0, 16 << 12, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int k = 0; k < 16; k++) sum += (uint8_t)p[k << 12], p[(k << 12) + i] = (char)i;
    p = mremap(p, 16 << 12, 32 << 12, MREMAP_MAYMOVE);
    for (int k = 0; k < 32; k++) sum += (uint8_t)p[(k << 12) + i];
    munmap(p, 32 << 12);
  }
  printf("mmap storm %u\n", sum);
}

static void forks(void) {
  static uint32_t data[64 * 1024];
  for (uint32_t i = 0; i < 64 * 1024; i++) data[i] = i;
  uint32_t *shared = mmap(0, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int n = 0; n < 24; n++) {
    pid_t child = fork();
    if (child == 0) {
      for (uint32_t i = (uint32_t)n; i < 64 * 1024; i += 512) data[i] *= 3;
      uint32_t h = 0;
      for (uint32_t i = 0; i < 64 * 1024; i++) h = hash(h, data[i]);
      shared[n] = h;
      _exit(n);
    }
    for (uint32_t i = (uint32_t)n; i < 64 * 1024; i += 1024) data[i]++;
    int status;
    waitpid(child, &status, 0);
    shared[100] = hash(shared[100], (uint32_t)status);
  }
  uint32_t h = 0;
  for (uint32_t i = 0; i < 64 * 1024; i++) h = hash(h, data[i]);
  uint32_t children = 0;
  for (int n = 0; n < 24; n++) children = hash(children, shared[n]);
  printf("forks: parent %08x children %08x statuses %08x\n", h, children, shared[100]);
  for (int n = 0; n < 10; n++) {
    pid_t child = vfork();
    if (child == 0) {
      execl(self, self, "--exit", "7", (char *)0);
      _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    if (status != 7 << 8) printf("vfork: status %x\n", status);
  }
  printf("vfork and exec done\n");
}

// MARK: ptrace

static void tracing(void) {
  pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    __asm__ volatile("mov $1000,%%ecx\n 1: dec %%ecx\n jnz 1b\n mov $0x1234,%%eax\n int3\n"
                     "mov $5,%%ebx\n mov $1,%%eax\n int $0x80" ::: "eax", "ebx", "ecx", "memory");
  }
  int status, steps = 0;
  waitpid(child, &status, 0);
  struct user_regs_struct r;
  for (;;) {
    ptrace(PTRACE_SINGLESTEP, child, 0, 0);
    waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) break;
    ptrace(PTRACE_GETREGS, child, 0, &r);
    if ((uint32_t)r.eax == 0x1234) break;
    if (steps++ > 100000) break;
  }
  int loops = (int)r.ecx;
  ptrace(PTRACE_CONT, child, 0, 0);
  waitpid(child, &status, 0);
  printf("traced: loop left %d, then signal %d", loops, WIFSTOPPED(status) ? WSTOPSIG(status) : -1);
  long word = ptrace(PTRACE_PEEKTEXT, child, (void *)(r.eip), 0);
  printf(", text %02lx", word & 0xFF);
  ptrace(PTRACE_CONT, child, 0, 0);
  waitpid(child, &status, 0);
  printf(", status %x, %s\n", status, steps >= 2000 ? "stepped" : "not stepped");
}

// MARK: Segments

static void segments(void) {
  uint32_t result = 0;
  // Far return to the pushed CS, saved and restored selectors.
  __asm__ volatile("push %%cs\n call 1f\n jmp 2f\n 1: lret\n 2: mov $1,%0" : "=r"(result));
  printf("far return %u\n", result);
  uint16_t ds, es, fs, gs, ds2, gs2;
  __asm__ volatile("mov %%ds,%0\n mov %%es,%1\n mov %%fs,%2\n mov %%gs,%3" : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
  getppid();
  __asm__ volatile("push %%ds\n pop %%es\n mov %0,%%ds\n mov %1,%%gs\n mov %2,%%fs" ::"r"(ds), "r"(gs), "r"(fs));
  getppid();
  __asm__ volatile("mov %%ds,%0\n mov %%gs,%1" : "=r"(ds2), "=r"(gs2));
  printf("segments: errno %s, es %s\n", errno >= 0 ? "readable" : "?", ds == es ? "is ds" : "differs");
  (void)ds2, (void)gs2;
  static uint32_t window[1024];
  for (int i = 0; i < 1024; i++) window[i] = (uint32_t)i * 3;
  struct user_desc d = {.entry_number = (unsigned)-1, .base_addr = (unsigned)(uintptr_t)window, .limit = 4095,
                        .seg_32bit = 1, .useable = 1};
  long error = syscall(SYS_set_thread_area, &d);
  uint32_t value = 0, beyond = 0;
  uint16_t selector = (uint16_t)(d.entry_number * 8 + 3);
  __asm__ volatile("mov %1,%%fs\n mov %%fs:400,%0" : "=r"(value) : "r"(selector));
  getppid();
  __asm__ volatile("mov %%fs:404,%0" : "=r"(beyond));
  printf("thread area %ld: %u %u\n", error, value, beyond);
  struct user_desc l = {.entry_number = 3, .base_addr = (unsigned)(uintptr_t)(window + 100), .limit = 99,
                        .seg_32bit = 1, .useable = 1};
  error = syscall(SYS_modify_ldt, 1, &l, sizeof l);
  __asm__ volatile("mov %1,%%fs\n mov %%fs:8,%0" : "=r"(value) : "r"(3 * 8 + 7));
  printf("ldt %ld: %u\n", error, value);
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &action, 0);
  FAULT("beyond the limit", "mov %%fs:97,%%eax");
  l.base_addr = (unsigned)(uintptr_t)(window + 200);
  syscall(SYS_modify_ldt, 1, &l, sizeof l);
  __asm__ volatile("mov %1,%%fs\n mov %%fs:8,%0\n mov %2,%%fs" : "=&r"(value) : "r"(3 * 8 + 7), "r"(0));
  printf("ldt changed: %u\n", value);
}

// MARK: Code that changes itself

static void modifying(void) {
  uint8_t *code = mmap(0, 8192, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint32_t sum = 0;
  for (uint32_t i = 0; i < 3000; i++) {
    uint8_t *p = code + (i * 37) % 4000;
    p[0] = 0xB8;
    memcpy(p + 1, &i, 4);
    p[5] = 0xC3;
    sum = hash(sum, ((uint32_t(*)(void))(uintptr_t)p)());
  }
  // Changes the instruction after next.
  uint8_t body[] = {0xC7, 0x05, 0, 0, 0, 0, 0, 0, 0, 0, 0xB8, 0, 0, 0, 0, 0xC3};
  for (uint32_t i = 0; i < 200; i++) {
    memcpy(code, body, sizeof body);
    uint32_t target = (uint32_t)(uintptr_t)code + 11;
    memcpy(code + 2, &target, 4);
    memcpy(code + 6, &i, 4);
    sum = hash(sum, ((uint32_t(*)(void))(uintptr_t)code)());
  }
  // CPUID in fresh code shows the same processor as in old code.
  memcpy(code + 5000, "\x53\x31\xC0\x0F\xA2\x89\xD8\x5B\xC3", 9);
  uint32_t ebx, eax = 0, ecx, edx;
  __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
  uint32_t fresh = ((uint32_t(*)(void))(uintptr_t)(code + 5000))();
  printf("self-modifying %08x, cpuid %s\n", sum, fresh == ebx ? "consistent" : "inconsistent");
}

// MARK: Flags, time, loops

static void flags(void) {
  uint32_t f;
  __asm__ volatile("std\n mov $20,%%eax\n int $0x80\n pushf\n cld\n pop %0" : "=r"(f)::"eax");
  printf("df %d", f >> 10 & 1);
  __asm__ volatile("pushf\n orl $0x200000,(%%esp)\n popf\n mov $20,%%eax\n int $0x80\n pushf\n pop %0" : "=r"(f)::"eax");
  printf(" id %d", f >> 21 & 1);
  __asm__ volatile("stc\n mov $20,%%eax\n int $0x80\n pushf\n pop %0" : "=r"(f)::"eax");
  printf(" cf %d", f & 1);
  __asm__ volatile("pushf\n orl $0x40000,(%%esp)\n popf\n mov $20,%%eax\n int $0x80\n pushf\n pop %0\n"
                   "pushf\n andl $~0x40000,(%%esp)\n popf" : "=r"(f)::"eax");
  printf(" ac %d\n", f >> 18 & 1);
  struct timeval a, b;
  gettimeofday(&a, 0);
  int backwards = 0;
  for (int i = 0; i < 3000; i++) {
    gettimeofday(&b, 0);
    if (b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_usec < a.tv_usec)) backwards++;
    if (b.tv_sec > a.tv_sec + 5) backwards += 1000;
    a = b;
  }
  printf("time went back %d times\n", backwards);
}

static void loops(void) {
  for (int i = 0; i < 3; i++) {
    pid_t child = fork();
    if (child == 0) {
      struct itimerval timer = {{0, 0}, {0, 30000}};
      signal(SIGALRM, SIG_DFL);
      setitimer(ITIMER_REAL, &timer, 0);
      if (i == 0) for (;;) __asm__ volatile("");
      if (i == 1) __asm__ volatile("1: xor %eax,%eax\n mov $0x10,%ebx\n jmp 1b");
      __asm__ volatile("1: push %eax\n pop %eax\n fldz\n fstp %st(0)\n jmp 1b");
    }
    int status;
    waitpid(child, &status, 0);
    printf("endless loop: status %x\n", status);
  }
}

// A register-heavy computation across many timer ticks.
static void compute(void) {
  uint32_t h = 1;
  for (uint32_t i = 0; i < 30000000; i++) h = hash(h, i) + (h >> 7);
  printf("computed %08x\n", h);
}

int main(int argc, char **argv) {
  self = argv[0];
  // Whoever starts this may have blocked signals.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, 0);
  if (argc == 3 && strcmp(argv[1], "--exit") == 0) return atoi(argv[2]);
  setvbuf(stdout, 0, _IOLBF, 0);
  static const struct { const char *name; void (*run)(void); } parts[] = {
      {"threads", threads}, {"floating", floating}, {"faults", faults}, {"memory", memory},
      {"forks", forks}, {"tracing", tracing}, {"segments", segments}, {"modifying", modifying},
      {"flags", flags}, {"loops", loops}, {"compute", compute}};
  for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (argc > 1 && strcmp(argv[1], parts[i].name) != 0) continue;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      parts[i].run();
      fflush(stdout);
      _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("%s: status %x\n", parts[i].name, status);
  }
  return 0;
}
