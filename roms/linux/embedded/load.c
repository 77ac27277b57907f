/* Loads the program: its segments, its stack, its first registers (System V ABI, Intel386 supplement, chapter 3). */
#include "kernel.h"

enum { PT_LOAD = 1, PT_PHDR = 6, STACK_LIMIT = 128 * 1024 };
/* Auxiliary vector (include/uapi/linux/auxvec.h). */
enum {
  AT_PHDR = 3, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_BASE, AT_FLAGS, AT_ENTRY, AT_UID = 11, AT_EUID, AT_GID, AT_EGID,
  AT_PLATFORM, AT_HWCAP, AT_CLKTCK, AT_SECURE = 23, AT_RANDOM = 25, AT_EXECFN = 31
};

struct elf {
  u8 ident[16];
  u16 type, machine;
  u32 version, entry, phoff, shoff, flags;
  u16 ehsize, phentsize, phnum;
};

struct segment {
  u32 type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

static u32 stack_top;

static u32 push(const void *data, u32 size) {
  stack_top -= size;
  fill(stack_top, data, size);
  return stack_top;
}

static u32 push_text(const char *text) { return push(text, length_of(text) + 1); }

static void load_segment(const u8 *image, const struct segment *segment, u32 bias) {
  u32 start = segment->vaddr + bias, end = start + segment->memsz;
  u32 first = start & ~(PAGE - 1), last = (end + PAGE - 1) & ~(PAGE - 1);
  u32 protection = (segment->flags & 4 ? READ : 0) | (segment->flags & 2 ? READ | WRITE : 0) |
                   (segment->flags & 1 ? READ | EXECUTE : 0);
  if (end < start || first < 0x10000 || !is_free(first, last - first) || map(first, last - first, protection))
    fail("the program's segments do not fit the embedded guest's address space", 0);
  fill(start, image + segment->offset, segment->filesz);
}

void load_program(struct frame *frame) {
  const struct file *file = find_packed(argument_words[0]);
  if (!file) fail("the program is not packed: ", argument_words[0]);
  u32 size;
  const u8 *image = packed_data(file, &size);
  const struct elf *elf = (const struct elf *)image;
  const struct segment *segments = (const struct segment *)(image + elf->phoff);
  if (size < sizeof *elf || elf->phoff > size || elf->phnum * sizeof *segments > size - elf->phoff)
    fail("the program is not a complete ELF file", 0);
  u32 bias = elf->type == 3 ? 0x56555000 : 0, end = 0, headers = 0;
  for (u32 i = 0; i < elf->phnum; i++) {
    const struct segment *segment = &segments[i];
    if (segment->type != PT_LOAD || !segment->memsz) continue;
    if (segment->offset > size || segment->filesz > size - segment->offset || segment->filesz > segment->memsz)
      fail("the program is not a complete ELF file", 0);
    load_segment(image, segment, bias);
    if (segment->vaddr + bias + segment->memsz > end) end = segment->vaddr + bias + segment->memsz;
    if (elf->phoff >= segment->offset && elf->phoff < segment->offset + segment->filesz)
      headers = segment->vaddr + bias + elf->phoff - segment->offset;
  }
  set_break_start(end);

  if (map(USER_TOP - STACK_SIZE, STACK_SIZE, READ | WRITE)) fail("there is no room for the stack", 0);
  stack_top = USER_TOP - 16;
  u32 count = 0, variables = 0, bytes = 0;
  for (; argument_words[count]; count++) bytes += length_of(argument_words[count]) + 5;
  for (; variable_words[variables]; variables++) bytes += length_of(variable_words[variables]) + 5;
  if (bytes > STACK_LIMIT) fail("the program's arguments are too long for the embedded guest", 0);
  u32 name = push_text(argument_words[0]), platform = push_text("i686");
  u32 seed[4] = {0x6D2B79F5, 0x1B873593, 0xCC9E2D51, 0x85EBCA6B}, random = push(seed, sizeof seed);

  /* The pointers go below the strings, so the strings are placed first. */
  u32 strings = stack_top - bytes, pointers = (count + variables + 2) * 4;
  u32 cpu[4];
  __asm__ volatile("cpuid" : "=a"(cpu[0]), "=b"(cpu[1]), "=c"(cpu[2]), "=d"(cpu[3]) : "a"(1), "c"(0));
  u32 vector[][2] = {
      {AT_PHDR, headers}, {AT_PHENT, sizeof *segments}, {AT_PHNUM, elf->phnum}, {AT_PAGESZ, PAGE}, {AT_BASE, 0},
      {AT_FLAGS, 0}, {AT_ENTRY, elf->entry + bias}, {AT_UID, 0}, {AT_EUID, 0}, {AT_GID, 0}, {AT_EGID, 0},
      {AT_PLATFORM, platform}, {AT_HWCAP, cpu[3]}, {AT_CLKTCK, 100}, {AT_SECURE, 0}, {AT_RANDOM, random},
      {AT_EXECFN, name}, {0, 0}};
  u32 esp = ((strings & ~15u) - sizeof vector - pointers - 4) & ~15u, at = esp, text = strings;
  fill(at, &count, 4);
  at += 4;
  char **lists[2] = {argument_words, variable_words};
  for (int i = 0; i < 2; i++) {
    for (char **word = lists[i]; *word; word++) {
      u32 length = length_of(*word) + 1;
      fill(text, *word, length);
      fill(at, &text, 4);
      text += length;
      at += 4;
    }
    at += 4;
  }
  fill(at, vector, sizeof vector);

  clear(frame, sizeof *frame);
  frame->ds = frame->es = frame->ss = 0x23;
  frame->cs = 0x1B;
  frame->eflags = 0x202;
  frame->eip = elf->entry + bias;
  frame->esp = esp;
}
