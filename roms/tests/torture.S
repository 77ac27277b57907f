/* Everything that can break a cache of decoded or translated code, at random and all at once: programs in ring 3 that
   are written, rewritten by themselves, by ring 0, by string instructions and by DMA, through several linear addresses
   of their pages, which come, go and change places in two address spaces; programs that are entered in the middle of
   instructions, cross pages of which the second is absent, and run on from the last page of the address space to the
   first. The timer ends what does not end. The result depends on the timing of the machine: what matters is that
   every engine computes the same, see Tests/ROMTests. */
#include "test.h"
#include "pages.h"

/* Runs the code at L(0) until it is hot. */
.macro HOT name, want
  movl $100, %ecx
1:
  movl $L(0), %edx
  call *%edx
  loop 1b
  movl %eax, M(3)
  CHECK "\name", M(3), $\want
.endm

TESTS
  /* A jump between global pages that ring 0 has made hot meets the rights of ring 3. */
  PAGING_ON
  SET_CR4 PGE
  MAP 0, P + W + U + G
  MAP 1, P + W + G
  movb $0xE9, L(0)
  movl $(L(1) - L(0) - 5), L(0) + 1
  movb $0xC3, L(1)
  movl $100, %ecx
1:
  movl $L(0), %edx
  call *%edx
  loop 1b
  GUARD 2f
  ENTER3 L(0)
2:
  TRAPPED "jump from ring 3 to a page of ring 0", 14, 5, L(1)
  /* The page that it leads to is mapped elsewhere. */
  movl $0x000001B8, M(1)
  movw $0xC300, M(1) + 4
  movl $0x000002B8, M(2)
  movw $0xC300, M(2) + 4
  HOT "jump between global pages", 1
  movl $(M(2) + P + W + G), ENTRY(1)
  invlpg L(1)
  HOT "mapped elsewhere, INVLPG", 2
  movl $(M(1) + P + W + G), ENTRY(1)
  invlpg L(1)
  HOT "mapped back, INVLPG", 1
  movl $(M(2) + P + W + G), ENTRY(1)
  CLEAR_CR4 PGE
  SET_CR4 PGE
  HOT "mapped elsewhere, CR4.PGE", 2
  CLEAR_CR4 PGE
  SET_CR4 PGE
  HOT "mapped as before, CR4.PGE", 2
  CLEAR_CR4 PGE
  movl $(M(1) + P + W + G), ENTRY(1)
  movl %cr3, %eax
  movl %eax, %cr3
  HOT "mapped elsewhere while no page is global", 1
  SET_CR4 PGE
  HOT "global again", 1
  CLEAR_CR0 PG
  CLEAR_CR4 PGE
  /* The stack below 1000h gives way to a test page. */
  movl $0x90000, %esp
  call torture
  CLEAR_CR0 PG
  CHECK "programs were run", runs_were_made, $1
  CHECK "the timer ended some", seen + 4 * 0x20, $1
  CHECK "some ended themselves", seen + 4 * LEAVE, $1
  CHECK "some met undefined instructions", seen + 4 * 6, $1
  CHECK "some broke a rule", seen + 4 * 13, $1
  CHECK "some met absent pages", seen + 4 * 14, $1
  CHECK "no page fault in ring 0", faults_in_ring_0, $0
FINISH

#include "ring3.h"
