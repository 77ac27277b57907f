/* Random page-table entries met by reads, writes and fetches in rings 0 and 3, with 32-bit and PAE tables. What
   happened is folded into a digest for each group of cases; the expected ones are those of Bochs 2.7 with a processor
   that has NX (core2_penryn_t9600). Assembled with VERBOSE, it prints every case instead. */
#include "test.h"
#include "pages.h"

#define LARGE 0x800000

.macro CASES name, want
  movl $512, remaining
  call run_cases
  CHECK "\name", digest, $\want
.endm
.macro FOLD value
  movl \value, %eax
  call fold
.endm
/* In every frame: RET at 10h; a MOV EAX, imm32 in the last two bytes, its end and a RET in the first four. */
.macro FRAME address
  movl $0xC3445566, \address
  movb $0xC3, (\address) + 0x10
  movw $0x77B8, (\address) + 0xFFE
.endm

TESTS
  FRAME LARGE
  FRAME LARGE + 0x1000
  PAGING_ON
  FRAME M(0)
  FRAME M(1)
  FRAME M(2)
  FRAME M(3)
  SET_CR4 0x10
  movl $0x9E3779B9, seed
  movl $0, digest
  movl $0, pae
  CASES "32-bit tables, group 1", 0x0072F9DA
  CASES "32-bit tables, group 2", 0x6423CAE0
  CASES "32-bit tables, group 3", 0xC1588B31
  CASES "32-bit tables, group 4", 0xF29D1A9C
  CASES "32-bit tables, group 5", 0x1271DD89
  CASES "32-bit tables, group 6", 0x4502A7B4
  CASES "32-bit tables, group 7", 0xBC6157E2
  CASES "32-bit tables, group 8", 0x753F77B6
  CLEAR_CR0 PG
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
  /* Identity for 4 MiB in 2 MiB pages; linear 400000h by a table, as before. */
  movl $POINTERS, %edi
  xorl %eax, %eax
  movl $0x1000, %ecx
  rep stosl
  movl $(PAE_DIRECTORY + P), POINTERS
  movl $(P + W + U + PS), PAE_DIRECTORY
  movl $(0x200000 + P + W + U + PS), PAE_DIRECTORY + 8
  movl $POINTERS, %eax
  movl %eax, %cr3
  SET_CR4 PAE
  SET_CR0 PG
  movl $1, pae
  CASES "PAE tables, group 1", 0xFBAAD91F
  CASES "PAE tables, group 2", 0xEB7AEA87
  CASES "PAE tables, group 3", 0x62D24330
  CASES "PAE tables, group 4", 0x1D1641AC
  CASES "PAE tables, group 5", 0xFA5F0B70
  CASES "PAE tables, group 6", 0x3D12ED33
  CASES "PAE tables, group 7", 0xCC40CAAD
  CASES "PAE tables, group 8", 0xD905ECAD
  CLEAR_CR0 PG
no_nx:
  CLEAR_CR0 WP
FINISH

.section .user, "awx"
run_cases:
  /* WP, the ring, the access. */
  CLEAR_CR0 WP
  call random
  movl %eax, %ecx
  andl $7, %eax
  movl %eax, operation
  shrl $3, %ecx
  andl $1, %ecx
  movl %ecx, ring
  call random
  testl $0x100, %eax
  jz 1f
  SET_CR0 WP
1:
  /* The directory entry: mostly present; sometimes a large page, sometimes with a reserved bit. */
  call random
  movl %eax, %ecx
  movl %eax, %edx
  andl $0x8F, %ecx
  testl $0x3000, %edx
  jz 1f
  orl $(P + W + U), %ecx
1:
  testl $0x30000, %edx
  jz 1f
  andl $~PS, %ecx
1:
  xorl %edi, %edi
  testl $PS, %ecx
  jz 2f
  orl $LARGE, %ecx
  testl $0x700000, %edx
  jnz 3f
  /* The lowest address bit that a large page has not. */
  orl $0x100000, %ecx
  cmpl $0, pae
  jne 3f
  andl $~0x100000, %ecx
  orl $0x200000, %ecx
  jmp 3f
2:
  orl $TABLE1, %ecx
3:
  testl $0x07000000, %edx
  jnz 1f
  movl $0x80000000, %edi
1:
  testl $0xF8000000, %edx
  jnz 1f
  orl $0x00100000, %edi
1:
  cmpl $0, pae
  jne 1f
  movl %ecx, DIRECTORY + 4
  jmp 2f
1:
  movl %ecx, PAE_DIRECTORY + 16
  movl %edi, PAE_DIRECTORY + 20
