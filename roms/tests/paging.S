/* Paging: 4 KiB, 4 MiB, PAE, NX; accessed and dirty bits, WP, U/S, global pages, error codes. SDM vol. 3 chapter 4. */
#include "test.h"
#include "pages.h"

TESTS
/* Control registers. */
  FAULTS "CR1", 6, NONE, .byte 0x0F, 0x20, 0xC8
  FAULTS "CR5", 6, NONE, .byte 0x0F, 0x22, 0xE8

  PAGING_ON
  PASS "paging on"

/* Translation. */
  MAP 0, P + W + U
  MAP 1, P + W + U
  movl L(0) + 8, %ebx
  CHECK "read", %ebx, $M(0) + 8
  movl $0x12345678, L(1) + 16
  CHECK "write", M(1) + 16, $0x12345678
  movl $M(1) + 16, M(1) + 16
  movl $(M(5) + P + W + U), ENTRY(0)
  movl $(M(4) + P + W + U), ENTRY(1)
  invlpg L(0)
  invlpg L(1) + 0xFFF
  movl L(0), %ebx
  CHECK "remapped page", %ebx, $M(5)
  movl L(1) - 2, %ebx
  CHECK "dword across pages that are not neighbours", %ebx, $(((M(4) & 0xFFFF) << 16) | (M(5) >> 16))
  movl L(0) + 0xFFD, %ebx
  CHECK "dword across pages, 3 + 1", %ebx, $((M(4) & 0xFF) << 24 | ((M(5) + 0xFFC) >> 8))
  movl $0xAABBCCDD, L(1) - 1
  CHECK "write across pages: first", M(5) + 0xFFC, $(((M(5) + 0xFFC) & 0xFFFFFF) | 0xDD000000)
  CHECK "write across pages: second", M(4), $(((M(4)) & 0xFF000000) | 0xAABBCC)
  movl $M(5) + 0xFFC, M(5) + 0xFFC
  movl $M(4), M(4)

/* Not present. */
  movl $0, ENTRY(2)
  invlpg L(2)
  PAGE_FAULT "not present: read", 0, L(2) + 4, movl L(2) + 4, %ebx
  PAGE_FAULT "not present: write", 2, L(2) + 4, movl %ebx, L(2) + 4
  PAGE_FAULT "not present: byte at the end", 0, L(2) + 0xFFF, movb L(2) + 0xFFF, %bl
  PAGE_FAULT3 "not present: read in ring 3", 4, L(2) + 4, movl L(2) + 4, %ebx
  PAGE_FAULT3 "not present: write in ring 3", 6, L(2) + 4, movl %ebx, L(2) + 4
  movl $0, DIRECTORY + 8
  PAGE_FAULT "no page table: read", 0, 0x800000, movl 0x800000, %ebx
  PAGE_FAULT "no page table: write", 2, 0x9FFFFC, movl %ebx, 0x9FFFFC
  PAGE_FAULT "read-modify-write is a write", 2, L(2), addl %ebx, L(2)
  PAGE_FAULT "CMP is a read", 0, L(2), cmpl %ebx, L(2)
  PAGE_FAULT "XCHG is a write", 2, L(2), xchgl %ebx, L(2)
  PAGE_FAULT "CMPXCHG is a write", 2, L(2), cmpxchgl %ebx, L(2)
  PAGE_FAULT "BT is a read", 0, L(2), btl $1, L(2)
  movl $0x8001, %ebx
  PAGE_FAULT "BTS reaches beyond its operand", 2, L(2), btsl %ebx, L(1)
  movl $-1, %ebx
  MAP 3, P + W + U
  PAGE_FAULT "BTR before its operand", 2, L(3) - 4, btrl %ebx, L(3)
  PAGE_FAULT "PUSH of memory is a read", 0, L(2), pushl L(2)
  PAGE_FAULT "POP to memory is a write", 2, L(2), popl L(2)
  CHECK "POP to memory: ESP stays", trap_esp, guard_esp
  PAGE_FAULT "x87 load", 0, L(2) + 8, fldl L(2) + 8
  PAGE_FAULT "across into a page not present: read", 0, L(2), movl L(2) - 3, %ebx
  movl $0x99999999, %ebx
  PAGE_FAULT "across into a page not present: write", 2, L(2), movl %ebx, L(2) - 2
  CHECK "nothing of it was written", M(4) + 0xFFC, $M(4) + 0xFFC
  PAGE_FAULT "out of a page not present: read", 0, L(3) - 1, movl L(3) - 1, %ebx
  PAGE_FAULT "out of a page not present: write", 2, L(3) - 2, movl %ebx, L(3) - 2
  CHECK "nothing of it was written", M(3), $M(3)
  /* An entry that was not present is not cached. */
  movl $(M(2) + P + W + U), ENTRY(2)
  RUNS "present without INVLPG", movl L(2), %ebx
  movl L(2), %ebx
  CHECK "it reads", %ebx, $M(2)

