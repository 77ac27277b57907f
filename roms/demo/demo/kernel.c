/* Interrupts, exceptions, system calls and the scheduler. The kernel itself is never preempted. */
#include "kernel.h"
#include "system_calls.h"

enum { TASKS = 8, GRACE = 200, REDRAW = 5 };

extern const u32 stub_table[];
extern unsigned long long gdt[];
void idle(void);
void resume(struct frame *frame) __attribute__((noreturn));

u32 ticks;
struct task tasks[TASKS];
struct task *current; /* 0 while idle */

static unsigned long long idt[129];
static struct {
  u32 link, esp0, ss0, others[22];
  u16 trap, map;
} tss;
static struct frame *idle_frame;
static struct task *fpu_owner;
static u32 switches, calls, page_faults;
static int running;     /* tasks that have not ended, the prompt left out */
static int key_typed;   /* stays 1 from the first key on: somebody is watching */
static u32 quiet_since; /* tick at which the last task ended */

#define KEYS 64
static char keys[KEYS];
static u32 first_key, last_key;

static void set_gate(u32 vector, u32 address, u32 privilege) {
  idt[vector] = (unsigned long long)(address & 0xFFFF0000u) << 32 | 0x8E0000000000ull |
                (unsigned long long)privilege << 45 | 0x80000u | (address & 0xFFFF);
}

static void open_descriptors(void) {
  for (u32 i = 0; i < 48; i++) set_gate(i, stub_table[i], 0);
  set_gate(SYSTEM_CALL, stub_table[48], 3);
  struct __attribute__((packed)) {
    u16 limit;
    u32 base;
  } pointer = {sizeof idt - 1, (u32)idt};
  __asm__ volatile("lidt %0" : : "m"(pointer));
  u32 base = (u32)&tss;
  tss.ss0 = 0x10;
  tss.map = sizeof tss;
  gdt[5] = (unsigned long long)(base & 0xFF000000u) << 32 | 0x890000000000ull |
           (unsigned long long)(base & 0xFFFFFF) << 16 | (sizeof tss - 1);
  __asm__ volatile("ltr %w0" : : "r"(0x28));
}

static void log(const struct task *task, const char *text) {
  serial_text("demo: task ");
  serial_text(task->name);
  serial_text(": ");
  serial_text(text);
  serial_text("\n");
}

static void start_task(const char *name, void (*entry)(void), struct window window) {
  struct task *task = tasks;
  while (task->state != FREE) task++;
  task->name = name;
  task->window = window;
  task->directory = make_directory();
  task->stack = allocate_page();
  struct frame *frame = (struct frame *)(task->stack + 4096) - 1;
  frame->eip = (u32)entry;
  frame->cs = 0x1B;
  frame->ds = 0x23;
  frame->eflags = 0x202;
  frame->esp = USER_BASE + USER_SIZE - 16;
  frame->ss = 0x23;
  task->frame = frame;
  task->state = READY;
  draw_frame(&task->window, name);
}

/* The FPU state moves only when a task that does not own it uses it: exception 7 while CR0.TS is set. */
static void give_fpu(void) {
  __asm__ volatile("clts");
  if (fpu_owner == current) return;
  if (fpu_owner) __asm__ volatile("fnsave %0" : "=m"(fpu_owner->fpu));
  if (current->uses_fpu)
    __asm__ volatile("frstor %0" : : "m"(current->fpu));
  else
    __asm__ volatile("fninit");
  current->uses_fpu = 1;
  fpu_owner = current;
}

static void end_task(struct task *task) {
  task->state = ENDED;
  if (fpu_owner == task) fpu_owner = 0;
  if (task->window.color != PROMPT_COLOR && --running == 0) quiet_since = ticks;
}

static const char *hint(void) {
  if (key_typed) return "q: power off";
  return running ? "type to stay" : "powering off...";
}

static void status(void) { draw_status(switches, calls, page_faults, hint()); }

static void finish(void) {
  status();
  serial_text(running ? "demo: stopped by the user\n" : "demo: all tasks done\n");
  power_off();
}

static void timer(void) {
  ticks++;
  for (struct task *task = tasks; task < tasks + TASKS; task++)
    if (task->state == SLEEPING && (int)(ticks - task->wake) >= 0) task->state = READY;
  if (ticks % REDRAW == 0) status();
  if (!running && !key_typed && ticks - quiet_since >= GRACE) finish();
}

static void key(int character) {
  if (!character) return;
  key_typed = 1;
  if (last_key - first_key < KEYS) keys[last_key++ % KEYS] = (char)character;
  for (struct task *task = tasks; task < tasks + TASKS; task++)
    if (task->state == WAITING_FOR_KEY) {
      task->state = READY;
      task->frame->eax = (u8)keys[first_key++ % KEYS];
      if (task->frame->eax == 'q') finish();
      break;
    }
}

static void interrupt(u32 irq) {
  acknowledge(irq);
  if (irq == 0) timer();
  if (irq == 1) key(keyboard_read());
  if (irq == 4)
    for (int character; (character = serial_read());) key(character);
}

