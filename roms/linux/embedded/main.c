/* The start, the runs, exceptions, and the reports to the host over port E9h: see GuestChannel.swift for the frames. */
#include "kernel.h"

extern const u32 stub_table[];
extern u64 gdt[];
extern u8 kernel_stack_end[], kernel_end[];
void system_call_entry(void);
void resume(struct frame *frame) __attribute__((noreturn));
void process_reset(void);
void raise_signal(u32 number);

/* Multiboot information, section 3.3 of the specification. */
struct information {
  u32 flags, lower, upper, boot_device, command_line, module_count, modules;
};

char **argument_words, **variable_words;
const char *working_directory;
u32 page_faults, system_calls;

static u64 idt[129];
static struct {
  u32 link, esp0, ss0, others[22];
  u16 trap, map;
} tss;
static u32 repetitions, runs, more_commands;
static const char *input;
static char *words[4096], *variables[256];
static const char *cursor;

static void send_bytes(const void *data, u32 size) {
  for (const u8 *p = data; size; size--) out8(0xE9, *p++);
}

static void send_header(char type, u32 size) {
  out8(0xE9, (u8)type);
  send_bytes(&size, 4);
}

static void stop(void) {
  for (;;) __asm__ volatile("cli; hlt");
}

char *append(char *to, const char *text) {
  while ((*to = *text++)) to++;
  return to;
}

char *append_number(char *to, u32 number) {
  if (number >= 10) to = append_number(to, number / 10);
  *to++ = (char)('0' + number % 10);
  *to = 0;
  return to;
}

static char *append_hexadecimal(char *to, u32 number) {
  for (int i = 28; i >= 0; i -= 4) *to++ = "0123456789abcdef"[number >> i & 15];
  *to = 0;
  return to;
}

void fail(const char *text, const char *more) {
  u32 first = length_of(text), second = more ? length_of(more) : 0;
  send_header('X', first + second);
  send_bytes(text, first);
  send_bytes(more, second);
  stop();
  __builtin_unreachable();
}

void fail_call(u32 number, const char *detail) {
  char text[300];
  const char *name = call_name(number);
  char *end = append_number(append(text, "system call "), number);
  if (name) end = append(append(append(end, " ("), name), ")");
  if (detail) end = append(append(end, " "), detail);
  append(end, " is not in the embedded guest; run the program in a Linux guest with --kernel");
  fail(text, 0);
}

static void send_output(char type, int number) {
  u32 size = output_size(number);
  send_header(type, size);
  for (u32 offset = 0; offset < size; offset += PAGE)
    send_bytes(output_page(number, offset / PAGE), size - offset < PAGE ? size - offset : PAGE);
}

static char *next_word(void) {
  const char *word = cursor;
  while (*cursor) cursor++;
  cursor++;
  return (char *)word;
}

static u32 next_number(void) {
  u32 value = 0;
  for (const char *p = next_word(); *p; p++) value = value * 10 + (u32)(*p - '0');
  return value;
}

static void next_list(char **place) {
  for (u32 count = next_number(); count; count--) *place++ = next_word();
  *place = 0;
}

static void start_run(void) {
  static struct frame first;
  if (!runs) {
    if (!more_commands) {
      send_header('Q', 0);
      stop();
    }
    more_commands--;
    next_list(argument_words);
    runs = repetitions;
  }
  runs--;
  memory_reset();
  process_reset();
  files_reset(input);
  page_faults = system_calls = 0;
  send_header('S', 0);
  load_program(&first);
  u32 control = 0x1F80;
  __asm__ volatile("fninit; ldmxcsr %0" : : "m"(control));
  __asm__ volatile("movl %0, %%gs; movl %0, %%fs" : : "r"(0));
  resume(&first);
}

void end_run(u32 status) {
  send_header('E', 4);
  send_bytes(&status, 4);
  send_output('1', 1);
  send_output('2', 2);
  start_run();
  __builtin_unreachable();
}

