/* The tasks. All of this file is mapped for ring 3; it knows the kernel only by system calls. */
#include "system_calls.h"

typedef unsigned char u8;
typedef unsigned int u32;

#define HEAP ((u8 *)0x40000000)

static u32 call(u32 number, u32 a, u32 b, u32 c) {
  u32 result;
  __asm__ volatile("int %1"
                   : "=a"(result)
                   : "i"(SYSTEM_CALL), "a"(number), "b"(a), "c"(b), "d"(c)
                   : "memory");
  return result;
}

static void put(int x, int y, u8 character, u8 color) {
  call(CALL_PUT, (u32)x, (u32)y, (u32)color << 8 | character);
}

static int text(int x, int y, const char *message, u8 color) {
  for (; *message; message++) put(x++, y, (u8)*message, color);
  return x;
}

static void bar(int y, u32 done, u32 all, u8 color) {
  for (u32 x = 0; x < 38; x++) put((int)x, y, x * all < done * 38 ? 0xDB : 0xB0, color);
}

static char *append(char *to, const char *message) {
  while (*message) *to++ = *message++;
  *to = 0;
  return to;
}

static char *append_number(char *to, u32 number) {
  char digits[10];
  int count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while (number /= 10);
  while (count) *to++ = digits[--count];
  *to = 0;
  return to;
}

static char *append_hex(char *to, u32 number) {
  for (int shift = 28; shift >= 0; shift -= 4) *to++ = "0123456789ABCDEF"[number >> shift & 15];
  *to = 0;
  return to;
}

static __attribute__((noreturn)) void end(char *message, char *last, int right) {
  append(last, right ? " ok" : " WRONG");
  text(0, 0, message, right ? 0x0F : 0x4F);
  call(CALL_LOG, (u32)message, 0, 0);
  call(CALL_EXIT, 0, 0, 0);
  __builtin_unreachable();
}

/* Eratosthenes over a megabyte of memory that comes page by page. */
void sieve_task(void) {
  enum { LIMIT = 1000000 };
  u8 *composite = HEAP;
  u32 count = 0;
  for (u32 i = 2; i < LIMIT; i++) {
    if (i % 40000 == 0) bar(1, i, LIMIT, 0x03);
    if (composite[i]) continue;
    count++;
    if (i < 1000)
      for (u32 j = i * i; j < LIMIT; j += i) composite[j] = 1;
  }
  bar(1, 1, 1, 0x03);
  char message[80], *last = append_number(message, count);
  end(message, append(last, " primes below 1000000"), count == 78498);
}

/* CRC-32 (polynomial EDB88320h) of a megabyte of pseudorandom bytes. */
void crc_task(void) {
  enum { SIZE = 1 << 20 };
  u32 *table = (u32 *)HEAP;
  for (u32 i = 0; i < 256; i++) {
    u32 value = i;
    for (int bit = 0; bit < 8; bit++) value = value & 1 ? value >> 1 ^ 0xEDB88320u : value >> 1;
    table[i] = value;
  }
  u32 seed = 1, crc = ~0u;
  for (u32 i = 0; i < SIZE; i++) {
    if (i % 0x8000 == 0) bar(1, i, SIZE, 0x02);
    seed = seed * 1664525 + 1013904223;
    crc = table[(crc ^ seed >> 24) & 0xFF] ^ crc >> 8;
  }
  bar(1, 1, 1, 0x02);
  char message[80], *last = append_hex(append(message, "crc-32 "), ~crc);
  end(message, last, ~crc == 0xC0F68319);
}

