// Memory bandwidth: sums and updates over 8 MiB, in order.
#include "bench.h"

enum { COUNT = 2 * 1024 * 1024, PART = COUNT / 4 };
static uint32_t data[COUNT];

uint32_t run(uint32_t work) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < COUNT; i++) data[i] = i;
  for (uint32_t i = 0; i < work; i++) {
    uint32_t *part = data + i % 4 * PART, total = 0;
    for (uint32_t k = 0; k < PART; k++) {
      total += part[k];
      part[k] = total ^ k;
    }
    sum = mix(sum, total);
  }
  return sum;
}