void set_thread_descriptor(u32 entry, u64 descriptor) { gdt[entry] = descriptor; }
int thread_descriptor_is_free(u32 entry) { return !gdt[entry]; }

void exception(struct frame *frame) {
  u32 address;
  __asm__ volatile("movl %%cr2, %0" : "=r"(address));
  if (!(frame->cs & 3)) {
    char text[128];
    char *end = append_number(append(text, "exception "), frame->vector);
    end = append_hexadecimal(append(end, " in the embedded guest's kernel at "), frame->eip);
    append_hexadecimal(append(end, ", CR2 "), address);
    fail(text, 0);
  }
  if (frame->vector == 14) {
    page_faults++;
    if (demand_page(address, frame->error & 2)) return;
  }
  static const u8 signals[20] = {
      SIGFPE, SIGTRAP, 0, SIGTRAP, SIGSEGV, SIGSEGV, SIGILL, SIGSEGV, 0, SIGFPE, SIGSEGV, SIGBUS, SIGBUS, SIGSEGV,
      SIGSEGV, 0, SIGFPE, SIGBUS, 0, SIGFPE};
  u32 number = frame->vector < 20 ? signals[frame->vector] : 0;
  raise_signal(number ? number : SIGSEGV);
  /* A fault cannot be ignored: the instruction would fault again. */
  end_run(number ? number : SIGSEGV);
}

static void set_gate(u32 vector, u32 address, u32 privilege) {
  idt[vector] = (u64)(address & 0xFFFF0000u) << 32 | 0x8E0000000000ull | (u64)privilege << 45 | 0x80000u |
                (address & 0xFFFF);
}

static void open_descriptors(void) {
  for (u32 i = 0; i < 32; i++) set_gate(i, stub_table[i], i == 3 || i == 4 ? 3 : 0);
  set_gate(0x80, (u32)system_call_entry, 3);
  struct __attribute__((packed)) {
    u16 limit;
    u32 base;
  } pointer = {sizeof idt - 1, (u32)idt};
  __asm__ volatile("lidt %0" : : "m"(pointer));
  u32 base = (u32)&tss;
  tss.esp0 = (u32)kernel_stack_end;
  tss.ss0 = 0x10;
  tss.map = sizeof tss;
  gdt[5] = (u64)(base & 0xFF000000u) << 32 | 0x890000000000ull | (u64)(base & 0xFFFFFF) << 16 | (sizeof tss - 1);
  __asm__ volatile("ltr %w0" : : "r"(0x28));
}

void kernel_main(const struct information *information) {
  /* No interrupts: both 8259s stay masked. */
  out8(0x21, 0xFF);
  out8(0xA1, 0xFF);
  open_descriptors();
  const u32 *module = (const u32 *)(information->modules + KERNEL_BASE);
  u32 top = (information->upper + 1024) * 1024, first = (u32)kernel_end - KERNEL_BASE;
  if (top > 896u << 20) top = 896u << 20;
  if (!(information->flags & 8) || module[1] > top) fail("the embedded guest has got no program", 0);
  memory_open(module[1] > first ? module[1] : first, top);
  files_open((const u8 *)(module[0] + KERNEL_BASE), module[1] - module[0]);
  send_header('R', 0);

  /* Repetitions, arguments, variables, standard input, working directory, cycles per microsecond, seconds since 1970,
     the number of further commands, their arguments. */
  u32 size;
  const struct file *job = find_packed("switchback/job");
  if (!job) fail("no job to do", 0);
  cursor = (const char *)packed_data(job, &size);
  runs = repetitions = next_number();
  argument_words = words;
  variable_words = variables;
  next_list(argument_words);
  next_list(variable_words);
  input = next_word();
  working_directory = next_word();
  u32 mhz = next_number();
  time_open(mhz, next_number());
  more_commands = next_number();
  start_run();
}
