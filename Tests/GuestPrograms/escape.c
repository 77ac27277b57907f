// Tries to get out of the sandbox that runs it directly. Every attempt is a process of its own; whatever it does
// must end in a signal of the guest's kernel, or have no effect. Built with gcc -m32 -O1 -static -fno-pie -fno-toplevel-reorder -Wl,-z,muldefs.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define STUB 0x1000000000ull
#define CONTROL 0x1000100000ull
#define STATUS 0x1000200000ull

// The C library's own copies share a page with its CPUIDs, which would not be executed directly.
#define THUNK(name) \
  ".globl __x86.get_pc_thunk." name "\n.type __x86.get_pc_thunk." name ", @function\n" \
  "__x86.get_pc_thunk." name ":\n mov (%esp), %e" name "\n ret\n"
__asm__(".text\n" THUNK("ax") THUNK("bx") THUNK("cx") THUNK("dx") THUNK("si") THUNK("di") THUNK("bp"));

static uint8_t *code;
static size_t length;

static void emit(const char *bytes, size_t n) { memcpy(code + length, bytes, n), length += n; }
#define EMIT(text) emit(text, sizeof text - 1)
static void quad(uint64_t value) { emit((char *)&value, 8); }
static void immediate(const char *opcode, uint64_t value) { emit(opcode, 2), quad(value); }
#define RAX "\x48\xB8"
#define RDI "\x48\xBF"
#define RSI "\x48\xBE"
#define RDX "\x48\xBA"
#define RCX "\x48\xB9"
#define RBX "\x48\xBB"
#define R8 "\x49\xB8"
#define R9 "\x49\xB9"
#define R10 "\x49\xBA"
#define R12 "\x49\xBC"
#define R13 "\x49\xBD"
#define R14 "\x49\xBE"
#define RSP "\x48\xBC"

static void begin(void) { length = 0; }

/// Jumps to the 64-bit code that has been emitted.
static void go(void) {
  // Code that has just been written is found out at the first fetch, which here 64-bit code would be: a RET first.
  code[4000] = 0xC3;
  __asm__ volatile("call *%0" ::"r"(code + 4000) : "memory");
  struct { uint32_t offset; uint16_t selector; } __attribute__((packed)) target = {(uint32_t)(uintptr_t)code, 0x33};
  __asm__ volatile("ljmp *%0" ::"m"(target));
}

static void registers(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) {
  immediate(RAX, number), immediate(RDI, a), immediate(RSI, b), immediate(RDX, c);
  immediate(R10, d), immediate(R8, e), immediate(R9, f);
}

/// What is reached with every register in the attacker's hands.
static void jump(uint64_t address) { immediate(RCX, address), EMIT("\xFF\xE1"); }

static int attempt;
static void calls(void) {
  begin();
  static const uint64_t table[][7] = {
      {231, 0, 0, 0, 0, 0, 0},                       // exit_group
      {9, 0x40000000, 0x1000, 7, 0x11, 3, 0x100000}, // mmap of guest RAM
      {9, 0x40000000, 0x1000, 7, 0x32, -1ull, 0},    // mmap of fresh memory
      {62, 1, 9, 0, 0, 0, 0},                        // kill
      {62, -1ull, 9, 0, 0, 0, 0},
      {57, 0, 0, 0, 0, 0, 0},                        // fork
      {1, 3, 0x1000000000, 64, 0, 0, 0},             // write
      {10, 0x1000100000, 0x1000, 3, 0, 0, 0},        // mprotect
      {157, 22, 0, 0, 0, 0, 0},                      // prctl
      {0x40000000 + 39, 0, 0, 0, 0, 0, 0},           // x32
      {154, 1, 0x1000200000, 16, 0, 0, 0},           // modify_ldt
      {15, 0, 0, 0, 0, 0, 0},                        // rt_sigreturn
  };
  const uint64_t *r = table[attempt % 12];
  registers(r[0], r[1], r[2], r[3], r[4], r[5], r[6]);
  if (attempt < 12) EMIT("\x0F\x05");                // syscall
  else if (attempt < 24) EMIT("\xCD\x80");           // int 80h from 64-bit code
  else if (attempt > 24) EMIT("\xEB\x01\xB8\x0F\x05\x0F\x0B"); // syscall, hidden in a mov
  else immediate(RCX, 0xFFFFFFFFFF600000), EMIT("\xFF\xD1"); // vsyscall
  EMIT("\x0F\x0B");
  go();
}

