// Five bodies under gravity: divisions and square roots. Compiled for x87 and for SSE2.
#include "bench.h"

#include <math.h>

enum { BODIES = 5, STEPS = 6000 };
typedef struct { double x, y, z, vx, vy, vz, mass; } Body;

uint32_t run(uint32_t work) {
  uint32_t sum = 0;
  for (uint32_t round = 0; round < work; round++) {
    Body body[BODIES];
    for (int i = 0; i < BODIES; i++) {
      Body start = {3.0 * i - 6, 1.5 * i, 0.25 * i * i, 0.01 * i, 0.02, -0.01 * i, 1.0 / (1 + i)};
      body[i] = start;
    }
    for (int step = 0; step < STEPS; step++) {
      for (int i = 0; i < BODIES; i++)
        for (int k = i + 1; k < BODIES; k++) {
          double dx = body[i].x - body[k].x, dy = body[i].y - body[k].y, dz = body[i].z - body[k].z;
          double square = dx * dx + dy * dy + dz * dz;
          double force = 0.001 / (square * __builtin_sqrt(square));
          body[i].vx -= dx * body[k].mass * force;
          body[i].vy -= dy * body[k].mass * force;
          body[i].vz -= dz * body[k].mass * force;
          body[k].vx += dx * body[i].mass * force;
          body[k].vy += dy * body[i].mass * force;
          body[k].vz += dz * body[i].mass * force;
        }
      for (int i = 0; i < BODIES; i++) {
        body[i].x += 0.001 * body[i].vx;
        body[i].y += 0.001 * body[i].vy;
        body[i].z += 0.001 * body[i].vz;
      }
    }
    sum = mix(sum, (uint32_t)(int32_t)(body[round % BODIES].x * 1e6));
  }
  return sum;
}
