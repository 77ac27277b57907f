/* Physical pages, and the program's address space: areas with rights, whose pages come on demand. */
#include "kernel.h"

enum { PRESENT = 1, WRITABLE = 2, USER = 4 };
enum { AREAS = 2048 };
enum { FRAMES = (896u << 20) / PAGE };

struct area {
  u32 start, end, protection;
};

extern u32 page_directory[1024];

static u32 memory_end, first_page;
/* A bit for each free frame; below the word there is none. */
static u32 free_frames[FRAMES / 32], first_word;
static u32 free_count;
static struct area areas[AREAS];
static u32 area_count;
static u32 break_start, break_end;

static u32 round_up(u32 value) { return (value + PAGE - 1) & ~(PAGE - 1); }

void memory_open(u32 first_free, u32 size) {
  first_page = round_up(first_free);
  memory_end = size & ~(PAGE - 1);
  u32 frame = first_page / PAGE, end = memory_end / PAGE;
  free_count = end - frame;
  first_word = frame / 32;
  while (frame < end) {
    if (frame % 32 || end - frame < 32) {
      free_frames[frame / 32] |= 1u << frame % 32;
      frame++;
    } else {
      free_frames[frame / 32] = ~0u;
      frame += 32;
    }
  }
}

static void *take(u32 frame) {
  free_frames[frame / 32] &= ~(1u << frame % 32);
  free_count--;
  void *page = (void *)(KERNEL_BASE + frame * PAGE);
  clear(page, PAGE);
  return page;
}

/* The lowest free frame. */
void *allocate_page(void) {
  while (first_word < FRAMES / 32 && !free_frames[first_word]) first_word++;
  if (first_word == FRAMES / 32) fail("the guest's memory is used up; give it more with --memory", 0);
  return take(first_word * 32 + (u32)__builtin_ctz(free_frames[first_word]));
}

/* A frame for an address of the program: where the address says as long as that is free, so that what lies in a row
   does so in memory, in whatever order it is touched, and in every repetition. */
static void *allocate_page_for(u32 address) {
  u32 frame = address % memory_end / PAGE;
  return free_frames[frame / 32] >> frame % 32 & 1 ? take(frame) : allocate_page();
}

void free_page(void *page) {
  u32 frame = ((u32)page - KERNEL_BASE) / PAGE;
  free_frames[frame / 32] |= 1u << frame % 32;
  if (frame / 32 < first_word) first_word = frame / 32;
  free_count++;
}

u32 free_pages(void) { return free_count; }
u32 total_pages(void) { return (memory_end - first_page) / PAGE; }

