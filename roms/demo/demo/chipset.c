/* Interrupt controllers, timer, keyboard controller, serial input and power management. */
#include "kernel.h"

enum { TICKS_PER_SECOND = 100, TIMER_FREQUENCY = 1193182 };

static void open_interrupt_controllers(void) {
  out8(0x20, 0x11);
  out8(0xA0, 0x11);
  out8(0x21, 0x20);
  out8(0xA1, 0x28);
  out8(0x21, 0x04);
  out8(0xA1, 0x02);
  out8(0x21, 0x01);
  out8(0xA1, 0x01);
  /* Timer, keyboard and COM1. */
  out8(0x21, (u8)~0x13);
  out8(0xA1, 0xFF);
}

static void open_timer(void) {
  u32 divisor = TIMER_FREQUENCY / TICKS_PER_SECOND;
  out8(0x43, 0x34);
  out8(0x40, (u8)divisor);
  out8(0x40, (u8)(divisor >> 8));
}

static void controller_write(u16 port, u8 value) {
  for (u32 patience = 10000; patience && in8(0x64) & 2; patience--) {
  }
  out8(port, value);
}

static void open_keyboard(void) {
  /* Interrupt on, translation to scan code set 1 on; then scanning on. */
  controller_write(0x64, 0xAE);
  controller_write(0x64, 0x60);
  controller_write(0x60, 0x45);
  controller_write(0x60, 0xF4);
  for (u32 patience = 10000; patience && !(in8(0x64) & 1); patience--) {
  }
  while (in8(0x64) & 1) in8(0x60);
}

void chipset_open(void) {
  open_interrupt_controllers();
  open_timer();
  open_keyboard();
  out8(0x3F9, 0x01);
  while (in8(0x3FD) & 1) in8(0x3F8);
}

void acknowledge(u32 irq) {
  if (irq >= 8) out8(0xA0, 0x20);
  out8(0x20, 0x20);
}

/* Scan code set 1, unshifted; 0 where there is no character. */
static const char keys[] =
    "\0\0331234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";

int keyboard_read(void) {
  if (!(in8(0x64) & 1)) return 0;
  u8 code = in8(0x60);
  return code < sizeof keys ? keys[code] : 0;
}

int serial_read(void) {
  if (!(in8(0x3FD) & 1)) return 0;
  u8 character = in8(0x3F8);
  return character == '\r' ? '\n' : character == 0x7F ? '\b' : character;
}

static u32 configuration_read(u8 function, u8 offset) {
  out32(0xCF8, 0x80000000u | 1 << 11 | (u32)function << 8 | offset);
  return in32(0xCFC);
}

static void configuration_write(u8 function, u8 offset, u32 value) {
  out32(0xCF8, 0x80000000u | 1 << 11 | (u32)function << 8 | offset);
  out32(0xCFC, value);
}

/* PM1a_CNT of the PIIX4 (82371AB, section 7.2): sleep type 0 is soft off. Firmware would have enabled its ports. */
void power_off(void) {
  enum { BASE = 0xB000, SLEEP_ENABLE = 0x2000 };
  if (configuration_read(3, 0) == 0x71138086) {
    configuration_write(3, 0x40, BASE | 1);
    configuration_write(3, 0x80, configuration_read(3, 0x80) | 1);
  }
  out16(BASE + 4, SLEEP_ENABLE);
  for (;;) __asm__ volatile("cli; hlt");
}
