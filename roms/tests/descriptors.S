/* Random descriptors, selectors and gates met by all instructions that check them, in rings 0 and 3. What happened is
   folded into a digest for each group of cases; the expected digests are those of Bochs 2.7. Assembled with VERBOSE, it
   prints every case instead, to find the one that differs. */
#include "test.h"

#define TARGET SCRATCH
#define GATE_SELECTOR (SCRATCH + 8)
#define DATA1 (SCRATCH + 16 + 1)
#define DATA2 (SCRATCH + 24 + 2)
#define VECTOR 0x51
#define AREA 0x100000

.macro CASES name, want
  movl $512, remaining
  call run_cases
  CHECK "\name", digest, $\want
.endm
/* Folds a dword into the digest. */
.macro FOLD value
  movl \value, %eax
  call fold
.endm

TESTS
  DESCRIPTOR DATA1, 0, 0xFFFFF, 0xB3, FLAGS32
  DESCRIPTOR DATA2, 0, 0xFFFFF, 0xD3, FLAGS32
  movl $0x24000, tss + 12
  movl $DATA1, tss + 16
  movl $0x25000, tss + 20
  movl $DATA2, tss + 24
  movl $0x12345678, seed
  movl $0, digest
  CASES "random cases, group 1", 0xD5DA717F
  CASES "random cases, group 2", 0xB0583670
  CASES "random cases, group 3", 0x48B1045F
  CASES "random cases, group 4", 0x8496B19E
  CASES "random cases, group 5", 0xAC579AD1
  CASES "random cases, group 6", 0x31DED775
  CASES "random cases, group 7", 0x31F2DBC3
  CASES "random cases, group 8", 0x43D050F4
  CASES "random cases, group 9", 0x3044DE32
  CASES "random cases, group 10", 0x5B55B623
  CASES "random cases, group 11", 0xC595939F
  CASES "random cases, group 12", 0x692F3E1A
  CASES "random cases, group 13", 0xAF151E72
  CASES "random cases, group 14", 0x9B47C9F6
  CASES "random cases, group 15", 0x7F83B470
  CASES "random cases, group 16", 0xDF8D9191
FINISH

/* At an address that does not move: it is in the digests. */
.section .user, "awx"
run_cases:
  /* Fresh segments; the instruction, the ring. */
  xorl %eax, %eax
  movw %ax, %fs
  movw %ax, %gs
  call random
  movl %eax, %ecx
  andl $15, %eax
  movl %eax, operation
  shrl $4, %ecx
  andl $1, %ecx
  movl %ecx, ring

  /* The descriptor: any access byte, any G, D and AVL, one of the limits. */
  call random
  movl %eax, %ebx
  shrl $8, %ebx
  andl $7, %ebx
  movl limits(, %ebx, 4), %ebx
  movl %ebx, limit
  movl %eax, %ecx
  andl $0x00D00000, %ecx
  movb %al, %ch
  andl $0x00D0FF00, %ecx
  /* Mostly present, mostly a segment. */
  testl $0x7000, %eax
  jz 1f
  orl $0x8000, %ecx
1:
  testl $0x70000, %eax
  jz 1f
  orl $0x1000, %ecx
1:
  cmpl $10, operation
  jb 1f
  /* What is jumped to has base 0, and is no task and no gate. */
  testl $0x1000, %ecx
  jnz 2f
  andl $0xFFFFF0FF, %ecx
  orl $0x200, %ecx
  jmp 2f
1:
  orl $(AREA >> 16), %ecx
2:
  movl %ebx, %eax
  andl $0xF0000, %eax
  orl %eax, %ecx
  movzwl %bx, %ebx
  movl %ebx, gdt + TARGET
  movl %ecx, gdt + TARGET + 4

  /* The selector. */
  call random
  movl %eax, %ebx
  andl $3, %ebx
  orl $TARGET, %ebx
  testl $0xF0, %eax
  jnz 1f
  orl $4, %ebx
1:
  movl %ebx, selector
  movl $landing, far_pointer
  movw %bx, far_pointer + 4
  /* A call gate in the GDT and a gate in the IDT, to it. */
  movl %ebx, %ecx
  shll $16, %ecx
  orl $landing, %ecx
  movl %ecx, gdt + GATE_SELECTOR
  movl %ecx, idt + VECTOR * 8
  call random
  movl %eax, %ecx
  andl $0x0000EF03, %ecx
  testl $0x10000, %eax
  jz 1f
  andl $0xFFFFF703, %ecx
1:
  testl $0x60000, %eax
  jz 1f
  /* Mostly a call gate. */
  andl $0xFFFFE8FF, %ecx
  orl $0x8400, %ecx
1:
  /* No task gates, no task states. */
  movl %ecx, %edx
  andl $0x1700, %edx
  cmpl $0x0500, %edx
  je 2f
  andl $0x1500, %edx
  cmpl $0x0100, %edx
  jne 3f
2:
  andl $0xFFFFF0FF, %ecx
  orl $0x0C00, %ecx
