/* Physical pages, one address space per task, and pages on demand. */
#include "kernel.h"

enum { PRESENT = 1, WRITABLE = 2, USER = 4 };
enum { MAPPED = 8 << 20 };

extern u8 user_start[], user_end[];
static u32 kernel_tables[MAPPED >> 22][1024] __attribute__((aligned(4096)));
static u32 next_page = 0x100000;

/* A zeroed page from the first megabyte upwards; 0 when there are no more. */
u8 *allocate_page(void) {
  if (next_page >= MAPPED) return 0;
  u32 *page = (u32 *)next_page;
  next_page += 4096;
  for (int i = 0; i < 1024; i++) page[i] = 0;
  return (u8 *)page;
}

/* The kernel's half: everything it needs mapped where it is, the tasks' code for ring 3 as well. */
u32 make_directory(void) {
  u32 *directory = (u32 *)allocate_page();
  for (u32 i = 0; i < MAPPED >> 22; i++)
    directory[i] = (u32)kernel_tables[i] | USER | WRITABLE | PRESENT;
  return (u32)directory;
}

void paging_open(void) {
  for (u32 i = 0; i < MAPPED >> 12; i++) {
    u32 address = i << 12;
    u32 user = address >= (u32)user_start && address < (u32)user_end ? USER : 0;
    kernel_tables[i >> 10][i & 1023] = address | user | WRITABLE | PRESENT;
  }
  /* Page 0 stays away: a null pointer faults. */
  kernel_tables[0][0] = 0;
  u32 directory = make_directory();
  __asm__ volatile("movl %0, %%cr3" : : "r"(directory) : "memory");
  /* PG, WP, NE, TS, MP */
  u32 cr0;
  __asm__ volatile("movl %%cr0, %0" : "=r"(cr0));
  cr0 = (cr0 & ~4u) | 0x8001002Au;
  __asm__ volatile("movl %0, %%cr0" : : "r"(cr0) : "memory");
}

int demand_page(u32 address) {
  if (address - USER_BASE >= USER_SIZE) return 0;
  u32 *directory = (u32 *)current->directory;
  u32 *slot = &directory[address >> 22];
  if (!(*slot & PRESENT)) {
    u32 table = (u32)allocate_page();
    if (!table) return 0;
    *slot = table | USER | WRITABLE | PRESENT;
  }
  u32 *entry = (u32 *)(*slot & ~0xFFFu) + (address >> 12 & 1023);
  if (*entry & PRESENT) return 0;
  u32 page = (u32)allocate_page();
  if (!page) return 0;
  *entry = page | USER | WRITABLE | PRESENT;
  return 1;
}

int user_can_read(u32 address, u32 size) {
  if (size > USER_SIZE) return 0;
  if (address - USER_BASE <= USER_SIZE - size) return 1;
  u32 image = (u32)user_end - (u32)user_start;
  return size <= image && address - (u32)user_start <= image - size;
}