2:
  /* Two pages. */
  movl $TABLE1, %esi
  call random_entry
  call random_entry
  movl %cr3, %eax
  movl %eax, %cr3

  movl $1f, guard_resume
  movl %esp, guard_esp
  movl $0xD0D0D0D0, %edx
  movl $0, %eax
  movl %eax, %cr2
  movl $0x400000, %ebx
  movl operation, %esi
  movl accesses(, %esi, 4), %esi
  cmpl $0, ring
  jne 2f
  jmp *%esi
2:
  pushl $DATA3
  popl %ds
  pushl $DATA3
  popl %es
  pushl $DATA3
  pushl $RING3_STACK
  pushl $0x2
  pushl $CODE3
  pushl %esi
  iretl
1:
  call print_case
  FOLD operation
  FOLD trap_vector
  FOLD trap_error
  FOLD trap_eip
  FOLD trap_edx
  cmpl $14, trap_vector
  jne 1f
  FOLD trap_cr2
  /* What an access across pages that faults leaves in the first entry depends on the processor. */
  testl $4, operation
  jnz 2f
1:
  movl DIRECTORY + 4, %eax
  addl PAE_DIRECTORY + 16, %eax
  call fold
  FOLD TABLE1
  FOLD TABLE1 + 4
  FOLD TABLE1 + 8
2:
  /* Repair what was written. */
  CLEAR_CR0 PG
  FRAME LARGE
  FRAME LARGE + 0x1000
  FRAME M(0)
  FRAME M(1)
  FRAME M(2)
  FRAME M(3)
  SET_CR0 PG
  movl $NONE, trap_vector
  movl $NONE, trap_error
  decl remaining
  jnz run_cases
  ret

/* An entry at ESI: any rights, a frame, sometimes NX or a reserved bit. */
random_entry:
  call random
  movl %eax, %ecx
  andl $7, %ecx
  testl $0x70, %eax
  jz 1f
  orl $P, %ecx
1:
  movl %eax, %edx
  andl $0x3000, %edx
  addl $M(0), %edx
  orl %edx, %ecx
  movl %ecx, (%esi)
  addl $4, %esi
  cmpl $0, pae
  je 1f
  xorl %ecx, %ecx
  movl %eax, %edx
  andl $0x80000000, %edx
  testl $0x30000, %eax
  jnz 2f
  orl %edx, %ecx
2:
  testl $0x7C0000, %eax
  jnz 2f
  orl $0x00100000, %ecx
2:
  movl %ecx, (%esi)
  addl $4, %esi
1:
  ret

fold:
  xorl digest, %eax
  imull $0x01000193, %eax, %eax
  roll $7, %eax
  movl %eax, digest
  ret

/* Marsaglia's xorshift. */
random:
  pushl %edx
  movl seed, %eax
  movl %eax, %edx
  shll $13, %edx
  xorl %edx, %eax
  movl %eax, %edx
  shrl $17, %edx
  xorl %edx, %eax
  movl %eax, %edx
  shll $5, %edx
  xorl %edx, %eax
  movl %eax, seed
  popl %edx
  ret

/* EBX: 400000h. The last four reach into the second page. */
read:
  movl 0x20(%ebx), %edx
  int $LEAVE
write:
  movl %ebx, 0x20(%ebx)
  int $LEAVE
modify:
  orl $0, 0x20(%ebx)
  int $LEAVE
fetch:
  leal 0x10(%ebx), %eax
  call *%eax
  int $LEAVE
read_across:
  movl 0xFFE(%ebx), %edx
  int $LEAVE
write_across:
  movl %edx, 0xFFE(%ebx)
  int $LEAVE
modify_across:
  orl $0, 0xFFD(%ebx)
  int $LEAVE
fetch_across:
  leal 0xFFE(%ebx), %eax
  call *%eax
  movl %eax, %edx
  int $LEAVE

.text
#ifdef VERBOSE
.macro SHOW value
  movl \value, %eax
  call print_hex
  movb $' ', %al
  call print_character
.endm
print_case:
  SHOW operation
  SHOW ring
  SHOW %cr0
  SHOW DIRECTORY+4
  SHOW PAE_DIRECTORY+16
  SHOW PAE_DIRECTORY+20
  SHOW TABLE1
  SHOW TABLE1+4
  SHOW TABLE1+8
  SHOW TABLE1+12
  movb $'=', %al
  call print_character
  SHOW trap_vector
  SHOW trap_error
  SHOW trap_eip
  SHOW trap_edx
  SHOW trap_cr2
  jmp print_line
#else
print_case:
  ret
#endif

.data
.balign 4
accesses: .long read, write, modify, fetch, read_across, write_across, modify_across, fetch_across
seed: .long 0
digest: .long 0
remaining: .long 0
operation: .long 0
ring: .long 0
pae: .long 0
.text
