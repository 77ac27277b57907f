/* Self-modifying and cross-modifying code. As on a P6, a store to code takes effect with the next instruction.
   SDM vol. 3, 8.1.3 and 11.6. */
#include "test.h"
#include "pages.h"

#define BUFFER 0x40000
#define MOV_EAX 0xB8
#define RET 0xC3

/* A function `MOV EAX, value; RET` at `address`. */
.macro FUNCTION address, value
  movb $MOV_EAX, \address
  movl $(\value), \address + 1
  movb $RET, \address + 5
.endm
.macro RESULT name, address, want
  movl $\address, %edx
  call *%edx
  CHECK "\name", %eax, $\want
.endm

TESTS
  cld
/* The next instruction. */
  movl $0, %eax
  movb $2, 1f + 1
1: movl $1, %eax
  CHECK "next instruction", %eax, $2
  /* INC EBX becomes DEC EBX a few instructions ahead. */
  movl $5, %ebx
  movb $0x4B, 1f
  nop
  nop
1: incl %ebx
  CHECK "a few instructions ahead", %ebx, $4
  /* A loop that counts its own immediate up. */
  movl $10, %ecx
  xorl %ebx, %ebx
1: movl $1, %eax
  addl %eax, %ebx
  incl 1b + 1
  loop 1b
  CHECK "loop that changes itself", %ebx, $55
  /* A jump that is redirected while it is being used. */
  movl $3, %ecx
  xorl %ebx, %ebx
1:
  incl %ebx
2: jmp 3f
  .skip 3
3:
  decl %ecx
  jz 4f
  cmpl $1, %ecx
  jne 1b
  movb $5f - 2b - 2, 2b + 1
  jmp 1b
5: addl $100, %ebx
  jmp 3b
4:
  CHECK "jump that is redirected", %ebx, $103
  /* The code before a store, in the same block. */
  movl $2, %ecx
  xorl %ebx, %ebx
1: addl $1, %ebx
  movb $16, 1b + 2
  loop 1b
  CHECK "instruction before the store", %ebx, $17

/* All ways to store. */
  FUNCTION BUFFER, 1
  RESULT "first version", BUFFER, 1
  movl $2, BUFFER + 1
  RESULT "MOV", BUFFER, 2
  movl $3, %eax
  movl $BUFFER + 1, %edi
  stosl
  RESULT "STOS", BUFFER, 3
  movl $scratch, %esi
  movl $4, scratch
  movl $BUFFER + 1, %edi
  movsl
  RESULT "MOVS", BUFFER, 4
  movl $template, %esi
  movl $BUFFER, %edi
  movl $6, %ecx
  rep movsb
  RESULT "REP MOVSB", BUFFER, 0x7E57
  movl $6, %ecx
  xchgl %ecx, BUFFER + 1
  RESULT "XCHG", BUFFER, 6
  addl $1, BUFFER + 1
  RESULT "ADD", BUFFER, 7
  movl $7, %eax
  movl $8, %ecx
  lock cmpxchgl %ecx, BUFFER + 1
  RESULT "CMPXCHG", BUFFER, 8
  btsl $0, BUFFER + 1
  RESULT "BTS", BUFFER, 9
  movl %esp, %ebp
  movl $BUFFER + 5, %esp
  pushl $10
  movl %ebp, %esp
  RESULT "PUSH", BUFFER, 10
  movl $BUFFER + 0x100, BUFFER + 0x1FC
  movl $BUFFER + 5, %esp
  call 1f
1:
  movl %ebp, %esp
  RESULT "CALL", BUFFER, 1b
  fninit
  movl $11, scratch
  fildl scratch
  fistpl BUFFER + 1
  RESULT "FISTP", BUFFER, 11
  fnstcw BUFFER + 1
  RESULT "FNSTCW", BUFFER, 0x37F
  movb $12, BUFFER + 2
  RESULT "byte in the middle", BUFFER, 0xC7F
  movw $0x1234, BUFFER + 3
  RESULT "word in the middle", BUFFER, 0x12340C7F
  movl $0, BUFFER + 1
  sete BUFFER + 1
  movl $13, scratch
  pushl scratch
  popl BUFFER + 1
  RESULT "POP", BUFFER, 13
  shll $1, BUFFER + 1
  RESULT "SHL", BUFFER, 26
  sgdtl BUFFER + 0x10
  movl $0, BUFFER + 1
  sidtl BUFFER + 1 - 2
  movb $MOV_EAX, BUFFER
  RESULT "SIDT", BUFFER, idt
  DESCRIPTOR SCRATCH, BUFFER - 0x50000, 0xFFFFF, 0x93, FLAGS32
  movw $SCRATCH, %ax
  movw %ax, %fs
  movl $14, %fs:0x50001
  RESULT "through a segment with a base", BUFFER, 14
  movw $0, %ax
  movw %ax, %fs
  ENTER3 1f
