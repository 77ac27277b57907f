// Memory latency: pointers through 4 MiB in random order, each load depending on the one before.
#include "bench.h"

enum { NODES = 65536, STEPS = 40000 };
static struct { uint32_t next; uint8_t padding[60]; } nodes[NODES];

uint32_t run(uint32_t work) {
  uint32_t state = 17, at = 0, sum = 0;
  static uint32_t order[NODES];
  for (uint32_t i = 0; i < NODES; i++) order[i] = i;
  for (uint32_t i = NODES - 1; i > 0; i--) {
    uint32_t k = next_random(&state) % (i + 1), t = order[i];
    order[i] = order[k];
    order[k] = t;
  }
  for (uint32_t i = 0; i < NODES; i++) nodes[order[i]].next = order[(i + 1) % NODES];
  for (uint32_t i = 0; i < work; i++) {
    for (int k = 0; k < STEPS; k++) at = nodes[at].next;
    sum = mix(sum, at);
  }
  return sum;
}