/* The spigot of Rabinowitz and Wagon, four digits at a time. */
void pi_task(void) {
  enum { DIGITS = 152, CELLS = DIGITS / 4 * 14 };
  u32 *cell = (u32 *)HEAP;
  for (u32 i = 0; i < CELLS; i++) cell[i] = 2000;
  u32 carry = 0, sum = 0, position = 0;
  for (u32 left = CELLS; left; left -= 14) {
    u32 value = 0;
    for (u32 i = left - 1; i; i--) {
      value = value * i + 10000 * cell[i];
      cell[i] = value % (2 * i - 1);
      value /= 2 * i - 1;
    }
    u32 group = carry + value / 10000;
    carry = value % 10000;
    for (u32 power = 1000; power; power /= 10, position++) {
      put((int)(position % 38), 1 + (int)(position / 38), (u8)('0' + group / power % 10), 0x0E);
      sum = sum * 31 + group / power % 10;
    }
    call(CALL_SLEEP, 4, 0, 0);
  }
  char message[80], *last = append_number(message, position);
  end(message, append(last, " digits of pi"), sum == 0x3E3B955C);
}

/* The Mandelbrot set on the x87. */
void mandelbrot_task(void) {
  enum { WIDTH = 38, HEIGHT = 14, LIMIT = 400 };
  u32 total = 0;
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++) {
      double a = -2.1 + x * (2.9 / WIDTH), b = -1.2 + y * (2.4 / (HEIGHT - 1));
      double re = 0, im = 0;
      u32 n = 0;
      for (; n < LIMIT && re * re + im * im < 4; n++) {
        double next = re * re - im * im + a;
        im = 2 * re * im + b;
        re = next;
      }
      total += n;
      static const char shades[] = " .:-=+*%#@";
      u32 shade = n == LIMIT ? 9 : n < 9 ? n : 8;
      put(x, y, (u8)shades[shade], n == LIMIT ? 0x0F : (u8)(1 + n % 14));
    }
  char message[80], *last = append_number(message, total);
  append(last, total == 41576 ? " iterations ok" : " iterations WRONG");
  call(CALL_LOG, (u32)message, 0, 0);
  call(CALL_EXIT, 0, 0, 0);
}

/* A sine wave that moves with the clock: the x87 again, so that its state has to change hands. */
void wave_task(void) {
  static const double step = 0.33;
  u32 begin = call(CALL_TICKS, 0, 0, 0);
  for (int frame = 0; frame < 60; frame++) {
    for (int x = 0; x < 38; x++) {
      double sine;
      __asm__("fsin" : "=t"(sine) : "0"((x + frame) * step));
      int row = sine > 0.33 ? 0 : sine < -0.33 ? 2 : 1;
      for (int y = 0; y < 3; y++) put(x, y, y == row ? 0xFE : ' ', 0x0D);
    }
    call(CALL_SLEEP, 5, 0, 0);
  }
  u32 slept = call(CALL_TICKS, 0, 0, 0) - begin;
  char message[80];
  end(message, append(message, "60 frames, 5 ticks apart"), slept >= 300);
}

/* Tries what ring 3 must not, and is ended for it. */
void rogue_task(void) {
  text(0, 0, "trying CLI in ring 3", 0x0C);
  call(CALL_SLEEP, 100, 0, 0);
  __asm__ volatile("cli");
  char message[80];
  end(message, append(message, "CLI worked"), 0);
}

void prompt_task(void) {
  char line[40];
  int length = 0;
  for (;;) {
    int x = text(0, 0, "type here> ", 0x0F);
    for (int i = 0; i < length; i++) put(x++, 0, (u8)line[i], 0x0B);
    put(x++, 0, '_', 0x8B);
    put(x, 0, ' ', 0x0F);
    u32 key = call(CALL_KEY, 0, 0, 0);
    if (key == '\n') {
      line[length] = 0;
      char message[80];
      append(append(message, "you typed: "), line);
      call(CALL_LOG, (u32)message, 0, 0);
      for (int i = 0; i < 38; i++) put(i, 0, ' ', 0x0F);
      length = 0;
    } else if (key == '\b') {
      if (length) length--;
    } else if (key >= ' ' && key < 0x7F && length < 24)
      line[length++] = (char)key;
  }
}
