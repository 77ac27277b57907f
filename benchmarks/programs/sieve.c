// The sieve of Eratosthenes: byte stores with a stride.
#include "bench.h"

enum { SIZE = 500000 };
static uint8_t composite[SIZE];

uint32_t run(uint32_t work) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < work; i++) {
    memset(composite, 0, SIZE);
    uint32_t primes = 0;
    for (uint32_t n = 2; n < SIZE; n++) {
      if (composite[n]) continue;
      primes++;
      for (uint32_t m = n + n; m < SIZE; m += n) composite[m] = 1;
    }
    sum = mix(sum, primes);
  }
  return sum;
}
