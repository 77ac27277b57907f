// String functions: length, comparison, search and copy by bytes, in C and with string instructions.
#include "bench.h"

static char text[4096], copy[4096];

static __attribute__((noinline)) size_t length(const char *s) {
  const char *start = s;
  while (*s) s++;
  return (size_t)(s - start);
}

static __attribute__((noinline)) int compare(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return (uint8_t)*a - (uint8_t)*b;
}

static __attribute__((noinline)) uint32_t scan(const char *s, char c, uint32_t count) {
  __asm__ volatile("repne scasb" : "+D"(s), "+c"(count) : "a"(c) : "memory", "cc");
  return count;
}

static __attribute__((noinline)) void duplicate(char *to, const char *from) {
  while ((*to++ = *from++)) {}
}

uint32_t run(uint32_t work) {
  uint32_t sum = 0, state = 5;
  for (size_t i = 0; i + 1 < sizeof text; i++) text[i] = (char)('a' + next_random(&state) % 25);
  for (uint32_t i = 0; i < work; i++) {
    for (int k = 0; k < 180; k++) {
      duplicate(copy, text);
      copy[(i + (uint32_t)k) % (sizeof text - 1)] = 'z';
      sum = mix(sum, (uint32_t)compare(text, copy));
      sum += (uint32_t)length(copy) + scan(copy, 'z', sizeof copy);
    }
  }
  return sum;
}
