// The cost of a mark: see include/switchback.h.
#include "bench.h"

#include "../include/switchback.h"

uint32_t run(uint32_t work) {
  for (uint32_t i = 0; i < work * 100; i++) switchback_mark(SWITCHBACK_NOTHING, 0);
  return work;
}
