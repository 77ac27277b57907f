// A byte goes back and forth between two processes.
#include "bench.h"

uint32_t run(uint32_t work) {
  int there[2], back[2];
  uint32_t sum = 0, rounds = work * 50;
  uint8_t byte = 0;
  if (pipe(there) || pipe(back)) fail("pipe");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    for (uint32_t i = 0; i < rounds; i++) {
      if (read(there[0], &byte, 1) != 1) _exit(1);
      byte = (uint8_t)(byte * 3 + 1);
      if (write(back[1], &byte, 1) != 1) _exit(1);
    }
    _exit(0);
  }
  for (uint32_t i = 0; i < rounds; i++) {
    byte ^= (uint8_t)i;
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) fail("pipe");
    sum = mix(sum, byte);
  }
  waitpid(child, 0, 0);
  close(there[0]), close(there[1]), close(back[0]), close(back[1]);
  return sum;
}