3:
  movl %ecx, gdt + GATE_SELECTOR + 4
  call random
  movl %eax, %ecx
  andl $0x0000FF00, %ecx
  testl $0x60000, %eax
  jz 1f
  /* Mostly an interrupt or trap gate. */
  andl $0xFFFFE9FF, %ecx
  orl $0x8600, %ecx
1:
  movl %ecx, %edx
  andl $0x1700, %edx
  cmpl $0x0500, %edx
  jne 1f
  orl $0x0200, %ecx
1:
  movl %ecx, idt + VECTOR * 8 + 4
  andl $3, %eax
  orl $GATE_SELECTOR, %eax
  movw %ax, gate_pointer + 4

  /* Offset of an access: around the limit, as it counts. */
  call random
  movl %eax, %edi
  andl $15, %edi
  subl $8, %edi
  movl limit, %ebx
  testl $0x00800000, gdt + TARGET + 4
  jz 1f
  shll $12, %ebx
  orl $0xFFF, %ebx
1:
  testl $0x300, %eax
  jnz 1f
  /* Or anywhere in the first 128 KiB. */
  movl %eax, %edi
  shrl $12, %edi
  andl $0x1FFFF, %edi
  xorl %ebx, %ebx
1:
  addl %edi, %ebx
  /* Not around 4 GiB: what happens there depends on the processor. */
  cmpl $0xFFFFFFFC, %ebx
  jbe 1f
  movl $0xFFFFFFFC, %ebx
1:

  /* Flags for IRET: no TF, NT, VM, IF. */
  call random
  andl $0x00243CD5, %eax
  orl $2, %eax
  movl %eax, flags
  /* The other stack selector. */
  call random
  andl $3, %eax
  movl stacks(, %eax, 4), %edi

  movl $1f, guard_resume
  movl %esp, guard_esp
  movl $0xD0D0D0D0, %edx
  movl operation, %esi
  movl instructions(, %esi, 4), %esi
  movl selector, %eax
  cmpl $0, ring
  jne 2f
  movl $DATA0, %ecx
  jmp *%esi
2:
  movl $DATA3, %ecx
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
  FOLD trap_cs
  movl trap_eflags, %eax
  andl $0x00267FD7, %eax
  call fold
  FOLD trap_edx
  FOLD trap_es
  FOLD trap_fs
  FOLD handler_esp
  testl $3, trap_cs
  jz 1f
  FOLD trap_esp
  FOLD trap_ss
1:
  FOLD gdt + TARGET + 4
  movl $NONE, trap_vector
  movl $NONE, trap_error
  decl remaining
  jnz run_cases
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

/* EAX: the selector; EBX: an offset; ECX: the stack of this ring; EDI: another. Each ends with an exception. */
load_fs:
  movw %ax, %fs
landing:
  int $LEAVE
load_es:
  movw %ax, %es
  int $LEAVE
load_ss:
  movw %ax, %ss
  movw %cx, %ss
  int $LEAVE
get_access:
  larl %eax, %edx
  int $LEAVE
get_limit:
  lsll %eax, %edx
  int $LEAVE
may_read:
  verr %ax
  int $LEAVE
may_write:
  verw %ax
  int $LEAVE
read_byte:
  movw %ax, %fs
  movb %fs:(%ebx), %dl
  int $LEAVE
read_dword:
  movw %ax, %fs
  movl %fs:(%ebx), %edx
  int $LEAVE
write_word:
  movw %ax, %fs
  movw %dx, %fs:(%ebx)
  int $LEAVE
far_jump:
  ljmp *%ss:far_pointer
far_call:
  lcall *%ss:far_pointer
far_return:
  pushl %edi
  pushl $0x26000
  pushl %eax
  pushl $landing
  lretl
interrupt_return:
  pushl %edi
  pushl $0x26000
  pushl %ss:flags
  pushl %eax
  pushl $landing
  iretl
software_interrupt:
  int $VECTOR
call_gate:
  lcall *%ss:gate_pointer

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
  SHOW gdt+TARGET
  SHOW gdt+TARGET+4
  SHOW selector
  SHOW gdt+GATE_SELECTOR+4
  SHOW idt+VECTOR*8+4
  SHOW flags
  movb $'=', %al
  call print_character
  SHOW trap_vector
  SHOW trap_error
  SHOW trap_eip
  SHOW trap_cs
  SHOW trap_eflags
  SHOW trap_edx
  SHOW trap_es
  SHOW trap_fs
  SHOW handler_esp
  SHOW trap_esp
  SHOW trap_ss
  jmp print_line
#else
print_case:
  ret
#endif

.data
.balign 4
instructions:
  .long load_fs, load_es, load_ss, get_access, get_limit, may_read, may_write, read_byte
  .long read_dword, write_word, far_jump, far_call, far_return, interrupt_return, software_interrupt, call_gate
limits:
  .long 0xFFFFF, 0xFFFF, landing - 1, 0xFFFE, landing + 1, 0x0FFF, 0, 0xFFFFF
stacks:
  .long DATA3, DATA0, DATA1, DATA2
far_pointer: .long 0, 0
gate_pointer: .long 0, 0
seed: .long 0
digest: .long 0
remaining: .long 0
operation: .long 0
ring: .long 0
limit: .long 0
selector: .long 0
flags: .long 0
.text
