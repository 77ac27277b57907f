/* Random programs for torture.S. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

extern volatile u32 trap_vector, trap_error, trap_eip, trap_cs, trap_eflags, trap_eax, trap_ebx, trap_ecx, trap_edx,
    trap_esi, trap_edi, trap_ebp, trap_esp, trap_cr2;
void enter_user(void);

/* EAX ECX EDX EBX ESP EBP ESI EDI EIP EFLAGS */
u32 user_registers[10];
/* Whether each vector has ended a program. */
u32 seen[256];
u32 runs_were_made, faults_in_ring_0;
/* The tests look for these bytes in the image to try other seeds and lengths. */
u32 seed[2] = {0x70E5EED5, 1500};
u32 digest;

enum { FRAMES = 10, LARGE = 8, PAGES = 20, ENTRIES = 24, TIMER_VECTOR = 0x20, LEAVE = 0x40 };
enum { PRESENT = 1, WRITABLE = 2, USER = 4, GLOBAL = 0x100 };

static u32 entries[ENTRIES];
static u32 space;

static void out8(u16 port, u8 value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static void out32(u16 port, u32 value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }
static u8 in8(u16 port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static u16 out16_in8(u16 port, u16 value) {
  __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
  return in8((u16)(port + 1));
}

static u32 random(void) {
  u32 x = seed[0];
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return seed[0] = x;
}
static u32 below(u32 n) { return random() % n; }
static u32 chance(u32 percent) { return below(100) < percent; }

/* Memory. Linear page 16 is the last of the address space, 17 the first, 18 and 19 lie in a 4 MiB page. */

static u32 frame(u32 n) { return n < LARGE ? 0x200000 + n * 0x1000 : 0x400000 + (n - LARGE) * 0x1000; }
static u32 linear(u32 page) {
  return page < 16 ? 0x400000 + page * 0x1000 : page == 16 ? 0xFFFFF000 : page == 17 ? 0 : 0x800000 + (page - 18) * 0x1000;
}
/* Where ring 0 reaches a frame. */
static u8 *view(u32 n) { return (u8 *)(n < LARGE ? frame(n) : 0x800000 + (n - LARGE) * 0x1000); }
static u32 directory(u32 s) { return s ? 0x33000 : 0x30000; }
static u32 *entry(u32 s, u32 page) {
  if (page < 16) return (u32 *)(s ? 0x34000 : 0x32000) + page;
  if (page == 16) return (u32 *)(s ? 0x36000 : 0x35000) + 1023;
  return (u32 *)0x31000;
}
/* The same in both address spaces, and perhaps global. */
static u32 is_shared(u32 page) { return page == 17 || (page >= 12 && page < 16); }
static void load_cr3(void) { __asm__ volatile("movl %0, %%cr3" : : "r"(directory(space)) : "memory"); }
static void invalidate(u32 address) { __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory"); }

static void map(u32 s, u32 page) {
  u32 value = 0;
  if (!chance(12)) {
    value = frame(below(FRAMES)) | PRESENT;
    if (chance(75)) value |= WRITABLE;
    if (chance(88)) value |= USER;
    if (is_shared(page) && chance(50)) value |= GLOBAL;
  }
  *entry(s, page) = value;
  if (is_shared(page)) *entry(s ^ 1, page) = value;
  if (is_shared(page) || (s == space && chance(60))) {
    invalidate(linear(page));
  } else {
    load_cr3();
  }
}

static void prepare_memory(void) {
  u32 *p = (u32 *)0x30000;
  for (u32 i = 0; i < 0x7000 / 4; i++) p[i] = 0;
  for (u32 i = 0; i < 1024; i++) ((u32 *)0x31000)[i] = i << 12 | PRESENT | WRITABLE;
  for (u32 s = 0; s < 2; s++) {
    u32 *d = (u32 *)directory(s);
    d[0] = 0x31000 | PRESENT | WRITABLE | USER;
    d[1] = (s ? 0x34000 : 0x32000) | PRESENT | WRITABLE | USER;
    d[2] = 0x400000 | 0x80 | PRESENT | WRITABLE | USER;
    d[1023] = (s ? 0x36000 : 0x35000) | PRESENT | WRITABLE | USER;
  }
  u32 bits;
  __asm__ volatile("movl %%cr4, %0" : "=r"(bits));
  /* OSXMMEXCPT OSFXSR PGE PSE */
  __asm__ volatile("movl %0, %%cr4" : : "r"(bits | 0x690));
  load_cr3();
  __asm__ volatile("movl %%cr0, %0" : "=r"(bits));
  /* PG NE */
  __asm__ volatile("movl %0, %%cr0" : : "r"(bits | 0x80000020));
  for (u32 s = 0; s < 2; s++)
    for (u32 page = 0; page < 18; page++) map(s, page);
}

/* Programs. */

static u8 code[96];
static u32 length;
static void byte(u32 value) { code[length++] = (u8)value; }
static void dword(u32 value) {
  for (u32 i = 0; i < 4; i++) byte(value >> (i * 8));
}
static u32 place(void) {
  if (chance(60)) return entries[below(ENTRIES)] + below(24);
  return linear(below(PAGES)) + below(0x1000);
}
static u32 program(void) { return chance(85) ? entries[below(ENTRIES)] : place(); }
/* A register that is not ESP. */
static u32 reg(void) {
  u32 r = below(7);
  return r < 4 ? r : r + 1;
}
static u32 opcode(void) {
  static const u8 likely[] = {0x90, 0x40, 0x41, 0x48, 0x49, 0x01, 0x29, 0x31, 0x85, 0xEB, 0x75, 0x74, 0xC3, 0xB8, 0xCD, 0x0F};
  return chance(80) ? likely[below(sizeof likely)] : random();
}

/* An instruction or a few; `at` is where the program is expected to run. */
static void emit(u32 at) {
  static const u8 operations[] = {0x01, 0x29, 0x31, 0x21, 0x09, 0x11, 0x19, 0x03, 0x2B, 0x33, 0x39, 0x85};
  u32 target;
  switch (below(22)) {
  default:
    byte(operations[below(sizeof operations)]);
    byte(0xC0 | reg() << 3 | reg());
    break;
  case 4:
    byte(0xB8 | reg());
    dword(chance(50) ? place() : random());
    break;
  case 5:
    byte(0xC6), byte(0x05), dword(place()), byte(opcode());
    break;
  case 6:
    byte(0xC7), byte(0x05), dword(place()), dword(random());
    break;
  case 7:
    if (chance(30)) byte(0xF0);
    byte(chance(50) ? 0xFE : 0xFF), byte(chance(50) ? 0x05 : 0x0D), dword(place());
    break;
  case 8:
    byte(0x70 | below(16)), byte(below(12));
    break;
  case 9:
    target = program();
    byte(chance(70) ? 0xE9 : 0xE8);
    dword(target - (at + length + 4));
    break;
  case 10:
    target = program();
    if (chance(50)) {
      byte(0x68), dword(target), byte(0xC3);
    } else {
      byte(0xB8), dword(target), byte(0xFF), byte(chance(50) ? 0xD0 : 0xE0);
    }
    break;
  case 11:
    byte(0xBF), dword(place()), byte(0xB9), dword(below(40));
    byte(0xF3), byte(0xAA | below(2));
    break;
  case 12:
    byte(0xBE), dword(place()), byte(0xBF), dword(place()), byte(0xB9), dword(below(40));
    byte(0xF3), byte(0xA4 | below(2));
    break;
  case 13:
    for (u32 n = 1 + below(6); n; n--) byte(random());
    break;
  case 14:
    /* Back to the start while ECX lasts. */
    byte(0x49), byte(0x75), byte((u32)-(int)(length + 1));
    break;
  case 15:
    byte(0xB9), dword(below(300)), byte(0xCD), byte(LEAVE);
    break;
  case 16:
    byte(0xDB), byte(chance(50) ? 0x05 : 0x1D), dword(place());
    break;
  case 17:
    byte(0x0F), byte(0x10 | below(2)), byte(0x05 | below(8) << 3), dword(place());
    break;
  case 18:
    byte(0x87), byte(0x05 | reg() << 3), dword(place());
    break;
  case 19:
    byte(0x0F), byte(0xB1), byte(0x05 | reg() << 3), dword(place());
    break;
  case 20:
    byte(0x50 | below(16));
    break;
  case 21:
    byte(chance(50) ? 0x8B : 0x89), byte(0x40 | reg() << 3 | reg()), byte(random());
    break;
  }
}

static void store(u32 n, u32 offset, u32 from, u32 count) {
  u8 *to = view(n) + offset;
  switch (below(3)) {
  case 0:
    for (u32 i = 0; i < count; i++) ((volatile u8 *)to)[i] = code[from + i];
    break;
  case 1: {
    const u8 *source = code + from;
    u32 left = count;
    __asm__ volatile("rep movsb" : "+S"(source), "+D"(to), "+c"(left) : : "memory");
    break;
  }
  default: {
    u32 i = 0;
    for (; i + 4 <= count; i += 4) *(volatile u32 *)(to + i) = *(u32 *)(code + from + i);
    for (; i < count; i++) ((volatile u8 *)to)[i] = code[from + i];
  }
  }
}

/* A new program at a random address of the current address space, mapped or not. */
static void write_program(void) {
  u32 page = below(PAGES);
  u32 offset = chance(25) ? 0xFC0 + below(0x40) : below(0x100) << 4;
  u32 at = linear(page) + offset;
  entries[below(ENTRIES)] = at;
  length = 0;
  for (u32 n = 1 + below(8); n && length < sizeof code - 24; n--) emit(at);
  if (chance(50)) byte(0xCD), byte(LEAVE);
  u32 here = below(FRAMES), next = below(FRAMES);
  if (page >= 18) {
    here = page - 18 + LARGE;
  } else if (*entry(space, page) & PRESENT) {
    for (u32 n = 0; n < FRAMES; n++)
      if (frame(n) == (*entry(space, page) & 0xFFFFF000)) here = n;
  }
  u32 after = page < 15 ? page + 1 : page == 16 ? 17 : PAGES;
  if (after < PAGES && *entry(space, after) & PRESENT)
    for (u32 n = 0; n < FRAMES; n++)
      if (frame(n) == (*entry(space, after) & 0xFFFFF000)) next = n;
  u32 first = length < 0x1000 - offset ? length : 0x1000 - offset;
  store(here, offset, 0, first);
  if (first < length) store(next, 0, first, length - first);
}

/* The firmware configuration device writes its signature, "QEMU", by DMA: PUSH ECX; INC EBP; DEC EBP; PUSH EBP. */
static void write_by_dma(void) {
  static volatile u32 request[4];
  u32 to = frame(below(FRAMES)) + (below(0x100) << 4) + below(8);
  /* Big endian: select item 0 and read 4 bytes. */
  request[0] = 0x0A000000;
  request[1] = __builtin_bswap32(4);
  request[2] = 0;
  request[3] = __builtin_bswap32(to);
  out32(0x514, 0);
  out32(0x518, __builtin_bswap32((u32)request));
}

static u32 has_dma;

static void mutate(void) {
  switch (below(16)) {
  default: write_program(); break;
  case 7:
  case 8:
    map(below(2), below(18));
    break;
  case 9:
    space ^= 1;
    load_cr3();
    break;
  case 10: {
    u32 bits;
    __asm__ volatile("movl %%cr0, %0" : "=r"(bits));
    __asm__ volatile("movl %0, %%cr0" : : "r"(bits ^ 0x10000));
    break;
  }
  case 11:
    if (has_dma) write_by_dma();
    break;
  case 12:
  case 13:
    view(below(FRAMES))[chance(50) ? below(0x100) << 4 : below(0x1000)] = (u8)opcode();
    break;
  case 14:
    if (chance(20)) {
      u32 bits;
      __asm__ volatile("movl %%cr4, %0" : "=r"(bits));
      __asm__ volatile("movl %0, %%cr4" : : "r"(bits ^ 0x80));
      __asm__ volatile("movl %0, %%cr4" : : "r"(bits));
    }
    break;
  }
}

static void mix(u32 value) {
  digest = (digest ^ value) * 0x01000193;
  digest = digest << 7 | digest >> 25;
}

static void run(void) {
  out8(0x43, 0x30);
  u32 count = 10 + below(110);
  out8(0x40, (u8)count);
  out8(0x40, (u8)(count >> 8));
  enter_user();
  if ((trap_cs & 3) == 0) faults_in_ring_0++;
  u32 vector = trap_vector & 0xFF;
  seen[vector] = 1;
  if (vector == TIMER_VECTOR) out8(0x20, 0x20);
  mix(trap_vector), mix(trap_error), mix(trap_eip), mix(trap_eflags);
  mix(trap_eax), mix(trap_ebx), mix(trap_ecx), mix(trap_edx), mix(trap_esi), mix(trap_edi), mix(trap_ebp), mix(trap_esp);
  if (vector == 14) mix(trap_cr2);
}

void torture(void) {
  out8(0x20, 0x11), out8(0x21, TIMER_VECTOR), out8(0x21, 4), out8(0x21, 1), out8(0x21, 0xFE);
  has_dma = out16_in8(0x510, 0) == 'Q';
  prepare_memory();
  for (u32 i = 0; i < ENTRIES; i++) write_program();
  for (u32 round = seed[1]; round; round--) {
    for (u32 n = below(6); n; n--) mutate();
    for (u32 r = 0; r < 8; r++) user_registers[r] = chance(60) ? place() : random();
    user_registers[1] = chance(70) ? below(1000) : random();
    user_registers[4] = linear(below(PAGES)) + (below(0x400) << 2);
    user_registers[8] = program();
    user_registers[9] = 0x202 | (random() & 0x8D5) | (chance(5) ? 0x400 : 0) | (chance(3) ? 0x100 : 0);
    if (chance(10)) __asm__ volatile("fninit");
    for (u32 n = 1 + below(12); n; n--) run();
    runs_were_made = 1;
  }
  out8(0x21, 0xFF);
}