/* U/S and R/W. */
  MAP 0, P + W
  PAGE_FAULT3 "ring 3 reads a supervisor page", 5, L(0), movl L(0), %ebx
  PAGE_FAULT3 "ring 3 writes a supervisor page", 7, L(0), movl %ebx, L(0)
  RUNS "ring 0 reads it", movl L(0), %ecx
  MAP 0, P + U
  RUNS3 "ring 3 reads a read-only page", movl L(0), %ecx
  PAGE_FAULT3 "ring 3 writes a read-only page", 7, L(0), movl %ebx, L(0)
  PAGE_FAULT3 "ring 3: read-modify-write", 7, L(0), incl L(0)
  PAGE_FAULT3 "ring 3: CMPXCHG that would not store", 7, L(0), cmpxchgl %ebx, L(0)
  movl $0x200000, %ebx
  RUNS "ring 0 writes a read-only page, WP = 0", movl %ebx, L(0)
  SET_CR0 WP
  PAGE_FAULT "ring 0 writes a read-only page, WP = 1", 3, L(0), movl %ebx, L(0)
  MAP 0, P
  PAGE_FAULT "ring 0 writes a read-only supervisor page, WP = 1", 3, L(0), movl %ebx, L(0)
  RUNS "ring 0 reads it", movl L(0), %ecx
  CLEAR_CR0 WP
  RUNS "ring 0 writes it, WP = 0", movl %ebx, L(0)
  MAP 0, P + W + U
  andl $~W, DIRECTORY + 4
  movl %cr3, %eax
  movl %eax, %cr3
  PAGE_FAULT3 "read-only in the directory", 7, L(0), movl %ebx, L(0)
  SET_CR0 WP
  PAGE_FAULT "read-only in the directory, WP = 1", 3, L(0), movl %ebx, L(0)
  CLEAR_CR0 WP
  orl $W, DIRECTORY + 4
  andl $~U, DIRECTORY + 4
  movl %cr3, %eax
  movl %eax, %cr3
  PAGE_FAULT3 "supervisor in the directory", 5, L(0), movl L(0), %ebx
  orl $U, DIRECTORY + 4
  movl %cr3, %eax
  movl %eax, %cr3
  MAP 1, P + W
  PAGE_FAULT3 "ring 3: across into a supervisor page", 7, L(1), movl %ebx, L(1) - 2
  movl $M(0), M(0)

/* Code. */
  MAP 4, P + W + U
  movb $0xC3, L(4)
  movl $L(4), %eax
  RUNS "code in a page", call *%eax
  movl $0, ENTRY(4)
  invlpg L(4)
  GUARD 1f
  call *%eax
1:
  TRAPPED "fetch from a page not present", 14, 0, L(4)
  CHECK "fetch: CR2", trap_cr2, $L(4)
  MAP 4, P + W
  GUARD 1f
  ENTER3 L(4)
1:
  TRAPPED "ring 3 fetches from a supervisor page", 14, 5, L(4)
  MAP 3, P + W + U
  movl $0, ENTRY(4)
  invlpg L(4)
  movb $0xB8, L(4) - 3
  movw $0x1234, L(4) - 2
  GUARD 1f
  movl $L(4) - 3, %eax
  jmp *%eax
1:
  TRAPPED "instruction across into a page not present", 14, 0, L(4) - 3
  CHECK "instruction across: CR2", trap_cr2, $L(4)
  CHECK "instruction across: EAX", trap_eax, $L(4) - 3
  MAP 4, P + W + U
  movw $0x5678, L(4)
  movb $0xC3, L(4) + 2
  call *%eax
  CHECK "instruction across two pages", %eax, $0x56781234
  movl $M(4), M(4)
  movl $M(3) + 0xFFC, M(3) + 0xFFC

