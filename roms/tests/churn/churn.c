/* The programs of churn.S. */

typedef unsigned char u8;
typedef unsigned int u32;

extern volatile u32 trap_vector, trap_eax;
void enter_user(void);

u32 user_registers[10];
u32 wrong, programs_have_run;
/* The tests look for these bytes in the image to change how many programs there are. */
u32 seed[2] = {0x70E5EED5, 2000};

enum { SPACES = 40, SLOTS = 4, FRAMES = 1500, LEAVE = 0x40, ROUNDS = 12 };
enum { PRESENT = 1, WRITABLE = 2, USER = 4, LARGE = 0x80 };

static u32 slots[SPACES][SLOTS];

static u32 random(void) {
  u32 x = seed[0];
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return seed[0] = x;
}
static u32 below(u32 n) { return random() % n; }

static u32 *directory(u32 s) { return (u32 *)(0x100000 + s * 0x1000); }
static u32 *table(u32 s, u32 slot) { return (u32 *)(0x180000 + (s * SLOTS + slot) * 0x1000); }
static u32 frame(u32 n) { return 0x800000 + n * 0x1000; }

static void load_cr3(u32 s) { __asm__ volatile("movl %0, %%cr3" : : "r"(directory(s)) : "memory"); }

static void prepare(void) {
  for (u32 s = 0; s < SPACES; s++) {
    u32 *d = directory(s);
    for (u32 i = 0; i < 1024; i++) d[i] = 0;
    /* Identity for 16 MiB. */
    for (u32 i = 0; i < 4; i++) d[i] = i << 22 | LARGE | PRESENT | WRITABLE;
  }
  u32 bits;
  __asm__ volatile("movl %%cr4, %0" : "=r"(bits));
  __asm__ volatile("movl %0, %%cr4" : : "r"(bits | 0x10));
  load_cr3(0);
  __asm__ volatile("movl %%cr0, %0" : "=r"(bits));
  __asm__ volatile("movl %0, %%cr0" : : "r"(bits | 0x80000000));
}

static u8 *code;
static void dword(u32 value) {
  *(u32 *)code = value;
  code += 4;
}

/* Writes a program to a frame: `count` operations on EAX, ECX times, with a store to and a load from `data`.
   Returns what EAX is in the end. */
static u32 write(u32 at, u32 data, u32 eax, u32 count, u32 isUser) {
  code = (u8 *)at;
  u8 kinds[64];
  u32 values[64];
  for (u32 i = 0; i < count; i++) {
    kinds[i] = (u8)below(4);
    values[i] = random();
    switch (kinds[i]) {
    case 0:
      *code++ = 0x05;
      dword(values[i]);
      break;
    case 1:
      *code++ = 0x35;
      dword(values[i]);
      break;
    case 2:
      *code++ = 0xC1, *code++ = 0xC0, *code++ = (u8)(values[i] & 31);
      break;
    default:
      *code++ = 0xA3;
      dword(data + (values[i] & 0xFF0));
      *code++ = 0x03, *code++ = 0x05;
      dword(data + (values[i] & 0xFF0));
    }
  }
  /* DEC ECX; JNZ to the start. */
  *code++ = 0x49, *code++ = 0x0F, *code++ = 0x85;
  dword(at - ((u32)code + 4));
  if (isUser) {
    *code++ = 0xCD, *code++ = LEAVE;
  } else {
    *code++ = 0xC3;
  }
  for (u32 round = 0; round < ROUNDS; round++)
    for (u32 i = 0; i < count; i++) switch (kinds[i]) {
      case 0: eax += values[i]; break;
      case 1: eax ^= values[i]; break;
      case 2: eax = values[i] & 31 ? eax << (values[i] & 31) | eax >> (32 - (values[i] & 31)) : eax; break;
      default: eax += eax;
      }
  return eax;
}

static u32 call(u32 address, u32 eax) {
  u32 ecx = ROUNDS;
  __asm__ volatile("call *%2" : "+a"(eax), "+c"(ecx) : "r"(address) : "memory", "cc");
  return eax;
}

void churn(void) {
  prepare();
  for (u32 n = seed[1]; n; n--) {
    u32 s = below(SPACES), slot = below(SLOTS), isUser = below(4) != 0;
    /* Another part of the address space for this table. */
    u32 index = 0x100 + below(0x200);
    if (slots[s][slot]) directory(s)[slots[s][slot]] = 0;
    for (u32 i = 0; i < SLOTS; i++)
      if (slots[s][i] == index) index = 0x300 + slot;
    slots[s][slot] = index;
    directory(s)[index] = (u32)table(s, slot) | PRESENT | WRITABLE | USER;
    u32 page = below(1023);
    u32 where = below(FRAMES), data = FRAMES + below(40);
    table(s, slot)[page] = frame(where) | PRESENT | USER;
    table(s, slot)[page + 1] = frame(data) | PRESENT | WRITABLE | USER;
    load_cr3(s);
    u32 linear = index << 22 | page << 12;
    u32 offset = below(0x800);
    u32 eax = random(), want = write(frame(where) + offset, linear + 0x1000, eax, 8 + below(48), isUser), got;
    if (isUser) {
      user_registers[0] = eax;
      user_registers[1] = ROUNDS;
      user_registers[8] = linear + offset;
      user_registers[9] = 2;
      enter_user();
      got = trap_vector == LEAVE ? trap_eax : ~want;
    } else {
      got = call(linear + offset, eax);
    }
    if (got != want) wrong++;
    table(s, slot)[page] = 0;
    table(s, slot)[page + 1] = 0;
    programs_have_run = 1;
  }
}
