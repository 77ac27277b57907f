// Starting a program: this one, told to end at once.
#include "bench.h"

uint32_t run(uint32_t work) {
  char path[256];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length < 0) fail("/proc/self/exe");
  path[length] = 0;
  uint32_t sum = 0;
  for (uint32_t i = 0; i < work * 2; i++) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      execl(path, path, "exit", (char *)0);
      _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    sum = mix(sum, (uint32_t)WEXITSTATUS(status));
  }
  return sum;
}