/* Accessed and dirty bits. */
  MAP 0, P + W + U
  BITS "untouched", 0, P + W + U
  movl L(0), %ebx
  BITS "A after a read", 0, P + W + U + A
  movl %ebx, L(0)
  BITS "D after a write to a known page", 0, P + W + U + A + D
  MAP 0, P + W + U
  movl %ebx, L(0)
  BITS "A and D after a write", 0, P + W + U + A + D
  andl $~(A + D), ENTRY(0)
  invlpg L(0)
  cmpl %ebx, L(0)
  BITS "cleared and read: A", 0, P + W + U + A
  MAP 0, P + W + U
  PAGE_FAULT "A is not set by a fault (directory stays)", 0, 0x800000, movl 0x800000, %ebx
  MAP 0, P + W
  FAULTS3 "ring 3 may not", 14, 5, movl L(0), %ebx
  BITS "A is not set by a protection fault", 0, P + W
  MAP 0, P + U
  FAULTS3 "ring 3 may not write", 14, 7, movl %ebx, L(0)
  CHECK_BITS "D is not set by a protection fault", ENTRY(0), D, 0
  MAP 4, P + W + U
  movb $0xC3, L(4)
  MAP 4, P + W + U
  movl $L(4), %eax
  call *%eax
  BITS "A after a fetch", 4, P + W + U + A
  andl $~A, DIRECTORY + 4
  movl %cr3, %eax
  movl %eax, %cr3
  movl L(4), %ebx
  CHECK_BITS "A of the directory entry", DIRECTORY + 4, 0xFFF, P + W + U + A
  MAP 0, P + W + U
  MAP 1, P + W + U
  movl %ebx, L(1) - 2
  BITS "D of the first page of a write across", 0, P + W + U + A + D
  BITS "D of the second", 1, P + W + U + A + D
  MAP 0, P + W + U
  movl $0x7777, %eax
  movl $0x1111, %ecx
  cmpxchgl %ecx, L(0)
  BITS "CMPXCHG that does not match sets D", 0, P + W + U + A + D
  MAP 0, P + W + U
  leal L(0), %ebx
  BITS "LEA does not touch", 0, P + W + U
  movl $M(0), M(0)
  movl $M(4), M(4)

/* Flushing. */
  MAP 0, P + W + U
  movl L(0), %ebx
  movl $(M(7) + P + W + U), ENTRY(0)
  movl %cr3, %eax
  movl %eax, %cr3
  movl L(0), %ebx
  CHECK "MOV CR3 flushes", %ebx, $M(7)
  movl $(M(6) + P + W + U), ENTRY(0)
  CLEAR_CR0 PG
  SET_CR0 PG
  movl L(0), %ebx
  CHECK "CR0.PG flushes", %ebx, $M(6)
  movl $(M(7) + P + U), ENTRY(0)
  invlpg L(0)
  movl L(0), %ebx
  movl $(M(7) + P + W + U), ENTRY(0)
  RUNS3 "more rights without INVLPG", movl L(1), %ebx
  invlpg L(0)
  RUNS3 "more rights with INVLPG", movl %ebx, L(0)
  movl $M(7), M(7)
  FAULTS3 "INVLPG in ring 3", 13, 0, invlpg L(0)
  GUARD 1f
  .byte 0x0F, 0x01, 0xF8 + 1
1:
  TRAPPED "INVLPG of a register", 6, NONE, 1b - 3
  /* Global pages. */
  SET_CR4 PGE
  movl $(M(6) + P + W + U + G), ENTRY(0)
  invlpg L(0)
  movl L(0), %ebx
  movl $(M(7) + P + W + U + G), ENTRY(0)
  invlpg L(0)
  movl L(0), %ebx
  CHECK "INVLPG of a global page", %ebx, $M(7)
  movl $(M(6) + P + W + U + G), ENTRY(0)
  CLEAR_CR4 PGE
  movl L(0), %ebx
  CHECK "CR4.PGE flushes global pages", %ebx, $M(6)

/* The directory as its own table: the last 4 MiB show the page tables. */
  movl $(DIRECTORY + P + W), DIRECTORY + 0xFFC
  movl 0xFFC00000 + 0x400 * 4, %ebx
  CHECK "recursive map: entry of page 0", %ebx, ENTRY(0)
  movl 0xFFFFF004, %ebx
  CHECK "recursive map: the directory", %ebx, DIRECTORY + 4
  movl $(M(7) + P + W + U), 0xFFC00000 + 0x400 * 4
  invlpg L(0)
  movl L(0), %ebx
  CHECK "entry written through it", %ebx, $M(7)
  movl $0, DIRECTORY + 0xFFC
  movl %cr3, %eax
  movl %eax, %cr3

/* Segment before page. */
  DESCRIPTOR SCRATCH, 0x400000, 0x2FFF, 0x93, FLAGS32_BYTE
  movw $SCRATCH, %ax
  movw %ax, %fs
  movl $0, ENTRY(3)
  invlpg L(3)
  movl $0, ENTRY(2)
  invlpg L(2)
  FAULTS "limit before page", 13, 0, movl %fs:0x2FFD, %ebx
  PAGE_FAULT "base of a segment in CR2", 0, L(2) + 0x10, movl %fs:0x2010, %ebx
  movw $0, %ax
  movw %ax, %fs

