// Copying with a plain loop of 32-bit moves.
#include "bench.h"

enum { COUNT = 16 * 1024 };
static uint32_t from[COUNT], to[COUNT];

uint32_t run(uint32_t work) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < COUNT; i++) from[i] = i * 0x01010101u;
  for (uint32_t i = 0; i < work; i++) {
    from[i % COUNT] ^= i;
    for (int k = 0; k < 60; k++)
      for (uint32_t n = 0; n < COUNT; n++) {
        to[n] = from[n];
        __asm__ volatile("" : : : "memory");
      }
    sum = mix(sum, to[i % COUNT]);
  }
  return sum;
}
