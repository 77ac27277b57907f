// A walk through a grid whose direction depends on random data: conditional branches that cannot be predicted.
#include "bench.h"

enum { SIZE = 64, STEPS = 60000 };
static uint8_t grid[SIZE * SIZE];

uint32_t run(uint32_t work) {
  uint32_t sum = 0, state = 11;
  for (int i = 0; i < SIZE * SIZE; i++) grid[i] = (uint8_t)next_random(&state);
  for (uint32_t i = 0; i < work; i++) {
    uint32_t x = i % SIZE, y = 0, score = 0;
    for (int k = 0; k < STEPS; k++) {
      uint8_t cell = grid[y * SIZE + x];
      if (cell & 1) {
        if (cell > 128) x++;
        else if (cell & 4) x--;
        else score += 3;
      } else {
        if (cell & 8) y++;
        else if (cell > 64) y--;
        else score ^= cell;
      }
      if ((score & 0x30) == 0x10) score += x;
      x &= SIZE - 1, y &= SIZE - 1;
      grid[y * SIZE + x] = (uint8_t)(grid[y * SIZE + x] * 5 + 1);
    }
    sum = mix(sum, score + x * 64 + y);
  }
  return sum;
}
