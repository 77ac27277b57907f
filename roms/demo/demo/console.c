/* The text screen and COM1 as output. */
#include "kernel.h"

static volatile u16 *const screen = (volatile u16 *)0xB8000;

/* Registers of the VGA's 80x25 colour text mode (mode 3, 9x16 cells), as its BIOS leaves them. */
static const u8 sequencer[] = {0x03, 0x00, 0x03, 0x00, 0x02};
static const u8 crtc[] = {0x5F, 0x4F, 0x50, 0x82, 0x55, 0x81, 0xBF, 0x1F, 0x00, 0x4F, 0x20, 0x0E, 0x00,
                          0x00, 0x00, 0x00, 0x9C, 0x8E, 0x8F, 0x28, 0x1F, 0x96, 0xB9, 0xA3, 0xFF};
static const u8 graphics[] = {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0E, 0x00, 0xFF};
static const u8 attribute[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3A,
                               0x3B, 0x3C, 0x3D, 0x3E, 0x3F, 0x0C, 0x00, 0x0F, 0x08, 0x00};

static void set_text_mode(void) {
  out8(0x3C2, 0x67);
  for (u8 i = 0; i < sizeof sequencer; i++) {
    out8(0x3C4, i);
    out8(0x3C5, sequencer[i]);
  }
  /* CRTC registers 0 to 7 are protected by bit 7 of register 11h. */
  out8(0x3D4, 0x11);
  out8(0x3D5, 0x0E);
  for (u8 i = 0; i < sizeof crtc; i++) {
    out8(0x3D4, i);
    out8(0x3D5, crtc[i]);
  }
  for (u8 i = 0; i < sizeof graphics; i++) {
    out8(0x3CE, i);
    out8(0x3CF, graphics[i]);
  }
  in8(0x3DA);
  for (u8 i = 0; i < sizeof attribute; i++) {
    out8(0x3C0, i);
    out8(0x3C0, attribute[i]);
  }
  out8(0x3C0, 0x20);
}

void draw(int x, int y, u8 character, u8 color) {
  if (x >= 0 && x < 80 && y >= 0 && y < 25) screen[y * 80 + x] = (u16)(color << 8 | character);
}

void draw_text(int x, int y, const char *text, u8 color) {
  while (*text) draw(x++, y, (u8)*text++, color);
}

static void draw_number(int x, int y, u32 number, int width, u8 color) {
  for (int i = width - 1; i >= 0; i--) {
    draw(x + i, y, (u8)(number || i == width - 1 ? '0' + number % 10 : ' '), color);
    number /= 10;
  }
}

void console_open(void) {
  set_text_mode();
  for (int i = 0; i < 80 * 25; i++) screen[i] = 0x0720;
  for (int i = 0; i < 80; i++) {
    draw(i, 0, ' ', 0x1F);
    draw(i, 24, ' ', 0x70);
  }
  draw_text(2, 0, "Switchback demonstration guest", 0x1F);
  draw_text(2, 1, "real mode > protected mode > paging > ring 3, preempted by the 8254", 0x08);
}

void draw_frame(const struct window *window, const char *title) {
  int left = window->x - 1, right = window->x + window->width;
  int top = window->y - 1, bottom = window->y + window->height;
  for (int x = left + 1; x < right; x++) {
    draw(x, top, 0xC4, window->color);
    draw(x, bottom, 0xC4, window->color);
  }
  for (int y = top + 1; y < bottom; y++) {
    draw(left, y, 0xB3, window->color);
    draw(right, y, 0xB3, window->color);
  }
  draw(left, top, 0xDA, window->color);
  draw(right, top, 0xBF, window->color);
  draw(left, bottom, 0xC0, window->color);
  draw(right, bottom, 0xD9, window->color);
  draw(left + 2, top, ' ', window->color);
  draw_text(left + 3, top, title, window->color);
  int length = 0;
  while (title[length]) length++;
  draw(left + 3 + length, top, ' ', window->color);
}

void window_put(const struct window *window, int x, int y, u8 character, u8 color) {
  if (x >= 0 && x < window->width && y >= 0 && y < window->height)
    draw(window->x + x, window->y + y, character, color);
}

void draw_status(u32 switches, u32 calls, u32 page_faults, const char *hint) {
  draw_text(1, 24, "ticks", 0x70);
  draw_number(6, 24, ticks, 7, 0x70);
  draw_text(16, 24, "switches", 0x70);
  draw_number(24, 24, switches, 7, 0x70);
  draw_text(34, 24, "calls", 0x70);
  draw_number(39, 24, calls, 7, 0x70);
  draw_text(48, 24, "faults", 0x70);
  draw_number(54, 24, page_faults, 5, 0x70);
  for (int x = 61; x < 80; x++) draw(x, 24, ' ', 0x70);
  draw_text(61, 24, hint, 0x70);
}

void serial_put(char character) {
  /* A lost transmitter must not hang the guest. */
  for (u32 patience = 100000; patience && !(in8(0x3FD) & 0x20); patience--) {
  }
  out8(0x3F8, (u8)character);
}

void serial_text(const char *text) {
  for (; *text; text++) {
    if (*text == '\n') serial_put('\r');
    serial_put(*text);
  }
}

void serial_number(u32 number) {
  if (number >= 10) serial_number(number / 10);
  serial_put((char)('0' + number % 10));
}