1:
  movl $15, BUFFER + 1
  GUARD 2f
  int $LEAVE
2:
  TRAPPED "ring 3", LEAVE, NONE, 2b
  RESULT "by ring 3", BUFFER, 15
  /* Whole programs written, run and overwritten. */
  xorl %ebx, %ebx
  movl $1000, %ecx
1:
  movl %ecx, BUFFER + 1
  movl $BUFFER, %edx
  call *%edx
  addl %eax, %ebx
  loop 1b
  CHECK "1000 versions", %ebx, $500500
  /* Data beside code. */
  xorl %ebx, %ebx
  movl $1000, %ecx
1:
  movl %ecx, BUFFER + 0x10
  movl $BUFFER, %edx
  call *%edx
  addl BUFFER + 0x10, %ebx
  loop 1b
  CHECK "data in a page of code", %ebx, $500500
  /* Instructions of other lengths: NOPs become one long instruction, and back. */
  movl $0x90909090, BUFFER
  movl $0x90909090, BUFFER + 4
  movb $RET, BUFFER + 8
  movl $77, %eax
  movl $BUFFER, %edx
  call *%edx
  CHECK "NOPs", %eax, $77
  movb $MOV_EAX, BUFFER + 2
  RESULT "NOPs become an operand", BUFFER, 0x90909090
  movb $0x90, BUFFER + 2
  movb $0x40, BUFFER + 3
  movl $77, %eax
  call *%edx
  CHECK "and instructions again", %eax, $78

/* Across pages. */
  FUNCTION BUFFER + 0xFFE, 0x11223344
  RESULT "instruction across pages", BUFFER + 0xFFE, 0x11223344
  movb $0x55, BUFFER + 0x1002
  RESULT "its second page changed", BUFFER + 0xFFE, 0x55223344
  movb $0x66, BUFFER + 0xFFF
  RESULT "its first page changed", BUFFER + 0xFFE, 0x55223366
  movl $0xAABBCCDD, BUFFER + 0xFFF
  RESULT "changed by a store across", BUFFER + 0xFFE, 0xAABBCCDD
  /* A store at the end of a page changes the instruction at the start of the next. */
  FUNCTION BUFFER + 0x2000, 1
  movw $0x05C6, BUFFER + 0x1FF9
  movl $BUFFER + 0x2001, BUFFER + 0x1FFB
  movb $99, BUFFER + 0x1FFF
  RESULT "store at the end of a page", BUFFER + 0x1FF9, 99
  /* Back to front: a store in one page to the page before, which then runs. */
  FUNCTION BUFFER + 0xFFA, 5
  RESULT "last bytes of a page", BUFFER + 0xFFA, 5
  movl $BUFFER + 0xFFB, %edi
  movl $0x00000006, (%edi)
  RESULT "changed", BUFFER + 0xFFA, 6

/* The same bytes as 16-bit and as 32-bit code: MOV EAX, 50401234h against MOV AX, 1234h; INC AX; PUSH AX.
   It returns by a far RET whose operand size is given. */
  movl $0x401234B8, BUFFER
  movl $0x90904040, BUFFER + 4
  movl $0x9090CB66, BUFFER + 8
  DESCRIPTOR SCRATCH, BUFFER, 0xFFFF, 0x9B, FLAGS16
  DESCRIPTOR SCRATCH + 8, BUFFER, 0xFFFF, 0x9B, FLAGS32_BYTE
  movb $0xCB, BUFFER + 0x20
.macro BOTH name, want32, want16
  movl $0xFFFF0000, %eax
  movw $0xCB90, BUFFER + 8
  lcall $SCRATCH + 8, $0
  CHECK "\name as 32-bit code", %eax, $\want32
  movl $0xFFFF0000, %eax
  movw $0xCB66, BUFFER + 8
  lcall $SCRATCH, $0
  CHECK "\name as 16-bit code", %eax, $\want16
.endm
  movl $0x341234B8, BUFFER
  movl $0x90909012, BUFFER + 4
  /* As 16-bit code: MOV AX, 1234h; XOR AL, 12h. */
  BOTH "bytes", 0x12341234, 0xFFFF1226
  BOTH "again", 0x12341234, 0xFFFF1226
  movb $0x13, BUFFER + 4
  BOTH "changed", 0x13341234, 0xFFFF1227

