// Indirect calls whose targets follow a fixed short cycle.
#include "bench.h"

#define FUNCTION(n) \
  static __attribute__((noinline)) uint32_t f##n(uint32_t x) { return x * (2 * n + 1) + n; }
FUNCTION(0) FUNCTION(1) FUNCTION(2) FUNCTION(3)
static uint32_t (*const table[4])(uint32_t) = {f0, f1, f2, f3};

uint32_t run(uint32_t work) {
  uint32_t x = 1;
  for (uint32_t i = 0; i < work; i++)
    for (uint32_t k = 0; k < 400000; k++) x = table[k & 3](x);
  return x;
}
