// Creating and reaping processes.
#include "bench.h"

uint32_t run(uint32_t work) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < work * 8; i++) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) _exit((int)(i & 63));
    int status = 0;
    waitpid(child, &status, 0);
    sum = mix(sum, (uint32_t)WEXITSTATUS(status));
  }
  return sum;
}
