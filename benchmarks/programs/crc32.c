// CRC-32 by table: a chain of dependent loads, shifts and XORs.
#include "bench.h"

static uint32_t table[256];
static uint8_t data[300000];

uint32_t run(uint32_t work) {
  for (uint32_t n = 0; n < 256; n++) {
    uint32_t c = n;
    for (int k = 0; k < 8; k++) c = c & 1 ? 0xEDB88320u ^ c >> 1 : c >> 1;
    table[n] = c;
  }
  uint32_t state = 1;
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)next_random(&state);
  uint32_t crc = ~0u;
  for (uint32_t i = 0; i < work; i++)
    for (size_t k = 0; k < sizeof data; k++) crc = table[(crc ^ data[k]) & 0xFF] ^ crc >> 8;
  return ~crc;
}
