/* The small preemptive kernel of the demonstration guest. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

/* What entry.S leaves on the kernel stack; `esp` and `ss` are only there when the task ran in ring 3. */
struct frame {
  u32 edi, esi, ebp, ignored_esp, ebx, edx, ecx, eax;
  u32 ds;
  u32 vector, error;
  u32 eip, cs, eflags;
  u32 esp, ss;
};

struct window {
  u8 x, y, width, height;
  u8 color;
};

enum state { FREE, READY, SLEEPING, WAITING_FOR_KEY, ENDED };

struct task {
  const char *name;
  enum state state;
  struct frame *frame;
  u32 directory; /* CR3 */
  u32 wake;      /* tick at which a sleeper goes on */
  struct window window;
  u8 uses_fpu;
  u8 fpu[108];
  u8 *stack; /* one page */
};

#define USER_BASE 0x40000000u
#define USER_SIZE 0x00400000u

extern u32 ticks;
extern struct task tasks[];
extern struct task *current;

/* console.c */
void console_open(void);
void draw(int x, int y, u8 character, u8 color);
void draw_text(int x, int y, const char *text, u8 color);
void draw_frame(const struct window *window, const char *title);
void window_put(const struct window *window, int x, int y, u8 character, u8 color);
void draw_status(u32 switches, u32 calls, u32 page_faults, const char *hint);
void serial_put(char character);
void serial_text(const char *text);
void serial_number(u32 number);

/* memory.c */
void paging_open(void);
u32 make_directory(void);
u8 *allocate_page(void);
/* Maps a zeroed page for `address` in the current task; 0 if the address is not the task's to touch. */
int demand_page(u32 address);
int user_can_read(u32 address, u32 size);

/* chipset.c */
void chipset_open(void);
void acknowledge(u32 irq);
int keyboard_read(void);
int serial_read(void);
void power_off(void) __attribute__((noreturn));

/* user.c */
void sieve_task(void);
void crc_task(void);
void pi_task(void);
void mandelbrot_task(void);
void wave_task(void);
void rogue_task(void);
void prompt_task(void);

static inline void out8(u16 port, u8 value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline void out16(u16 port, u16 value) {
  __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}
static inline void out32(u16 port, u32 value) {
  __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}
static inline u8 in8(u16 port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline u32 in32(u16 port) {
  u32 value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