/// Enters the stub's code at every byte, with arguments for a mapping of the guest's kernel.
static void entries(void) {
  begin();
  registers(9, 0x40000000, 0x1000, 7, 0x8011, 3, 0x100000);
  immediate(R12, STATUS), immediate(R13, CONTROL), immediate(R14, STATUS + 0x8000), immediate(RSP, STATUS + 0x8000);
  immediate(RBX, 1);
  jump(STUB + 0xB0 + (uint64_t)attempt);
  go();
}

static void forge(void) {
  begin();
  // Fills the status area with a pattern, then stops in several ways.
  immediate(RDI, STATUS), immediate(RCX, 0x11000 / 8);
  static const uint64_t patterns[] = {0, -1ull, 0x1000200000, 0x1000210480, 0x4141414141414141, 0x1000100000, 8, 0x10002107F8};
  immediate(RAX, patterns[attempt % 8]);
  EMIT("\xFC\xF3\x48\xAB");
  if (attempt < 8) EMIT("\x0F\x0B");
  else if (attempt < 16) EMIT("\xEB\xFE");
  else jump(STUB + 0x300 + (uint64_t)attempt);
  go();
}

/// Restores a frame of its own with every signal blocked, and then loops.
static void block(void) {
  static uint64_t frame[200];
  memset(frame, 0, sizeof frame);
  uint64_t *r = frame + 6;
  r[15] = (uintptr_t)frame, r[16] = (uintptr_t)code + 200, r[17] = 0x202, r[18] = 0x33 | 0x2Bull << 48;
  frame[38] = -1ull;
  memcpy(code + 200, attempt ? "\x0F\x0B" : "\xEB\xFE", 2);
  begin();
  immediate(RSP, (uintptr_t)(frame + 1));
  immediate(RAX, 15);
  extern uint64_t return_site;
  jump(return_site);
  go();
}
uint64_t return_site;

static volatile sig_atomic_t skipped;
static void skip(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  extern char after_load[] __asm__("after_load");
  r[REG_EIP] = (greg_t)(uintptr_t)after_load;
  skipped++;
}

static void selectors(void) {
  struct sigaction action = {.sa_sigaction = skip, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &action, 0);
  for (uint32_t s = (uint32_t)attempt; s < 65536; s += 61) {
    __asm__ volatile("push %%fs\n mov %0,%%fs\n mov %%fs:0,%%eax\n .globl after_load\n after_load: pop %%fs" ::"r"(s) : "eax", "memory");
  }
  _exit(0);
}

static void instructions(void) {
  static const char *table[] = {"\x0F\x34", "\x0F\x05", "\xCD\x2E", "\xCD\x80\x0F\x0B", "\xF1\x0F\x0B", "\x0F\x01\xC1", "\x0F\x01\xD9", "\xEA\x00\x00\x00\x00\x33\x00"};
  memcpy(code, table[attempt], 7);
  __asm__ volatile("mov $20,%%eax\n mov %0,%%ecx\n jmp *%%ecx" ::"r"(code));
}

static void mappings(void) {
  // More scattered pages than a process may have mappings.
  char *p = mmap(0, 160 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  uint32_t sum = 0;
  for (int round = 0; round < 2; round++)
    for (uint32_t i = 0; i < 40960; i++) sum += (uint8_t)(p[((i * 4099u) % 40960u) << 12] += 1);
  _exit(sum == 40960 * 3 ? 0 : 1);
}

/// Long enough to run directly whatever has come before.
static void compute(uint32_t count) {
  volatile uint32_t spin = 0;
  for (uint32_t i = 0; i < count; i++) spin += i;
}

static void try(const char *name, void (*run)(void), int count) {
  uint32_t signals[65] = {0}, exits = 0;
  for (attempt = 0; attempt < count; attempt++) {
    pid_t child = fork();
    if (child == 0) {
      alarm(run == mappings ? 20 : 1);
      compute(2000000);
      run();
      _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) exits++; else signals[WTERMSIG(status)]++;
  }
  printf("%s: %d attempts, %u ended by themselves", name, count, exits);
  for (int i = 1; i < 65; i++) if (signals[i]) printf(", %u by signal %d", signals[i], i);
  printf("\n");
  fflush(stdout);
}

int main(int argc, char **argv) {
  code = mmap((void *)0x20000000, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  // Where the stub's rt_sigreturn is, as an attacker may know.
  return_site = STUB + strtoul(argc > 1 ? argv[1] : "0", 0, 0);
  compute(100000000);
  try("calls", calls, 37);
  try("instructions", instructions, 8);
  try("selectors", selectors, 8);
  try("entries", entries, argc > 2 ? atoi(argv[2]) : 1024);
  try("forged", forge, 40);
  try("blocked", block, 2);
  if (argc < 3) try("mappings", mappings, 1);
  printf("still here\n");
  return 0;
}

// The C library begins on another page.
__asm__(".text\n.balign 4096");