/* 4 MiB pages. */
  movl $(0x400000 + P + W + U + PS), DIRECTORY + 12
  CLEAR_CR4 PSE
  movl $0x00400000, 0x400000 - 4
  SET_CR4 PSE
  movl $(P + W + U + PS), DIRECTORY + 12
  movl $0x13572468, 0xC00000 + M(1)
  CHECK "4 MiB page: write", M(1), $0x13572468
  CHECK_BITS "4 MiB page: A and D", DIRECTORY + 12, 0xFFF, P + W + U + PS + A + D
  movl $M(1), M(1)
  movl 0xC00000 + M(9) + 4, %ebx
  CHECK "4 MiB page: read", %ebx, $M(9) + 4
  movl $(P + W + PS), DIRECTORY + 12
  invlpg 0xC12345
  PAGE_FAULT3 "4 MiB page: supervisor", 5, 0xC00000 + M(9), movl 0xC00000 + M(9), %ebx
  movl $(P + U + PS), DIRECTORY + 12
  invlpg 0xC00000
  PAGE_FAULT3 "4 MiB page: read-only", 7, 0xC00000 + M(9), movl %ebx, 0xC00000 + M(9)
  movl $(0x200000 + P + W + PS), DIRECTORY + 12
  invlpg 0xC00000
  PAGE_FAULT "4 MiB page: reserved bit 21", 9, 0xC00000, movl 0xC00000, %ebx
  movl $(TABLE1 + P + W + U + PS), DIRECTORY + 12
  CLEAR_CR4 PSE
  movl %cr3, %eax
  movl %eax, %cr3
  movl 0xC00000, %ebx
  CHECK "PS without CR4.PSE is no large page", %ebx, $M(7)
  movl $0, DIRECTORY + 12

/* Ring 3 does not need access to the tables of the processor. */
  movl $0x400, %ecx
1:
  andl $~U, TABLE0 - 4(, %ecx, 4)
  loop 1b
  orl $U, TABLE0 + (RING3_STACK - 0x1000) / 0x1000 * 4
  orl $U, TABLE0 + 4
  movl %cr3, %eax
  movl %eax, %cr3
  movw $DATA3, %ax
  movw %ax, %fs
  GUARD 1f
  ENTER3 user_code
1:
  TRAPPED "ring 3 with the tables in supervisor pages", LEAVE, NONE, user_code_end
  CHECK "a segment load reads the GDT", trap_gs, $DATA3
  FAULTS3 "ring 3 reads the GDT itself", 14, 5, nop
  movl $0x400, %ecx
1:
  orl $U, TABLE0 - 4(, %ecx, 4)
  loop 1b
  movl %cr3, %eax
  movl %eax, %cr3

/* PAE. */
  CLEAR_CR0 PG
  movl $1, %eax
  cpuid
  testl $0x40, %edx
  jz no_pae
  movl $POINTERS, %edi
  xorl %eax, %eax
  movl $0x1000, %ecx
  rep stosl
  movl $PAE_TABLE0, %edi
  movl $(P + W + U), %eax
  movl $0x200, %ecx
