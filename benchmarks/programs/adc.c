// Addition of long numbers: chains of ADC.
#include "bench.h"

enum { LIMBS = 64 };
static uint32_t a[LIMBS], b[LIMBS];

static __attribute__((noinline)) uint32_t add(uint32_t *to, const uint32_t *from) {
  uint32_t count = LIMBS / 4, carry;
  __asm__ volatile(
      "clc\n"
      "1:\n\t"
      "movl (%1), %3\n\tadcl %3, (%0)\n\t"
      "movl 4(%1), %3\n\tadcl %3, 4(%0)\n\t"
      "movl 8(%1), %3\n\tadcl %3, 8(%0)\n\t"
      "movl 12(%1), %3\n\tadcl %3, 12(%0)\n\t"
      "leal 16(%1), %1\n\tleal 16(%0), %0\n\t"
      "decl %2\n\tjnz 1b\n\t"
      "sbbl %3, %3"
      : "+r"(to), "+r"(from), "+r"(count), "=&r"(carry)
      :
      : "memory", "cc");
  return carry;
}

uint32_t run(uint32_t work) {
  uint32_t sum = 0, state = 3;
  for (int i = 0; i < LIMBS; i++) {
    a[i] = next_random(&state);
    b[i] = next_random(&state);
  }
  for (uint32_t i = 0; i < work; i++) {
    for (int k = 0; k < 60000; k++) sum += add(a, b);
    sum = mix(sum, a[LIMBS - 1]);
  }
  return sum;
}
