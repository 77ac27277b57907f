// A token goes round a ring of twenty processes.
#include "bench.h"

enum { PROCESSES = 20 };

uint32_t run(uint32_t work) {
  int ring[PROCESSES][2];
  pid_t children[PROCESSES];
  uint32_t rounds = work * 8, token = 1;
  for (int i = 0; i < PROCESSES; i++)
    if (pipe(ring[i])) fail("pipe");
  for (int i = 1; i < PROCESSES; i++) {
    children[i] = fork();
    if (children[i] < 0) fail("fork");
    if (children[i] > 0) continue;
    int from = ring[i - 1][0], to = ring[i][1];
    for (uint32_t k = 0; k < rounds; k++) {
      if (read(from, &token, 4) != 4) _exit(1);
      token = mix(token, (uint32_t)i);
      if (write(to, &token, 4) != 4) _exit(1);
    }
    _exit(0);
  }
  for (uint32_t k = 0; k < rounds; k++)
    if (write(ring[0][1], &token, 4) != 4 || read(ring[PROCESSES - 1][0], &token, 4) != 4)
      fail("ring");
  for (int i = 1; i < PROCESSES; i++) waitpid(children[i], 0, 0);
  for (int i = 0; i < PROCESSES; i++) close(ring[i][0]), close(ring[i][1]);
  return token;
}
