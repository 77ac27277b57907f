// Recursion: calls, returns and stack traffic.
#include "bench.h"

static __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls"))) uint32_t fib(uint32_t n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

uint32_t run(uint32_t work) {
  uint32_t sum = 0;
  volatile uint32_t n = 27;
  for (uint32_t i = 0; i < work; i++) sum = mix(sum, fib(n));
  return sum;
}
