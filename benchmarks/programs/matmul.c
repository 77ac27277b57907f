// Product of two matrices of doubles. Compiled for x87 and for SSE2.
#include "bench.h"

enum { N = 112 };
static double a[N][N], b[N][N], c[N][N];

uint32_t run(uint32_t work) {
  uint32_t sum = 0;
  for (int i = 0; i < N; i++)
    for (int k = 0; k < N; k++) {
      a[i][k] = (double)(i * 3 + k) / 64;
      b[i][k] = (double)(i - k * 2) / 32;
    }
  for (uint32_t round = 0; round < work; round++) {
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {
        double s = 0;
        for (int k = 0; k < N; k++) s += a[i][k] * b[k][j];
        c[i][j] = s;
      }
    sum = mix(sum, (uint32_t)(int32_t)c[round % N][(round * 7) % N]);
    a[round % N][0] += 0.25;
  }
  return sum;
}
