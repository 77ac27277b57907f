/* Marks regions of interest in a program that runs natively or in a Switchback guest.

     switchback_begin(1);
     work();
     switchback_end(1);

   A mark is CPUID with leaf 40534D4Bh and the operation and number in ECX. CPUID may be executed at every privilege level,
   changes nothing, and is harmless where nobody listens: leaves from 40000000h are left to software by the processors'
   makers. In a Switchback guest each mark is counted and its host and guest time are kept (`regions` in the report), under
   every engine. It answers 1 in EAX; elsewhere the answer is arbitrary. Cost: docs/slowdown.md. */
#ifndef SWITCHBACK_H
#define SWITCHBACK_H

enum { SWITCHBACK_LEAF = 0x40534D4B, SWITCHBACK_BEGIN = 1, SWITCHBACK_END = 2, SWITCHBACK_NOTHING = 3 };

/* The instruction has a page to itself: direct execution leaves pages with a CPUID to the translator. */
__asm__(
    ".pushsection .text.switchback_mark, \"ax\", @progbits\n"
    ".balign 4096\n"
    ".local switchback_mark_code\n"
    "switchback_mark_code:\n\t"
    "pushl %ebx\n\t"
    "cpuid\n\t"
    "popl %ebx\n\t"
    "ret\n"
    ".balign 4096\n"
    ".popsection\n");

/* Returns 1 in a Switchback guest. `number`, 0 to 255, tells regions apart. */
static inline unsigned switchback_mark(unsigned operation, unsigned number) {
  unsigned leaf = SWITCHBACK_LEAF, where = operation | (number & 0xFF) << 8, edx;
  __asm__ volatile("call switchback_mark_code" : "+a"(leaf), "+c"(where), "=d"(edx) : : "memory", "cc");
  (void)edx;
  return leaf;
}

static inline void switchback_begin(unsigned number) { switchback_mark(SWITCHBACK_BEGIN, number); }
static inline void switchback_end(unsigned number) { switchback_mark(SWITCHBACK_END, number); }

#endif
