// Quicksort through a comparison function: unpredictable branches and indirect calls.
#include "bench.h"

enum { COUNT = 12000 };
static uint32_t items[COUNT];

static int compare(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a > b) - (a < b);
}

static void sort(uint32_t *low, uint32_t *high, int (*order)(const void *, const void *)) {
  while (low < high) {
    uint32_t pivot = low[(high - low) / 2], *l = low, *h = high;
    while (l <= h) {
      while (order(l, &pivot) < 0) l++;
      while (order(h, &pivot) > 0) h--;
      if (l <= h) {
        uint32_t t = *l;
        *l++ = *h;
        *h-- = t;
      }
    }
    sort(low, h, order);
    low = l;
  }
}

uint32_t run(uint32_t work) {
  int (*volatile order)(const void *, const void *) = compare;
  uint32_t sum = 0, state = 7;
  for (uint32_t i = 0; i < work; i++) {
    for (int k = 0; k < COUNT; k++) items[k] = next_random(&state);
    sort(items, items + COUNT - 1, order);
    sum = mix(sum, items[COUNT / 2]);
  }
  return sum;
}