/* With paging: aliases, remapping, other address spaces. */
  PAGING_ON
  MAP 0, P + W + U
  MAP 1, P + W + U
  movl $(M(0) + P + W + U), ENTRY(8)
  FUNCTION L(0) + 0x10, 1
  RESULT "code in a page", L(0) + 0x10, 1
  movl $2, L(8) + 0x11
  RESULT "changed through an alias", L(0) + 0x10, 2
  RESULT "run at the alias", L(8) + 0x10, 2
  movl $3, M(0) + 0x11
  RESULT "changed through the identity", L(0) + 0x10, 3
  RESULT "and at the alias", L(8) + 0x10, 3
  /* The same code finds itself at both addresses: CALL next; POP EAX; RET. */
  movl $0x000000E8, L(0) + 0x20
  movl $0x00C35800, L(0) + 0x24
  RESULT "EIP at one address", L(0) + 0x20, L(0) + 0x25
  RESULT "EIP at the alias", L(8) + 0x20, L(8) + 0x25
  FUNCTION L(1) + 0x10, 4
  movl $(M(1) + P + W + U), ENTRY(0)
  invlpg L(0)
  RESULT "remapped code", L(0) + 0x10, 4
  movl $(M(0) + P + W + U), ENTRY(0)
  movl %cr3, %eax
  movl %eax, %cr3
  RESULT "mapped back", L(0) + 0x10, 3
  /* A second address space. */
  movl $DIRECTORY, %esi
  movl $POINTERS, %edi
  movl $0x400, %ecx
  rep movsl
  movl $TABLE1, %esi
  movl $PAE_DIRECTORY, %edi
  movl $0x400, %ecx
  rep movsl
  movl $(PAE_DIRECTORY + P + W + U), POINTERS + 4
  movl $(M(1) + P + W + U), PAE_DIRECTORY
  xorl %ebx, %ebx
  movl $10, %ecx
1:
  movl $POINTERS, %eax
  movl %eax, %cr3
  movl $L(0) + 0x10, %edx
  call *%edx
  shll $8, %ebx
  addl %eax, %ebx
  movl $DIRECTORY, %eax
  movl %eax, %cr3
  call *%edx
  shll $8, %ebx
  addl %eax, %ebx
  loop 1b
  CHECK "two address spaces in turn", %ebx, $0x04030403
  /* An instruction across two pages whose second page is remapped. */
  FUNCTION L(1) - 3, 0x11112222
  RESULT "across pages", L(1) - 3, 0x11112222
  movl $(M(5) + P + W + U), ENTRY(1)
  invlpg L(1)
  movl $0x90C34455, M(5)
  RESULT "second page remapped", L(1) - 3, 0x44552222
  movl $0, ENTRY(1)
  invlpg L(1)
  movl $L(1) - 3, %edx
  GUARD 1f
  call *%edx
1:
  TRAPPED "second page unmapped", 14, 0, L(1) - 3
  CHECK "its CR2", trap_cr2, $L(1)
  MAP 1, P + W + U
  movb $RET, L(1) + 3
  /* Code loses its page while it runs there. */
  FUNCTION L(1) + 0x10, 1
  movl $(M(6) + P + W + U), ENTRY(9)
  /* Both pages have the INVLPG: the TLB may forget the old one at any time. */
  movl $0x003D010F, L(1) + 0x100
  movl $L(1), L(1) + 0x103
  movl $0x003D010F, M(7) + 0x100
  movl $L(1), M(7) + 0x103
  FUNCTION L(1) + 0x107, 1
  movl $(M(7) + P + W + U), ENTRY(1)
  FUNCTION M(7) + 0x107, 2
  RESULT "INVLPG of the page that it is in", L(1) + 0x100, 2
  /* Access rights of a page of code change. */
  MAP 0, P + W + U
  FUNCTION L(0) + 0x10, 7
  MAP 0, P + U
  RESULT "read-only code", L(0) + 0x10, 7
  SET_CR0 WP
  FAULTS "store to it", 14, 3, movl $8, L(0) + 0x11
  RESULT "unchanged", L(0) + 0x10, 7
  CLEAR_CR0 WP
  RUNS "store to it without WP", movl $8, L(0) + 0x11
  RESULT "changed", L(0) + 0x10, 8
  CLEAR_CR0 PG
  RESULT "without paging", M(0) + 0x10, 8
FINISH

.data
.balign 4
scratch: .long 0
template:
  .byte MOV_EAX
  .long 0x7E57
  .byte RET
.text
