// The frame of every benchmark: does a unit of work to warm up, marks the work as region 1, and prints BEGIN and END
// lines, which an observer outside any simulated machine can put his own time stamps on, the checksum, and the time by
// the clock inside.
#include "bench.h"

#include "../include/switchback.h"

// The Makefile lists the programs as PROGRAM(name) PROGRAM(name)...
#define PROGRAM(name) uint32_t run_##name(uint32_t work);
PROGRAMS
#undef PROGRAM

#define PROGRAM(name) {#name, run_##name},
static const struct {
  const char *name;
  uint32_t (*run)(uint32_t work);
} programs[] = {PROGRAMS};

static void say(const char *line) {
  if (write(1, line, strlen(line)) < 0) exit(1);
  tcdrain(1);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "exit") == 0) return 0;
  uint32_t (*run)(uint32_t work) = 0;
  for (size_t i = 0; argc == 3 && i < sizeof programs / sizeof programs[0]; i++)
    if (strcmp(programs[i].name, argv[1]) == 0) run = programs[i].run;
  if (!run) {
    fprintf(stderr, "usage: bench PROGRAM WORK\n");
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) fprintf(stderr, "%s\n", programs[i].name);
    return 2;
  }
  const char *name = argv[1];
  uint32_t work = (uint32_t)strtoul(argv[2], 0, 0);
  char line[160];
  run(1);
  snprintf(line, sizeof line, "BEGIN %s %u\n", name, work);
  say(line);
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  switchback_begin(1);
  uint32_t sum = run(work);
  switchback_end(1);
  clock_gettime(CLOCK_MONOTONIC, &end);
  double seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
  snprintf(line, sizeof line, "END %s %u %08x %.6f\n", name, work, sum, seconds);
  say(line);
  return 0;
}