/* A user text of at most 80 characters; 0 if the task may not read it. */
static int copy_text(char *to, u32 from) {
  for (int i = 0; i < 80; i++) {
    if (!user_can_read(from + (u32)i, 1)) return 0;
    to[i] = *(const char *)(from + (u32)i);
    if (!to[i]) return 1;
  }
  to[80] = 0;
  return 1;
}

static void system_call(struct frame *frame) {
  char text[81];
  calls++;
  switch (frame->eax) {
  case CALL_EXIT:
    end_task(current);
    break;
  case CALL_SLEEP:
    current->wake = ticks + frame->ebx;
    current->state = SLEEPING;
    break;
  case CALL_TICKS:
    frame->eax = ticks;
    break;
  case CALL_PUT:
    window_put(&current->window, (int)frame->ebx, (int)frame->ecx, (u8)frame->edx,
               (u8)(frame->edx >> 8));
    break;
  case CALL_LOG:
    if (copy_text(text, frame->ebx)) log(current, text);
    break;
  case CALL_KEY:
    if (first_key != last_key) {
      frame->eax = (u8)keys[first_key++ % KEYS];
      if (frame->eax == 'q') finish();
    } else
      current->state = WAITING_FOR_KEY;
    break;
  default:
    frame->eax = (u32)-1;
  }
}

static void exception(struct frame *frame) {
  u32 address;
  __asm__ volatile("movl %%cr2, %0" : "=r"(address));
  if (frame->vector == 7 && current) return give_fpu();
  if (frame->vector == 14 && current && !(frame->error & 1) && demand_page(address)) {
    page_faults++;
    return;
  }
  if (!current || !(frame->cs & 3)) {
    serial_text("demo: exception in the kernel\n");
    for (;;) __asm__ volatile("cli; hlt");
  }
  serial_text("demo: task ");
  serial_text(current->name);
  serial_text(": ended by exception ");
  serial_number(frame->vector);
  serial_text("\n");
  const char *message = "ended by exception ";
  for (int i = 0; message[i]; i++) window_put(&current->window, i, 0, (u8)message[i], 0x0C);
  window_put(&current->window, 19, 0, (u8)('0' + frame->vector / 10), 0x0C);
  window_put(&current->window, 20, 0, (u8)('0' + frame->vector % 10), 0x0C);
  end_task(current);
}

static struct frame *schedule(void) {
  static u32 turn;
  struct task *next = 0;
  for (u32 i = 1; i <= TASKS && !next; i++)
    if (tasks[(turn + i) % TASKS].state == READY) next = &tasks[turn = (turn + i) % TASKS];
  if (next == current) return next ? next->frame : idle_frame;
  switches++;
  current = next;
  if (!next) return idle_frame;
  tss.esp0 = (u32)(next->stack + 4096);
  __asm__ volatile("movl %0, %%cr3" : : "r"(next->directory) : "memory");
  u32 cr0;
  __asm__ volatile("movl %%cr0, %0" : "=r"(cr0));
  cr0 = fpu_owner == next ? cr0 & ~8u : cr0 | 8;
  __asm__ volatile("movl %0, %%cr0" : : "r"(cr0));
  return next->frame;
}

/* Called by entry.S for everything that happens; returns the frame to go on with. */
struct frame *handle(struct frame *frame) {
  if (frame->vector == 14 && !(frame->cs & 3)) {
    /* The kernel touches a page of the task that is not there yet. */
    exception(frame);
    return frame;
  }
  if (current)
    current->frame = frame;
  else
    idle_frame = frame;
  if (frame->vector == SYSTEM_CALL)
    system_call(frame);
  else if (frame->vector >= 0x20)
    interrupt(frame->vector - 0x20);
  else
    exception(frame);
  if (current && current->state == READY && frame->vector != 0x20) return frame;
  return schedule();
}

void kernel_main(void) {
  console_open();
  serial_text("demo: protected mode\n");
  paging_open();
  serial_text("demo: paging\n");
  open_descriptors();
  chipset_open();
  start_task("sieve", sieve_task, (struct window){1, 4, 38, 2, 0x0B});
  start_task("crc", crc_task, (struct window){1, 8, 38, 2, 0x0A});
  start_task("pi", pi_task, (struct window){1, 12, 38, 5, 0x0E});
  start_task("mandelbrot", mandelbrot_task, (struct window){41, 4, 38, 14, 0x09});
  start_task("wave", wave_task, (struct window){41, 20, 38, 3, 0x0D});
  start_task("rogue", rogue_task, (struct window){1, 19, 38, 1, 0x0C});
  running = 6;
  start_task("prompt", prompt_task, (struct window){1, 22, 38, 1, PROMPT_COLOR});
  /* The idle loop is what is interrupted when no task is current. */
  static u8 idle_stack[1024];
  struct frame *frame = (struct frame *)(idle_stack + sizeof idle_stack - 64);
  frame->eip = (u32)idle;
  frame->cs = 0x08;
  frame->ds = 0x10;
  frame->eflags = 0x202;
  idle_frame = frame;
  serial_text("demo: ring 3\n");
  resume(schedule());
}
