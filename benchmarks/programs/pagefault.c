// Touching fresh anonymous pages.
#include "bench.h"

#include <sys/mman.h>

enum { PAGES = 1024 };

uint32_t run(uint32_t work) {
  uint32_t sum = 0;
  size_t size = PAGES * 4096u;
  for (uint32_t i = 0; i < work; i++) {
    uint8_t *memory = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    madvise(memory, size, MADV_NOHUGEPAGE);
    for (size_t k = 0; k < size; k += 4096) memory[k] = (uint8_t)(k >> 12);
    for (size_t k = 0; k < size; k += 4096) sum += memory[k];
    munmap(memory, size);
  }
  return sum;
}
