// Copying with REP MOVSD.
#include "bench.h"

enum { SIZE = 64 * 1024 };
static uint32_t from[SIZE / 4], to[SIZE / 4];

uint32_t run(uint32_t work) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < SIZE / 4; i++) from[i] = i * 0x01010101u;
  for (uint32_t i = 0; i < work; i++) {
    from[i % (SIZE / 4)] ^= i;
    for (int k = 0; k < 400; k++) {
      void *d = to, *s = from;
      uint32_t count = SIZE / 4;
      __asm__ volatile("rep movsl" : "+D"(d), "+S"(s), "+c"(count) : : "memory");
    }
    sum = mix(sum, to[i % (SIZE / 4)]);
  }
  return sum;
}
