// Writing, reading back and removing a file.
#include "bench.h"

#include <fcntl.h>
#include <sys/stat.h>

static char block[4096];

uint32_t run(uint32_t work) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/bench-%d", (int)getpid());
  uint32_t sum = 0;
  for (uint32_t i = 0; i < work * 6; i++) {
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0) fail(path);
    for (int k = 0; k < 32; k++) {
      memset(block, (int)(i + (uint32_t)k), 64);
      if (write(file, block, sizeof block) != sizeof block) fail("write");
    }
    lseek(file, 0, SEEK_SET);
    for (int k = 0; k < 32; k++) {
      if (read(file, block, sizeof block) != sizeof block) fail("read");
      sum = mix(sum, (uint8_t)block[5]);
    }
    struct stat information;
    if (fstat(file, &information)) fail("stat");
    sum = mix(sum, (uint32_t)information.st_size);
    close(file);
    unlink(path);
  }
  return sum;
}