1:
  movl %eax, (%edi)
  addl $0x1000, %eax
  addl $8, %edi
  loop 1b
  movl $(PAE_DIRECTORY + P), POINTERS
  movl $(PAE_TABLE0 + P + W + U), PAE_DIRECTORY
  /* Linear 200000h: the test pages. 400000h: a 2 MiB page of the memory of the test pages. */
  movl $(PAE_TABLE1 + P + W + U), PAE_DIRECTORY + 8
  movl $(0x200000 + P + W + U + PS), PAE_DIRECTORY + 16
  movl $(M(3) + P + W + U), PAE_TABLE1
  movl $(M(4) + P + U), PAE_TABLE1 + 8
  movl $(M(5) + P + W), PAE_TABLE1 + 16
  SET_CR4 PAE
  movl $POINTERS, %eax
  movl %eax, %cr3
  SET_CR0 PG
  movl 0x200000, %ebx
  CHECK "PAE: read", %ebx, $M(3)
  movl %ebx, 0x200000
  CHECK_BITS "PAE: A and D", PAE_TABLE1, 0xFFF, P + W + U + A + D
  CHECK_BITS "PAE: A of the directory", PAE_DIRECTORY + 8, 0xFFF, P + W + U + A
  PAGE_FAULT3 "PAE: ring 3 writes a read-only page", 7, 0x201000, movl %ebx, 0x201000
  PAGE_FAULT3 "PAE: ring 3 reads a supervisor page", 5, 0x202000, movl 0x202000, %ebx
  PAGE_FAULT "PAE: not present", 2, 0x203004, movl %ebx, 0x203004
  PAGE_FAULT "PAE: no directory", 0, 0x40000000, movl 0x40000000, %ebx
  movl 0x400000 + 0x6008, %ebx
  CHECK "PAE: 2 MiB page", %ebx, $M(6) + 8
  CHECK_BITS "PAE: 2 MiB page, A", PAE_DIRECTORY + 16, 0xFFF, P + W + U + PS + A
  movl $0x80000000, PAE_TABLE1 + 4
  invlpg 0x200000
  PAGE_FAULT "PAE: bit 63 without NX", 9, 0x200000, movl 0x200000, %ebx
  movl $0x40000000, PAE_TABLE1 + 4
  invlpg 0x200000
  PAGE_FAULT3 "PAE: reserved bit 62 in ring 3", 13, 0x200000, movl 0x200000, %ebx
  movl $0, PAE_TABLE1 + 4
  invlpg 0x200000
  movl $(0x202000 + P + W + U + PS), PAE_DIRECTORY + 16
  movl %cr3, %eax
  movl %eax, %cr3
  PAGE_FAULT "PAE: reserved bit of a 2 MiB page", 9, 0x400000, movl 0x400000, %ebx
  movl $(0x200000 + P + W + U + PS), PAE_DIRECTORY + 16
  /* The pointers are loaded with CR3 and checked then. */
  movl $(PAE_DIRECTORY + P + W), POINTERS + 8
  movl %cr3, %eax
  FAULTS "PAE: reserved bit of a pointer", 13, 0, movl %eax, %cr3
  movl $0, POINTERS + 8
  movl %eax, %cr3
  movl $(PAE_DIRECTORY + P), POINTERS + 8
  PAGE_FAULT "PAE: pointers are read with CR3 only", 0, 0x40000000, movl 0x40000000, %ebx
  movl %cr3, %eax
  movl %eax, %cr3
  movl 0x40400000, %ebx
  CHECK "PAE: second pointer", %ebx, $M(0)

/* NX. */
  movl $0x80000000, %eax
  cpuid
  cmpl $0x80000001, %eax
  jb no_nx
  movl $0x80000001, %eax
  cpuid
  testl $0x100000, %edx
  jz no_nx
  movl $0xC0000080, %ecx
  rdmsr
  orl $0x800, %eax
  wrmsr
  movb $0xC3, 0x200000
  movl $0x80000000, PAE_TABLE1 + 4
  invlpg 0x200000
  movl $0x200000, %eax
  GUARD 1f
  call *%eax
1:
  TRAPPED "NX: fetch", 14, 0x11, 0x200000
  CHECK "NX: CR2", trap_cr2, $0x200000
  GUARD 1f
  ENTER3 0x200000
1:
  TRAPPED "NX: fetch in ring 3", 14, 0x15, 0x200000
  RUNS "NX: read", movl 0x200000, %ebx
  RUNS "NX: write", movl %ebx, 0x200000
  movl $0, PAE_TABLE1 + 4
  movl $0, PAE_TABLE1
  invlpg 0x200000
  GUARD 1f
  call *%eax
1:
  TRAPPED "NX: fetch from a page not present", 14, 0x10, 0x200000
  movl $(M(3) + P + W + U), PAE_TABLE1
  movl $0x80000000, PAE_DIRECTORY + 12
  movl %cr3, %ebx
  movl %ebx, %cr3
  GUARD 1f
  call *%eax
1:
  TRAPPED "NX in the directory", 14, 0x11, 0x200000
  movl $0, PAE_DIRECTORY + 12
  movl %ebx, %cr3
  RUNS "without NX", call *%eax
no_nx:
  CLEAR_CR0 PG
  CLEAR_CR4 PAE
no_pae:
  /* QEMU 7.2 stops at these. */
  movl %cr0, %eax
  andl $~0x40000000, %eax
  orl $0x20000000, %eax
  FAULTS "CR0.NW without CD", 13, 0, movl %eax, %cr0
  movl $0x80000000, %eax
  FAULTS "reserved bit of CR4", 13, 0, movl %eax, %cr4
  movl %cr0, %eax
  andl $~1, %eax
  orl $PG, %eax
  FAULTS "CR0.PG without PE", 13, 0, movl %eax, %cr0
  FINISH

/* Ring 3, in a user page of its own; everything else it meets is in supervisor pages. */
.section .user, "awx"
user_code:
  movw %fs, %ax
  movw %ax, %gs
  int $LEAVE
user_code_end:
.text
