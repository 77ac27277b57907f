// The parent's side: memory, the life of the child, batches.
#include "Internal.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct OracleProcess {
  Shared *shared;
  int descriptor;
  pid_t child;
};

enum { STUCK_MILLISECONDS = 2000 };

const OracleSegment oracleSegments[ORACLE_LDT_ENTRIES] = {
    {ORACLE_DATA, 0x1FEF, 0, 1, 0, 1},          // 07: data with a base, 16-bit offsets reach it
    {ORACLE_CODE, 0xFFF, 2, 0, 0, 1},           // 0F: 16-bit code
    {ORACLE_STACK, 0xFFF, 0, 0, 0, 1},          // 17: 16-bit stack
    {ORACLE_DATA - 0x1000, 0xFFF, 1, 1, 0, 1},  // 1F: expand-down
    {ORACLE_CODE, 0xFFF, 2, 1, 1, 1},           // 27: execute-only code
    {ORACLE_DATA, 0xFFF, 0, 1, 1, 1},           // 2F: read-only data
    {ORACLE_DATA, 0xFFF, 0, 1, 0, 0},           // 37: not present
    {ORACLE_CODE, 0x7FF, 2, 1, 0, 1},           // 3F: readable code, half the page
};

static int startChild(OracleProcess *oracle) {
  Shared *shared = oracle->shared;
  shared->parent = getpid();
  shared->ready = 0;
  oracle->child = fork();
  if (oracle->child < 0) return -1;
  if (oracle->child == 0) oracleChild(shared, oracle->descriptor);
  // The child wakes us when it stands in its handler, or it is gone.
  for (int i = 0; i < STUCK_MILLISECONDS; i++) {
    if (__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE)) return 0;
    if (waitpid(oracle->child, 0, WNOHANG) == oracle->child) break;
    usleep(1000);
  }
  oracle->child = -1;
  errno = ENOSYS;
  return -1;
}

static void endChild(OracleProcess *oracle) {
  if (oracle->child <= 0) return;
  kill(oracle->child, SIGKILL);
  while (waitpid(oracle->child, 0, 0) < 0 && errno == EINTR) {}
  oracle->child = -1;
}

OracleProcess *oracleStart(void) {
  OracleProcess *oracle = calloc(1, sizeof *oracle);
  if (!oracle) return 0;
  oracle->child = -1;
  oracle->descriptor = memfd_create("host-oracle", MFD_CLOEXEC);
  oracle->shared = MAP_FAILED;
  if (oracle->descriptor >= 0 && ftruncate(oracle->descriptor, sizeof(Shared)) == 0)
    oracle->shared =
        mmap(0, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, oracle->descriptor, 0);
  if (oracle->shared == MAP_FAILED || startChild(oracle) != 0) {
    int reason = errno;
    oracleStop(oracle);
    errno = reason;
    return 0;
  }
  return oracle;
}

void oracleStop(OracleProcess *oracle) {
  endChild(oracle);
  if (oracle->shared != MAP_FAILED) munmap(oracle->shared, sizeof(Shared));
  if (oracle->descriptor >= 0) close(oracle->descriptor);
  free(oracle);
}

OracleCase *oracleCases(OracleProcess *oracle) { return oracle->shared->cases; }
OracleOutcome *oracleOutcomes(OracleProcess *oracle) { return oracle->shared->outcomes; }
const uint8_t *oracleImage(OracleProcess *oracle, uint32_t index) {
  return oracle->shared->images[index % ORACLE_BATCH];
}
uint8_t *oracleInitialImage(OracleProcess *oracle) { return oracle->shared->initialImage; }

/// Waits until the batch is done. Returns 0, or -1 when the child is stuck or gone.
static int waitForBatch(OracleProcess *oracle) {
  Shared *shared = oracle->shared;
  uint32_t lastCase = UINT32_MAX;
  int idle = 0;
  for (;;) {
    uint32_t state = __atomic_load_n(&shared->state, __ATOMIC_ACQUIRE);
    if (state == STATE_IDLE) return 0;
    struct timespec slice = {0, 10 * 1000 * 1000};
    syscall(SYS_futex, &shared->state, FUTEX_WAIT, state, &slice, 0, 0);
    if (__atomic_load_n(&shared->state, __ATOMIC_ACQUIRE) == STATE_IDLE) return 0;
    if (waitpid(oracle->child, 0, WNOHANG) == oracle->child) {
      oracle->child = -1;
      return -1;
    }
    uint32_t current = __atomic_load_n(&shared->current, __ATOMIC_RELAXED);
    idle = current == lastCase ? idle + 10 : 0;
    lastCase = current;
    if (idle >= STUCK_MILLISECONDS) return -1;
  }
}

int oracleRun(OracleProcess *oracle, uint32_t count) {
  Shared *shared = oracle->shared;
  if (count > ORACLE_BATCH) count = ORACLE_BATCH;
  if (oracle->child <= 0 && startChild(oracle) != 0) return -1;
  shared->current = 0;
  shared->count = count;
  while (shared->current < count) {
    __atomic_store_n(&shared->state, STATE_RUNNING, __ATOMIC_RELEASE);
    syscall(SYS_futex, &shared->state, FUTEX_WAKE, 1, 0, 0, 0);
    if (waitForBatch(oracle) == 0) break;
    // The current case destroyed the child: say so and go on behind it with a new one.
    endChild(oracle);
    if (shared->current < count) {
      shared->outcomes[shared->current].signal = ORACLE_CRASHED;
      shared->current++;
    }
    shared->state = STATE_IDLE;
    if (startChild(oracle) != 0) return -1;
  }
  return 0;
}
