/* The embedded guest's kernel: one process, one address space, Linux's system calls (arch/x86/entry/syscalls). */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define KERNEL_BASE 0xC0000000u
#define USER_TOP 0xBFFFF000u
#define STACK_SIZE 0x00800000u
#define PAGE 4096u

/* Linux's error numbers (include/uapi/asm-generic/errno-base.h). */
enum {
  EPERM = 1, ENOENT = 2, ESRCH = 3, EBADF = 9, ENOMEM = 12, EACCES = 13, EFAULT = 14, EEXIST = 17, ENOTDIR = 20,
  EISDIR = 21, EINVAL = 22, ENFILE = 23, EMFILE = 24, ENOTTY = 25, EFBIG = 27, ESPIPE = 29, ERANGE = 34, ENOSYS = 38
};

/* Access rights to memory, as in mmap. */
enum { READ = 1, WRITE = 2, EXECUTE = 4 };

enum { SIGILL = 4, SIGTRAP = 5, SIGABRT = 6, SIGBUS = 7, SIGFPE = 8, SIGSEGV = 11 };

/* What entry.S leaves on the kernel stack. */
struct frame {
  u32 edi, esi, ebp, ignored_esp, ebx, edx, ecx, eax;
  u32 ds, es;
  u32 vector, error;
  u32 eip, cs, eflags;
  u32 esp, ss;
};

/* main.c */
extern char **argument_words, **variable_words;
extern const char *working_directory;
extern u32 page_faults, system_calls;
void end_run(u32 status) __attribute__((noreturn));
/* Tells the host that the run cannot go on. */
void fail(const char *text, const char *more) __attribute__((noreturn));
void fail_call(u32 number, const char *detail) __attribute__((noreturn));
void set_thread_descriptor(u32 entry, u64 descriptor);
int thread_descriptor_is_free(u32 entry);
char *append(char *to, const char *text);
char *append_number(char *to, u32 number);

/* time.c */
void time_open(u32 mhz, u32 start);
/* Seconds and nanoseconds since the machine was switched on. */
u32 time_since_start(u32 *nanoseconds);
u32 time_since_epoch(u32 *nanoseconds);

/* memory.c */
void memory_open(u32 first_free, u32 size);
void *allocate_page(void);
void free_page(void *page);
u32 free_pages(void);
u32 total_pages(void);
/* Frees all that ring 3 can see. */
void memory_reset(void);
int demand_page(u32 address, int write);
/* Whether ring 3 may access the range; what is missing of it is there afterwards. */
int accessible(u32 address, u32 size, int write);
/* Fills a range of an area that may be read-only for ring 3. */
void fill(u32 address, const void *data, u32 size);
int map(u32 address, u32 size, u32 protection);
void unmap(u32 address, u32 size);
int protect(u32 address, u32 size, u32 protection);
void discard(u32 address, u32 size);
/* The highest free range below the stack; 0 if there is none. */
u32 find_free(u32 size);
int is_free(u32 address, u32 size);
/* Moves pages to another range that is mapped already. */
void move_pages(u32 from, u32 to, u32 size);
int protection_of(u32 address, u32 size);
void set_break_start(u32 address);
u32 set_break(u32 address);

/* files.c */
struct file;
void files_open(const u8 *archive, u32 size);
void files_reset(const char *input);
const struct file *find_packed(const char *name);
const u8 *packed_data(const struct file *file, u32 *size);
/* Hands out what the run wrote to descriptor 1 or 2, page by page. */
u32 output_size(int number);
const u8 *output_page(int number, u32 index);
int file_call(u32 number, const u32 *a, int *handled);
int read_file(u32 descriptor, u32 offset, u32 to, u32 size);

/* load.c */
void load_program(struct frame *frame);

/* names.c */
const char *call_name(u32 number);

static inline void out8(u16 port, u8 value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static inline u64 rdtsc(void) {
  u64 value;
  __asm__ volatile("rdtsc" : "=A"(value));
  return value;
}

static inline void copy(void *to, const void *from, u32 size) {
  u32 words = size / 4, bytes = size % 4;
  __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static inline void clear(void *to, u32 size) {
  u32 words = size / 4, bytes = size % 4;
  __asm__ volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(0) : "memory");
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(0) : "memory");
}

static inline u32 length_of(const char *text) {
  u32 n = 0;
  while (text[n]) n++;
  return n;
}

static inline int equal(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}
