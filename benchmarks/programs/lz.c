// Compression in the manner of LZ77 with a hash of the last places, then decompression and comparison.
#include "bench.h"

enum { SIZE = 24000, HASHES = 4096, SHORTEST = 4, LONGEST = 255 };
static uint8_t text[SIZE], packed[SIZE * 2], back[SIZE];
static uint16_t last[HASHES];

static uint32_t hash(const uint8_t *p) {
  return ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24) * 2654435761u >> 20;
}

static uint32_t compress(void) {
  uint32_t out = 0, at = 0;
  memset(last, 0xFF, sizeof last);
  while (at < SIZE) {
    uint32_t length = 0, from = 0xFFFF;
    if (at + SHORTEST <= SIZE) {
      uint32_t h = hash(text + at);
      from = last[h];
      last[h] = (uint16_t)at;
    }
    if (from != 0xFFFF)
      while (at + length < SIZE && length < LONGEST && text[from + length] == text[at + length]) length++;
    if (length >= SHORTEST) {
      packed[out++] = 0;
      packed[out++] = (uint8_t)length;
      packed[out++] = (uint8_t)from;
      packed[out++] = (uint8_t)(from >> 8);
      at += length;
    } else {
      if (!text[at]) packed[out++] = 0, packed[out++] = 0;
      else packed[out++] = text[at];
      at++;
    }
  }
  return out;
}

static void expand(uint32_t size) {
  uint32_t out = 0;
  for (uint32_t at = 0; at < size;) {
    uint8_t byte = packed[at++];
    if (byte) {
      back[out++] = byte;
      continue;
    }
    uint32_t length = packed[at++];
    if (!length) {
      back[out++] = 0;
      continue;
    }
    uint32_t from = packed[at] | (uint32_t)packed[at + 1] << 8;
    at += 2;
    while (length--) back[out++] = back[from++];
  }
}

uint32_t run(uint32_t work) {
  uint32_t sum = 0, state = 23;
  for (uint32_t i = 0; i < SIZE;) {
    uint32_t random = next_random(&state), length = 3 + random % 13, from = random >> 8 & 0x3FFF;
    for (; length-- && i < SIZE; i++, from++)
      text[i] = from < i && random & 0x80 ? text[from] : (uint8_t)("etaoin shrdlu\n."[next_random(&state) & 15]);
  }
  for (uint32_t i = 0; i < work; i++) {
    for (int k = 0; k < 6; k++) {
      text[(i * 37 + (uint32_t)k) % SIZE] ^= 1;
      uint32_t size = compress();
      expand(size);
      sum = mix(sum, size + (memcmp(text, back, SIZE) != 0));
    }
  }
  return sum;
}
