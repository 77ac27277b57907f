// Mapping and unmapping without touching.
#include "bench.h"

#include <sys/mman.h>

uint32_t run(uint32_t work) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < work * 100; i++) {
    void *a = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *b = mmap(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (a == MAP_FAILED || b == MAP_FAILED) fail("mmap");
    sum += mprotect(a, 4096, PROT_READ) == 0;
    sum += munmap(a, 65536) == 0;
    sum += munmap(b, 8192) == 0;
  }
  return sum;
}
