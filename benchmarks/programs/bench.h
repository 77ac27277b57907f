// What all benchmark programs share. Each defines `run`, which does `work` units (about a millisecond of
// native time each) and returns a checksum that depends on the amount of work only.
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>


static inline uint32_t mix(uint32_t sum, uint32_t value) {
  return (sum << 5 | sum >> 27) * 0x9E3779B1u ^ value;
}

static inline uint32_t next_random(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

static inline void fail(const char *what) {
  perror(what);
  exit(1);
}

#endif
