#define _GNU_SOURCE
#include "HostCalls.h"
#include <emmintrin.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int switchback_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

int switchback_pin_to_one_processor(void) {
  int processor = sched_getcpu();
  if (processor < 0) return -1;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0 ? processor : -1;
}

int switchback_wait_for_end(int process, int milliseconds) {
  int descriptor = (int)syscall(SYS_pidfd_open, process, 0);
  // A kernel before 5.3 knows no limit.
  if (descriptor < 0) return 1;
  uint64_t end = now() + (uint64_t)milliseconds * 1000000;
  int ready;
  do {
    uint64_t time = now();
    struct pollfd wanted = {.fd = descriptor, .events = POLLIN};
    ready = poll(&wanted, 1, time < end ? (int)((end - time + 999999) / 1000000) : 0);
  } while (ready < 0);
  close(descriptor);
  return ready;
}

int switchback_event_descriptor(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int switchback_wait_readable(int descriptor, int other, uint64_t nanoseconds) {
  static _Thread_local int has_precise_timer;
  if (nanoseconds && !has_precise_timer) {
    // The kernel adds 50 us to waits otherwise, more than a disk access takes.
    prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
    has_precise_timer = 1;
  }
  struct pollfd wanted[2] = {{.fd = descriptor, .events = POLLIN}, {.fd = other, .events = POLLIN}};
  struct timespec time = {.tv_sec = (time_t)(nanoseconds / 1000000000),
                          .tv_nsec = (long)(nanoseconds % 1000000000)};
  int ready = ppoll(wanted, 2, &time, NULL);
  return ready <= 0 ? ready : (wanted[0].revents != 0) | (wanted[1].revents != 0) << 1;
}

void switchback_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

static volatile sig_atomic_t caught_signal;
static struct termios saved_terminal;
static volatile sig_atomic_t raw_descriptor = -1;

void switchback_restore_terminal(void) {
  int descriptor = raw_descriptor;
  if (descriptor < 0) return;
  raw_descriptor = -1;
  tcsetattr(descriptor, TCSADRAIN, &saved_terminal);
}

static void die_of(int number) {
  switchback_restore_terminal();
  signal(number, SIG_DFL);
  raise(number);
}

static void remember(int number) {
  if (caught_signal && number != SIGPIPE) die_of(number);
  if (!caught_signal) caught_signal = number;
}

static atomic_int power_presses;

static void press_power(int number) {
  (void)number;
  atomic_fetch_add(&power_presses, 1);
}

int switchback_take_power_presses(void) { return atomic_exchange(&power_presses, 0); }

static void handle(int number, void (*handler)(int), int flags) {
  struct sigaction action = {0};
  action.sa_handler = handler;
  // Translated code has host return addresses alone on the stack in RSP.
  action.sa_flags = flags | SA_ONSTACK;
  sigaction(number, &action, NULL);
}

void switchback_catch_signals(void) {
  // Without SA_RESTART: a wait for input or time ends at once.
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
  sigset_t unblocked;
  sigemptyset(&unblocked);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    handle(numbers[i], remember, 0);
    sigaddset(&unblocked, numbers[i]);
  }
  handle(SIGUSR1, press_power, 0);
  sigaddset(&unblocked, SIGUSR1);
  // Whoever started the process may have blocked them.
  sigprocmask(SIG_UNBLOCK, &unblocked, NULL);
}

int switchback_caught_signal(void) { return caught_signal; }

int switchback_raw_terminal(int descriptor) {
  if (tcgetattr(descriptor, &saved_terminal) != 0) return -1;
  static const int faults[] = {SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE};
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    handle(faults[i], die_of, SA_RESETHAND | SA_NODEFER);
  struct termios raw = saved_terminal;
  cfmakeraw(&raw);
  // Output keeps its line ends: messages of this process appear between the guest's lines.
  raw.c_oflag |= OPOST | ONLCR;
  raw_descriptor = descriptor;
  if (tcsetattr(descriptor, TCSADRAIN, &raw) != 0) {
    raw_descriptor = -1;
    return -1;
  }
  return 0;
}

void switchback_copy_past_caches(void *to, const void *from, size_t count) {
  __m128i *target = to;
  const __m128i *source = from;
  for (size_t i = 0; i < count / sizeof *target; i += 4) {
    __m128i a = source[i], b = source[i + 1], c = source[i + 2], d = source[i + 3];
    _mm_stream_si128(target + i, a);
    _mm_stream_si128(target + i + 1, b);
    _mm_stream_si128(target + i + 2, c);
    _mm_stream_si128(target + i + 3, d);
  }
  // Before whoever is told of it looks.
  _mm_sfence();
}
