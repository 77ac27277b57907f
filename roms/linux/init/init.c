/* The first process of a guest in which `switchback compare` runs a program. It reads what to do from /switchback/job,
   runs the program as often as asked and reports over port E9h: see GuestChannel.swift for the frames. No C library. */

typedef unsigned int u32;
typedef unsigned char u8;

enum {
  SYS_exit = 1, SYS_fork = 2, SYS_read = 3, SYS_write = 4, SYS_open = 5, SYS_close = 6, SYS_execve = 11,
  SYS_chdir = 12, SYS_lseek = 19, SYS_mount = 21, SYS_kill = 37, SYS_dup2 = 63, SYS_reboot = 88, SYS_iopl = 110,
  SYS_wait4 = 114
};
enum { O_RDONLY = 0, O_RDWR = 2, O_CREAT = 0100, O_TRUNC = 01000 };

static int call(int number, u32 a, u32 b, u32 c, u32 d, u32 e) {
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
  return result;
}

static u32 address(const void *p) { return (u32)p; }

static void send_byte(u8 value) { __asm__ volatile("outb %b0, %w1" : : "a"(value), "Nd"((unsigned short)0xE9)); }

static void send_bytes(const void *data, u32 count) {
  const u8 *p = data;
  while (count--) send_byte(*p++);
}

static void send_header(char type, u32 length) {
  send_byte((u8)type);
  send_bytes(&length, 4);
}

static void send(char type, const void *data, u32 length) {
  send_header(type, length);
  send_bytes(data, length);
}

static u32 length_of(const char *text) {
  u32 n = 0;
  while (text[n]) n++;
  return n;
}

static void stop(void) {
  for (;;) call(SYS_reboot, 0xFEE1DEAD, 672274793, 0x4321FEDC, 0, 0);
}

static void fail(const char *text) {
  send('X', text, length_of(text));
  stop();
}

static u8 buffer[65536];

static void send_file(char type, int fd) {
  int size = call(SYS_lseek, (u32)fd, 0, 2, 0, 0);
  if (size < 0) fail("cannot read the program's output");
  call(SYS_lseek, (u32)fd, 0, 0, 0, 0);
  send_header(type, (u32)size);
  while (size > 0) {
    int n = call(SYS_read, (u32)fd, address(buffer), sizeof buffer, 0, 0);
    if (n <= 0) {
      /* The frame's length is announced: keep the stream in step. */
      while (size-- > 0) send_byte(0);
      return;
    }
    if (n > size) n = size;
    send_bytes(buffer, (u32)n);
    size -= n;
  }
}

/* The job: strings that end with zero. Repetitions, argument count, arguments, variable count, variables, standard
   input, working directory; two that are for the embedded guest; the number of further commands, and for each its
   argument count and arguments. */
static char job[262144];
static char *words[4096], *variable_words[256];
static char *cursor;

static char *next_word(void) {
  char *word = cursor;
  while (*cursor) cursor++;
  cursor++;
  return word;
}

static u32 next_number(void) {
  u32 value = 0;
  for (char *p = next_word(); *p; p++) value = value * 10 + (u32)(*p - '0');
  return value;
}

static char **next_list(char **place) {
  char **start = place;
  for (u32 count = next_number(); count; count--) *place++ = next_word();
  *place++ = 0;
  return start;
}

static void mount(const char *target, const char *type) {
  call(SYS_mount, address(type), address(target), address(type), 0, 0);
}

static int create(const char *path) {
  int fd = call(SYS_open, address(path), O_RDWR | O_CREAT | O_TRUNC, 0600, 0, 0);
  if (fd < 0) fail("cannot create a file for the program's output");
  return fd;
}

static void run(char **arguments, char **variables, const char *input, const char *directory) {
  int in = call(SYS_open, address(input), O_RDONLY, 0, 0, 0);
  if (in < 0) fail("cannot open the program's standard input");
  int out = create("/switchback/stdout");
  int error = create("/switchback/stderr");
  send('S', "", 0);
  int child = call(SYS_fork, 0, 0, 0, 0, 0);
  if (child == 0) {
    call(SYS_dup2, (u32)in, 0, 0, 0, 0);
    call(SYS_dup2, (u32)out, 1, 0, 0, 0);
    call(SYS_dup2, (u32)error, 2, 0, 0, 0);
    call(SYS_close, (u32)in, 0, 0, 0, 0);
    call(SYS_close, (u32)out, 0, 0, 0, 0);
    call(SYS_close, (u32)error, 0, 0, 0, 0);
    call(SYS_chdir, address(directory), 0, 0, 0, 0);
    /* The program must not get this program's right to use ports. */
    call(SYS_iopl, 0, 0, 0, 0, 0);
    call(SYS_execve, address(arguments[0]), address(arguments), address(variables), 0, 0);
    call(SYS_iopl, 3, 0, 0, 0, 0);
    fail("the guest's kernel cannot execute the program");
  }
  if (child < 0) fail("cannot fork");
  u32 status = 0;
  while (call(SYS_wait4, (u32)child, address(&status), 0, 0, 0) != child) {}
  send('E', &status, 4);
  /* What the program left running would disturb the next run. */
  call(SYS_kill, (u32)-1, 9, 0, 0, 0);
  while (call(SYS_wait4, (u32)-1, 0, 0, 0, 0) > 0) {}
  send_file('1', out);
  send_file('2', error);
  call(SYS_close, (u32)in, 0, 0, 0, 0);
  call(SYS_close, (u32)out, 0, 0, 0, 0);
  call(SYS_close, (u32)error, 0, 0, 0, 0);
}

void init_main(void) {
  mount("/proc", "proc");
  mount("/sys", "sysfs");
  mount("/dev", "devtmpfs");
  if (call(SYS_iopl, 3, 0, 0, 0, 0) < 0) stop();
  send('R', "", 0);

  int fd = call(SYS_open, address("/switchback/job"), O_RDONLY, 0, 0, 0);
  u32 size = 0;
  int n;
  while (size < sizeof job - 1 && (n = call(SYS_read, (u32)fd, address(job + size), sizeof job - 1 - size, 0, 0)) > 0)
    size += (u32)n;
  if (!size) fail("no job to do");
  cursor = job;
  u32 repetitions = next_number();
  char **arguments = next_list(words);
  char **variables = next_list(variable_words);
  char *input = next_word();
  char *directory = next_word();
  next_number();
  next_number();
  for (u32 more = next_number();; more--) {
    for (u32 i = 0; i < repetitions; i++) run(arguments, variables, input, directory);
    if (!more) break;
    arguments = next_list(words);
  }
  send('Q', "", 0);
  stop();
}