static void invalidate(u32 address) { __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory"); }

/* The page-table entry of an address; 0 where there is no table and none is wanted. */
static u32 *slot(u32 address, int create) {
  u32 *directory_entry = &page_directory[address >> 22];
  if (!(*directory_entry & PRESENT)) {
    if (!create) return 0;
    *directory_entry = ((u32)allocate_page() - KERNEL_BASE) | USER | WRITABLE | PRESENT;
  }
  return (u32 *)((*directory_entry & ~(PAGE - 1)) + KERNEL_BASE) + (address >> 12 & 1023);
}

static u32 entry_bits(u32 protection) {
  return protection ? USER | PRESENT | (protection & WRITE ? WRITABLE : 0) : 0;
}

static void drop_page(u32 address) {
  u32 *entry = slot(address, 0);
  if (!entry || !*entry) return;
  free_page((void *)((*entry & ~(PAGE - 1)) + KERNEL_BASE));
  *entry = 0;
  invalidate(address);
}

/* The first area that ends above the address. */
static u32 first_above(u32 address) {
  u32 low = 0, high = area_count;
  while (low < high) {
    u32 middle = (low + high) / 2;
    if (areas[middle].end > address)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

static struct area *area_of(u32 address) {
  u32 i = first_above(address);
  return i < area_count && areas[i].start <= address ? &areas[i] : 0;
}

static void insert(u32 index, struct area area) {
  if (area_count == AREAS) fail("the program has too many mappings", 0);
  for (u32 i = area_count++; i > index; i--) areas[i] = areas[i - 1];
  areas[index] = area;
}

static void erase(u32 index) {
  area_count--;
  for (u32 i = index; i < area_count; i++) areas[i] = areas[i + 1];
}

/* Makes an area begin at the address if it lies inside one. */
static void split(u32 address) {
  struct area *area = area_of(address);
  if (!area || area->start == address) return;
  struct area upper = {address, area->end, area->protection};
  area->end = address;
  insert((u32)(area - areas) + 1, upper);
}

static void merge(void) {
  for (u32 i = 0; i + 1 < area_count;)
    if (areas[i].end == areas[i + 1].start && areas[i].protection == areas[i + 1].protection) {
      areas[i].end = areas[i + 1].end;
      erase(i + 1);
    } else
      i++;
}

void unmap(u32 address, u32 size) {
  u32 end = address + size;
  split(address);
  split(end);
  u32 i = first_above(address);
  while (i < area_count && areas[i].start < end) {
    for (u32 page = areas[i].start; page < areas[i].end; page += PAGE) {
      /* A table that is not there stands for 4 MiB without pages. */
      if (!slot(page, 0)) {
        page |= 0x3FF000;
        continue;
      }
      drop_page(page);
    }
    erase(i);
  }
}

void discard(u32 address, u32 size) {
  for (u32 page = address; page < address + size; page += PAGE) drop_page(page);
}

int map(u32 address, u32 size, u32 protection) {
  if (!size || address + size < address || address + size > USER_TOP) return -ENOMEM;
  unmap(address, size);
  struct area area = {address, address + size, protection};
  insert(first_above(address), area);
  merge();
  return 0;
}

int protect(u32 address, u32 size, u32 protection) {
  u32 end = address + size;
  if (protection_of(address, size) < 0) return -ENOMEM;
  split(address);
  split(end);
  for (u32 i = first_above(address); i < area_count && areas[i].start < end; i++) {
    areas[i].protection = protection;
    for (u32 page = areas[i].start; page < areas[i].end; page += PAGE) {
      u32 *entry = slot(page, 0);
      if (!entry) {
        page |= 0x3FF000;
        continue;
      }
      if (!*entry) continue;
      *entry = (*entry & ~(PAGE - 1)) | entry_bits(protection);
      invalidate(page);
    }
  }
  merge();
  return 0;
}

/* The rights to all of a range together, -1 where a part is not mapped. */
int protection_of(u32 address, u32 size) {
  u32 at = address, end = address + size;
  int all = READ | WRITE | EXECUTE;
  if (end < address) return -1;
  while (at < end) {
    struct area *area = area_of(at);
    if (!area) return -1;
    all &= (int)area->protection;
    at = area->end;
  }
  return all;
}

/* A page that exists without being accessible keeps its frame: its entry is not zero. */
static u32 *populate(u32 address, u32 protection) {
  u32 *entry = slot(address, 1);
  if (!*entry) *entry = ((u32)allocate_page_for(address) - KERNEL_BASE) | entry_bits(protection);
  return entry;
}

int demand_page(u32 address, int write) {
  struct area *area = address < USER_TOP ? area_of(address) : 0;
  if (!area || !area->protection || (write && !(area->protection & WRITE))) return 0;
  u32 *entry = slot(address, 1);
  if (*entry & PRESENT) return 0;
  populate(address, area->protection);
  return 1;
}

int accessible(u32 address, u32 size, int write) {
  if (!size) return 1;
  u32 last = address + size - 1;
  if (last < address || last >= USER_TOP) return 0;
  for (u32 page = address & ~(PAGE - 1); page <= last; page += PAGE) {
    struct area *area = area_of(page);
    if (!area || !area->protection || (write && !(area->protection & WRITE))) return 0;
    populate(page, area->protection);
  }
  return 1;
}

void fill(u32 address, const void *data, u32 size) {
  const u8 *from = data;
  while (size) {
    u32 offset = address & (PAGE - 1), part = PAGE - offset < size ? PAGE - offset : size;
    struct area *area = area_of(address);
    if (!area) fail("the kernel fills memory that is not mapped", 0);
    u32 frame = *populate(address, area->protection) & ~(PAGE - 1);
    copy((u8 *)(frame + KERNEL_BASE) + offset, from, part);
    address += part;
    from += part;
    size -= part;
  }
}

int is_free(u32 address, u32 size) {
  u32 end = address + size;
  if (end < address || end > USER_TOP || address < 0x10000) return 0;
  u32 i = first_above(address);
  return i == area_count || areas[i].start >= end;
}

u32 find_free(u32 size) {
  u32 top = USER_TOP - STACK_SIZE - 0x01000000;
  for (u32 i = area_count; i-- > 0;) {
    if (areas[i].start >= top) continue;
    if (areas[i].end <= top && top - areas[i].end >= size) break;
    if (areas[i].start < top) top = areas[i].start;
  }
  return top >= size && top - size >= 0x10000 && is_free(top - size, size) ? top - size : 0;
}

void move_pages(u32 from, u32 to, u32 size) {
  for (u32 offset = 0; offset < size; offset += PAGE) {
    u32 *source = slot(from + offset, 0);
    if (!source || !*source) continue;
    drop_page(to + offset);
    *slot(to + offset, 1) = *source;
    *source = 0;
    invalidate(from + offset);
  }
}

void set_break_start(u32 address) { break_start = break_end = round_up(address); }

u32 set_break(u32 address) {
  u32 old = round_up(break_end), new = round_up(address);
  if (address < break_start || new >= USER_TOP) return break_end;
  if (new > old) {
    if (!is_free(old, new - old)) return break_end;
    map(old, new - old, READ | WRITE);
  }
  if (new < old) unmap(new, old - new);
  break_end = address;
  return break_end;
}

void memory_reset(void) {
  for (u32 i = 0; i < KERNEL_BASE >> 22; i++) {
    if (!(page_directory[i] & PRESENT)) continue;
    u32 *table = (u32 *)((page_directory[i] & ~(PAGE - 1)) + KERNEL_BASE);
    for (u32 k = 0; k < 1024; k++)
      if (table[k]) free_page((void *)((table[k] & ~(PAGE - 1)) + KERNEL_BASE));
    free_page(table);
    page_directory[i] = 0;
  }
  area_count = 0;
  __asm__ volatile("movl %%cr3, %%eax; movl %%eax, %%cr3" : : : "eax", "memory");
}
